//! Locks of other tools and wheels of the repository, built: what they pin is what runs.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::engine::{Engines, engines, run};

const MANIFEST: &str = "\
name: foreign
python: \"3.11\"
find_links: [wheels]
defaults: {image: \"python:3.11-slim\", bytecode: false}
services:
  poetry: {project: poetry, command: [python, -c, \"import idna; print('idna', idna.__version__)\"]}
  pipenv: {project: pipenv, command: [python, -c, \"import six; print('six', six.__version__)\"]}
  linked: {requirements: [requirements.txt], command: [python, -c, \"import inhouse; print('inhouse', inhouse.VERSION)\"]}
";

const POETRY: &str = "\
[[package]]
name = \"idna\"
version = \"3.10\"
optional = false
python-versions = \">=3.6\"
groups = [\"main\"]
files = [{file = \"idna-3.10-py3-none-any.whl\", hash = \"sha256:946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3\"}]

[metadata]
lock-version = \"2.1\"
python-versions = \">=3.11\"
content-hash = \"x\"
";

const PIPFILE: &str = r#"{
    "_meta": {"pipfile-spec": 6, "sources": []},
    "default": {"six": {"hashes": ["sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"], "version": "==1.17.0"}},
    "develop": {}
}"#;

/// Puts a wheel that no index has into `wheels/`.
const WHEEL: &str = r#"
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("index", sys.argv[1])
index = importlib.util.module_from_spec(spec)
spec.loader.exec_module(index)
os.makedirs("wheels")
name, content = index.wheel("inhouse", "1.0", [], [])
open(f"wheels/{name}", "wb").write(content)
"#;

fn project() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/index.py");
    run(Command::new("python3")
        .args(["-c", WHEEL])
        .arg(index)
        .current_dir(folder.path()))
    .ok();
    for (path, text) in [
        ("wheelwright.yaml", MANIFEST),
        (
            "poetry/pyproject.toml",
            "[project]\nname = \"p\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = [\"idna\"]\n[tool.poetry]\npackage-mode = false\n",
        ),
        ("poetry/poetry.lock", POETRY),
        ("pipenv/pyproject.toml", "[tool.x]\n"),
        ("pipenv/Pipfile", "[packages]\nsix = \"*\"\n"),
        ("pipenv/Pipfile.lock", PIPFILE),
        ("requirements.txt", "inhouse\n"),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

fn runs(engines: &Engines, folder: &Path, service: &str) -> String {
    let image = engines.image(&format!("foreign-{service}"));
    run(Command::new(env!("CARGO_BIN_EXE_wheelwright"))
        .args(["build", service, "--progress=plain", "--push", "-t", &image])
        .current_dir(folder)
        .env("WHEELWRIGHT_CACHE_DIR", folder.join(".cache")))
    .ok();
    let args = ["run", "--rm", "--pull=always", "-q", &image];
    let ran = engines.docker(&engines.docker, &args).ok();
    ran.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_other_tools_locked_is_what_runs() {
    let Some(engines) = engines() else { return };
    let project = project();
    assert_eq!(runs(&engines, project.path(), "poetry"), "idna 3.10");
    assert_eq!(runs(&engines, project.path(), "pipenv"), "six 1.17.0");
    assert_eq!(runs(&engines, project.path(), "linked"), "inhouse 1.0");

    let lock = project.path().join("poetry/poetry.lock");
    std::fs::write(&lock, POETRY.replace("946d", "0000")).expect("the lock");
    let said = run(Command::new(env!("CARGO_BIN_EXE_wheelwright"))
        .args(["build", "poetry", "--progress=plain"])
        .current_dir(project.path()))
    .fails();
    assert!(
        said.contains("no file of `idna` has a digest that it may have"),
        "{said}"
    );
}
