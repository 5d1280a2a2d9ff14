//! Layers in a registry: what services share is there once, two engines agree to the byte, and other architectures need
//! no emulator.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::engine::{Engines, engines, run};
use crate::private::PrivateEngine;
use crate::project::Project;

const TWO: &str = "\
name: shares
python: \"3.11\"
defaults: {image: \"python:3.11-slim\", command: [python]}
services:
  a: {requirements: [a.txt]}
  b: {requirements: [b.txt]}
";

/// Reads an image from the registry: its layers, and the machine of each shared object in the venv.
const READ: &str = r#"
import gzip, io, json, struct, sys, tarfile, urllib.request
base, tag, architecture = sys.argv[1:]
accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
def get(path):
    return urllib.request.urlopen(urllib.request.Request(base + path, headers={"Accept": accept})).read()
manifest = json.loads(get("/manifests/" + tag))
if "manifests" in manifest:
    (digest,) = [m["digest"] for m in manifest["manifests"] if m["platform"]["architecture"] == architecture]
    manifest = json.loads(get("/manifests/" + digest))
machines = {}
for layer in manifest["layers"][1:]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(get("/blobs/" + layer["digest"])))) as tar:
        for entry in tar:
            if entry.isfile() and entry.name.endswith(".so"):
                (machines[entry.name],) = struct.unpack("<H", tar.extractfile(entry).read(20)[18:])
print(json.dumps({"layers": [layer["digest"] for layer in manifest["layers"]], "machines": machines}))
"#;

fn read(engines: &Engines, repository: &str, architecture: &str) -> Value {
    let base = format!("http://{}/v2/{repository}", engines.registry);
    let said = run(Command::new("python3").args(["-c", READ, &base, "latest", architecture])).ok();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn layers(engines: &Engines, repository: &str) -> BTreeSet<String> {
    let image = read(engines, repository, "amd64");
    let layers = image["layers"].as_array().expect("layers");
    layers.iter().map(ToString::to_string).collect()
}

fn push(engines: &Engines, project: &Project, service: &str, repository: &str, more: &[&str]) {
    let image = format!("{}/{repository}:latest", engines.registry);
    engines.push(project.path(), service, &image, more).ok();
}

#[test]
fn two_services_push_what_they_share_once_and_two_engines_the_same() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let folder = project.path().display().to_string();
    project.write("wheelwright.yaml", TWO);
    project.write(
        "a.txt",
        "idna==3.10\nMarkupSafe==3.0.2\nsniffio==1.3.1\nh11==0.14.0\n",
    );
    project.write(
        "b.txt",
        "idna==3.10\nMarkupSafe==3.0.2\nsniffio==1.3.1\nclick==8.1.8\n",
    );
    engines.wheelwright(&["lock", "-C", &folder]).ok();
    push(&engines, &project, "a", "layers/a", &[]);
    push(&engines, &project, "b", "layers/b", &[]);

    let plan = engines
        .wheelwright(&["plan", "a", "-C", &folder, "--layers", "--format=json"])
        .ok();
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    let planned = plan[0]["layers"].as_array().expect("layers");
    let (shared, own): (Vec<_>, Vec<_>) = planned
        .iter()
        .partition(|layer| layer["services"] == json!(["a", "b"]));
    let wheels = |layer: &&&Value| layer["kind"] == "wheels";
    let wheels = shared
        .iter()
        .filter(wheels)
        .map(|layer| layer["packages"].as_array());
    let count = wheels.map(|packages| packages.map_or(0, Vec::len)).sum::<usize>();
    assert_eq!(
        count, 3,
        "every wheel that both have is in a layer that both have"
    );
    let (a, b) = (layers(&engines, "layers/a"), layers(&engines, "layers/b"));
    assert_eq!(a.difference(&b).count(), own.len(), "{a:#?} {b:#?}");

    let second = PrivateEngine::start(&engines, Path::new("buildkitd"));
    push(
        &engines,
        &project,
        "a",
        "layers/second",
        &["--addr", &second.address()],
    );
    assert_eq!(a, layers(&engines, "layers/second"));
}

#[test]
fn arm64_needs_no_emulator() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    push(
        &engines,
        &project,
        "api",
        "layers/platforms",
        &["--platform", "linux/amd64,linux/arm64"],
    );
    machines_are_right(&engines, "layers/platforms");
}

/// ELF's numbers of x86-64 and AArch64.
fn machines_are_right(engines: &Engines, repository: &str) {
    for (architecture, machine) in [("amd64", 0x3e), ("arm64", 0xb7)] {
        let image = read(engines, repository, architecture);
        let machines = image["machines"].as_object().expect("machines");
        assert!(!machines.is_empty(), "{architecture} has no shared object");
        assert!(machines.values().all(|found| *found == machine), "{machines:?}");
    }
}

#[test]
fn buildx_builds_for_several_platforms_with_provenance() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let image = format!("{}/layers/buildx:latest", engines.registry);
    let more = [
        "--platform=linux/amd64,linux/arm64",
        "--provenance=mode=max",
        "--push",
    ];
    let host = &engines.docker;
    engines.buildx(host, project.path(), "api", &image, &more).ok();
    machines_are_right(&engines, "layers/buildx");
    let inspect = [
        "buildx",
        "imagetools",
        "inspect",
        &image,
        "--format",
        "{{json .Provenance}}",
    ];
    let provenance: Value = serde_json::from_str(&engines.docker(host, &inspect).ok()).expect("JSON");
    for platform in ["linux/amd64", "linux/arm64"] {
        let said = provenance[platform]["SLSA"].to_string();
        assert!(
            said.contains("MarkupSafe") || said.contains("markupsafe"),
            "{platform}: {said}"
        );
    }
}
