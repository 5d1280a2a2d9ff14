//! The smoke test: the modules that a service must be able to import, imported in its finished image.
//!
//! Metadata cannot tell that a package imports what it does not ask for; running it can. It unpacks every layer, so it
//! is for services that ask for it, and what it leaves behind is thrown away.

use buildkit_llb::{Exec, Mount, Network, State};
use serde_json::Value;

use super::context::Context;
use crate::plan::Plan;

const SCRIPT: &str = include_str!("scripts/smoke.py");

/// The image after its modules were imported, as its own user, with its own environment, without a network.
pub fn smoke(plan: &Plan, image: State, config: &[u8], cx: &Context) -> State {
    let config = serde_json::from_slice::<Value>(config).unwrap_or_default();
    let python = format!("{}/bin/python", plan.venv);
    let script = cx.script(&[("smoke.py", SCRIPT)]);
    let args = [python.as_str(), "/run/wheelwright/smoke.py"].map(str::to_owned);
    let modules = plan.smoke.iter().map(|module| module.value.clone());
    let exec = Exec::new(args.into_iter().chain(modules))
        .root(image)
        .platform(cx.platform.clone())
        .cwd(&plan.image.working_dir)
        .network(Network::None)
        .mount(Mount::bind("/run/wheelwright", script).readonly());
    let exec = match &plan.image.user {
        Some(user) => exec.user(user),
        None => exec,
    };
    let environment = config["config"]["Env"].as_array().cloned().unwrap_or_default();
    let exec = environment
        .iter()
        .filter_map(|entry| entry.as_str()?.split_once('='))
        .fold(exec, |exec, (name, value)| exec.env(name, value));
    let at = plan.smoke.first().map_or(plan.at, |module| module.span);
    cx.exec(exec, format!("[{}] smoke test", plan.service), at)
        .build()
        .root()
}
