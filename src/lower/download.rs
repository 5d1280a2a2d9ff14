//! Files by digest: by the engine where it can, by a step of the build where it cannot.
//!
//! The engine's own downloads come first: they need no image, and their keys hold the digest and no address. A step with
//! the base's Python takes over where a login or certificates are needed that only the build is given. Its key holds
//! the address, but what follows goes by the content of the file.

use buildkit_llb::{FileOp, Mount, Source, State};
use serde_json::json;

use super::base;
use super::context::{Context, EPOCH, EPOCH_NANOS};
use super::resolve::auth_of;
use crate::manifest::Auth;
use crate::plan::Plan;
use crate::python::Locked;

const SCRIPT: &str = include_str!("scripts/download.py");
pub(super) const LOGIN: &str = include_str!("scripts/login.py");
const SECRET: &str = "/run/secrets/wheelwright/login";

/// A tree that holds a file of an index. Each is a step of its own in the progress: in a group, a file with another
/// digest would fail without its name.
pub(super) fn download(file: &Locked, url: &str, plan: &Plan, cx: &Context) -> State {
    let auth = cx.indexes.auth(url);
    let mirrored = cx.indexes.mirrored(url);
    match auth {
        Some(Auth::Header { header }) if cx.indexes.engine_login && cx.indexes.ca_certificates.is_none() => {
            let source = engine(file, &mirrored, plan, cx);
            source.auth_header_secret(header.value.as_str()).build()
        }
        None if cx.indexes.ca_certificates.is_none() => engine(file, &mirrored, plan, cx).build(),
        auth => step(file, &mirrored, auth, plan, cx),
    }
}

fn engine(file: &Locked, url: &str, plan: &Plan, cx: &Context) -> buildkit_llb::HttpSource {
    Source::http(url)
        .checksum(file.sha256.to_string())
        .filename(&file.filename)
        .perm(0o644)
        .name(format!("[wheels] {}", file.filename))
        .location(&cx.sources, cx.ranges(plan.at))
}

fn step(file: &Locked, url: &str, auth: Option<&Auth>, plan: &Plan, cx: &Context) -> State {
    let job = json!({
        "url": url, "sha256": file.sha256.hex(), "filename": file.filename, "epoch": EPOCH,
        "auth": auth.map(|auth| auth_of(auth, SECRET)),
    });
    let scripts = FileOp::on(State::scratch())
        .timestamp(EPOCH_NANOS)
        .mkfile("/download.py", 0o644, SCRIPT.as_bytes().to_vec(), None)
        .mkfile("/login.py", 0o644, LOGIN.as_bytes().to_vec(), None)
        .mkfile("/job.json", 0o644, job.to_string().into_bytes(), None)
        .name("[internal] what to download")
        .build();
    let python = plan.interpreter.executable.as_str();
    let root = base::stand_rootfs(&plan.base, &plan.service, &cx.on_build_platform());
    let exec = cx
        .online([
            python,
            "/run/wheelwright/download.py",
            "/run/wheelwright/job.json",
        ])
        .root(root)
        .platform(cx.build_platform.clone())
        .cwd("/")
        .mount(Mount::bind("/run/wheelwright", scripts).readonly())
        .mount(Mount::bind("/out", State::scratch()))
        .mount(Mount::tmpfs("/tmp"));
    let exec = cx.with_base_environment(exec).env("PYTHONDONTWRITEBYTECODE", "1");
    let exec = match auth {
        Some(auth) => exec.mount(Mount::secret(SECRET, auth.secret().value.as_str()).mode(0o400)),
        None => exec,
    };
    cx.output(exec, format!("[wheels] {}", file.filename), plan.at)
}
