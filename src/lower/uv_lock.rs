//! The uv.lock of a workspace, made by `uv lock` on the base's own Python. `scripts/lock.py` runs it as a job file says.

use buildkit_llb::{Mount, State};
use serde_json::json;

use super::context::Context;
use super::{indexes, uv};
use crate::diag::Span;
use crate::manifest::ProjectPath;
use crate::python::Interpreter;

/// The lock in the result.
pub const UV_LOCK_FILE: &str = "/uv.lock";

const SCRIPT: &str = include_str!("scripts/lock.py");
const FILES: &str = "/run/requirements";

/// What is locked, and on what.
#[derive(Debug)]
pub struct WorkspaceInputs<'a> {
    /// The folder of the workspace's own pyproject.toml.
    pub folder: &'a ProjectPath,
    /// Root file system with the interpreter, on the engine's own platform.
    pub root: State,
    /// Its interpreter.
    pub interpreter: &'a Interpreter,
    /// What uv reads of the repository.
    pub files: State,
    /// Options of `uv lock` that say what may change.
    pub upgrade: Vec<String>,
    /// Another value asks the indexes again, whatever is in the cache.
    pub refresh: &'a str,
    /// Where the project is named.
    pub at: Span,
}

/// A tree that holds the lock.
pub fn lock_workspace(inputs: &WorkspaceInputs<'_>, cx: &Context) -> State {
    let job = json!({
        "uv": uv::PROGRAM,
        "python": inputs.interpreter.executable,
        "folder": inputs.folder,
        "options": inputs.upgrade,
        "indexes": indexes::listed(cx),
        "mirrors": cx.indexes.mirrors,
    });
    let on = (&inputs.root, inputs.interpreter, inputs.at);
    let exec = indexes::step(cx, on, ("lock.py", SCRIPT, &job))
        .cwd(FILES)
        .mount(Mount::bind(FILES, inputs.files.clone()).readonly());
    let exec = indexes::refreshed(exec, inputs.refresh);
    cx.output(exec, format!("[lock] uv lock {}", inputs.folder), inputs.at)
}
