//! Asking a base for its Python. Always the base, never the merged image: running something there would unpack
//! every wheel layer.

use buildkit_llb::{Exec, Mount, Network, State};

use super::base;
use super::context::Context;
use crate::diag::Span;

/// The file in the probe's result.
pub const PROBE_FILE: &str = "/interpreter.json";

const SHELL: &str = include_str!("scripts/probe.sh");
const PYTHON: &str = include_str!("scripts/probe.py");

/// A tree that holds [`PROBE_FILE`]: what the Python of `root` says of itself, `{}` when there is none. Without a
/// root the image itself is asked, on the platform of the engine, so that no emulator is needed for another one.
pub fn probe(cx: &Context, root: Option<State>, minor: &str, at: Span) -> State {
    let platform = if root.is_some() {
        &cx.platform
    } else {
        &cx.build_platform
    };
    let root = root.unwrap_or_else(|| base::image(cx, platform, at));
    let scripts = cx.script(&[("probe.py", PYTHON), ("probe.sh", SHELL)]);
    let exec = Exec::new(["/bin/sh", "/run/wheelwright/probe.sh", minor])
        .root(root)
        .platform(platform.clone())
        .cwd("/")
        .network(Network::None)
        .mount(Mount::bind("/run/wheelwright", scripts).readonly())
        .mount(Mount::bind("/out", State::scratch()));
    let exec = cx.with_base_environment(exec);
    cx.output(exec, format!("[internal] look at the Python of {}", cx.image), at)
}
