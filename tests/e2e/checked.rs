//! `wheelwright check` finds what does not go together without an engine: by locks, by what was fetched before, and by what an
//! index says.

use std::process::Command;

use tempfile::TempDir;

use crate::engine::{Said, run};
use crate::index::Index;

const TOKEN: &str = "w0rd-of-the-company";

const MANIFEST: &str = "\
name: checked
python: \"3.11\"
indexes: [{name: own, url: \"INDEX\", default: true, auth: {secret: index, username: robot}}]
services:
  api: {image: \"python:3.11-slim\", lock: pylock.toml, command: [python]}
";

/// A project whose lock holds what does not go together, and the index that it is from.
struct Checked {
    folder: TempDir,
    index: Index,
}

impl Checked {
    fn new() -> Self {
        let login = format!("robot:{TOKEN}");
        let needs = "low==1.0:high>=2,nowhere;python_version>='3',never;sys_platform!='linux'";
        let packages = ["high==1.0", needs, "parts==1.0:high>=8", "silent==1.0:high>=9"];
        let index = Index::serve(&login, &packages);
        let folder = TempDir::new().expect("a folder");
        let checked = Self { folder, index };
        checked.write(
            "wheelwright.yaml",
            &MANIFEST.replace("INDEX", &checked.index.url()),
        );
        let lock = checked
            .index
            .lock(&checked.index.root(), &["high", "low", "parts", "silent"]);
        checked.write("pylock.toml", &lock);
        checked
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }

    fn check(&self, more: &[&str]) -> Said {
        run(Command::new(env!("CARGO_BIN_EXE_wheelwright"))
            .arg("check")
            .args(more)
            .current_dir(self.folder.path())
            .env("WHEELWRIGHT_CACHE_DIR", self.folder.path().join("cache"))
            .env("INDEX_TOKEN", TOKEN)
            .env_remove("BUILDKIT_HOST")
            .env_remove("DOCKER_HOST"))
    }
}

/// Conflicts of `low` and `high`, each with both places.
#[track_caller]
fn told(said: &str) {
    for expected in [
        "`low 1.0` needs `high>=2`, but `high 1.0` is installed",
        "--> pylock.toml:10:8",
        "`high` is locked here",
        "`low 1.0` needs `nowhere`, which is not installed",
        "`parts 1.0` needs `high>=8`, but `high 1.0` is installed",
    ] {
        assert!(said.contains(expected), "no `{expected}` in:\n{said}");
    }
    assert!(!said.contains("never"), "{said}");
}

const ONLINE: [&str; 3] = ["--online", "--secret", "id=index,env=INDEX_TOKEN"];

#[test]
fn indexes_are_asked_what_wheels_need_when_they_may_be() {
    let checked = Checked::new();
    let offline = checked.check(&[]).ok();
    assert!(
        offline.contains(
            "what 4 wheels need is not known here, `--online` asks the indexes: high 1.0, low 1.0, parts 1.0, silent 1.0"
        ),
        "{offline}"
    );
    assert_eq!(checked.index.asked(), "");

    let online = checked.check(&ONLINE).ok();
    told(&online);
    assert!(
        online.contains("the indexes do not say what 1 wheel need"),
        "{online}"
    );
    let asked = checked.index.asked();
    assert!(
        asked.contains("200 /files/low/low-1.0-py3-none-any.whl.metadata"),
        "{asked}"
    );
    // Of a wheel without metadata beside it a part is asked for, which not every server gives.
    let wheels = asked.lines().filter(|line| !line.ends_with(".metadata"));
    let mut wheels = wheels.collect::<Vec<_>>();
    wheels.sort_unstable();
    let of = |name: &str| format!("/files/{name}/{name}-1.0-py3-none-any.whl");
    assert_eq!(
        wheels,
        [format!("200 {}", of("silent")), format!("206 {}", of("parts"))]
    );

    // What was said is remembered.
    let again = checked.check(&[]).ok();
    told(&again);
    assert_eq!(checked.index.asked(), asked);

    checked.write(
        "wheelwright.yaml",
        &format!(
            "conflicts: error\n{}",
            MANIFEST.replace("INDEX", &checked.index.url())
        ),
    );
    let refused = checked.check(&[]);
    assert_eq!(refused.code, 3, "{}", refused.text);
    told(&refused.text);
}

#[test]
fn an_index_that_refuses_is_no_index_that_knows_nothing() {
    let checked = Checked::new();
    let refused = checked.check(&["--online"]);
    assert_eq!(refused.code, 1, "{}", refused.text);
    assert!(
        refused.text.contains("the server answered 401 Unauthorized"),
        "{}",
        refused.text
    );
    assert!(!refused.text.contains("well described"), "{}", refused.text);
}
