//! Wheels that are built: equal wherever they are, taken from a cache, by code that nobody trusts.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::engine::{Engines, Said, engines};
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
