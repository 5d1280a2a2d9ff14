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

/// What a program is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking<'a> {
    /// A shell that looks for the Python, first for that of a minor version.
    Shell(&'a str),
    /// The Python itself, in an image without a shell.
    Python,
}

/// The image itself, on the platform of the engine.
pub fn asked_image(cx: &Context, at: Span) -> State {
    base::image(cx, &cx.build_platform, at)
}

/// A tree that holds [`PROBE_FILE`]: what the Python of `root` says of itself, `{}` when there is none. Without a
/// root the image itself is asked, on the platform of the engine, so that no emulator is needed for another one.
pub fn probe(cx: &Context, root: Option<State>, asking: Asking<'_>, at: Span) -> State {
    let platform = if root.is_some() {
        &cx.platform
    } else {
        &cx.build_platform
    };
    let root = root.unwrap_or_else(|| asked_image(cx, at));
    let scripts = cx.script(&[("probe.py", PYTHON), ("probe.sh", SHELL)]);
    let exec = match asking {
        Asking::Shell(minor) => Exec::new(["/bin/sh", "/run/wheelwright/probe.sh", minor]),
        Asking::Python => Exec::new([
            "python3",
            "-I",
            "-S",
            "/run/wheelwright/probe.py",
            "/out/interpreter.json",
        ]),
    };
    let exec = exec
        .root(root)
        .platform(platform.clone())
        .cwd("/")
        .network(Network::None)
        .mount(Mount::bind("/run/wheelwright", scripts).readonly())
        .mount(Mount::bind("/out", State::scratch()));
    let exec = cx.with_base_environment(exec);
    cx.output(exec, format!("[internal] look at the Python of {}", cx.image), at)
}
