//! Wheels that are built: equal wherever they are, taken from a cache, by code that nobody trusts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::engine::{Engines, Said, engines, run};
use crate::index::Index;
use crate::private::PrivateEngine;
use crate::project::Project;

const BACKEND: &str = include_str!("backend.py");

/// A source with a backend of its own, in a folder of the project.
pub(crate) fn source(project: &Project, name: &str, backend: &str, code: &str) -> PathBuf {
    let about = format!(
        "[build-system]\nrequires = []\nbuild-backend = \"{backend}\"\nbackend-path = [\".\"]\n\
         [project]\nname = \"{name}\"\nversion = \"1.0\"\n"
    );
    project.write(&format!("{name}/backend.py"), BACKEND);
    project.write(&format!("{name}/{backend}.py"), code);
    let path = project.write(&format!("{name}/pyproject.toml"), &about);
    path.parent().expect("its folder").to_owned()
}

fn build(engines: &Engines, project: &Project, more: &[&str]) -> Said {
    let folder = project.path().display().to_string();
    let fixed = [
        "build",
        "api",
        "-C",
        &folder,
        "--progress=plain",
        "--wheels-from=graph",
    ];
    engines.wheelwright(&[&fixed[..], more].concat())
}

/// One with a C extension, one of pure Python, and one whose backend is careless.
const REQUIREMENTS: &str = "webrtcvad==2.0.10\njsonpointer==3.0.0\n";

const MANIFEST: &str = "\
name: e2e-built
python: \"3.11\"
services:
  api:
    image: python:3.11-slim
    requirements: [requirements.txt]
    build_packages: [gcc, libc6-dev, libpython3-dev]
    wheels:
      jsonpointer: {source: true}
    command: [python, -c, \"import webrtcvad, jsonpointer, untidy; print(webrtcvad.Vad())\"]
";

#[test]
fn equal_sources_give_equal_layers_and_a_cache_saves_their_build() {
    let Some(engines) = engines() else { return };
    let index = {
        let project = Project::new();
        let folder = source(&project, "untidy", "untidy", include_str!("untidy.py"));
        Index::serve("", &[&format!("untidy==1.0@{}", folder.display())])
    };
    let project = Project::new();
    project.write("wheelwright.yaml", MANIFEST);
    project.write(
        "requirements.txt",
        &format!(
            "{REQUIREMENTS}untidy @ {}\n",
            index.file("untidy", "untidy-1.0.tar.gz")
        ),
    );
    let cache = format!("type=registry,ref={}/e2e/built-cache:latest", engines.registry);
    let first = engines.image("built-first");
    let to = format!("{cache},mode=max");
    build(&engines, &project, &["-t", &first, "--push", "--cache-to", &to]).ok();

    let other = PrivateEngine::start(&engines, Path::new("buildkitd"));
    let second = engines.image("built-second");
    let address = other.address();
    let there = ["--addr", &address, "-t", &second, "--push"];
    let cold = build(&engines, &project, &there).ok();
    assert_eq!(compiled(&cold), 3, "{cold}");
    assert_eq!(engines.layers(&first), engines.layers(&second), "{cold}");

    other.prune();
    let warm = build(
        &engines,
        &project,
        &[&there[..], &["--cache-from", &cache]].concat(),
    )
    .ok();
    assert_eq!(compiled(&warm), 0, "{warm}");
    assert_eq!(engines.layers(&first), engines.layers(&second), "{warm}");
}

/// How many sources were built, by the steps that were not cached.
fn compiled(text: &str) -> usize {
    let steps = text.lines().filter_map(|line| line.split_once("[wheels] build "));
    let ended = steps.filter(|(_, step)| !step.contains(" | ") && step.ends_with('s'));
    ended.count()
}

const LOCKED: &str = "\
name: e2e-curious
python: \"3.11\"
indexes:
  - {name: main, url: \"URL\", default: true, auth: {secret: login}}
services:
  api:
    image: python:3.11-slim
    lock: pylock.toml
    wheels:
      PACKAGE: {source: true, environment: {NAME: PACKAGE}}
    command: [python]
";

/// A project that installs one source distribution of the index, from a lock.
pub(crate) fn locked(index: &Index, package: &str, sha256: &str) -> Project {
    let project = Project::new();
    let manifest = LOCKED.replace("URL", &index.url()).replace("PACKAGE", package);
    project.write("wheelwright.yaml", &manifest);
    let url = index.file(package, &format!("{package}-1.0.tar.gz"));
    let lock = format!(
        "lock-version = \"1.0\"\ncreated-by = \"test\"\n\n[[packages]]\nname = \"{package}\"\nversion = \"1.0\"\n\
         sdist = {{ url = \"{url}\", hashes = {{ sha256 = \"{sha256}\" }} }}\n"
    );
    project.write("pylock.toml", &lock);
    project
}

#[test]
fn build_code_sees_no_login_and_leaves_nothing_for_others() {
    let Some(engines) = engines() else { return };
    let sources = Project::new();
    let curious = include_str!("curious.py");
    let folders = ["curious", "later"].map(|name| source(&sources, name, "curious", curious));
    let packages = folders.map(|folder| {
        let name = folder.file_name().expect("a name").to_string_lossy();
        format!("{name}==1.0@{}", folder.display())
    });
    let login = "robot:s3cr3t-of-the-index";
    let index = Index::serve(login, &[&packages[0], &packages[1]]);
    let secret = sources.write("login.txt", login);
    let secret = format!("id=login,src={}", secret.display());
    let site = |package: &str| {
        let project = locked(&index, package, &index.sha256(package));
        let out = TempDir::new().expect("a folder");
        let output = format!("type=local,dest={}", out.path().display());
        let text = build(&engines, &project, &["--secret", &secret, "-o", &output]).ok();
        assert!(text.contains(&format!("[wheels] build {package}")), "{text}");
        assert!(!out.path().join("usr/lib/python3/mark").exists());
        let report = format!("opt/venv/lib/python3.11/site-packages/{package}.json");
        fs::read_to_string(out.path().join(report)).expect("a report")
    };
    let report = site("curious");
    let read: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let written = read["written"].as_array().expect("places");
    assert!(written.contains(&"/root/.cache/uv/mark".into()), "{written:?}");
    for place in [
        "/src/mark",
        "/run/wheelwright/uv/uv",
        "/run/wheelwright/script/wheel.sh",
    ] {
        assert!(!written.contains(&place.into()), "{place} can be written to");
    }
    assert!(read["environment"]["SOURCE_DATE_EPOCH"].is_string());
    assert!(report.len() > 10_000, "it saw nothing: {report}");
    for word in ["s3cr3t-of-the-index", "cm9ib3Q6czNjcjN0LW9mLXRoZS1pbmRleA"] {
        assert!(!report.contains(word), "the build saw the login");
    }
    let later: serde_json::Value = serde_json::from_str(&site("later")).expect("JSON");
    let seen = later["seen"].as_array().expect("files");
    let left = seen
        .iter()
        .map(|file| file[0].to_string())
        .filter(|path| path.contains("/mark"));
    assert_eq!(
        left.collect::<Vec<_>>(),
        Vec::<String>::new(),
        "one build found what another left"
    );
}

/// A backend that gives no wheel where it sees the login.
const WARY: &str = r#"
from backend import wheel
from curious import seen

def build_wheel(folder, config_settings=None, metadata_directory=None):
    words = ["".join(reversed(word)) for word in ("revloser-eht-fo-t3rc3s", "clZHbvNXZy1SZoRXLm9WL0NjcjNzc6Q3bi9mc")]
    told = [path for path, text in seen() if any(word in text for word in words)]
    if told:
        raise SystemExit(f"the login is in {told}")
    return wheel(folder, "wary", {"wary.py": "VERSION = '1.0'"})
"#;

#[test]
fn a_source_behind_a_login_is_resolved_built_and_run() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let folder = source(&project, "wary", "wary_backend", WARY);
    project.write("wary/curious.py", include_str!("curious.py"));
    // Nothing static: what it needs is known when it is built.
    let about = "[build-system]\nrequires = []\nbuild-backend = \"wary_backend\"\nbackend-path = [\".\"]\n";
    project.write("wary/pyproject.toml", about);
    project.write(
        "wary/PKG-INFO",
        "Metadata-Version: 2.1\nName: wary\nVersion: 1.0\n",
    );
    let login = "robot:s3cr3t-of-the-resolver";
    let index = Index::serve(login, &[&format!("wary==1.0@{}", folder.display()), "aa==1.0"]);
    let manifest = LOCKED
        .replace("URL", &index.url())
        .replace("lock: pylock.toml", "requirements: [requirements.txt]")
        .replace(
            "[python]",
            "[python, -c, \"import wary, aa; print(wary.VERSION, aa.VERSION)\"]",
        );
    let manifest = manifest
        .lines()
        .filter(|line| !line.contains("wheels") && !line.contains("PACKAGE"));
    project.write("wheelwright.yaml", &manifest.collect::<Vec<_>>().join("\n"));
    // An address is known to be behind the login, too.
    let address = index.file("aa", "aa-1.0-py3-none-any.whl");
    project.write("requirements.txt", &format!("wary\naa @ {address}\n"));
    let secret = project.write("login.txt", login);
    let secret = format!("id=login,src={}", secret.display());
    let image = engines.image("behind-a-login");
    let said = build(&engines, &project, &["--secret", &secret, "-t", &image, "--push"]).ok();
    assert!(said.contains("[wheels] build wary"), "{said}");
    let host = &engines.docker;
    let ran = engines.pull_and_run(&image);
    assert_eq!(ran.trim(), "1.0 1.0");
    let history = engines.docker(host, &["history", "--no-trunc", &image]).ok();
    let records = run(Command::new("buildctl").args(["du", "--verbose"])).text;
    for text in [&said, &history, &records] {
        for word in ["s3cr3t-of-the-resolver", "cm9ib3Q6czNjcjN0LW9mLXRoZS1yZXNvbHZlc"] {
            assert!(!text.contains(word), "the login is told");
        }
    }

    // A lock holds the real addresses.
    let folder = project.path().display().to_string();
    let lock = ["lock", "-C", &folder, "--secret", &secret, "--progress=plain"];
    engines.wheelwright(&lock).ok();
    let lock = fs::read_to_string(project.path().join("pylock.api.toml")).expect("the lock");
    let source = index.file("wary", "wary-1.0.tar.gz");
    assert!(lock.contains(&source) && lock.contains(&address), "{lock}");
}

#[test]
fn a_wheel_of_another_package_is_refused() {
    let Some(engines) = engines() else { return };
    let sources = Project::new();
    let folder = source(&sources, "liar", "curious", include_str!("curious.py"));
    let index = Index::serve("", &[&format!("honest==1.0@{}", folder.display())]);
    let project = locked(&index, "honest", &index.sha256("honest"));
    project.edit("NAME: honest", "NAME: pip");
    project.edit(", auth: {secret: login}", "");
    let text = build(&engines, &project, &[]).fails();
    let said = "the build of honest made a wheel of another package: pip-1.0-py3-none-any.whl";
    assert!(text.contains(said), "{text}");
}
