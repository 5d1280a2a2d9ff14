//! Packages from git: a repository of the test's own, with a package in a folder and a submodule.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::engine::{engines, free_port, run};
use crate::project::Project;

/// Serves the repositories of a folder until the test ends.
struct Daemon {
    process: Child,
    port: u16,
}

impl Daemon {
    fn serve(folder: &Path) -> Self {
        let port = free_port();
        // `git daemon` would run it as a child of its own, and leave that behind.
        let programs = run(Command::new("git").arg("--exec-path")).ok();
        let mut command = Command::new(Path::new(programs.trim()).join("git-daemon"));
        command.args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"]);
        command.args([
            format!("--port={port}"),
            format!("--base-path={}", folder.display()),
        ]);
        let process = command
            .arg(folder)
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < deadline, "git daemon did not come up");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self { process, port }
    }

    fn url(&self, repository: &str) -> String {
        format!("git://127.0.0.1:{}/{repository}", self.port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    let who = [
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@example",
        "-c",
        "protocol.allow=always",
    ];
    run(command.arg("-C").arg(folder).args(who).args(args))
        .ok()
        .trim()
        .to_owned()
}

const ABOUT: &str = "\
[project]
name = \"lib\"
version = \"1.0\"
[build-system]
requires = [\"uv_build\"]
build-backend = \"uv_build\"
";

/// Commits all of a folder as a repository.
fn commit(folder: &Path) -> String {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "a commit"]);
    git(folder, &["rev-parse", "HEAD"])
}

#[test]
fn a_commit_with_a_folder_and_a_submodule_is_built_once() {
    let Some(engines) = engines() else { return };
    let sources = Project::new();
    let (words, repository) = (sources.path().join("words"), sources.path().join("repository"));
    sources.write("words/words.py", "WORD = 'from the submodule'\n");
    sources.write("repository/python/pyproject.toml", ABOUT);
    sources.write(
        "repository/python/src/lib/__init__.py",
        "from lib.more.words import WORD\n",
    );
    let daemon = Daemon::serve(sources.path());
    git(&words, &["init", "-q"]);
    commit(&words);
    git(&repository, &["init", "-q"]);
    let submodule = [
        "submodule",
        "--quiet",
        "add",
        &daemon.url("words"),
        "python/src/lib/more",
    ];
    git(&repository, &submodule);
    let pinned = commit(&repository);
    // What comes later is not what was asked for.
    sources.write("repository/python/src/lib/__init__.py", "WORD = 'later'\n");
    commit(&repository);

    let project = Project::new();
    let requirement = format!(
        "lib @ git+{}@{pinned}#subdirectory=python\n",
        daemon.url("repository")
    );
    project.write("requirements.txt", &requirement);
    project.write(
        "wheelwright.yaml",
        "name: e2e-vcs\nservices:\n  api:\n    image: python:3.11-slim\n    requirements: [requirements.txt]\n    \
         command: [python, -c, \"import lib; print(lib.WORD)\"]\n",
    );
    let image = engines.image("vcs");
    let folder = project.path().display().to_string();
    let said = || {
        let text = engines.push(project.path(), "api", &image, &[]).ok();
        engines.docker(&engines.docker, &["pull", "-q", &image]).ok();
        let said = engines
            .docker(&engines.docker, &["run", "--rm", "--network=host", &image])
            .ok();
        (said.trim().to_owned(), text)
    };
    let (word, text) = said();
    assert_eq!(word, "from the submodule");
    assert!(text.contains("[wheels] build lib"), "{text}");

    // The lock holds the commit; with it, nothing is built again.
    engines
        .wheelwright(&["lock", "-C", &folder, "--progress=plain"])
        .ok();
    let lock = std::fs::read_to_string(project.path().join("pylock.api.toml")).expect("a lock");
    assert!(
        lock.contains(&pinned) && lock.contains("subdirectory = \"python\""),
        "{lock}"
    );
    let (word, text) = said();
    assert_eq!(word, "from the submodule");
    let built = text
        .lines()
        .find(|line| line.contains("[wheels] build lib"))
        .expect("the step");
    assert!(built.ends_with("cached"), "{text}");

    let wrong = pinned.chars().rev().collect::<String>();
    project.write("requirements.txt", &requirement.replace(&pinned, &wrong));
    std::fs::remove_file(project.path().join("pylock.api.toml")).expect("the lock");
    let text = engines
        .wheelwright(&["build", "api", "-C", &folder, "--progress=plain"])
        .fails();
    assert!(text.contains(&wrong), "{text}");
}

/// Serves the repositories of a folder over HTTP to those who have a token.
struct Private {
    process: Child,
    port: u16,
}

impl Private {
    fn serve(folder: &Path, token: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/repositories.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(folder).arg(token);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("python3");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let port = lines.next().expect("a line").expect("text");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            port: port.parse().expect("a number"),
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_private_repository_is_read_with_a_token_that_is_told_nowhere() {
    const TOKEN: &str = "t0k3n-of-the-forge";
    let Some(engines) = engines() else { return };
    let sources = Project::new();
    let repository = sources.path().join("repository");
    sources.write("repository/pyproject.toml", ABOUT);
    sources.write("repository/src/lib/__init__.py", "WORD = 'private'\n");
    git(&repository, &["init", "-q"]);
    let pinned = commit(&repository);
    let server = Private::serve(sources.path(), TOKEN);

    let project = Project::new();
    let address = format!("http://127.0.0.1:{}/repository/.git", server.port);
    project.write("requirements.txt", &format!("lib @ git+{address}@{pinned}\n"));
    project.write(
        "wheelwright.yaml",
        "name: e2e-private\nservices:\n  api:\n    image: python:3.11-slim\n    requirements: [requirements.txt]\n    \
         command: [python, -c, \"import lib; print(lib.WORD)\"]\n",
    );
    let image = engines.image("vcs-private");
    let refused = engines.push(project.path(), "api", &image, &[]).fails();
    assert!(
        refused.contains("GIT_AUTH_TOKEN") && refused.contains(&address),
        "{refused}"
    );

    let token = project.write("token", TOKEN);
    let secret = format!("id=GIT_AUTH_TOKEN,src={}", token.display());
    let said = engines
        .push(project.path(), "api", &image, &["--secret", &secret])
        .ok();
    let host = &engines.docker;
    let ran = engines.pull_and_run(&image);
    assert_eq!(ran.trim(), "private");
    let history = engines.docker(host, &["history", "--no-trunc", &image]).ok();
    for place in [&said, &history] {
        assert!(!place.contains(TOKEN), "the token is told:\n{place}");
    }
}
