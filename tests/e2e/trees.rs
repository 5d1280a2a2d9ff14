//! What is laid down equals what uv lays down, file for file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::engine::{engines, pinned_uv, run};
use crate::project::Project;

/// Packages of several kinds: scripts, a namespace shared by two, a stable ABI, a source distribution.
const REQUIREMENTS: &str = "\
fastapi==0.115.6
uvicorn==0.34.0
PyNaCl==1.5.0
opentelemetry-api==1.29.0
opentelemetry-semantic-conventions==0.50b0
jsonpointer==3.0.0
numpy==1.26.4
docopt==0.6.2
";

/// Files that the installer says of itself; see docs/decisions/0005.
const OWN: [&str; 4] = ["INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"];

#[test]
fn site_packages_equal_those_of_uv() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.write("requirements.txt", REQUIREMENTS);
    project.edit(
        "    image: python:3.11-slim\n",
        "    image: python:3.11-slim\n    build_packages: [gcc]\n",
    );
    let folder = project.path().display().to_string();
    let built = |origin: &str| {
        let out = TempDir::new().expect("a folder");
        let output = format!("type=local,dest={}", out.path().display());
        let from = format!("--wheels-from={origin}");
        engines
            .wheelwright(&[
                "build",
                "api",
                "-C",
                &folder,
                "-o",
                &output,
                "--progress=plain",
                &from,
            ])
            .ok();
        tree(&out.path().join("opt/venv"))
    };
    let (graph, session) = (built("graph"), built("session"));
    assert!(graph == session, "the session's files are not those of the graph");
    let store = format!("{}/e2e/trees-{}", engines.registry, std::process::id());
    project.edit("services:\n", &format!("wheel_store: {store}\nservices:\n"));
    for command in [&["lock"][..], &["wheels", "push"]] {
        let more = ["-C", &folder, "--progress=plain"];
        engines.wheelwright(&[command, &more].concat()).ok();
    }
    let stored = built("store");
    assert!(graph == stored, "the store's files are not those of the graph");
    let ours = graph
        .into_iter()
        .filter_map(|(path, file)| {
            Some((
                path.strip_prefix("lib/python3.11/site-packages/")?.to_owned(),
                file,
            ))
        })
        .collect::<BTreeMap<_, _>>();

    let tools = TempDir::new().expect("a folder");
    let theirs = tree(&installed_by_uv(tools.path(), &ours));
    // uv's bytecode holds times and other paths; that of the same modules has to be there.
    let [ours, theirs] = [ours, theirs].map(without_bytes);
    let differing = ours
        .iter()
        .filter(|(path, file)| theirs.get(*path) != Some(file))
        .map(|(path, _)| path)
        .chain(theirs.keys().filter(|path| !ours.contains_key(*path)))
        .collect::<Vec<_>>();
    assert!(differing.is_empty(), "these differ: {differing:#?}");
    assert!(ours.len() > 1000, "only {} files", ours.len());
}

/// The same with bytecode that is there or not, whatever is in it.
fn without_bytes(mut tree: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (path, file) in &mut tree {
        if Path::new(path)
            .extension()
            .is_some_and(|extension| extension == "pyc")
        {
            "bytecode".clone_into(file);
        }
    }
    tree
}

/// A venv at the same path as in images, with the same versions, installed by uv.
fn installed_by_uv(tools: &Path, ours: &BTreeMap<String, String>) -> std::path::PathBuf {
    let at = |name: &str| tools.join(name).display().to_string();
    let pinned = ours
        .keys()
        .filter_map(|path| path.strip_suffix(".dist-info/METADATA"));
    let pinned = pinned
        .filter_map(|name| name.split_once('-'))
        .map(|(name, version)| format!("{name}=={version}\n"));
    fs::write(tools.join("pinned.txt"), pinned.collect::<String>()).expect("a file");
    let uv = pinned_uv(&tools.join("tool"));
    run(Command::new(&uv).args(["venv", "-q", "--python", "3.11", &at("venv")])).ok();
    let install = [
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--compile-bytecode",
        "--python",
        &at("venv/bin/python"),
        "-r",
        &at("pinned.txt"),
    ];
    run(Command::new(&uv).env("UV_SYSTEM_CERTS", "true").args(install)).ok();
    tools.join("venv/lib/python3.11/site-packages")
}

/// Every file with its executable bit and digest; the installer's own files and their lines in RECORD left out.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    walk(root, root, &mut files);
    files
}

fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            walk(root, &path, files);
        } else if !OWN.contains(&name.as_str()) && !name.starts_with("_virtualenv") && name != "uv_build.json"
        {
            let relative = path.strip_prefix(root).expect("inside").display().to_string();
            files.insert(relative, describe(&path, &name));
        }
    }
}

fn describe(path: &Path, name: &str) -> String {
    let mut bytes = fs::read(path).expect("a file");
    if name == "RECORD" {
        let text = String::from_utf8(bytes).expect("RECORD is text");
        let built = |line: &&str| !line.contains("uv_build.json");
        let kept = text
            .lines()
            .filter(|line| !OWN.iter().any(|own| line.contains(own)))
            .filter(built);
        bytes = kept
            .filter(|line| !line.starts_with("../../../bin/"))
            .collect::<Vec<_>>()
            .join("\n")
            .into_bytes();
    }
    let executable = fs::metadata(path).expect("a file").permissions().mode() & 0o111 != 0;
    let hex = Sha256::digest(&bytes)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("{executable} {hex}")
}
