//! Steps that ask indexes: a script on the base's own Python, with uv, and the logins of indexes for root alone.

use buildkit_llb::{Exec, Mount, State};
use serde_json::{Value, json};

use super::context::Context;
use super::uv;
use crate::diag::Span;
use crate::manifest::Auth;
use crate::plan::IndexPlan;
use crate::python::Interpreter;

const RELAY: &str = include_str!("scripts/relay.py");
pub(super) const LOGIN: &str = include_str!("scripts/login.py");
const SECRETS: &str = "/run/secrets/wheelwright";
/// Where `relay.py` has uv's cache.
const CACHE_OF_NOBODY: &str = "/var/cache/wheelwright-uv";

/// A step with a script, by name and text, and its job; it writes to `/out`.
pub(super) fn step(
    cx: &Context,
    (root, interpreter, at): (&State, &Interpreter, Span),
    (name, script, job): (&str, &str, &Value),
) -> Exec {
    let python = interpreter.executable.as_str();
    let files = [
        (name, script),
        ("login.py", LOGIN),
        ("relay.py", RELAY),
        ("job.json", &format!("{job:#}\n")),
    ];
    let script = format!("/run/wheelwright/job/{name}");
    let exec = cx
        .online([python, &script, "/run/wheelwright/job/job.json"])
        .root(root.clone())
        .platform(cx.build_platform.clone())
        .mount(Mount::bind("/run/wheelwright/job", cx.script(&files)).readonly())
        .mount(Mount::bind("/run/wheelwright/uv", uv::uv(cx, root.clone(), python, at)).readonly())
        .mount(Mount::bind("/out", State::scratch()))
        .mount(Mount::tmpfs("/tmp"));
    let exec = uv::with_environment(cx, cx.with_base_environment(exec), "resolve", interpreter);
    with_logins(cx, exec, interpreter).env("PYTHONDONTWRITEBYTECODE", "1")
}

/// Another value asks the indexes again, whatever is in the cache.
pub(super) fn refreshed(exec: Exec, value: &str) -> Exec {
    if value.is_empty() {
        exec
    } else {
        exec.env("WHEELWRIGHT_REFRESH", value)
    }
}

/// The secrets, and uv's cache where it runs as nobody because of them.
fn with_logins(cx: &Context, exec: Exec, interpreter: &Interpreter) -> Exec {
    if !cx.indexes.have_logins() {
        return exec;
    }
    let exec = exec.mount(uv::cache(cx, CACHE_OF_NOBODY, "resolve-apart", interpreter));
    let logins = cx.indexes.list.iter().enumerate();
    logins
        .filter_map(|(n, index)| Some((n, index.auth.as_ref()?)))
        .fold(exec, |exec, (n, auth)| {
            exec.mount(Mount::secret(secret(n), auth.secret().value.as_str()).mode(0o400))
        })
}

fn secret(n: usize) -> String {
    format!("{SECRETS}/index-{n}")
}

/// The indexes as scripts read them, with where the secrets are.
pub(super) fn listed(cx: &Context) -> Vec<Value> {
    let indexes = cx.indexes.list.iter().enumerate().map(|(n, index)| {
        let IndexPlan { name, default, only, .. } = index;
        let url = cx.indexes.mirrored(&index.url);
        json!({"name": name, "url": url, "default": default, "only": only, "auth": index.auth.as_ref().map(|auth| auth_of(auth, &secret(n)))})
    });
    indexes.collect()
}

/// Where a script finds an index's credentials, and in which form. No value is in it.
pub(super) fn auth_of(auth: &Auth, file: &str) -> Value {
    let (kind, username) = match auth {
        Auth::Password { username, .. } => ("password", username.as_ref().map(|name| name.value.as_str())),
        Auth::Netrc { .. } => ("netrc", None),
        Auth::DockerConfig { .. } => ("docker_config", None),
        Auth::Header { .. } => ("header", None),
    };
    json!({"kind": kind, "username": username, "file": file})
}
