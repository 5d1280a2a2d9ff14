//! Locks of other tools as requirement files.

use super::*;
use crate::diag::{Diagnostic, SourceFile};
use crate::python::Interpreter;

const POETRY: &str = r#"
[[package]]
name = "idna"
version = "3.10"
optional = false
groups = ["main", "dev"]
files = [{file = "idna-3.10-py3-none-any.whl", hash = "sha256:946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3"}]

[[package]]
name = "colorama"
version = "0.4.6"
groups = ["main", "dev"]
markers = {main = "platform_system == \"Windows\"", dev = "sys_platform == \"win32\""}
files = []

[[package]]
name = "psycopg"
version = "3.2"
optional = true
groups = ["main"]
markers = "python_version >= \"3.9\" and extra == \"pg\""
files = []

[[package]]
name = "pytest"
version = "8.0"
groups = ["dev"]
files = []

[[package]]
name = "tool"
version = "1"
groups = ["main"]
files = []
[package.source]
type = "git"
url = "https://git.example/tool.git"
reference = "HEAD"
resolved_reference = "14a6a329313d0e11978fabe84fb49e8ffc293657"

[[package]]
name = "lib"
version = "1"
groups = ["main"]
files = []
[package.source]
type = "directory"
url = "../lib"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "x"
"#;

fn selection(extras: &[&str], groups: &[&str]) -> Selection {
    Selection {
        root: None,
        extras: extras.iter().map(|name| name.parse().unwrap()).collect(),
        groups: Some(groups.iter().map(|name| name.parse().unwrap()).collect()),
    }
}

#[test]
fn poetry_locks_become_pinned_requirements() {
    let file = SourceFile::new("poetry.lock", POETRY);
    insta::assert_snapshot!("poetry", poetry(&file, &selection(&[], &[])).unwrap());
    insta::assert_snapshot!(
        "poetry_chosen",
        poetry(&file, &selection(&["pg"], &["dev"])).unwrap()
    );
    let mistake = |text: &str| {
        let found = poetry(&SourceFile::new("poetry.lock", text), &selection(&[], &[])).unwrap_err();
        found.iter().map(Diagnostic::summary).collect::<Vec<_>>()
    };
    assert_eq!(
        mistake(&POETRY.replace("2.1", "2.0")),
        ["poetry.lock:51:16: lock version `2.0` does not say which groups need a package"]
    );
    assert_eq!(
        mistake(&POETRY.replace("2.1", "3.0")),
        ["poetry.lock:51:16: lock version `3.0` is newer than this version reads"]
    );
    assert!(mistake("[metadata")[0].starts_with("poetry.lock:1:"));
}

#[test]
fn pipenv_locks_become_pinned_requirements() {
    let text = r#"{"_meta": {"pipfile-spec": 6, "sources": []},
            "default": {"idna": {"hashes": ["sha256:946d"], "markers": "python_version >= '3.6'", "version": "==3.10"},
                        "requests": {"extras": ["socks"], "version": "==2.31.0"},
                        "tool": {"git": "https://git.example/tool.git", "ref": "14a6a329313d0e11978fabe84fb49e8ffc293657"}},
            "develop": {"pytest": {"version": "==8.0"}}}"#;
    let file = SourceFile::new("Pipfile.lock", text);
    insta::assert_snapshot!("pipfile", pipfile(&file, &selection(&[], &["dev"])).unwrap());
    assert_eq!(pipfile(&file, &selection(&[], &[])).unwrap().lines().count(), 3);
    let wrong = pipfile(
        &SourceFile::new("Pipfile.lock", "{\n\"default\": 1"),
        &selection(&[], &[]),
    )
    .unwrap_err();
    assert!(
        wrong
            .iter()
            .next()
            .unwrap()
            .summary()
            .starts_with("Pipfile.lock:2:1: not a valid")
    );
}

const NEEDS: &str = r#"
[[package]]
name = "app"
version = "1"
groups = ["main"]
python-versions = ">=3.9"
files = []
[package.dependencies]
idna = "^3.0"
numpy = [
    {version = ">=1.22,<2", markers = "python_version < \"3.12\""},
    {version = ">=2", markers = "python_version >= \"3.12\""},
]
lib = {version = ">=1,<2 || >=4", extras = ["fast"]}
gone = {version = "*", markers = "sys_platform == \"win32\""}
opt = {version = "*", optional = true}
[package.extras]
all = ["opt (>=2)"]

[[package]]
name = "idna"
version = "2.10"
groups = ["main"]
python-versions = "*"
files = []

[[package]]
name = "numpy"
version = "2.1"
groups = ["main"]
python-versions = ">=3.12"
files = []

[[package]]
name = "lib"
version = "3.0"
groups = ["main"]
python-versions = ">=3.8,!=3.9.*"
files = []
[package.extras]
fast = ["speedups (>=1,<2) ; python_version >= \"3\""]

[[package]]
name = "later"
version = "1"
groups = ["dev"]
python-versions = ">=3.14"
files = []

[metadata]
lock-version = "2.1"
python-versions = "^3.9"
content-hash = "x"
"#;

#[test]
fn what_packages_of_a_poetry_lock_need_is_known() {
    let file = SourceFile::new("poetry.lock", NEEDS);
    let interpreter = Interpreter::assumed("3.11".parse().unwrap(), "amd64");
    let refused = pinned(&file, &selection(&[], &[]), &interpreter).unwrap_err();
    let refused = refused.iter().map(Diagnostic::summary).collect::<Vec<_>>();
    assert_eq!(
        refused,
        ["poetry.lock:31:19: Python 3.11.0 of the base image is not in `>=3.12`"]
    );

    let text = NEEDS.replace("python-versions = \">=3.12\"", "python-versions = \">=3.11\"");
    let file = SourceFile::new("poetry.lock", text);
    let pinned = pinned(&file, &selection(&[], &[]), &interpreter).unwrap();
    let environment = interpreter.markers().unwrap();
    let found = crate::python::together::unmet(&pinned.known, &pinned.installed, &environment);
    let found = found.into_iter().map(|conflict| match conflict {
        crate::python::together::Conflict::Need {
            package,
            needs,
            installed,
            at,
            ..
        } => {
            let at = file.position(at.unwrap().start);
            let installed = installed.as_deref().unwrap_or("nothing");
            format!(
                "{}:{} {package} needs {needs}, has {installed}",
                at.line, at.column
            )
        }
        other @ crate::python::together::Conflict::Path { .. } => format!("{other:?}"),
    });
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            "9:8 app needs idna>=3.0,<4, has 2.10",
            "14:7 app needs lib>=1,<2 or >=4, has 3.0",
            "10:9 app needs numpy>=1.22,<2, has 2.1",
            "41:9 lib[fast] needs speedups>=1,<2, has nothing",
        ]
    );
}
