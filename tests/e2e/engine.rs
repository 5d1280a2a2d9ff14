//! The engines, the commands that reach them, and containers that end with their test.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What `make engine` brought up.
pub(crate) struct Engines {
    pub(crate) registry: String,
    pub(crate) frontend: String,
    /// The dockerd with the containerd image store.
    pub(crate) docker: String,
    /// The dockerd with a graph driver, which cannot merge.
    pub(crate) docker_graph: String,
    /// One test at a time: they share two cores and the engines' caches.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// The engines, or none where they are not up and nobody insists.
pub(crate) fn engines() -> Option<Engines> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let found = (|| {
        get("BUILDKIT_HOST")?;
        Some(Engines {
            registry: get("WHEELWRIGHT_REGISTRY")?,
            frontend: get("WHEELWRIGHT_FRONTEND")?,
            docker: get("DOCKER_HOST")?,
            docker_graph: get("WHEELWRIGHT_DOCKER_GRAPH")?,
            _turn: turn,
        })
    })();
    if found.is_none() {
        let insists = get("CI").is_some() || get("WHEELWRIGHT_E2E").is_some();
        assert!(!insists, "no engines: run `make engine` and `. .engine/env`");
        say("skipped: no engines; run `make engine` and `. .engine/env`");
    }
    found
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// A finished command with everything it said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "failed with {}:\n{}", self.code, self.text);
        self.text
    }

    #[track_caller]
    pub(crate) fn fails(self) -> String {
        assert_ne!(self.code, 0, "should have failed:\n{}", self.text);
        self.text
    }
}

pub(crate) fn run(command: &mut Command) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [stdout, stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    Said {
        code: status.code().unwrap_or(-1),
        text,
    }
}

/// The uv that builds use, by name and hash, in a new venv at `folder`.
pub(crate) fn pinned_uv(folder: &Path) -> PathBuf {
    let hashes = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lower/scripts/uv.txt");
    run(Command::new("python3").args(["-m", "venv"]).arg(folder)).ok();
    let pip = [
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--require-hashes",
        "-r",
        hashes,
    ];
    run(Command::new(folder.join("bin/python")).args(pip)).ok();
    folder.join("bin/uv")
}

/// The `wheelwright` command with a cache that the tests share.
pub(crate) fn wheelwright(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wheelwright"));
    command.args(args).env(
        "WHEELWRIGHT_CACHE_DIR",
        concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"),
    );
    command
}

impl Engines {
    /// `buildctl build` through the frontend image on buildkitd.
    pub(crate) fn buildctl(&self, project: &Path, target: &str, more: &[&str]) -> Said {
        run(self.buildctl_command(project, target).args(more))
    }

    /// The same, to be run.
    pub(crate) fn buildctl_command(&self, project: &Path, target: &str) -> Command {
        let folder = project.display();
        let mut command = Command::new("buildctl");
        command.args(["build", "--progress=plain", "--frontend=gateway.v0"]);
        command.args([
            format!("--opt=source={}", self.frontend),
            format!("--opt=target={target}"),
        ]);
        command.args([
            format!("--local=context={folder}"),
            format!("--local=dockerfile={folder}"),
        ]);
        command
    }

    /// `docker ARGS` on one of the dockerds.
    #[expect(clippy::unused_self, reason = "whoever has engines has the command")]
    pub(crate) fn docker(&self, host: &str, args: &[&str]) -> Said {
        run(Command::new("docker").env("DOCKER_HOST", host).args(args))
    }

    /// `docker buildx build` with BUILDKIT_SYNTAX.
    pub(crate) fn buildx(&self, host: &str, project: &Path, target: &str, tag: &str, more: &[&str]) -> Said {
        let syntax = format!("BUILDKIT_SYNTAX={}", self.frontend);
        let manifest = project.join("wheelwright.yaml").display().to_string();
        let folder = project.display().to_string();
        let fixed = [
            "buildx",
            "build",
            "--progress=plain",
            "--network=host",
            "--build-arg",
            &syntax,
            "-f",
            &manifest,
            "--target",
            target,
            "-t",
            tag,
        ];
        self.docker(host, &[&fixed[..], more, &[&folder]].concat())
    }

    /// `wheelwright build SERVICE`, pushed as `image`.
    pub(crate) fn push(&self, project: &Path, service: &str, image: &str, more: &[&str]) -> Said {
        let folder = project.display().to_string();
        let fixed = [
            "build",
            service,
            "-C",
            &folder,
            "-t",
            image,
            "--push",
            "--progress=plain",
        ];
        self.wheelwright(&[&fixed[..], more].concat())
    }

    /// The `wheelwright` command.
    #[expect(clippy::unused_self, reason = "whoever has engines has the command")]
    pub(crate) fn wheelwright(&self, args: &[&str]) -> Said {
        run(&mut wheelwright(args))
    }

    /// `wheelwright lock` of a project.
    pub(crate) fn lock(&self, project: &Path, more: &[&str]) -> Said {
        let folder = project.display().to_string();
        self.wheelwright(&[&["lock", "-C", &folder, "--progress=plain"], more].concat())
    }

    /// What an image says, fetched from the registry and run on the dockerd with the containerd store.
    #[track_caller]
    pub(crate) fn pull_and_run(&self, image: &str) -> String {
        self.docker(&self.docker, &["pull", "-q", image]).ok();
        let run = ["run", "--rm", "--network=host", image];
        self.docker(&self.docker, &run).ok()
    }

    /// The digests of an image's layers in the registry.
    pub(crate) fn layers(&self, image: &str) -> Vec<String> {
        let layers = self.descriptors(image);
        layers.iter().map(|layer| layer["digest"].to_string()).collect()
    }

    /// What the manifest of an image in the registry says of its layers.
    pub(crate) fn descriptors(&self, image: &str) -> Vec<serde_json::Value> {
        let inspect = ["buildx", "imagetools", "inspect", "--raw", image];
        let manifest = self.docker(&self.docker, &inspect).ok();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("a manifest");
        manifest["layers"].as_array().expect("layers").clone()
    }

    /// Puts the base image where `image` will be pushed: an engine without it would download it for that push alone.
    pub(crate) fn store_base(&self, image: &str) {
        let (base, name) = ("python:3.11-slim", image.replace(":latest", ":base"));
        for args in [&["pull", base][..], &["tag", base, &name], &["push", &name]] {
            self.docker(&self.docker, args).ok();
        }
    }

    /// A name in the registry that no other test uses.
    pub(crate) fn image(&self, test: &str) -> String {
        format!("{}/e2e/{test}:latest", self.registry)
    }

    /// Starts an image, waits for it to answer, and gives what `GET path` says.
    pub(crate) fn answer(&self, host: &str, image: &str, path: &str) -> String {
        let port = free_port();
        let env = format!("PORT={port}");
        let started = self.docker(
            host,
            &["run", "-d", "--quiet", "--network=host", "-e", &env, image],
        );
        let id = started.ok().lines().last().unwrap_or_default().to_owned();
        let container = Container {
            engines: self,
            host,
            id,
        };
        container.get(port, path)
    }
}

struct Container<'a> {
    engines: &'a Engines,
    host: &'a str,
    id: String,
}

impl Container<'_> {
    fn get(&self, port: u16, path: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            match get(port, path) {
                Some(body) => return body,
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(200)),
                None => {
                    let logs = self.engines.docker(self.host, &["logs", &self.id]).text;
                    panic!("nothing answered on port {port}; the container said:\n{logs}");
                }
            }
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.engines.docker(self.host, &["rm", "-f", &self.id]);
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}
