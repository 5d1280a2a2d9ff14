//! A base without a shell: wheels of a lock are installed on it, whatever needs a shell says so.

use std::process::Command;

use crate::engine::{Engines, engines, run};
use crate::index::Index;
use crate::project::Project;

const MANIFEST: &str = "\
name: e2e-shellless
services:
  api:
    image: IMAGE
    FROM
    command: [python3, -c, \"import aa; print(aa.VERSION)\"]
";

/// The usual base without its shell, in the registry.
fn base(engines: &Engines) -> String {
    let folder = Project::new();
    let text = "FROM python:3.11-slim\nRUN [\"python3\", \"-c\", \"import os; os.remove('/bin/sh')\"]\n";
    folder.write("Dockerfile", text);
    let place = folder.path().display();
    let image = engines.image("without-shell");
    let mut command = Command::new("buildctl");
    command.args(["build", "--frontend=dockerfile.v0"]);
    command.args([
        format!("--local=context={place}"),
        format!("--local=dockerfile={place}"),
    ]);
    run(command.arg(format!("--output=type=image,name={image},push=true"))).ok();
    image
}

#[test]
fn a_base_without_a_shell_installs_wheels_of_a_lock() {
    let Some(engines) = engines() else { return };
    let (base, index) = (base(&engines), Index::serve("", &["aa==1.0"]));
    let project = Project::new();
    let stand = |from: &str| {
        let text = MANIFEST.replace("IMAGE", &base).replace("FROM", from);
        project.write("wheelwright.yaml", &text);
    };
    project.write("pylock.toml", &index.lock(&index.root(), &["aa"]));
    project.write("requirements.txt", "aa\n");

    stand("lock: pylock.toml");
    let image = engines.image("shellless");
    engines.push(project.path(), "api", &image, &[]).ok();
    let said = engines.pull_and_run(&image);
    assert_eq!(said.trim(), "1.0");

    for from in [
        "requirements: [requirements.txt]",
        "lock: pylock.toml\n    packages: [libgomp1]",
    ] {
        stand(from);
        let folder = project.path().display().to_string();
        let by_command = engines.wheelwright(&["build", "api", "-C", &folder, "--progress=plain"]);
        assert_eq!(by_command.code, 3, "{}", by_command.text);
        let by_image = engines.buildctl(project.path(), "api", &[]);
        for text in [by_command.text, by_image.fails()] {
            for told in [
                "has no shell (/bin/sh)",
                "`wheelwright lock` on the same image",
                "wheelwright.yaml:4",
            ] {
                let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(words.contains(told), "{from}: no `{told}` in:\n{text}");
            }
        }
    }
}
