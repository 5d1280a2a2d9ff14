//! uv.lock of projects, made in the build: of a workspace with two members, from an index with and without a login.

use crate::engine::engines;
use crate::index::Index;
use crate::project::Project;

const BUILD_SYSTEM: &str = "[build-system]\nrequires = []\nbuild-backend = \"own\"\nbackend-path = [\".\"]\n";
/// Gives no wheel where it could read a secret of an index.
const BACKEND: &str = "\
import glob, os
from backend import wheel
def build_wheel(folder, config_settings=None, metadata_directory=None):
    assert not any(os.access(path, os.R_OK) for path in glob.glob('/run/secrets/*/*'))
    return wheel(folder, 'tool', {'tool.py': ''})
build_editable = build_wheel
";

/// A workspace with two members, of which `web` needs `tool`.
fn workspace(index: &Index, auth: &str) -> Project {
    let project = Project::new();
    let url = index.url();
    let manifest = format!(
        "name: e2e-uv-lock\npython: \"3.11\"\nindexes:\n  - {{name: main, url: \"{url}\", default: true{auth}}}\n\
         defaults: {{image: \"python:3.11-slim\", bytecode: false}}\nservices:\n  \
         web: {{project: packages/web, command: [python, -c, \"import aa; print(aa.VERSION)\"]}}\n  \
         tool: {{project: packages/tool, command: [python]}}\n  \
         poetry: {{project: poetry, command: [python]}}\n"
    );
    project.write("wheelwright.yaml", &manifest);
    project.write(
        "pyproject.toml",
        "[tool.uv.workspace]\nmembers = [\"packages/*\"]\n[tool.uv.sources]\ntool = { workspace = true }\n",
    );
    let member = |name: &str, needs: &str| {
        format!(
            "[project]\nname = \"{name}\"\nversion = \"1.0\"\nrequires-python = \">=3.11\"\ndependencies = [{needs}]\n"
        )
    };
    project.write("packages/web/pyproject.toml", &member("web", "\"aa\", \"tool\""));
    project.write(
        "packages/tool/pyproject.toml",
        &(member("tool", "\"bb<2\"") + BUILD_SYSTEM),
    );
    project.write("packages/tool/own.py", BACKEND);
    project.write("packages/tool/backend.py", include_str!("backend.py"));
    project.write("packages/web/main.py", "# not uv's business\n");
    project.write("poetry/pyproject.toml", &member("poems", ""));
    project.write("poetry/poetry.lock", "[metadata]\nlock-version = \"2.1\"\n");
    project
}

#[test]
fn a_workspace_has_one_uv_lock() {
    let Some(engines) = engines() else { return };
    let index = Index::serve("", &["aa==1.0", "bb==1.0", "bb==1.5", "bb==2.0"]);
    let project = workspace(&index, "");
    let missing = engines.lock(project.path(), &["--check"]);
    assert!(
        missing.code == 6 && missing.text.contains("`uv.lock` is not there"),
        "{}",
        missing.text
    );
    let folder = project.path().display().to_string();
    let unlocked = engines.wheelwright(&["build", "web", "-C", &folder, "--progress=plain"]);
    assert!(unlocked.fails().contains("`wheelwright lock` makes a uv.lock"));
    let theirs = engines.lock(project.path(), &["poetry"]);
    assert!(
        theirs.code == 3 && theirs.text.contains("`poetry lock` makes it"),
        "{}",
        theirs.text
    );

    let said = engines.lock(project.path(), &[]).ok();
    let first = project.read("uv.lock");
    assert!(said.contains("uv.lock: "), "{said}");
    assert!(
        first.contains("bb-1.5-") && first.contains(&index.url()),
        "{first}"
    );
    assert!(!project.read("packages/web/uv.lock").contains("version"));
    engines.lock(project.path(), &["--check", "web"]).ok();
    engines.lock(project.path(), &[]).ok();
    assert_eq!(project.read("uv.lock"), first, "nothing of it changed");

    // What is locked stays, also for members that no other tells; an upgrade takes the newest.
    let member = project.read("packages/tool/pyproject.toml");
    project.write("packages/tool/pyproject.toml", &member.replace("bb<2", "bb"));
    let stale = engines.lock(project.path(), &["--check"]);
    assert!(
        stale.code == 6 && stale.text.contains("packages/tool/pyproject.toml:5"),
        "{}",
        stale.text
    );
    engines.lock(project.path(), &["tool"]).ok();
    assert!(project.read("uv.lock").contains("bb-1.5-"));
    let told = engines.lock(project.path(), &["--upgrade", "bb"]).ok();
    assert!(told.contains("uv.lock: bb 1.5 -> 2.0"), "{told}");
    let wrong = engines.lock(project.path(), &["--upgrade", "nothing"]).fails();
    assert!(wrong.contains("`nothing` is in no lock"), "{wrong}");

    // The frontend image makes the same, and the lock is what a build installs.
    let second = project.read("uv.lock");
    std::fs::remove_file(project.path().join("uv.lock")).expect("the lock");
    let out = project.path().join("out");
    let output = format!("type=local,dest={}", out.display());
    engines
        .buildctl(project.path(), "lock", &["--output", &output])
        .ok();
    assert_eq!(project.read("out/uv.lock"), second);
    project.write("uv.lock", &second);
    let output = format!("type=local,dest={}", project.path().join("image").display());
    let build = ["build", "web", "-C", &folder, "-o", &output, "--progress=plain"];
    engines.wheelwright(&build).ok();
    assert_eq!(
        project.read("image/opt/venv/lib/python3.11/site-packages/bb.py"),
        "VERSION = '2.0'\n"
    );
}

#[test]
fn a_project_that_cannot_be_locked_says_why_and_writes_nothing() {
    let Some(engines) = engines() else { return };
    let index = Index::serve("", &["aa==1.0", "bb==2.0"]);
    let project = workspace(&index, "");
    let said = engines.lock(project.path(), &[]).fails();
    assert!(said.contains("bb<2"), "{said}");
    assert!(project.read("uv.lock").is_empty());
}

#[test]
fn a_login_is_kept_from_members_that_are_built() {
    let Some(engines) = engines() else { return };
    let login = "robot:w0rd-of-the-team";
    let index = Index::serve(login, &["aa==1.0", "bb==1.0"]);
    let project = workspace(&index, ", auth: {secret: login}");
    // What it needs only its backend knows.
    let about = "[project]\nname = \"tool\"\nversion = \"1.0\"\ndynamic = [\"dependencies\"]\n";
    project.write("packages/tool/pyproject.toml", &format!("{about}{BUILD_SYSTEM}"));
    let secret = project.write("login", login);
    let secret = format!("id=login,src={}", secret.display());
    let said = engines.lock(project.path(), &["--secret", &secret]).ok();
    let text = project.read("uv.lock");
    let address = index.file("aa", "aa-1.0-py3-none-any.whl");
    assert!(
        text.contains(&address) && text.contains("name = \"tool\""),
        "{text}"
    );
    assert!(
        !said.contains("w0rd-of") && !text.contains("w0rd-of"),
        "the login is told"
    );
}
