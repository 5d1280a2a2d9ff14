//! `wheelwright plan --layers` on a project of three locked services.

use std::fs;
use std::path::Path;
use std::process::Command;

const MANIFEST: &str = "
layers: {own: [idna]}
defaults: {image: \"python:3.11-slim\", command: [python]}
services:
  api: {lock: api.toml}
  web: {lock: web.toml}
  open: {requirements: [requirements.txt]}
";

/// A lock of pure wheels of 70 kB, and numpy.
fn lock(names: &[&str]) -> String {
    let package = |name: &&str| {
        let sha = name
            .bytes()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let size = if *name == "numpy" { 18_000_000 } else { 70_000 };
        format!(
            "[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\nwheels = [{{ url = \"https://files.example/{name}-1.0-py3-none-any.whl\", size = {size}, hashes = {{ sha256 = \"{sha:0<64}\" }} }}]\n"
        )
    };
    format!(
        "lock-version = \"1.0\"\n{}",
        names.iter().map(package).collect::<String>()
    )
}

fn plan(project: &Path, args: &[&str]) -> String {
    let said = Command::new(env!("CARGO_BIN_EXE_wheelwright"))
        .args(["plan", "-C"])
        .arg(project)
        .args(args)
        .output()
        .expect("the command");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("text")
}

#[test]
fn layers_are_explained() {
    let project = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(project.path().join(name), text).expect("a file");
    write("wheelwright.yaml", MANIFEST);
    write("api.toml", &lock(&["numpy", "anyio", "idna", "fastapi"]));
    write("web.toml", &lock(&["numpy", "anyio", "httpx"]));
    write("requirements.txt", "anyio\n");
    insta::assert_snapshot!(plan(project.path(), &["--layers"]));
    let json = plan(project.path(), &["--layers", "--format=json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let shared = json[0]["layers"].as_array().expect("layers").iter();
    let shared = shared.filter(|layer| layer["kind"] == "wheels");
    let shared = shared.filter(|layer| layer["services"] == serde_json::json!(["api", "web"]));
    assert_eq!(shared.count(), 2, "numpy and the group of anyio");
    // One service is planned alike whichever services are asked for.
    assert!(plan(project.path(), &["--layers"]).contains(&plan(project.path(), &["--layers", "web"])));
}
