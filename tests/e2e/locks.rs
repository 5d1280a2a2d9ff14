//! Repositories as teams have them: a uv workspace, requirement files with packages of the repository. What is chosen
//! is what uv would install.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::engine::{Engines, engines, pinned_uv, run};

/// A workspace with a library, a service that is a package with extras and groups, and one that is not.
struct Workspace {
    folder: TempDir,
    uv: PathBuf,
}

const LIBRARY: &str = "\
[project]
name = \"common\"
version = \"0.1.0\"
requires-python = \">=3.11\"
dependencies = [\"idna==3.10\"]

[project.optional-dependencies]
web = [\"markupsafe==3.0.2\", \"colorama; sys_platform == 'win32'\"]

[build-system]
requires = [\"uv_build\"]
build-backend = \"uv_build\"
";

const API: &str = "\
[project]
name = \"api\"
version = \"0.1.0\"
requires-python = \">=3.11\"
dependencies = [\"common[web]\", \"six==1.17.0\"]

[project.optional-dependencies]
old = [\"click<8\"]
new = [\"click>=8\", \"tomli; python_version < '3.11'\"]

[dependency-groups]
prod = [\"jsonpointer==3.0.0\", { include-group = \"lint\" }]
lint = [\"idna\"]
dev = [\"docopt\"]

[tool.uv]
conflicts = [[{ extra = \"old\" }, { extra = \"new\" }]]

[tool.uv.sources]
common = { workspace = true }
";

const WORKER: &str = "\
[project]
name = \"worker\"
version = \"0.1.0\"
requires-python = \">=3.11\"
dependencies = [\"common\"]

[tool.uv.sources]
common = { workspace = true }
";

const MANIFEST: &str = "\
name: e2e-workspace
python: \"3.11\"
defaults:
  image: python:3.11-slim
services:
  api:
    project: services/api
    extras: [new]
    groups: [prod]
    code: [services/api]
    command: [python, -c, \"import common, markupsafe, click, jsonpointer; print(common.WHO, common.__file__)\"]
  worker:
    project: services/worker
    code: [services/worker]
    command: [python, -c, \"import common; print(common.WHO)\"]
";

impl Workspace {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let workspace = Self {
            uv: pinned_uv(&folder.path().join("tool")),
            folder,
        };
        workspace.write(
            "repository/pyproject.toml",
            "[tool.uv.workspace]\nmembers = [\"libs/*\", \"services/*\"]\n",
        );
        workspace.write("repository/libs/common/pyproject.toml", LIBRARY);
        workspace.write("repository/libs/common/src/common/__init__.py", "WHO = 'first'\n");
        workspace.write("repository/services/api/pyproject.toml", API);
        workspace.write("repository/services/worker/pyproject.toml", WORKER);
        workspace.write("repository/wheelwright.yaml", MANIFEST);
        workspace.lock();
        workspace
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn uv(&self, args: &[&str]) -> String {
        let mut command = Command::new(&self.uv);
        command
            .current_dir(self.repository())
            .env("UV_SYSTEM_CERTS", "true");
        run(command.args(args)).ok()
    }

    fn lock(&self) {
        self.uv(&["lock", "--quiet"]);
    }

    /// Builds and pushes a service; the digests of its layers.
    fn build(&self, engines: &Engines, service: &str) -> Vec<String> {
        let image = engines.image(&format!("workspace-{service}"));
        engines.push(&self.repository(), service, &image, &[]).ok();
        engines.layers(&image)
    }
}

/// Names and versions of what a plan installs; local packages by name.
fn planned(repository: &Path, engines: &Engines, service: &str) -> BTreeSet<String> {
    let folder = repository.display().to_string();
    let text = engines
        .wheelwright(&[
            "plan",
            service,
            "-C",
            &folder,
            "--platform",
            "linux/amd64",
            "--format",
            "json",
        ])
        .ok();
    let plans: serde_json::Value = serde_json::from_str(&text).expect("a plan");
    let packages = plans[0]["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| {
            let name = package["name"].as_str().expect("a name");
            match package["kind"].as_str() {
                Some("directory") => name.to_owned(),
                _ => format!("{name}=={}", package["version"].as_str().expect("a version")),
            }
        })
        .collect()
}

#[test]
fn a_workspace_member_installs_what_uv_would() {
    let Some(engines) = engines() else { return };
    let workspace = Workspace::new();
    let selections: [(&str, &str, &[&str]); 3] = [
        (
            "api",
            "    extras: [new]\n    groups: [prod]\n",
            &["--extra", "new", "--group", "prod"],
        ),
        ("api", "    extras: [old]\n", &["--extra", "old"]),
        ("worker", "", &[]),
    ];
    for (service, selection, options) in selections {
        let manifest = MANIFEST.replace("    extras: [new]\n    groups: [prod]\n", selection);
        workspace.write("repository/wheelwright.yaml", &manifest);
        let fixed = [
            "export",
            "--quiet",
            "--frozen",
            "--no-default-groups",
            "--no-hashes",
            "--no-header",
            "--no-annotate",
            "--no-emit-project",
            "--package",
            service,
        ];
        let exported = workspace.uv(&[&fixed[..], options].concat());
        let theirs = exported.lines().filter_map(|line| {
            let (requirement, marker) = line.split_once(" ; ").unwrap_or((line, ""));
            if marker.contains("win32") || marker.contains("< '3.11'") {
                return None;
            }
            Some(requirement.trim().replace("-e ./libs/", ""))
        });
        let theirs = theirs.filter(|line| !line.is_empty()).collect::<BTreeSet<_>>();
        assert_eq!(
            planned(&workspace.repository(), &engines, service),
            theirs,
            "{service} {selection}"
        );
    }
}

#[test]
fn a_workspace_builds_and_a_member_changes_only_who_uses_it() {
    let Some(engines) = engines() else { return };
    let workspace = Workspace::new();
    let said = |service: &str| {
        let image = engines.image(&format!("workspace-{service}"));
        engines.docker(&engines.docker, &["pull", "-q", &image]).ok();
        engines.docker(&engines.docker, &["run", "--rm", &image]).ok()
    };
    let (api, worker) = (
        workspace.build(&engines, "api"),
        workspace.build(&engines, "worker"),
    );
    assert_eq!(
        said("api").trim(),
        "first /opt/venv/lib/python3.11/site-packages/common/__init__.py"
    );
    assert_eq!(said("worker").trim(), "first");

    workspace.write("repository/services/api/main.py", "print(1)\n");
    assert_eq!(
        workspace.build(&engines, "worker"),
        worker,
        "another member changed"
    );

    workspace.write(
        "repository/libs/common/src/common/__init__.py",
        "WHO = 'second'\n",
    );
    let changed = workspace.build(&engines, "worker");
    let differing = worker
        .iter()
        .zip(&changed)
        .filter(|(before, after)| before != after);
    assert_eq!(
        (differing.count(), changed.len()),
        (2, worker.len()),
        "the library and its bytecode alone are made again"
    );
    assert_eq!(said("worker").trim(), "second");
    assert_ne!(workspace.build(&engines, "api"), api);
}

#[test]
fn a_lock_that_is_older_than_a_member_is_an_error() {
    let Some(engines) = engines() else { return };
    let workspace = Workspace::new();
    workspace.write(
        "repository/libs/common/pyproject.toml",
        &LIBRARY.replace("idna==3.10", "idna==3.9"),
    );
    let text = engines.buildctl(&workspace.repository(), "worker", &[]).fails();
    assert!(
        text.contains("`idna==3.9` is not what the lock was made from"),
        "{text}"
    );
    assert!(
        text.contains("libs/common/pyproject.toml:5") && text.contains("uv lock"),
        "{text}"
    );
}

#[test]
fn requirement_files_with_packages_of_the_repository_build() {
    let Some(engines) = engines() else { return };
    let workspace = Workspace::new();
    let manifest = "name: e2e-paths\nservices:\n  api:\n    image: python:3.11-slim\n    requirements: [services/api/requirements.txt]\n    command: [python, -c, \"import common, loose, idna, six; print(common.WHO, loose.WHO)\"]\n";
    workspace.write("paths/wheelwright.yaml", manifest);
    workspace.write("paths/libs/common/pyproject.toml", LIBRARY);
    workspace.write("paths/libs/common/src/common/__init__.py", "WHO = 'common'\n");
    let setup = "import pathlib, setuptools\nhere = pathlib.Path(__file__).parent\nsetuptools.setup(name='loose', version=(here / 'VERSION').read_text().strip(), py_modules=['loose'])\n";
    workspace.write("paths/libs/loose/setup.py", setup);
    workspace.write("paths/libs/loose/VERSION", "3\n");
    workspace.write("paths/libs/loose/loose.py", "WHO = 'loose'\n");
    let requirements = "-e ../../libs/common[web]\n../../libs/loose\nsix==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n";
    workspace.write("paths/services/api/requirements.txt", requirements);
    let project = workspace.folder.path().join("paths");
    let image = engines.image("paths");
    let output = format!("type=image,name={image},push=true");
    engines.buildctl(&project, "api", &["--output", &output]).ok();
    engines.docker(&engines.docker, &["pull", "-q", &image]).ok();
    assert_eq!(
        engines
            .docker(&engines.docker, &["run", "--rm", &image])
            .ok()
            .trim(),
        "common loose"
    );

    let wrong = requirements.replace("4721", "4722");
    workspace.write("paths/services/api/requirements.txt", &wrong);
    let text = engines.buildctl(&project, "api", &[]).fails();
    assert!(text.contains("six"), "{text}");
}
