//! Engines older than the one that `make engine` builds: what they lack is made otherwise, and the image is the same.

use std::path::Path;

use crate::engine::engines;
use crate::private::PrivateEngine;
use crate::project::{ANSWER, Project};

/// Programs, separated by colons. They take minutes to build, so they are only used where somebody has some.
const PROGRAMS: &str = "WHEELWRIGHT_OLDER_BUILDKITD";

#[test]
fn older_engines_build_the_same_image() {
    let Ok(programs) = std::env::var(PROGRAMS) else {
        return;
    };
    let Some(engines) = engines() else { return };
    for program in programs.split(':') {
        let (project, image) = (Project::new(), engines.image("older"));
        let files = "    files: [{source: secret.txt, target: /tmp/own.txt}, {source: secret.txt, target: /root/own.txt}]\n";
        project.edit("    code: [app]\n", &format!("{files}    code: [app]\n"));
        let older = PrivateEngine::start(&engines, Path::new(program));
        let (folder, address) = (project.path().display().to_string(), older.address());
        let args = [
            "build",
            "api",
            "-C",
            &folder,
            "--addr",
            &address,
            "-t",
            &image,
            "--push",
            "--progress=plain",
        ];
        engines.wheelwright(&args).ok();
        let host = &engines.docker_graph;
        engines.docker(host, &["pull", &image]).ok();
        assert_eq!(engines.answer(host, &image, "/"), ANSWER, "{program}");
        let look = "stat -c '%a %U' /tmp /root /home/app; readlink /opt/venv/bin/python3.11 /opt/venv/lib64";
        let seen = engines
            .docker(host, &["run", "--rm", "-u", "0", &image, "sh", "-c", look])
            .ok();
        assert_eq!(
            seen.trim(),
            "1777 root\n700 root\n755 app\npython\nlib",
            "{program}"
        );
    }
}
