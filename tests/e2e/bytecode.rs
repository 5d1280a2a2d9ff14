//! Bytecode: compiled by the build, of every module that uv would compile, the same on every engine, and used.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::engine::{Engines, engines};
use crate::project::{ANSWER, Project};

/// Builds into a folder and gives its bytecode by path.
fn built(engines: &Engines, project: &Project, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let out = TempDir::new().expect("a folder");
    let folder = project.path().display().to_string();
    let output = format!("type=local,dest={}", out.path().display());
    let fixed = ["build", "api", "-C", &folder, "-o", &output, "--progress=plain"];
    engines.wheelwright(&[&fixed[..], more].concat()).ok();
    let mut found = BTreeMap::new();
    collect(out.path(), &out.path().join("opt/venv"), &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "pyc") {
            let name = path.strip_prefix(root).expect("inside").display().to_string();
            found.insert(name, fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn is_equal_on_engines_that_merge_and_that_do_not() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let merged = built(&engines, &project, &[]);
    assert!(merged.len() >= 10, "{:?}", merged.keys());
    let idna = &merged["opt/venv/lib/python3.11/site-packages/idna/__pycache__/core.cpython-311.pyc"];
    assert_eq!(
        idna[4..8],
        [1, 0, 0, 0],
        "found by the source's hash, which is not checked"
    );
    let final_path = b"/opt/venv/lib/python3.11/site-packages/idna/core.py";
    assert!(idna.windows(final_path.len()).any(|bytes| bytes == final_path));
    let graph = engines.docker_graph.clone();
    let at_once = built(&engines, &project, &["--addr", &graph, "--network=host"]);
    assert!(merged == at_once, "one step compiles what layers hold");
    project.edit("    base: slim\n", "    base: slim\n    bytecode: false\n");
    assert!(built(&engines, &project, &[]).is_empty());
}

#[test]
fn is_what_python_imports() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("bytecode"));
    engines.push(project.path(), "api", &image, &[]).ok();
    let host = &engines.docker_graph;
    engines.docker(host, &["pull", &image]).ok();
    let look =
        "import idna.core as m; print(m.__cached__, 'cached' if m.__loader__.get_code('idna.core') else '')";
    let run = ["run", "--rm", &image, "python", "-v", "-c", look];
    let said = engines.docker(host, &run).ok();
    assert!(
        said.contains(
            "code object from '/opt/venv/lib/python3.11/site-packages/idna/__pycache__/core.cpython-311.pyc'"
        ),
        "{said}"
    );
    assert_eq!(engines.answer(host, &image, "/"), ANSWER);
}
