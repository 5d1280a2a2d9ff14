//! Mistakes as a user meets them through each door: the manifest is underlined.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::engine::engines;
use crate::project::Project;

#[test]
fn a_mistake_in_the_manifest_is_underlined() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("base: slim", "base: silm");
    for said in [
        engines.buildctl(project.path(), "api", &[]),
        engines.buildx(&engines.docker, project.path(), "api", "e2e/x", &[]),
    ] {
        let text = said.fails();
        assert!(text.contains("did you mean `slim`?"), "{text}");
        assert!(text.contains("wheelwright.yaml:8"), "{text}");
        assert!(text.contains(">>>     base: silm"), "{text}");
    }
}

#[test]
fn unknown_targets_are_listed() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let text = engines.buildctl(project.path(), "apo", &[]).fails();
    assert!(
        text.contains("there is no service `apo`") && text.contains("did you mean `api`?"),
        "{text}"
    );
    assert!(text.contains("base:slim"), "{text}");
}

#[test]
fn a_path_that_is_not_there_is_underlined() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("code: [app]", "code: [app, sevices]");
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    assert!(
        text.contains("`sevices` is not in the repository") && text.contains("wheelwright.yaml:10"),
        "{text}"
    );
}

#[test]
fn a_failing_step_underlines_what_asked_for_it() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit(
        "    image: python:3.11-slim\n",
        "    image: python:3.11-slim\n    packages: [no-such-package-here]\n",
    );
    let text = engines.buildctl(project.path(), "base:slim", &[]).fails();
    assert!(
        text.contains("no-such-package-here") && text.contains("wheelwright.yaml:6"),
        "{text}"
    );
    assert!(
        text.contains(">>>     packages: [no-such-package-here]"),
        "{text}"
    );
}

#[test]
fn requirements_that_cannot_be_met_show_the_resolver() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.write("more.txt", "MarkupSafe==3.0.2\nMarkupSafe==3.0.1\n");
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    assert!(
        text.to_lowercase().contains("markupsafe") && text.contains("wheelwright.yaml:9"),
        "{text}"
    );
}

#[test]
fn the_command_checks_without_an_engine() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("code: [app]", "cod: [app]");
    let folder = project.path().display().to_string();
    let said = engines.wheelwright(&["check", "-C", &folder]);
    assert_eq!(said.code, 3, "{}", said.text);
    assert!(
        said.text.contains("wheelwright.yaml:10:5") && said.text.contains("did you mean `code`?"),
        "{}",
        said.text
    );
}

/// A server that gives every path the same bytes, for as long as the test runs.
pub(crate) fn serve(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(bytes));
        }
    });
    port
}

#[test]
fn files_that_are_not_what_the_lock_says_never_get_in() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let port = serve(b"not a wheel");
    project.edit("requirements: [requirements.txt]", "lock: pylock.toml");
    let lock = |sha256: &str| {
        format!(
            "lock-version = \"1.0\"\n[[packages]]\nname = \"idna\"\nversion = \"3.10\"\nwheels = [{{ url = \
             \"http://127.0.0.1:{port}/idna-3.10-py3-none-any.whl\", hashes = {{ sha256 = \"{sha256}\" }} }}]\n"
        )
    };

    project.write("pylock.toml", &lock(&"0".repeat(64)));
    let text = engines
        .buildctl(project.path(), "api", &["--output=type=tar,dest=/dev/null"])
        .fails();
    assert!(
        text.contains("digest mismatch") && text.contains("idna-3.10-py3-none-any.whl"),
        "{text}"
    );
    assert!(text.contains("wheelwright.yaml:7"), "{text}");

    // The digest of what the server gives: it is fetched, and found not to be a wheel.
    project.write("pylock.toml", &lock(&sha256(b"not a wheel")));
    let text = engines
        .buildctl(project.path(), "api", &["--output=type=tar,dest=/dev/null"])
        .fails();
    assert!(text.contains("unwheel: idna-3.10-py3-none-any.whl"), "{text}");
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = buildkit_llb::digest_of(bytes);
    digest.trim_start_matches("sha256:").to_owned()
}

#[test]
fn a_lock_without_a_wheel_for_the_platform_says_what_it_has() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("requirements: [requirements.txt]", "lock: pylock.toml");
    let lock = format!(
        "lock-version = \"1.0\"\n[[packages]]\nname = \"odd\"\nversion = \"1\"\nwheels = [{{ url = \
         \"https://files.example/odd-1-cp312-cp312-win_amd64.whl\", hashes = {{ sha256 = \"{}\" }} }}]\n",
        "0".repeat(64)
    );
    project.write("pylock.toml", &lock);
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    assert!(
        text.contains("`odd 1` has no wheel for linux/amd64") && text.contains("cp312-cp312-win_amd64"),
        "{text}"
    );
    assert!(text.contains("pylock.toml:3"), "{text}");
}
