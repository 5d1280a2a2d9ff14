//! The bytecode stage: `__pycache__` of wheels, in layers of its own.
//!
//! Compiled from the wheels themselves, never from their layers, which stay as they are where they are. On one Python
//! image per minor version, not on the service's base: a patched base compiles nothing again. Bytecode is the same on
//! every architecture, so it is always made on the engine's own.

use buildkit_llb::{Exec, Mount, Network, State};

use super::context::EPOCH;
use super::wheels::Wheels;
use crate::layers::{Kind, WheelLayer};

const SHELL: &str = include_str!("scripts/bytecode.sh");
const PYTHON: &str = include_str!("scripts/bytecode.py");

/// The image that compiles: its root file system and its search path for programs.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The root.
    pub root: State,
    /// Value of PATH; empty for the engine's default.
    pub path: String,
}

/// A bytecode layer.
pub(super) fn layer(wheels: &Wheels<'_>, layer: &WheelLayer, name: String) -> State {
    compile(wheels, &layer.packages, State::scratch(), name)
}

/// The bytecode of all packages into a tree that holds them, where the engine cannot merge.
pub(super) fn compile_into(wheels: &Wheels<'_>, tree: State) -> State {
    let plan = wheels.plan;
    let layers = plan.layers.iter().filter(|layer| layer.kind == Kind::Bytecode);
    let mut packages = layers
        .flat_map(|layer| layer.packages.clone())
        .collect::<Vec<_>>();
    if packages.is_empty() {
        return tree;
    }
    packages.sort_unstable();
    let name = format!(
        "[{}] compile bytecode of {} packages",
        plan.service,
        packages.len()
    );
    compile(wheels, &packages, tree, name)
}

fn compile(wheels: &Wheels<'_>, packages: &[usize], on: State, name: String) -> State {
    let (plan, cx) = (wheels.plan, wheels.cx);
    let Some(compiler) = &cx.compiler else { return on };
    let minor = plan.interpreter.minor.to_string();
    let site_packages = format!("{}/lib/python{minor}/site-packages", plan.venv);
    let scripts = cx.script(&[("bytecode.py", PYTHON), ("bytecode.sh", SHELL)]);
    let args = ["/bin/sh", "/run/wheelwright/bytecode.sh", &minor, &site_packages];
    let exec = Exec::new(args.map(str::to_owned).into_iter().chain([EPOCH.to_string()]))
        .root(compiler.root.clone())
        .platform(cx.build_platform.clone())
        .cwd("/")
        .network(Network::None)
        .env("PYTHONHASHSEED", "0")
        .env("LC_ALL", "C.UTF-8")
        .mount(Mount::bind("/run/wheelwright", scripts).readonly())
        .mount(Mount::cache(
            "/var/cache/wheelwright-bytecode",
            cx.cache_id(&["bytecode", &minor]),
        ))
        .mount(Mount::bind("/out", on));
    let exec = if compiler.path.is_empty() {
        exec
    } else {
        exec.env("PATH", &compiler.path)
    };
    let exec = packages.iter().enumerate().fold(exec, |exec, (n, index)| {
        exec.mount(Mount::bind(format!("/run/wheels/{n}"), wheels.tree(*index)).readonly())
    });
    cx.output(exec, name, plan.at)
}
