//! Pushes that are cut in the middle of a large layer, on a registry of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::engine::{Said, engines, free_port, run, wheelwright};

/// A wheel of 64 MB that cannot be packed any smaller, in a service that installs nothing else.
const PROJECT: &str = r#"
import base64, hashlib, os, sys, zipfile
folder, store = sys.argv[1:]
info = "large-1.0.dist-info"
entries = {
    "large/data.bin": os.urandom(64 << 20),
    f"{info}/METADATA": b"Metadata-Version: 2.1\nName: large\nVersion: 1.0\n",
    f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
digest = lambda data: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
record = "".join(f"{path},sha256={digest(data)},{len(data)}\n" for path, data in entries.items())
entries[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
path = f"{folder}/large-1.0-py3-none-any.whl"
with zipfile.ZipFile(path, "w") as wheel:
    for name, data in entries.items():
        wheel.writestr(zipfile.ZipInfo(name), data)
sha256 = hashlib.sha256(open(path, "rb").read()).hexdigest()
open(f"{folder}/pylock.toml", "w").write(f'''lock-version = "1.0"
created-by = "test"

[[packages]]
name = "large"
version = "1.0"
wheels = [{{ path = "large-1.0-py3-none-any.whl", hashes = {{ sha256 = "{sha256}" }} }}]
''')
open(f"{folder}/wheelwright.yaml", "w").write(f'''name: resumed
python: "3.11"
wheel_store: {store}
services:
  api: {{image: "python:3.11-slim", bytecode: false, lock: pylock.toml, command: [python]}}
''')
"#;

/// A registry that can be killed, stopped and started again.
struct Registry {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Registry {
    fn start() -> Self {
        let (folder, port) = (TempDir::new().expect("a folder"), free_port());
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}/data}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n",
            folder.path().display()
        );
        fs::write(folder.path().join("config.yml"), config).expect("its configuration");
        let process = serve(folder.path());
        Self {
            folder,
            port,
            process,
        }
    }

    fn store(&self) -> String {
        format!("127.0.0.1:{}/wheels", self.port)
    }

    /// Stops it once it has a part of the large layer; whoever pushes waits then.
    fn stop_in_the_middle(&self) {
        let uploads = self
            .folder
            .path()
            .join("data/docker/registry/v2/repositories/wheels/_uploads");
        let deadline = Instant::now() + Duration::from_mins(2);
        let begun = || {
            let uploads = fs::read_dir(&uploads).into_iter().flatten().flatten();
            let mut sizes =
                uploads.filter_map(|upload| Some(fs::metadata(upload.path().join("data")).ok()?.len()));
            sizes.any(|size| size > 0)
        };
        while !begun() {
            assert!(Instant::now() < deadline, "nothing is pushed");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.signal("STOP");
        assert!(begun(), "the layer went through before it was cut");
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        run(Command::new("kill").args(["-s", name, &id])).ok();
    }

    /// Ends it without a word, and has another one go on from its files.
    fn kill_and_start(&mut self) {
        self.process
            .kill()
            .and_then(|()| self.process.wait())
            .expect("its end");
        self.process = serve(self.folder.path());
    }
}

fn serve(folder: &Path) -> Child {
    Command::new("docker-registry")
        .args(["serve", "config.yml"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker-registry")
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn project(store: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().display().to_string();
    run(Command::new("python3").args(["-c", PROJECT, &path, store])).ok();
    folder
}

fn push(project: &TempDir) -> Command {
    let mut command = wheelwright(&["wheels", "push", "--no-engine"]);
    let cache: PathBuf = project.path().join("cache");
    command
        .current_dir(project.path())
        .env("WHEELWRIGHT_CACHE_DIR", cache);
    command
}

fn verified(project: &TempDir) -> Said {
    run(wheelwright(&["wheels", "verify"]).current_dir(project.path()))
}

#[test]
fn a_push_that_was_killed_leaves_nothing_and_is_made_good_by_the_next() {
    let Some(_engines) = engines() else { return };
    let registry = Registry::start();
    let project = project(&registry.store());
    let mut first = push(&project).stderr(Stdio::null()).spawn().expect("a push");
    registry.stop_in_the_middle();
    first.kill().and_then(|()| first.wait()).expect("its end");
    registry.signal("CONT");
    let text = verified(&project).ok();
    assert!(text.starts_with("0 layers of"), "half a layer is none: {text}");
    let text = run(&mut push(&project)).ok();
    assert!(text.contains(": 1 stored, 67.1 MB sent"), "{text}");
    let text = verified(&project).ok();
    assert!(
        text.starts_with("1 layer of") && text.contains(": 0 wrong"),
        "{text}"
    );
}

#[test]
fn a_push_outlives_its_registry() {
    let Some(_engines) = engines() else { return };
    let mut registry = Registry::start();
    let project = project(&registry.store());
    let pushing = push(&project).stderr(Stdio::piped()).spawn().expect("a push");
    registry.stop_in_the_middle();
    registry.kill_and_start();
    let ended = pushing.wait_with_output().expect("its end");
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && text.contains(": 1 stored"), "{text}");
    let text = verified(&project).ok();
    assert!(text.contains(": 0 wrong"), "{text}");
}
