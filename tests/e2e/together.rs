//! Packages that do not go together are told before the image is used, whoever has their layers, and as pip tells them.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::engine::{Engines, Said, engines, run};

/// Three wheels and a lock that names them on port `argv[2]`: one needs what is not there and what is too old, two
/// have different files at one path, and all of them have an equal one.
const WHEELS: &str = r#"
import base64, hashlib, os, sys, zipfile
folder, port = sys.argv[1:]
lock = 'lock-version = "1.0"\ncreated-by = "test"\n'
salt = os.urandom(8).hex()
needs = {"bigone": ["small>=2", "absent; python_version >= '3'", "absent-too; extra == 'x'"], "small": [], "other": ["small<2"]}
for name, requires in needs.items():
    info = f"{name}-1.0.dist-info"
    entries = {
        f"{name}/__init__.py": f"'{salt}'\n",
        "shared/__init__.py": "",
        "shared/tool.py": f"BY = '{'other' if name == 'other' else 'all'}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(f"Requires-Dist: {need}\n" for need in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in entries.items())
    entries[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    file = f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{file}", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, text in entries.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    data = open(f"{folder}/{file}", "rb").read()
    lock += f'''
[[packages]]
name = "{name}"
version = "1.0"
wheels = [{{ url = "http://127.0.0.1:{port}/{file}", size = {len(data)}, hashes = {{ sha256 = "{hashlib.sha256(data).hexdigest()}" }} }}]
'''
open(f"{folder}/pylock.toml", "w").write(lock)
"#;

const MANIFEST: &str = "\
name: together
python: \"3.11\"
layers: {own: [bigone, other]}
services:
  api:
    image: python:3.11-slim
    lock: pylock.toml
    bytecode: false
    command: [python, -c, \"import shared.tool; print(shared.tool.BY)\"]
";

struct Conflicting {
    folder: TempDir,
    server: Child,
}

impl Conflicting {
    fn new(engines: &Engines) -> Self {
        let folder = TempDir::new().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its number").port().to_string();
        drop(free);
        let path = folder.path().display().to_string();
        run(Command::new("python3").args(["-c", WHEELS, &path, &port])).ok();
        let mut server = Command::new("python3")
            .args(["-um", "http.server", &port, "--bind", "127.0.0.1"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a server");
        let mut line = String::new();
        let said = server.stdout.as_mut().expect("its words");
        BufReader::new(said).read_line(&mut line).expect("it is up");
        let store = format!("wheel_store: {}/e2e/together-{port}\n", engines.registry);
        std::fs::write(
            folder.path().join("wheelwright.yaml"),
            MANIFEST.to_owned() + &store,
        )
        .expect("a file");
        Self { folder, server }
    }

    fn run(&self, args: &[&str]) -> Said {
        let cache = self.folder.path().join("cache");
        run(Command::new(env!("CARGO_BIN_EXE_wheelwright"))
            .args(args)
            .current_dir(self.folder.path())
            .env("WHEELWRIGHT_CACHE_DIR", cache))
    }

    fn build(&self, from: &str, more: &[&str]) -> Said {
        let fixed = ["build", "api", "--progress=plain", "--wheels-from", from];
        self.run(&[&fixed[..], more].concat())
    }
}

impl Drop for Conflicting {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// What is told of them, however they are laid down.
#[track_caller]
fn told(said: &str) {
    for expected in [
        "pylock.toml:5:8: `bigone 1.0` needs `small>=2`, but `small 1.0` is installed",
        "pylock.toml:5:8: `bigone 1.0` needs `absent`, which is not installed",
        " have different files at one path, the image has those of `",
        "lib/python3.11/site-packages/shared/tool.py",
    ] {
        assert!(said.contains(expected), "no `{expected}` in:\n{said}");
    }
    assert!(
        !said.contains("absent-too") && !said.contains("shared/__init__"),
        "{said}"
    );
}

#[test]
fn conflicts_are_told_whoever_has_the_layers() {
    let Some(engines) = engines() else { return };
    let project = Conflicting::new(&engines);
    told(&project.build("graph", &[]).ok());
    // Nothing runs again, and it is told again.
    let image = engines.image("together");
    let again = project.build("graph", &["--push", "-t", &image]).ok();
    told(&again);
    told(&project.build("session", &[]).ok());
    project.run(&["wheels", "push"]).ok();
    told(&project.build("store", &[]).ok());
    let (docker, folder) = (&engines.docker, project.folder.path());
    told(&engines.buildx(docker, folder, "api", "together:store", &[]).ok());
    let winner = if again.contains("the image has those of `other`") {
        "other"
    } else {
        "all"
    };
    let ran = engines.docker(docker, &["run", "--rm", &image]).ok();
    assert!(ran.lines().any(|line| line == winner), "{ran}\n{again}");

    let manifest = project.folder.path().join("wheelwright.yaml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    std::fs::write(&manifest, format!("conflicts: error\n{text}")).expect("a file");
    let refused = project.build("graph", &[]).fails();
    assert!(refused.contains("`bigone 1.0` needs `small>=2`"), "{refused}");
    std::fs::write(&manifest, format!("conflicts: ignore\n{text}")).expect("a file");
    let quiet = project.build("graph", &[]).ok();
    assert!(!quiet.contains("needs `small>=2`"), "{quiet}");
}

#[test]
fn conflicts_are_told_where_layers_cannot_be_merged() {
    let Some(engines) = engines() else { return };
    let project = Conflicting::new(&engines);
    let host = &engines.docker_graph;
    let said = engines.buildx(host, project.folder.path(), "api", "together:graph", &[]);
    told(&said.ok());
}
