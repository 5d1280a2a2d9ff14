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
