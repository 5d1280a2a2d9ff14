//! uv in the build: a tool of its own, by name and hash, and its surroundings.

use buildkit_llb::{Exec, Mount, Sharing, State};

use super::context::{Context, EPOCH};
use crate::diag::Span;
use crate::python::{Interpreter, Libc};

const FETCH: &str = include_str!("scripts/uv.sh");
const HASHES: &str = include_str!("scripts/uv.txt");
const VERSION: &str = "0.13.9";
/// Where steps that run uv have it.
pub(super) const PROGRAM: &str = "/run/wheelwright/uv/uv";

/// A tree that holds `uv`, fetched by name and hash.
pub(super) fn uv(cx: &Context, root: State, python: &str, at: Span) -> State {
    let scripts = cx.script(&[("uv.sh", FETCH), ("uv.txt", HASHES)]);
    let exec = cx
        .online(["/bin/sh", "/run/wheelwright/uv.sh", python])
        .root(root)
        .platform(cx.build_platform.clone())
        .cwd("/")
        .mount(Mount::bind("/run/wheelwright", scripts).readonly())
        .mount(Mount::bind("/out", State::scratch()))
        .mount(Mount::tmpfs("/tmp"));
    let exec = cx.with_base_environment(exec);
    cx.output(exec, format!("[tools] fetch uv {VERSION}"), at)
}

/// uv's surroundings: a cache of its own, the system's certificates, and nothing from the network but packages. `of` is
/// whose cache it is: what runs there could leave something in it for the next.
pub(super) fn with_environment(cx: &Context, exec: Exec, of: &str, interpreter: &Interpreter) -> Exec {
    exec.mount(cache(cx, "/root/.cache/uv", of, interpreter))
        .env("UV_CACHE_DIR", "/root/.cache/uv")
        .env("UV_SYSTEM_CERTS", "true")
        .env("UV_NATIVE_TLS", "true")
        .env("UV_PYTHON_DOWNLOADS", "never")
        .env("UV_NO_PROGRESS", "1")
        .env("UV_LINK_MODE", "copy")
        .env("HOME", "/root")
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
}

/// uv's cache at a path.
pub(super) fn cache(cx: &Context, path: &str, of: &str, interpreter: &Interpreter) -> Mount {
    let id = cx.cache_id(&[
        "uv",
        VERSION,
        &cx.project,
        of,
        &interpreter.minor.to_string(),
        &cx.platform.to_string(),
    ]);
    Mount::cache(path, id).sharing(Sharing::Shared).into()
}

/// A platform by uv's name.
pub(super) fn platform(interpreter: &Interpreter) -> String {
    match interpreter.libc {
        Libc::Glibc(major, minor) => format!("{}-manylinux_{major}_{minor}", interpreter.machine),
        Libc::Musl(..) => format!("{}-unknown-linux-musl", interpreter.machine),
    }
}
