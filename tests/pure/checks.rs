//! What is told before anything is built: packages that a base does not allow, processors that are not there.

use wheelwright::bridge::Recording;

use crate::scripted::{build, engine, examples, lock};

fn with_manifest(text: &str) -> Recording {
    let mut engine = engine(&examples().join("hello"), &[]);
    let mut write = |path: &str, text: String| engine.files.insert(path.to_owned(), text.into_bytes());
    write("/wheelwright.yaml", text.to_owned());
    write("/own.toml", lock());
    engine
}

fn fails(text: &str, opts: &[(&str, &str)]) -> String {
    let (_, outcome) = build(with_manifest(text), opts);
    outcome.expect_err("a mistake").to_string()
}

#[test]
fn a_base_says_what_services_may_have() {
    let said = fails(
        "bases: {b: {image: x, deny: [\"web*\"], allow: [numpy, fastapi, idna, webrtcvad]}}\nservices: {a: {base: b, lock: own.toml, command: [x]}}\n",
        &[],
    );
    assert!(
        said.contains("installs `webrtcvad 1.0`, which its base denies"),
        "{said}"
    );
    assert!(
        said.contains("installs `anyio 1.0`, which its base does not allow"),
        "{said}"
    );
    assert!(!said.contains("fastapi"), "{said}");
}

#[test]
fn what_needs_an_emulator_is_told_before_the_build() {
    let packages = "services: {a: {image: x, packages: [libopus0], command: [x]}}\n";
    let said = fails(packages, &[("platform", "linux/arm64")]);
    let expected =
        "installing system packages for linux/arm64 needs an emulator, which this engine does not have";
    assert!(said.contains(expected), "{said}");
    let smoke = "services: {a: {image: x, smoke: [idna], command: [x]}}\n";
    let said = fails(smoke, &[("platform", "linux/arm64")]);
    assert!(
        said.contains("the smoke test for linux/arm64 needs an emulator"),
        "{said}"
    );
    let plain = "services: {a: {image: x, command: [x]}}\n";
    let (_, outcome) = build(with_manifest(plain), &[("platform", "linux/arm64")]);
    outcome.expect("nothing runs for that platform");
}

#[test]
fn cuda_in_an_image_without_it_is_a_warning() {
    let text = "services: {a: {image: \"python:3.11-slim\", lock: cuda.toml, command: [x]}}\n";
    let warned = |text: &str| {
        let mut engine = with_manifest(text);
        let cuda = lock()
            .replace("\"idna\"", "\"nvidia-cublas-cu12\"")
            .replace("size = 70000", "size = 570000000");
        engine.files.insert("/cuda.toml".to_owned(), cuda.into_bytes());
        let (engine, outcome) = build(engine, &[]);
        outcome.expect("a build");
        let warnings = engine.warnings().into_iter();
        warnings.map(|warning| warning.short).collect::<Vec<_>>()
    };
    let said = warned(text).join("\n");
    assert!(
        said.contains(
            "service `a` installs 1 nvidia package, 570.0 MB, on `python:3.11-slim`, which is not for CUDA"
        ),
        "{said}"
    );
    assert!(warned(&text.replace("python:3.11-slim", "nvidia/cuda:12")).is_empty());
}

#[test]
fn packages_that_do_not_go_together_are_told_with_their_line_in_the_lock() {
    let text = "services: {a: {image: \"python:3.11-slim\", lock: own.toml, command: [x]}}\n";
    let facts = r#"[
        {"name": "fastapi", "version": "1.0", "requires": ["idna>=2", "gone; python_version > '3'", "never; extra == 'x'"],
         "files": {"bin/a": "00", "lib/same.py": "11"}},
        {"name": "idna", "version": "1.0", "files": {"bin/a": "01", "lib/same.py": "11"}}]"#;
    let build = |text: &str| {
        let mut engine = with_manifest(text);
        let all = unwheel::Facts::from_json(facts.as_bytes()).expect("facts");
        let line = unwheel::Facts::to_line(&all);
        engine.files.insert("/facts".to_owned(), line.into());
        build(engine, &[])
    };
    let (engine, outcome) = build(text);
    outcome.expect("only warnings");
    let warnings = engine.warnings().into_iter();
    let said = warnings.map(|warning| warning.short).collect::<Vec<_>>();
    insta::assert_snapshot!(said.join("\n"));
    let (_, outcome) = build(&format!("conflicts: error\n{text}"));
    let said = outcome.expect_err("a mistake").to_string();
    assert!(
        said.contains("`fastapi 1.0` needs `gone`, which is not installed"),
        "{said}"
    );
    let (engine, outcome) = build(&format!("conflicts: ignore\n{text}"));
    outcome.expect("a build");
    assert!(engine.warnings().is_empty());
}

/// The graphs that were asked for besides the image's own, and what was said.
fn said_of(files: &[(&str, String)], text: &str) -> (Vec<String>, Result<(), String>) {
    let mut engine = with_manifest(text);
    for (path, text) in files {
        engine.files.insert((*path).to_owned(), text.clone().into_bytes());
    }
    let (engine, outcome) = build(engine, &[]);
    let warnings = engine.warnings().into_iter();
    let said = warnings.map(|warning| format!("{}\n  {}", warning.short, warning.detail.join("\n  ")));
    (
        said.collect(),
        outcome.map(drop).map_err(|failure| failure.to_string()),
    )
}

const UV: &str = r#"version = 1
requires-python = ">=3.11"

[[package]]
name = "app"
version = "0.1"
source = { virtual = "." }
dependencies = [{ name = "idna" }]

[package.metadata]
requires-dist = [
    { name = "idna", specifier = ">=3" },
    { name = "absent", marker = "sys_platform == 'win32'" },
]

[[package]]
name = "idna"
version = "2.10"
source = { registry = "https://packages.example/simple" }
wheels = [{ url = "https://files.example/idna-2.10-py3-none-any.whl", hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000", size = 10 }]
"#;

const APP: &str = "[project]\nname = \"app\"\nversion = \"0.1\"\ndependencies = [\"idna>=3\", \"absent; sys_platform == 'win32'\"]\n";

#[test]
fn what_a_uv_lock_says_of_its_members_is_told_before_anything_is_fetched() {
    let text = "conflicts: error\nservices: {a: {image: \"python:3.11-slim\", project: ., lock: uv.lock, command: [x]}}\n";
    let files = [("/uv.lock", UV.to_owned()), ("/pyproject.toml", APP.to_owned())];
    let (_, outcome) = said_of(&files, text);
    let expected = "uv.lock:12:14: `app 0.1` needs `idna>=3`, but `idna 2.10` is installed";
    let said = outcome.expect_err("a mistake");
    assert!(said.contains(expected), "{said}");

    // Whoever overrides has decided.
    let overridden = UV.replace(
        "[[package]]\nname = \"app\"",
        "[manifest]\noverrides = [{ name = \"idna\", specifier = \"<3\" }]\n\n[[package]]\nname = \"app\"",
    );
    let files = [("/uv.lock", overridden), ("/pyproject.toml", APP.to_owned())];
    let (said, outcome) = said_of(&files, text);
    outcome.expect("only warnings");
    assert_eq!(
        said,
        [
            "uv.lock:15:14: `app 0.1` needs `idna>=3`, but `idna 2.10` is installed\n  uv.lock:20:8: `idna` is locked here\n  take another version of `idna` that fits, or another one of `app`"
        ]
    );
}

#[test]
fn what_a_lock_says_it_lost_is_told_once() {
    let text = "services: {a: {image: \"python:3.11-slim\", lock: own.toml, command: [x]}}\n";
    let lock = lock().replace(
        "name = \"fastapi\"\nversion = \"1.0\"\n",
        "name = \"fastapi\"\nversion = \"1.0\"\ndependencies = [{ name = \"gone\" }, { name = \"colorama\" }]\n",
    );
    let (said, outcome) = said_of(&[("/own.toml", lock)], text);
    outcome.expect("only warnings");
    assert_eq!(
        said,
        [
            "own.toml:12:17: `fastapi 1.0` needs `gone`, which is not installed\n  add `gone` to the requirements, or make the lock again"
        ]
    );
}

const POETRY: &str = r#"[[package]]
name = "numpy"
version = "1.0"
python-versions = ">=3.9"
groups = ["main"]
files = []

[package.dependencies]
idna = ">=2"

[[package]]
name = "idna"
version = "1.0"
python-versions = "*"
groups = ["main"]
files = []

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "x"
"#;

#[test]
fn what_a_poetry_lock_says_is_told_before_it_is_resolved() {
    let text =
        "conflicts: error\nservices: {a: {image: \"python:3.11-slim\", lock: poetry.lock, command: [x]}}\n";
    let (_, outcome) = said_of(&[("/poetry.lock", POETRY.to_owned())], text);
    let expected = "poetry.lock:9:8: `numpy 1.0` needs `idna>=2`, but `idna 1.0` is installed";
    let said = outcome.expect_err("a mistake");
    assert!(said.contains(expected), "{said}");
    let newer = POETRY.replace("\"*\"", "\">=3.12\"");
    let (_, outcome) = said_of(&[("/poetry.lock", newer)], text);
    let said = outcome.expect_err("a mistake");
    assert!(
        said.contains("poetry.lock:14:19: Python 3.11.7 of the base image is not in `>=3.12`"),
        "{said}"
    );
}
