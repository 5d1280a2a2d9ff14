//! The code layer: links are followed as COPY follows them, through both doors alike, and no clock is in it.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::engine::{Engines, engines, run};
use crate::project::Project;

const MANIFEST: &str = "\
name: code
python: \"3.11\"
services:
  api:
    image: python:3.11-slim
    code: [shared, inside/deep/b.txt, a.txt]
    files: [{source: shared/a.txt, target: /app/file.txt}]
    command: [python]
";

/// Reads the last layer of an image: its digest, and its files with their content and time.
const READ: &str = r#"
import gzip, io, json, sys, tarfile, urllib.request
base = sys.argv[1]
accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
def get(path):
    return urllib.request.urlopen(urllib.request.Request(base + path, headers={"Accept": accept})).read()
manifest = json.loads(get("/manifests/latest"))
if "manifests" in manifest:
    manifest = json.loads(get("/manifests/" + manifest["manifests"][0]["digest"]))
digest = manifest["layers"][-1]["digest"]
files, times = {}, set()
with tarfile.open(fileobj=io.BytesIO(gzip.decompress(get("/blobs/" + digest)))) as tar:
    for entry in tar:
        times.add(entry.mtime)
        if not entry.isdir():
            files[entry.name] = tar.extractfile(entry).read().decode() if entry.isfile() else entry.linkname
print(json.dumps({"digest": digest, "files": files, "times": sorted(times)}))
"#;

fn last_layer(engines: &Engines, repository: &str) -> Value {
    let base = format!("http://{}/v2/{repository}", engines.registry);
    let said = run(Command::new("python3").args(["-c", READ, &base])).ok();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn by_command(engines: &Engines, project: &Project, repository: &str) -> Value {
    let folder = project.path().display().to_string();
    let image = format!("{}/{repository}:latest", engines.registry);
    let args = ["build", "-C", &folder, "--no-cache", "--push", "-t", &image];
    engines
        .wheelwright(&[&args[..], &["--progress=plain"]].concat())
        .ok();
    last_layer(engines, repository)
}

#[test]
fn links_are_followed_and_folders_have_no_clock() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.write("wheelwright.yaml", MANIFEST);
    project.write("common/a.txt", "a");
    project.write("common/deep/b.txt", "b");
    for (target, link) in [
        ("common", "shared"),
        ("/common", "inside"),
        ("shared/a.txt", "a.txt"),
    ] {
        symlink(target, project.path().join(link)).expect("a link");
    }
    let folder = project.path().display().to_string();
    engines.wheelwright(&["check", "-C", &folder]).ok();

    let first = by_command(&engines, &project, "e2e/code");
    let files = json!({
        "app/shared/a.txt": "a", "app/shared/deep/b.txt": "b", "app/inside/deep/b.txt": "b", "app/a.txt": "a",
        "app/file.txt": "a",
    });
    assert_eq!(first["files"], files);
    assert_eq!(first["times"].as_array().map(Vec::len), Some(1), "{first}");
    assert_eq!(
        by_command(&engines, &project, "e2e/code")["digest"],
        first["digest"]
    );

    let output = format!(
        "--output=type=image,name={}/e2e/code-door:latest,push=true",
        engines.registry
    );
    engines
        .buildctl(project.path(), "api", &[&output, "--no-cache"])
        .ok();
    assert_eq!(last_layer(&engines, "e2e/code-door")["digest"], first["digest"]);
}

#[test]
fn a_link_out_of_the_repository_is_told_by_both_doors() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.write(
        "wheelwright.yaml",
        &MANIFEST.replace("shared, inside/deep/b.txt, a.txt", "out"),
    );
    project.write("shared/a.txt", "a");
    symlink("../../outside", project.path().join("out")).expect("a link");
    let folder = project.path().display().to_string();
    let by_door = engines.buildctl(project.path(), "api", &[]).fails();
    let by_command = engines.wheelwright(&["build", "-C", &folder]).fails();
    let checked = engines.wheelwright(&["check", "-C", &folder]).fails();
    for said in [by_door, by_command, checked] {
        assert!(said.contains("`out` is not in the repository"), "{said}");
    }
}
