//! Wheels and locks that are wrong: each ends the build with its name and the reason, and leaves nothing.

use std::process::Command;

use crate::engine::{engines, run};
use crate::project::Project;

/// What is said of each wheel of `broken.py`.
const REASONS: [(&str, &str); 8] = [
    ("nozip", "not a readable zip archive"),
    ("cutoff", "not a readable zip archive"),
    ("liar", "RECORD"),
    ("escape", "unsafe file name"),
    ("bomb", "unpacks to"),
    ("norecord", "no `norecord-1.0.dist-info/RECORD` in the wheel"),
    ("babble", "METADATA"),
    ("other", "but the file name says `other`"),
];

const MANIFEST: &str = "\
name: e2e-broken
python: \"3.11\"
services:
  api:
    image: python:3.11-slim
    lock: pylock.toml
    command: [python]
";

#[test]
fn a_broken_wheel_is_named_with_its_reason() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.write("wheelwright.yaml", MANIFEST);
    let wheels = project.path().join("wheels");
    std::fs::create_dir(&wheels).expect("a folder");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/broken.py");
    let digests = run(Command::new("python3").arg(script).arg(&wheels)).ok();
    let folder = project.path().display().to_string();
    let out = project.path().join("out");
    let output = format!("type=local,dest={}", out.display());
    for (name, reason) in REASONS {
        let digest = digests
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        let (digest, file) = (digest.expect("a digest"), format!("{name}-1.0-py3-none-any.whl"));
        let lock = format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\nwheels = [{{ path = \
             \"wheels/{file}\", hashes = {{ sha256 = \"{digest}\" }} }}]\n"
        );
        project.write("pylock.toml", &lock);
        let build = ["build", "api", "-C", &folder, "-o", &output, "--progress=plain"];
        let text = engines.wheelwright(&build).fails();
        assert!(
            text.contains(&file) && text.contains(reason),
            "{name}: no `{reason}` in:\n{text}"
        );
        assert!(!out.exists(), "{name}: something was written");
    }
}

#[test]
fn locks_that_cannot_be_read_are_named() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.write("wheelwright.yaml", MANIFEST);
    project.write("pylock.toml", "lock-version = \"2.0\"\npackages = []\n");
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    assert!(
        text.contains("lock version `2.0` is newer than this version reads"),
        "{text}"
    );

    project.write("pylock.toml", "lock-version = \"1.0\"\n[[packages]\n");
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    assert!(text.contains("pylock.toml:2"), "{text}");

    project.edit("lock: pylock.toml", "project: .");
    project.write("pyproject.toml", "[project]\nname = \"api\"\nversion = \"1\"\n");
    project.write("pylock.toml", "lock-version = \"1.0\"\npackages = []\n");
    project.write(
        "uv.lock",
        "version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n",
    );
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    let told = text.contains("`.` has several locks: `uv.lock` and `pylock.toml`");
    assert!(told && text.contains("choose one: `lock: uv.lock`"), "{text}");
}
