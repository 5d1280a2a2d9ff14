//! Files by digest: by the engine where it can, by a step of the build where it cannot.
//!
//! The engine's own downloads come first: they need no image, and their keys hold the digest and no address. A step with
//! the base's Python takes over where a login or certificates are needed that only the build is given. Its key holds
//! the address, but what follows goes by the content of the file.

use buildkit_llb::{FileOp, HttpSource, Mount, Source, State};
use serde_json::json;

use super::base;
use super::context::{Context, EPOCH, EPOCH_NANOS};
use super::indexes::{LOGIN, auth_of};
use super::wheels::fetch;
use crate::manifest::Auth;
use crate::plan::Plan;
use crate::python::{Locked, Pick};

const SCRIPT: &str = include_str!("scripts/download.py");
const SECRET: &str = "/run/secrets/wheelwright/login";

/// A tree that holds a file of an index. Each is a step of its own in the progress: in a group, a file with another
/// digest would fail without its name.
pub(super) fn download(file: &Locked, url: &str, plan: &Plan, cx: &Context) -> State {
    match engine(url, cx) {
        Some(source) => source
            .checksum(file.sha256.to_string())
            .filename(&file.filename)
            .perm(0o644)
            .name(format!("[wheels] {}", file.filename))
            .location(&cx.sources, cx.ranges(plan.at))
            .build(),
        None => step(file, &cx.indexes.mirrored(url), cx.indexes.auth(url), plan, cx),
    }
}

/// The engine's own download of an address; none where it takes a step of the build.
fn engine(url: &str, cx: &Context) -> Option<HttpSource> {
    let source = Source::http(cx.indexes.mirrored(url));
    match cx.indexes.auth(url) {
        _ if cx.indexes.ca_certificates.is_some() => None,
        None => Some(source),
        Some(Auth::Header { header }) if cx.indexes.engine_login => {
            Some(source.auth_header_secret(header.value.as_str()))
        }
        Some(_) => None,
    }
}

/// The package, with its file, that the engine downloads by the operation of this digest.
pub fn downloaded<'p>(plan: &'p Plan, vertex: &str, cx: &Context) -> Option<(&'p Pick, &'p Locked)> {
    plan.packages.iter().find_map(|pick| {
        let file = pick.artifact.file()?;
        let source = engine(file.url()?, cx).map(|_| fetch(file, plan, cx))?;
        (super::marshal(&source).head() == Some(vertex)).then_some((pick, file))
    })
}

/// The same download, of whatever the server gives. Without a digest to compare with, the engine looks at the status.
pub fn unchecked(url: &str, filename: &str, cx: &Context) -> Option<State> {
    let source = engine(url, cx)?.filename(filename).ignore_cache();
    Some(
        source
            .name(format!("[internal] what the server says of {filename}"))
            .build(),
    )
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
