//! The resolve stage: requirement files to locks, by uv, on the base's own Python.
//!
//! `scripts/resolve.py` drives uv as a job file says; everything that decides the result is in that file or in the
//! mounted requirement files, so the result is cached by content.

use buildkit_llb::{BindMount, Exec, Mount, State};
use serde_json::{Value, json};

use super::context::Context;
use super::{indexes, uv};
use crate::diag::Span;
use crate::manifest::ProjectPath;
use crate::python::{Anchor, Interpreter};

/// What became of a job that reports.
pub const REPORT_FILE: &str = "/report.json";

/// Where the paths in it begin.
pub const RESOLVED: Anchor<'_> = Anchor {
    lock: "/out",
    repository: REQUIREMENTS,
};

/// Where the repository's files are in the resolve stage.
const REQUIREMENTS: &str = "/run/requirements";
const SCRIPT: &str = include_str!("scripts/resolve.py");

/// What is resolved, and on what.
#[derive(Debug)]
pub struct ResolveInputs<'a> {
    /// What is resolved, for names.
    pub label: &'a str,
    /// Root file system with the interpreter, on the engine's own platform.
    pub root: State,
    /// The interpreter packages are resolved for.
    pub interpreter: &'a Interpreter,
    /// The services; several get equal versions.
    pub services: Vec<Asked<'a>>,
    /// Which build of PyTorch to take.
    pub torch: Option<String>,
    /// Packages uploaded later are not looked at.
    pub exclude_newer: Option<String>,
    /// Constraint files for what source distributions are built with.
    pub build_constraints: &'a [ProjectPath],
    /// Versions to keep where nothing speaks against them, as a requirement file.
    pub preferences: String,
    /// Whether a failure is reported in [`REPORT_FILE`] rather than failing the step.
    pub report: bool,
    /// Another value asks the indexes again, whatever is in the cache.
    pub refresh: &'a str,
    /// All files that are named, themselves included.
    pub files: State,
    /// Whether they are the resolver's to write to: packages are built in them for their metadata, or addresses changed.
    pub writable: bool,
    /// Variables that the files ask for: those without a value are secrets of the same name.
    pub variables: Vec<(String, Option<String>)>,
    /// Where the requirements are listed.
    pub at: Span,
}

/// What one service asks for.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Its name.
    pub name: &'a str,
    /// Requirement files, in order.
    pub requirements: &'a [ProjectPath],
    /// Constraint files, in order.
    pub constraints: &'a [ProjectPath],
}

/// The lock of the `n`th of `count` services in the result.
pub fn lock_file(n: usize, count: usize) -> String {
    if count == 1 {
        "/pylock.toml".to_owned()
    } else {
        format!("/{n}/pylock.toml")
    }
}

/// A tree that holds the services' locks.
pub fn resolve(inputs: &ResolveInputs<'_>, cx: &Context) -> State {
    let job = ("resolve.py", SCRIPT, &job(inputs, cx));
    let exec = indexes::step(cx, (&inputs.root, inputs.interpreter, inputs.at), job)
        .cwd(REQUIREMENTS)
        .mount(files(inputs));
    let exec = with_variables(inputs, indexes::refreshed(exec, inputs.refresh));
    cx.output(
        exec,
        format!("[{}] resolve requirements", inputs.label),
        inputs.at,
    )
}

fn files(inputs: &ResolveInputs<'_>) -> BindMount {
    let mount = Mount::bind(REQUIREMENTS, inputs.files.clone());
    if inputs.writable {
        mount.no_output()
    } else {
        mount.readonly()
    }
}

fn with_variables(inputs: &ResolveInputs<'_>, exec: Exec) -> Exec {
    inputs
        .variables
        .iter()
        .fold(exec, |exec, (name, value)| match value {
            Some(value) => exec.env(name, value),
            None => exec.secret_env(name, name, true),
        })
}

fn job(inputs: &ResolveInputs<'_>, cx: &Context) -> Value {
    let services = inputs.services.iter().map(|asked| {
        json!({"name": asked.name, "requirements": asked.requirements, "constraints": asked.constraints})
    });
    json!({
        "uv": uv::PROGRAM,
        "options": options(inputs, cx),
        "services": services.collect::<Vec<_>>(),
        "indexes": indexes::listed(cx),
        // Secrets among the variables are in uv's environment, where code that it builds would see them.
        "relay": inputs.variables.iter().all(|(_, value)| value.is_some()),
        "preferences": inputs.preferences,
        "report": inputs.report,
    })
}

/// uv's options that are the same for every run of the job.
fn options(inputs: &ResolveInputs<'_>, cx: &Context) -> Vec<String> {
    let mut options = vec![
        "--quiet".to_owned(),
        "--no-config".to_owned(),
        "--no-header".to_owned(),
    ];
    let mut option = |name: &str, value: &str| options.extend([name.to_owned(), value.to_owned()]);
    option("--python", &inputs.interpreter.executable);
    if cx.platform.architecture != cx.build_platform.architecture {
        option("--python-version", &inputs.interpreter.version);
        option("--python-platform", &uv::platform(inputs.interpreter));
    }
    if let Some(torch) = &inputs.torch {
        option("--torch-backend", torch);
    }
    if let Some(moment) = &inputs.exclude_newer {
        option("--exclude-newer", moment);
    }
    for file in inputs.build_constraints {
        option("--build-constraints", file.as_str());
    }
    options
}
