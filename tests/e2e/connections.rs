//! Addresses that lead through programs: `ssh` and `kubectl` are played by a script that runs the far end here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::engine::{Said, engines, run};
use crate::project::Project;

/// Notes what it was called with, leaves out everything up to the command for the far end, and runs that.
const FAR_END: &str = r#"#!/bin/sh
echo "$0 $*" >>"$CALLS"
while [ "$1" != buildctl ] && [ "$1" != docker ]; do shift; done
export DOCKER_HOST="$FAR_DOCKER"
exec "$@"
"#;

/// `wheelwright ARGS` with such programs first on PATH, and what they were called with.
fn wheelwright(folder: &Path, docker: &str, args: &[&str]) -> (Said, String) {
    let (programs, calls) = (folder.join("programs"), folder.join("calls"));
    fs::create_dir_all(&programs).expect("a folder");
    for name in ["ssh", "kubectl"] {
        let program = programs.join(name);
        fs::write(&program, FAR_END).expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    let path = format!(
        "{}:{}",
        programs.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_wheelwright"));
    command
        .env("PATH", path)
        .env("CALLS", &calls)
        .env("FAR_DOCKER", docker);
    let said = run(command.args(args));
    (said, fs::read_to_string(calls).unwrap_or_default())
}

#[test]
fn builds_go_through_ssh_and_kubectl() {
    let Some(engines) = engines() else { return };
    for (address, called) in [
        (
            "ssh://me@build.example:2222",
            "ssh -p2222 -- me@build.example buildctl dial-stdio",
        ),
        (
            "kube-pod://builder-0?namespace=ci",
            "kubectl --namespace=ci exec -i builder-0 -- buildctl dial-stdio",
        ),
    ] {
        let project = Project::new();
        let folder = project.path().display().to_string();
        let out = format!("type=local,dest={folder}/out");
        let args = [
            "build",
            "api",
            "-C",
            &folder,
            "--addr",
            address,
            "-o",
            &out,
            "--progress=plain",
        ];
        let (said, calls) = wheelwright(project.path(), &engines.docker, &args);
        said.ok();
        assert!(calls.contains(called), "{calls}");
        assert!(project.path().join("out/app/app/main.py").exists());
    }
}

#[test]
fn dockerd_answers_through_ssh() {
    let Some(engines) = engines() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["engine", "--addr", "docker+ssh://me@build.example"];
    let (said, calls) = wheelwright(folder.path(), &engines.docker, &args);
    assert!(said.ok().contains("dockerd with the containerd image store"));
    assert!(
        calls.contains("ssh -- me@build.example docker system dial-stdio"),
        "{calls}"
    );
}

#[test]
fn a_program_that_fails_is_quoted() {
    let Some(engines) = engines() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["engine", "--addr", "docker+ssh://me@build.example"];
    let text = wheelwright(folder.path(), "unix:///nowhere.sock", &args)
        .0
        .fails();
    assert!(text.contains("/nowhere.sock"), "{text}");
    drop(engines);
}
