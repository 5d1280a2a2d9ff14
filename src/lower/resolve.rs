//! The resolve stage, for services without a lock: requirement files to a pylock, by uv, on the base's own Python.

use buildkit_llb::{Exec, Mount, Sharing, State};

use super::context::{Context, EPOCH};
use crate::diag::Span;
use crate::manifest::ProjectPath;
use crate::python::{Anchor, Interpreter, Libc};

/// The file in the resolve stage's result.
pub const LOCK_FILE: &str = "/pylock.toml";

/// Where the paths in it begin.
pub const RESOLVED: Anchor<'_> = Anchor {
    lock: "/out",
    repository: REQUIREMENTS,
};

/// Where the repository's files are in the resolve stage.
const REQUIREMENTS: &str = "/run/requirements";

const FETCH_UV: &str = include_str!("scripts/uv.sh");
const UV_HASHES: &str = include_str!("scripts/uv.txt");
const UV_VERSION: &str = "0.13.9";

/// What is resolved, and on what.
#[derive(Debug)]
pub struct ResolveInputs<'a> {
    /// Service, for names.
    pub service: &'a str,
    /// Root file system with the interpreter, on the engine's own platform.
    pub root: State,
    /// The interpreter packages are resolved for.
    pub interpreter: &'a Interpreter,
    /// Requirement files, in order.
    pub requirements: &'a [ProjectPath],
    /// Constraint files, in order.
    pub constraints: &'a [ProjectPath],
    /// All files that these name, themselves included.
    pub files: State,
    /// Where the requirements are listed.
    pub at: Span,
}

/// A tree that holds [`LOCK_FILE`]. Cached by the content of the requirement files.
pub fn resolve(inputs: &ResolveInputs<'_>, cx: &Context) -> State {
    let python = &inputs.interpreter.executable;
    let mut args = [
        "/run/wheelwright/uv",
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--no-header",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut option = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
    option("--format", "pylock.toml");
    option("--output-file", "/out/pylock.toml");
    option("--python", python);
    if cx.platform.architecture != cx.build_platform.architecture {
        option("--python-version", &inputs.interpreter.version);
        option("--python-platform", &uv_platform(inputs.interpreter));
    }
    for file in inputs.constraints {
        option("--constraint", file.as_str());
    }
    for (name, url, default) in &cx.indexes {
        option(
            if *default { "--default-index" } else { "--index" },
            &format!("{name}={url}"),
        );
    }
    args.push("--".to_owned());
    args.extend(inputs.requirements.iter().map(ToString::to_string));

    let exec = Exec::new(args)
        .root(inputs.root.clone())
        .platform(cx.build_platform.clone())
        .cwd(REQUIREMENTS)
        .mount(Mount::bind(REQUIREMENTS, inputs.files.clone()).readonly())
        .mount(Mount::bind("/run/wheelwright", uv(cx, inputs.root.clone(), python, inputs.at)).readonly())
        .mount(Mount::bind("/out", State::scratch()));
    let exec = with_uv_environment(cx, cx.online(cx.with_base_environment(exec)), inputs.interpreter);
    cx.output(
        exec,
        format!("[{}] resolve requirements", inputs.service),
        inputs.at,
    )
}

/// A tree that holds `uv`, fetched by name and hash.
pub(super) fn uv(cx: &Context, root: State, python: &str, at: Span) -> State {
    let scripts = cx.script(&[("uv.sh", FETCH_UV), ("uv.txt", UV_HASHES)]);
    let exec = Exec::new(["/bin/sh", "/run/wheelwright/uv.sh", python])
        .root(root)
        .platform(cx.build_platform.clone())
        .cwd("/")
        .mount(Mount::bind("/run/wheelwright", scripts).readonly())
        .mount(Mount::bind("/out", State::scratch()))
        .mount(Mount::tmpfs("/tmp"));
    let exec = cx.online(cx.with_base_environment(exec));
    cx.output(exec, format!("[tools] fetch uv {UV_VERSION}"), at)
}

/// uv's surroundings: a cache of its own, the system's certificates, and nothing from the network but packages.
pub(super) fn with_uv_environment(cx: &Context, exec: Exec, interpreter: &Interpreter) -> Exec {
    let id = cx.cache_id(&[
        "uv",
        UV_VERSION,
        &cx.project,
        &interpreter.minor.to_string(),
        &cx.platform.to_string(),
    ]);
    exec.mount(Mount::cache("/root/.cache/uv", id).sharing(Sharing::Shared))
        .env("UV_CACHE_DIR", "/root/.cache/uv")
        .env("UV_SYSTEM_CERTS", "true")
        .env("UV_NATIVE_TLS", "true")
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env("UV_NO_PROGRESS", "1")
        .env("UV_LINK_MODE", "copy")
        .env("HOME", "/root")
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
}

fn uv_platform(interpreter: &Interpreter) -> String {
    match interpreter.libc {
        Libc::Glibc(major, minor) => format!("{}-manylinux_{major}_{minor}", interpreter.machine),
        Libc::Musl(..) => format!("{}-unknown-linux-musl", interpreter.machine),
    }
}
