//! Locks made in the build, from an index of the test's own: what is written, what is stale, who gets what from where,
//! and that a login stays where it belongs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::engine::{engines, run};
use crate::index::Index;
use crate::project::Project;

/// Two services on one index that takes the place of the default one.
fn project(indexes: &str) -> Project {
    let project = Project::new();
    let manifest = format!(
        "name: e2e-lock\npython: \"3.11\"\nindexes:\n{indexes}bases:\n  slim: {{image: python:3.11-slim}}\nservices:\n  \
         api: {{base: slim, requirements: [api.txt], command: [python]}}\n  \
         worker: {{base: slim, requirements: [worker.txt], command: [python]}}\n"
    );
    project.write("wheelwright.yaml", &manifest);
    project
}

#[test]
fn services_get_equal_versions_and_keep_them() {
    let Some(engines) = engines() else { return };
    let index = Index::serve("", &["aa==1.0:bb", "bb==1.0", "bb==1.5", "bb==2.0", "cc==1.0"]);
    let project = project(&format!(
        "  - {{name: main, url: \"{}\", default: true}}\n",
        index.url()
    ));
    project.write("api.txt", "aa\n");
    project.write("worker.txt", "bb<2\ncc\n");
    assert_eq!(engines.lock(project.path(), &["--check"]).code, 6);
    engines.lock(project.path(), &[]).ok();
    let (api, worker) = (
        project.read("pylock.api.toml"),
        project.read("pylock.worker.toml"),
    );
    assert!(
        api.contains("bb-1.5-") && worker.contains("bb-1.5-") && !api.contains("cc-1.0"),
        "{api}{worker}"
    );
    engines.lock(project.path(), &["--check"]).ok();

    // A comment changes nothing, a requirement makes the lock stale, for builds too; what is locked stays.
    project.write("worker.txt", "# words\nbb<2\ncc\n");
    engines.lock(project.path(), &["--check"]).ok();
    project.write("worker.txt", "bb\ncc\n");
    let stale = engines.lock(project.path(), &["--check"]);
    assert!(
        stale.code == 6 && stale.text.contains("`worker.txt` has changed"),
        "{}",
        stale.text
    );
    let folder = project.path().display().to_string();
    let built = engines.wheelwright(&["build", "worker", "-C", &folder, "--progress=plain"]);
    assert!(
        built.code == 3 && built.text.contains("wheelwright lock worker"),
        "{}",
        built.text
    );
    engines.lock(project.path(), &[]).ok();
    assert_eq!(project.read("pylock.api.toml"), api, "nothing of it changed");
    assert!(project.read("pylock.worker.toml").contains("bb-1.5-"));

    // An upgrade is for all; the build installs what is locked.
    let told = engines.lock(project.path(), &["--upgrade", "bb"]).ok();
    assert!(told.contains("bb 1.5 -> 2.0"), "{told}");
    assert!(project.read("pylock.api.toml").contains("bb-2.0-"));
    let out = tempfile::TempDir::new().expect("a folder");
    let output = format!("type=local,dest={}", out.path().display());
    engines
        .wheelwright(&[
            "build",
            "worker",
            "-C",
            &folder,
            "-o",
            &output,
            "--progress=plain",
        ])
        .ok();
    let site = out.path().join("opt/venv/lib/python3.11/site-packages");
    assert_eq!(
        std::fs::read_to_string(site.join("bb.py")).expect("bb"),
        "VERSION = '2.0'\n"
    );
}

#[test]
fn a_conflict_shows_both_chains_and_writes_nothing() {
    let Some(engines) = engines() else { return };
    let index = Index::serve("", &["aa==1.0:bb<2", "bb==1.0", "bb==2.0"]);
    let project = project(&format!(
        "  - {{name: main, url: \"{}\", default: true}}\n",
        index.url()
    ));
    project.write("api.txt", "# first\naa\n");
    project.write("worker.txt", "bb>=2\n");
    let said = engines.lock(project.path(), &[]);
    assert_eq!(said.code, 3, "{}", said.text);
    for part in [
        "cannot have one version of `bb`",
        "api: api.txt:2: `aa` -> bb brings bb 1.0",
        "worker: worker.txt:1: `bb>=2` brings bb 2.0",
        "lock_group",
    ] {
        assert!(said.text.contains(part), "`{part}` is not in:\n{}", said.text);
    }
    assert!(project.read("pylock.api.toml").is_empty());
    project.edit("worker: {base: slim,", "worker: {base: slim, lock_group: apart,");
    engines.lock(project.path(), &[]).ok();
    assert!(project.read("pylock.worker.toml").contains("bb-2.0-"));
}

#[test]
fn packages_of_one_index_come_from_nowhere_else() {
    let Some(engines) = engines() else { return };
    let main = Index::serve("", &["aa==1.0:bb", "bb==9.0", "cc==1.0"]);
    let own = Index::serve("", &["bb==1.0", "cc==9.0"]);
    let project = project(&format!(
        "  - {{name: main, url: \"{}\", default: true}}\n  - {{name: own, url: \"{}\", only: [bb]}}\n",
        main.url(),
        own.url()
    ));
    project.write("api.txt", "aa\ncc\n");
    project.write("worker.txt", "cc\n");
    engines.lock(project.path(), &[]).ok();
    let api = project.read("pylock.api.toml");
    assert!(api.contains("bb-1.0-") && api.contains("cc-1.0-"), "{api}");
    assert!(!project.read("pylock.worker.toml").contains("name = \"bb\""));
}

#[test]
fn a_login_is_used_and_left_nowhere() {
    let Some(engines) = engines() else { return };
    let index = Index::serve("robot:s3cr3t-w0rd", &["aa==1.0:bb", "bb==1.0"]);
    let project = project(&format!(
        "  - {{name: main, url: \"{}\", default: true, auth: {{secret: login}}}}\n",
        index.url()
    ));
    project.write("api.txt", "aa\n");
    project.write("worker.txt", "bb\n");
    let refused = engines.lock(project.path(), &[]);
    assert!(
        refused.code != 0 && refused.text.contains("login"),
        "{}",
        refused.text
    );

    let secret = project.write("login.txt", "robot:s3cr3t-w0rd\n");
    let secret = format!("id=login,src={}", secret.display());
    let said = engines.lock(project.path(), &["--secret", &secret]).ok();
    let api = project.read("pylock.api.toml");
    assert!(api.contains("aa-1.0-"), "{api}");

    let folder = project.path().display().to_string();
    let image = engines.image("login");
    let metadata = project.path().join("metadata.json").display().to_string();
    let build = [
        "build",
        "api",
        "-C",
        &folder,
        "--secret",
        &secret,
        "-t",
        &image,
        "--push",
        "--progress=plain",
        "--metadata-file",
        &metadata,
    ];
    let built = engines.wheelwright(&build).ok();
    let archive = project.path().join("image.tar");
    let output = format!("type=oci,dest={}", archive.display());
    engines
        .wheelwright(&["build", "api", "-C", &folder, "--secret", &secret, "-o", &output])
        .ok();
    let exported = String::from_utf8_lossy(&std::fs::read(&archive).expect("an archive")).into_owned();
    let records = run(Command::new("buildctl").args(["du", "--verbose"])).text;
    for place in [
        &said,
        &built,
        &api,
        &project.read("metadata.json"),
        &exported,
        &records,
    ] {
        for word in ["s3cr3t-w0rd", "cm9ib3Q6czNjcjN0LXcwcmQ"] {
            assert!(
                !place.contains(word),
                "the login is in:\n{}",
                &place[..place.len().min(4000)]
            );
        }
    }
    assert!(index.asked().contains("200 /files/aa/"), "{}", index.asked());
}

/// The files of a folder with their text.
fn written(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let files = files.map(|file| {
        let text = std::fs::read_to_string(file.path()).expect("text");
        (file.file_name().to_string_lossy().into_owned(), text)
    });
    files.collect()
}

#[test]
fn the_frontend_gives_out_the_locks_that_the_command_writes() {
    let Some(engines) = engines() else { return };
    let login = "robot:w0rd-of-the-frontend";
    let index = Index::serve(login, &["aa==1.0:bb", "bb==1.0", "bb==1.5", "bb==2.0"]);
    let project = project(&format!(
        "  - {{name: main, url: \"{}\", default: true, auth: {{secret: login}}}}\n",
        index.url()
    ));
    project.write("api.txt", "aa\n");
    project.write("worker.txt", "bb<2\n");
    let secret = project.write("login.txt", login);
    let secret = format!("id=login,src={}", secret.display());
    let outs = ["buildctl", "buildx", "bake", "one", "upgraded"].map(|name| project.path().join(name));
    let output = |n: usize| format!("type=local,dest={}", outs[n].display());

    let more = ["--secret", &secret, "--output", &output(0)];
    let said = engines.buildctl(project.path(), "lock", &more).ok();
    let more = ["--secret", &secret, "--output", &output(1)];
    let host = &engines.docker;
    engines
        .buildx(host, project.path(), "lock", "e2e/lock", &more)
        .ok();
    let bake = serde_json::json!({"target": {"lock": {
        "context": ".", "dockerfile": "wheelwright.yaml", "target": "lock", "network": "host",
        "args": {"BUILDKIT_SYNTAX": engines.frontend}, "secret": [secret], "output": [output(2)],
    }}});
    project.write("docker-bake.json", &bake.to_string());
    let mut command = Command::new("docker");
    command.env("DOCKER_HOST", host).current_dir(project.path());
    run(command.args([
        "buildx",
        "bake",
        "lock",
        "--progress=plain",
        "--allow=network.host",
    ]))
    .ok();

    engines.lock(project.path(), &["--secret", &secret]).ok();
    let names = ["pylock.api.toml", "pylock.worker.toml"].map(str::to_owned);
    let ours = names.map(|name| (name.clone(), project.read(&name)));
    let ours = BTreeMap::from(ours);
    assert!(ours["pylock.api.toml"].contains("bb-1.5-"), "{ours:?}");
    for out in &outs[..3] {
        assert_eq!(written(out), ours, "{}", out.display());
    }
    assert!(!said.contains("w0rd-of-the-frontend") && !ours["pylock.api.toml"].contains("w0rd"));

    // One service's lock; and a newer version where it is asked for.
    project.write("worker.txt", "bb\n");
    let more = ["--secret", &secret, "--output", &output(3)];
    engines.buildctl(project.path(), "lock:worker", &more).ok();
    let one = written(&outs[3]);
    assert!(
        one.len() == 1 && one["pylock.worker.toml"].contains("bb-1.5-"),
        "{one:?}"
    );
    let upgrade = "--opt=build-arg:WHEELWRIGHT_UPGRADE=bb";
    let more = ["--secret", &secret, upgrade, "--output", &output(4)];
    engines.buildctl(project.path(), "lock", &more).ok();
    for text in written(&outs[4]).values() {
        assert!(text.contains("bb-2.0-"), "{text}");
    }
}
