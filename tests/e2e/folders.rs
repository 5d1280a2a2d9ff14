//! Packages of the repository: built by whatever backend they name, and built again quickly.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::engine::{Engines, engines, run};

const AT_THE_ROOT: &str = "\
name: rooted
python: \"3.11\"
services:
  api:
    image: python:3.11-slim
    lock: pylock.toml
    command: [python, -c, \"import rooted; print(rooted.SAYS)\"]
";

const HATCHLING: &str = "\
[project]
name = \"rooted\"
version = \"1.0\"
readme = \"docs/about.md\"
[build-system]
requires = [\"hatchling\"]
build-backend = \"hatchling.build\"
";

const MANIFEST: &str = "\
name: folders
python: \"3.11\"
services:
  api:
    image: python:3.11-slim
    lock: pylock.toml
    command: [python, -c, \"import modern, old, own; print(modern.SAYS, old.SAYS, own.SAYS)\"]
";

/// A backend that lies in the package itself and wants more than pyproject.toml says.
const BACKEND: &str = r#"
import base64, hashlib, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return ["six==1.17.0"]

def build_wheel(folder, config_settings=None, metadata_directory=None):
    import six
    files = {
        "own.py": open("own.py").read(),
        "own-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: own\nVersion: 1.0\n",
        "own-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items())
    files["own-1.0.dist-info/RECORD"] = record + "own-1.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(f"{folder}/own-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return "own-1.0-py3-none-any.whl"
"#;

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

fn build(engines: &Engines, folder: &Path, image: &str) -> (String, String) {
    let cache = folder.join(".cache");
    let said = run(Command::new(env!("CARGO_BIN_EXE_wheelwright"))
        .args(["build", "api", "--progress=plain", "--push", "-t", image])
        .current_dir(folder)
        .env("WHEELWRIGHT_CACHE_DIR", cache))
    .ok();
    let ran = engines.docker(&engines.docker, &["run", "--rm", "--pull=always", "-q", image]);
    (said, ran.ok().trim().to_owned())
}

/// Whether BuildKit's own plain progress says that a step was cached.
fn was_cached(said: &str, step: &str) -> bool {
    let line = said
        .lines()
        .find(|line| line.starts_with('#') && line.contains(step));
    let line = line.unwrap_or_else(|| panic!("no `{step}` in:\n{said}"));
    let id = line.split(' ').next().unwrap_or_default();
    said.lines().any(|line| line == format!("{id} CACHED"))
}

/// How the last line about a step ends.
fn is_cached(said: &str, step: &str) -> bool {
    let mut lines = said.lines().filter(|line| line.contains(step));
    let last = lines.next_back();
    last.unwrap_or_else(|| panic!("no `{step}` in:\n{said}"))
        .ends_with("cached")
}

#[test]
fn a_change_of_code_builds_one_wheel_and_prepares_nothing() {
    let Some(engines) = engines() else { return };
    let folder = TempDir::new().expect("a folder");
    let package = |name: &str| {
        format!(
            "[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\ndirectory = {{ path = \"libs/{name}\" }}\n"
        )
    };
    let packages = ["modern", "old", "own"].map(package).concat();
    let lock = format!("lock-version = \"1.0\"\ncreated-by = \"test\"\n{packages}");
    write(
        folder.path(),
        &[
            ("wheelwright.yaml", MANIFEST),
            ("pylock.toml", &lock),
            (
                "libs/modern/pyproject.toml",
                "[project]\nname = \"modern\"\nversion = \"1.0\"\n[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n",
            ),
            ("libs/modern/src/modern/__init__.py", "SAYS = 'modern'\n"),
            (
                "libs/old/setup.py",
                "from setuptools import setup\nsetup(name='old', version='1.0', py_modules=['old'])\n",
            ),
            ("libs/old/old.py", "SAYS = 'old'\n"),
            (
                "libs/own/pyproject.toml",
                "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
            ),
            ("libs/own/backend.py", BACKEND),
            ("libs/own/own.py", "SAYS = 'own'\n"),
        ],
    );
    let image = engines.image("folders");
    let (_, ran) = build(&engines, folder.path(), &image);
    assert_eq!(ran.lines().last(), Some("modern old own"));

    // Something that no engine has built before.
    let word = folder.path().file_name().expect("a name").to_string_lossy();
    let text = format!("SAYS = '{word}'\n");
    write(folder.path(), &[("libs/modern/src/modern/__init__.py", &text)]);
    let (said, ran) = build(&engines, folder.path(), &image);
    assert_eq!(ran.lines().last(), Some(format!("{word} old own").as_str()));
    assert!(is_cached(&said, "what builds modern"), "{said}");
    assert!(!is_cached(&said, "build modern 1.0"), "{said}");
    for other in ["build old 1.0", "build own 1.0"] {
        assert!(is_cached(&said, other), "{said}");
    }
}

/// A project whose root is the package `rooted`.
fn rooted(folder: &Path, pyproject: &str, files: &[(&str, &str)]) {
    let lock = "lock-version = \"1.0\"\ncreated-by = \"test\"\n[[packages]]\nname = \"rooted\"\nversion = \"1.0\"\ndirectory = { path = \".\" }\n";
    let base = [
        ("wheelwright.yaml", AT_THE_ROOT),
        ("pylock.toml", lock),
        ("pyproject.toml", pyproject),
    ];
    write(folder, &[&base, files].concat());
}

#[test]
fn a_package_at_the_root_is_built_again_for_its_own_files_alone() {
    let Some(engines) = engines() else { return };
    let folder = TempDir::new().expect("a folder");
    let word = folder.path().file_name().expect("a name").to_string_lossy();
    let code = |says: &str| format!("SAYS = '{word} {says}'\n");
    rooted(
        folder.path(),
        HATCHLING,
        &[
            ("docs/about.md", "About.\n"),
            ("rooted/__init__.py", &code("one")),
            ("other/notes.txt", "1"),
        ],
    );
    let image = engines.image("rooted");
    let (_, ran) = build(&engines, folder.path(), &image);
    assert_eq!(ran, format!("{word} one"));

    write(folder.path(), &[("other/notes.txt", "2"), ("more.txt", "new")]);
    let (said, _) = build(&engines, folder.path(), &image);
    assert!(said.contains("up to date"), "{said}");
    let (said, _) = build(&engines, folder.path(), &engines.image("rooted-again"));
    assert!(is_cached(&said, "build rooted 1.0"), "{said}");

    write(folder.path(), &[("rooted/__init__.py", &code("two"))]);
    let (said, ran) = build(&engines, folder.path(), &image);
    assert!(!is_cached(&said, "build rooted 1.0"), "{said}");
    assert_eq!(ran, format!("{word} two"));
}

#[test]
fn so_it_is_through_the_frontend_image() {
    let Some(engines) = engines() else { return };
    let folder = TempDir::new().expect("a folder");
    let word = folder.path().file_name().expect("a name").to_string_lossy();
    let code = |says: &str| format!("SAYS = '{word} {says}'\n");
    let files = [("docs/about.md", "About.\n"), ("other/notes.txt", "1")];
    rooted(folder.path(), HATCHLING, &files);
    let image = "e2e-rooted:latest";
    let buildctl = || engines.buildctl(folder.path(), "api", &[]).ok();
    let buildx = || {
        engines
            .buildx(&engines.docker, folder.path(), "api", image, &["--load"])
            .ok()
    };
    let doors: [(&str, &dyn Fn() -> String); 2] = [("buildctl", &buildctl), ("buildx", &buildx)];
    for (door, build) in doors {
        write(folder.path(), &[("rooted/__init__.py", &code(door))]);
        assert!(!was_cached(&build(), "build rooted 1.0"), "{door}");
        write(folder.path(), &[("other/notes.txt", door), ("more.txt", door)]);
        let said = build();
        assert!(was_cached(&said, "build rooted 1.0"), "{door}:\n{said}");
    }
    let ran = engines.docker(&engines.docker, &["run", "--rm", image]).ok();
    assert_eq!(ran.trim(), format!("{word} buildx"));
}

/// Packages and where their code is; setuptools and PDM would say nothing of a file that is not there.
const LAYOUTS: [(&str, &str, &str); 4] = [
    (
        "src",
        "src/rooted",
        "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n",
    ),
    (
        "named",
        "rooted",
        "[build-system]\nrequires = [\"setuptools\", \"wheel\"]\nbuild-backend = \"setuptools.build_meta\"\n[tool.setuptools]\npackages = [\"rooted\"]\npackage-data = {rooted = [\"data/*.txt\"]}\n",
    ),
    (
        "found",
        "rooted",
        "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n[tool.setuptools.packages.find]\ninclude = [\"rooted*\"]\n",
    ),
    (
        "pdm",
        "src/rooted",
        "[build-system]\nrequires = [\"pdm-backend\"]\nbuild-backend = \"pdm.backend\"\n",
    ),
];

#[test]
fn of_its_own_files_alone_comes_the_same_wheel() {
    let Some(engines) = engines() else { return };
    for (name, place, backend) in LAYOUTS {
        let folder = TempDir::new().expect("a folder");
        let pyproject = format!("[project]\nname = \"rooted\"\nversion = \"1.0\"\n{backend}");
        let inside = |path: &str| format!("{place}/{path}");
        let word = folder.path().file_name().expect("a name").to_string_lossy();
        rooted(
            folder.path(),
            &pyproject,
            &[
                (&inside("__init__.py"), &format!("SAYS = '{word}'\n")),
                (&inside("sub/__init__.py"), ""),
                (&inside("data/words.txt"), "words"),
                (
                    "MANIFEST.in",
                    &format!("graft {place}\ninclude other/notes.txt\n"),
                ),
                ("LICENSE", "Free.\n"),
                ("README.md", "Read.\n"),
                ("other/notes.txt", "1"),
                ("tests/test_it.py", ""),
            ],
        );
        let image = engines.image("rooted-layouts");
        let (_, ran) = build(&engines, folder.path(), &image);
        assert_eq!(ran, word, "{name}");
        let own = engines.layers(&image);
        write(folder.path(), &[("other/notes.txt", "2")]);
        let again = engines.image("rooted-layouts-again");
        let (said, _) = build(&engines, folder.path(), &again);
        assert!(is_cached(&said, "build rooted 1.0"), "{name}:\n{said}");
        // A script that may mean anything: now the whole folder counts.
        write(folder.path(), &[("build.py", "")]);
        let (said, _) = build(&engines, folder.path(), &image);
        assert!(!is_cached(&said, "build rooted 1.0"), "{name}:\n{said}");
        assert_eq!(engines.layers(&image), own, "{name}");
    }
}

#[test]
fn a_link_out_of_its_own_files_is_told() {
    let Some(engines) = engines() else { return };
    let folder = TempDir::new().expect("a folder");
    let (_, _, backend) = LAYOUTS[0];
    let pyproject = format!("[project]\nname = \"rooted\"\nversion = \"1.0\"\n{backend}");
    rooted(
        folder.path(),
        &pyproject,
        &[("src/rooted/__init__.py", ""), ("other/notes.txt", "1")],
    );
    let link = folder.path().join("src/rooted/notes.txt");
    std::os::unix::fs::symlink("../../other/notes.txt", link).expect("a link");
    let said = engines
        .push(folder.path(), "api", &engines.image("rooted-link"), &[])
        .fails();
    let told = "src/rooted/notes.txt is a link to ../../other/notes.txt, which is no file of this package";
    assert!(said.contains(told), "{said}");
}
