//! What an image says of itself: one digest however often it is built, and a history that tells what is in which layer.

use std::process::Command;

use tempfile::TempDir;

use crate::engine::{Engines, engines, run, wheelwright};
use crate::project::Project;

/// Prints the digest of an image's config, which is its id, and the words of its history.
const READ: &str = r#"
import json, sys, urllib.request
base, tag = sys.argv[1:]
accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
def get(path):
    return json.loads(urllib.request.urlopen(urllib.request.Request(base + path, headers={"Accept": accept})).read())
manifest = get("/manifests/" + tag)
if "manifests" in manifest:
    manifest = get("/manifests/" + manifest["manifests"][0]["digest"])
config = get("/blobs/" + manifest["config"]["digest"])
print(manifest["config"]["digest"])
for entry in config["history"]:
    if entry.get("comment") == "wheelwright":
        print(entry["created_by"])
"#;

fn read(engines: &Engines, tag: &str) -> (String, Vec<String>) {
    let base = format!("http://{}/v2/e2e/history", engines.registry);
    let said = run(Command::new("python3").args(["-c", READ, &base, tag])).ok();
    let mut lines = said.lines().map(str::to_owned);
    (lines.next().expect("a digest"), lines.collect())
}

fn push(engines: &Engines, project: &Project, from: &str, cache: &TempDir, tag: &str) {
    let folder = project.path().display().to_string();
    let image = format!("{}/e2e/history:{tag}", engines.registry);
    let from = format!("--wheels-from={from}");
    let args = [
        "build",
        "api",
        "-C",
        &folder,
        "--progress=plain",
        "--push",
        "-t",
        &image,
        &from,
    ];
    run(wheelwright(&args).env("WHEELWRIGHT_CACHE_DIR", cache.path())).ok();
}

#[test]
fn a_rebuild_is_the_same_image_and_its_layers_are_told() {
    let Some(engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    let told = [
        "wheels: markupsafe 3.0.2",
        "wheels: idna 3.10",
        "bytecode: markupsafe 3.0.2",
        "bytecode: idna 3.10",
        "venv: /opt/venv with Python 3.11, user app",
        "code: app",
    ];
    for from in ["session", "graph"] {
        let tags = ["first", "second", "third"].map(|tag| format!("{from}-{tag}"));
        for tag in &tags {
            push(&engines, &project, from, &cache, tag);
        }
        let (first, mut history) = read(&engines, &tags[0]);
        history.sort();
        let mut told = told.to_vec();
        told.sort_unstable();
        assert_eq!(history, told);
        for tag in &tags[1..] {
            assert_eq!(first, read(&engines, tag).0, "{tag}");
        }
    }
}

#[test]
fn an_added_user_owns_its_home_and_nothing_above_it() {
    let Some(engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    push(&engines, &project, "graph", &cache, "home");
    let image = format!("{}/e2e/history:home", engines.registry);
    let ask = "import os; print(*(os.stat(path).st_uid for path in ('/home', '/home/app')), os.getuid())";
    let host = &engines.docker;
    engines.docker(host, &["pull", "-q", &image]).ok();
    let text = engines
        .docker(host, &["run", "--rm", &image, "python", "-c", ask])
        .ok();
    let ids = text.trim().split(' ').collect::<Vec<_>>();
    assert_eq!(ids[0], "0", "{text}");
    assert_eq!(ids[1], ids[2], "{text}");
}
