//! Layers recorded for every kind of lock: in it, or beside one that belongs to another tool.

use std::path::Path;

use tempfile::TempDir;

use crate::engine::{Engines, Said, engines, run, wheelwright};
use crate::index::Index;

/// Services with a lock of each kind, their packages from one index.
struct Kinds {
    folder: TempDir,
    _index: Index,
}

impl Kinds {
    fn new(engines: &Engines) -> Self {
        let index = Index::serve("", &["aa==1.0", "bb==1.0", "cc==1.0"]);
        let (url, root) = (index.url(), index.root());
        let port = root.rsplit(':').next().expect("a port");
        let manifest = format!(
            "name: recorded\npython: \"3.11\"\nwheel_store: {}/e2e/recorded-{port}\n\
             indexes: [{{name: main, url: \"{url}\", default: true}}]\n\
             defaults: {{image: \"python:3.11-slim\", bytecode: false}}\nservices:\n\
             \x20 given: {{lock: locks/pylock.toml, command: [python]}}\n\
             \x20 uv: {{project: uv, command: [python]}}\n\
             \x20 poetry: {{project: poetry, command: [python]}}\n",
            engines.registry
        );
        let given = index.lock(&root, &["aa"]);
        let uv = format!(
            "version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n\n\
             [[package]]\nname = \"app\"\nversion = \"0.1\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"bb\" }}]\n\n[package.metadata]\nrequires-dist = [{{ name = \"bb\" }}]\n\n\
             [[package]]\nname = \"bb\"\nversion = \"1.0\"\nsource = {{ registry = \"{url}\" }}\n\
             wheels = [{{ url = \"{}\", hash = \"sha256:{}\" }}]\n",
            index.file("bb", "bb-1.0-py3-none-any.whl"),
            index.sha256("bb")
        );
        let poetry = format!(
            "[[package]]\nname = \"cc\"\nversion = \"1.0\"\noptional = false\npython-versions = \">=3.6\"\n\
             groups = [\"main\"]\nfiles = [{{file = \"cc-1.0-py3-none-any.whl\", hash = \"sha256:{}\"}}]\n\n\
             [metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.11\"\ncontent-hash = \"x\"\n",
            index.sha256("cc")
        );
        let project = "[project]\nname = \"app\"\nversion = \"0.1\"\nrequires-python = \">=3.11\"\ndependencies = [\"bb\"]\n";
        let tool = "[tool.poetry]\nname = \"app\"\nversion = \"0.1\"\n[tool.poetry.dependencies]\npython = \">=3.11\"\ncc = \"*\"\n";
        let kinds = Self {
            folder: TempDir::new().expect("a folder"),
            _index: index,
        };
        kinds.write("wheelwright.yaml", &manifest);
        kinds.write("locks/pylock.toml", &given);
        kinds.write("uv/pyproject.toml", project);
        kinds.write("uv/uv.lock", &uv);
        kinds.write("poetry/pyproject.toml", tool);
        kinds.write("poetry/poetry.lock", &poetry);
        kinds
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap_or_default()
    }

    /// What is recorded of the layers of all three locks.
    fn records(&self) -> [String; 3] {
        [
            "locks/pylock.toml",
            "uv/uv.lock.layers.toml",
            "poetry/poetry.lock.layers.toml",
        ]
        .map(|path| self.read(path))
    }

    fn run(&self, args: &[&str]) -> Said {
        run(wheelwright(args)
            .current_dir(self.path())
            .env("BUILDKIT_PROGRESS", "plain"))
    }
}

#[test]
fn every_lock_has_its_layers_recorded() {
    let Some(engines) = engines() else { return };
    let kinds = Kinds::new(&engines);
    let locks = || ["uv/uv.lock", "poetry/poetry.lock"].map(|path| kinds.read(path));
    let before = locks();
    let said = kinds.run(&["lock", "--layers"]).ok();
    assert!(said.contains("3 layers recorded"), "{said}");
    let recorded = kinds.records();
    for text in &recorded {
        let table = text.split("[tool.wheelwright.layers]\n").nth(1);
        let table = table.unwrap_or_else(|| panic!("no table: {text}"));
        assert!(table.contains("\ngzip-") && table.contains("base-"), "{text}");
    }
    assert_eq!(before, locks(), "locks of other tools stay as they are");

    // One of them alone, a push that records, and all again: the same to the byte.
    kinds.run(&["lock", "--layers", "uv"]).ok();
    let pushed = kinds.run(&["wheels", "push", "--record"]).ok();
    assert!(
        pushed.contains(": 3 stored") && !pushed.contains("has no lock"),
        "{pushed}"
    );
    assert_eq!(recorded, kinds.records());
    let checked = kinds.run(&["wheels", "verify"]).ok();
    assert!(checked.contains(": 0 wrong"), "{checked}");
    let shown = kinds.run(&["wheels", "prune", "--lock", "uv/uv.lock"]).ok();
    assert!(shown.contains("0 layers of"), "{shown}");

    // They are what builds go by.
    for (service, file) in [
        ("uv", "uv/uv.lock.layers.toml"),
        ("poetry", "poetry/poetry.lock.layers.toml"),
    ] {
        kinds.run(&["build", service]).ok();
        let good = kinds.read(file);
        let diff_id = &good.split("diff-id = \"sha256:").nth(1).expect("a record")[..64];
        kinds.write(file, &good.replace(diff_id, &"0".repeat(64)));
        let said = kinds.run(&["build", service]).fails();
        assert!(said.contains("the lock says sha256:0000"), "{said}");
        kinds.write(file, &good.replace("diff-id", "diff"));
        let said = kinds.run(&["build", service]).fails();
        assert!(said.contains(file) && said.contains("needs `digest`"), "{said}");
    }
}
