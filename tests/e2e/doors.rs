//! Every door on every engine: the container that comes out answers, and holds what it should and no more.

use crate::engine::{Engines, engines, run};
use crate::project::{ANSWER, Project};

/// Checks the image in a dockerd: config, answer, and that nothing unlisted got in.
fn check(engines: &Engines, host: &str, image: &str) {
    assert_eq!(engines.answer(host, image, "/"), ANSWER);
    let inspected = engines.docker(host, &["image", "inspect", image]).ok();
    let inspected: serde_json::Value = serde_json::from_str(&inspected).expect("inspect is JSON");
    let config = &inspected[0]["Config"];
    assert_eq!(config["Cmd"], serde_json::json!(["python", "-m", "app.main"]));
    assert_eq!(config["WorkingDir"], "/app");
    assert_eq!(config["User"], "app");
    assert_eq!(config["Labels"]["org.example.team"], "voice");
    assert!(config["ExposedPorts"]["8000/tcp"].is_object());
    let path = config["Env"][0].as_str().expect("PATH");
    assert!(path.starts_with("PATH=/opt/venv/bin:"), "{path}");
    let listed = engines
        .docker(
            host,
            &["run", "--rm", "--network=host", image, "ls", "-A", "/app", "/run"],
        )
        .ok();
    assert_eq!(
        listed
            .split_whitespace()
            .filter(|name| name.contains("secret") || name.contains("wheelwright"))
            .count(),
        0,
        "{listed}"
    );
}

/// Pulls an image and checks it. By the dockerd that shares no build cache: one that has the very layers already
/// does not fetch their blobs, and then describes the image as if it were not there.
fn pulled(engines: &Engines, image: &str) {
    engines.docker(&engines.docker_graph, &["pull", image]).ok();
    check(engines, &engines.docker_graph, image);
}

#[test]
fn buildctl_on_buildkitd() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("buildctl"));
    let output = format!("--output=type=image,name={image},push=true");
    engines.buildctl(project.path(), "api", &[&output]).ok();
    pulled(&engines, &image);
}

#[test]
fn buildx_on_dockerd_with_the_containerd_store() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), "e2e/buildx:latest");
    engines
        .buildx(&engines.docker, project.path(), "api", image, &["--load"])
        .ok();
    check(&engines, &engines.docker, image);
}

#[test]
fn buildx_on_dockerd_with_a_graph_driver() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), "e2e/buildx-graph:latest");
    engines
        .buildx(&engines.docker_graph, project.path(), "api", image, &[])
        .ok();
    check(&engines, &engines.docker_graph, image);
}

#[test]
fn a_syntax_line_with_plain_docker_build() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("name: e2e", &format!("# syntax={}\nname: e2e", engines.frontend));
    let folder = project.path().display().to_string();
    let manifest = format!("{folder}/wheelwright.yaml");
    let image = "e2e/syntax:latest";
    let args = [
        "build",
        "--network=host",
        "-f",
        &manifest,
        "--target",
        "api",
        "-t",
        image,
        &folder,
    ];
    for host in [&engines.docker, &engines.docker_graph] {
        engines.docker(host, &args).ok();
        check(&engines, host, image);
    }
}

#[test]
fn bake_builds_several_services() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("services:\n", "services:\n  other: {base: slim, requirements: [requirements.txt], code: [app], user: app, environment: {GREETING: hello}, command: [python, -m, app.main]}\n");
    let target = |service: &str| {
        serde_json::json!({
            "context": ".",
            "dockerfile": "wheelwright.yaml",
            "target": service,
            "args": {"BUILDKIT_SYNTAX": engines.frontend},
            "network": "host",
            "tags": [format!("e2e/bake-{service}:latest")],
        })
    };
    let bake = serde_json::json!({
        "group": {"default": {"targets": ["api", "other"]}},
        "target": {"api": target("api"), "other": target("other")},
    });
    project.write("docker-bake.json", &bake.to_string());
    let mut command = std::process::Command::new("docker");
    command
        .env("DOCKER_HOST", &engines.docker)
        .current_dir(project.path())
        .args([
            "buildx",
            "bake",
            "--load",
            "--progress=plain",
            "--allow=network.host",
        ]);
    run(&mut command).ok();
    for service in ["api", "other"] {
        let image = format!("e2e/bake-{service}:latest");
        assert_eq!(engines.answer(&engines.docker, &image, "/"), ANSWER);
    }
}

#[test]
fn the_command_on_buildkitd() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("command"));
    engines.push(project.path(), "api", &image, &[]).ok();
    pulled(&engines, &image);
}

#[test]
fn the_command_loads_into_dockerd() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let folder = project.path().display().to_string();
    for (host, image) in [
        (&engines.docker, "e2e/loaded:latest"),
        (&engines.docker_graph, "e2e/loaded-graph:latest"),
    ] {
        let args = [
            "build",
            "api",
            "-C",
            &folder,
            "-t",
            image,
            "--load",
            "--progress=plain",
            "--network=host",
            "--addr",
            host,
        ];
        engines.wheelwright(&args).ok();
        check(&engines, host, image);
    }
}

#[test]
fn a_second_build_runs_nothing() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("again"));
    let output = format!("--output=type=image,name={image},push=true");
    engines.buildctl(project.path(), "api", &[&output]).ok();
    let second = engines.buildctl(project.path(), "api", &[&output]).ok();
    assert!(second.contains("CACHED"), "{second}");
    let ran = second
        .lines()
        .filter(|line| line.contains("[wheels]") && line.contains("DONE"))
        .collect::<Vec<_>>();
    assert!(ran.is_empty(), "{ran:?}");
}

#[test]
fn a_wheel_from_source_and_single_files() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("source"));
    let wheels =
        "    wheels: {MarkupSafe: {source: true, build_packages: [gcc, libc6-dev, libpython3-dev]}}\n";
    let files = "    files: [{source: secret.txt, target: /opt/data/own.txt, mode: \"0600\"}]\n";
    project.edit("    code: [app]\n", &format!("{wheels}{files}    code: [app]\n"));
    let output = format!("--output=type=image,name={image},push=true");
    engines.buildctl(project.path(), "api", &[&output]).ok();
    let host = &engines.docker_graph;
    engines.docker(host, &["pull", &image]).ok();
    assert_eq!(engines.answer(host, &image, "/"), ANSWER);
    let look = "stat -c '%a %U' /opt/data /opt/data/own.txt; command -v gcc || echo no compiler";
    let seen = engines
        .docker(host, &["run", "--rm", "-u", "0", &image, "sh", "-c", look])
        .ok();
    assert_eq!(seen.trim(), "755 root\n600 root\nno compiler");
}
