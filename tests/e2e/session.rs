//! Wheel layers that the command makes itself and hands to the engine over the session.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::{Engines, Said, engines, run, wheelwright};
use crate::mistakes::{serve, sha256};
use crate::private::PrivateEngine;
use crate::project::{ANSWER, Project};

/// `wheelwright build api` with a cache of its own.
fn build(project: &Project, cache: &Path, more: &[&str]) -> Said {
    run(wheelwright(
        &arguments(project, more)
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    )
    .env("WHEELWRIGHT_CACHE_DIR", cache))
}

fn arguments(project: &Project, more: &[&str]) -> Vec<String> {
    let folder = project.path().display().to_string();
    let fixed = [
        "build",
        "api",
        "--progress=plain",
        "--wheels-from=session",
        "-C",
        &folder,
    ];
    let all = fixed.iter().chain(more);
    all.map(|text| (*text).to_owned()).collect()
}

/// The layers that were made, by the packages in them.
fn made(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter_map(|line| line.split_once("[wheels] make "));
    lines
        .map(|(_, rest)| rest.split(',').next().unwrap_or_default())
        .collect()
}

#[test]
fn what_is_made_here_is_pushed_by_the_engine_and_runs() {
    let Some(engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    let image = engines.image("session");
    let first = build(&project, cache.path(), &["--push", "-t", &image]).ok();
    assert_eq!(
        made(&first),
        BTreeSet::from(["idna 3.10", "markupsafe 3.0.2"]),
        "{first}"
    );
    assert_eq!(engines.answer(&engines.docker, &image, "/"), ANSWER);
    let again = build(&project, cache.path(), &["--push", "-t", &image]).ok();
    assert!(made(&again).is_empty(), "{again}");

    // Another version is another layer, and the only one.
    project.write("requirements.txt", "idna==3.9\n-r more.txt\n");
    let bumped = build(&project, cache.path(), &["--push", "-t", &image]).ok();
    assert_eq!(made(&bumped), BTreeSet::from(["idna 3.9"]), "{bumped}");
    let shown = run(wheelwright(&["cache", "--json"]).env("WHEELWRIGHT_CACHE_DIR", cache.path())).ok();
    assert!(shown.contains("\"entries\": 3"), "{shown}");
}

#[test]
fn dockerd_takes_layers_from_the_session() {
    let Some(engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    let host = engines.docker.clone();
    let more = ["--addr", &host, "--load", "-t", "e2e/session:latest"];
    let text = build(&project, cache.path(), &more).ok();
    assert_eq!(made(&text).len(), 2, "{text}");
    assert_eq!(engines.answer(&host, "e2e/session:latest", "/"), ANSWER);
}

/// Pushes with layers of `format` made here, and looks at what the registry has of them.
fn in_format(format: &str, is: impl Fn(&Value) -> bool) {
    let Some(engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    // An engine keeps a layer as it was packed first, and other tests share the other layers of this image.
    let own = PrivateEngine::start(&engines, Path::new("buildkitd"));
    let (address, image) = (own.address(), engines.image(&format!("session-{format}")));
    let output = format!("--output=type=registry,name={image},compression={format}");
    let text = build(&project, cache.path(), &["--addr", &address, &output]).ok();
    assert_eq!(made(&text).len(), 2, "{text}");
    let made = std::fs::read_dir(cache.path().join("blobs")).expect("layers");
    let made = made.map(|blob| blob.expect("a layer").file_name());
    let made = made.map(|hex| format!("sha256:{}", hex.display()));
    let made = made.collect::<BTreeSet<_>>();
    let layers = engines.descriptors(&image);
    let found = layers
        .iter()
        .filter(|layer| made.contains(layer["digest"].as_str().unwrap_or_default()));
    assert_eq!(found.filter(|layer| is(layer)).count(), 2, "{layers:#?}");
    let host = &engines.docker;
    engines.docker(host, &["pull", "--quiet", &image]).ok();
    assert_eq!(engines.answer(host, &image, "/"), ANSWER);
}

#[test]
fn layers_are_made_as_zstd_where_the_image_is_to_be() {
    in_format("zstd", |layer| {
        layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+zstd"
    });
}

#[test]
fn layers_are_made_as_estargz_where_the_image_is_to_be() {
    in_format("estargz", |layer| {
        layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"].is_string()
    });
}

#[test]
fn an_engine_that_cannot_merge_is_not_given_layers() {
    let Some(engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    let host = engines.docker_graph.clone();
    let text = build(&project, cache.path(), &["--addr", &host]).ok();
    assert!(made(&text).is_empty(), "{text}");
}

/// The lock of a file that is served here.
fn lock(port: u16, sha256: &str) -> String {
    format!(
        "lock-version = \"1.0\"\n[[packages]]\nname = \"idna\"\nversion = \"3.10\"\nwheels = [{{ url = \
         \"http://127.0.0.1:{port}/idna-3.10-py3-none-any.whl\", hashes = {{ sha256 = \"{sha256}\" }} }}]\n"
    )
}

#[test]
fn files_that_are_not_what_the_lock_says_end_the_build() {
    let Some(_engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    project.edit("requirements: [requirements.txt]", "lock: pylock.toml");
    let port = serve(b"not a wheel");
    project.write("pylock.toml", &lock(port, &"0".repeat(64)));
    let said = build(&project, cache.path(), &[]);
    assert_eq!(said.code, 3, "{}", said.text);
    for part in [
        "`idna-3.10-py3-none-any.whl` of idna 3.10",
        "its sha256 is",
        "nothing was kept",
    ] {
        assert!(said.text.contains(part), "{}", said.text);
    }

    project.write("pylock.toml", &lock(port, &sha256(b"not a wheel")));
    let said = build(&project, cache.path(), &[]);
    assert_eq!(said.code, 3, "{}", said.text);
    assert!(
        said.text
            .contains("idna 3.10 cannot be laid down: idna-3.10-py3-none-any.whl"),
        "{}",
        said.text
    );
}

#[test]
fn the_engine_goes_on_where_this_machine_cannot() {
    let Some(_engines) = engines() else { return };
    let project = Project::new();
    let small = Tmpfs::new("size=64k");
    let text = build(&project, small.path(), &[]).ok();
    assert_eq!(
        text.matches("could not be made on this machine").count(),
        1,
        "{text}"
    );

    let sealed = Tmpfs::new("ro");
    for cache in [sealed.path(), Path::new("/proc/no-cache")] {
        let text = build(&project, cache, &[]).ok();
        let said = format!(
            "wheel layers are made by the engine: error: the cache in `{}`",
            cache.display()
        );
        assert!(text.contains(&said), "{text}");
    }
}

/// A file system of its own for a cache.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn new(options: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let target = folder.path().display().to_string();
        let mount = ["-t", "tmpfs", "-o", options, "none", &target];
        run(std::process::Command::new("mount").args(mount)).ok();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        run(std::process::Command::new("umount").arg(self.0.path()));
    }
}

fn start(project: &Project, cache: &Path) -> Child {
    let arguments = arguments(project, &[]);
    wheelwright(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        .env("WHEELWRIGHT_CACHE_DIR", cache)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command")
}

#[test]
fn killed_builds_leave_nothing_that_hinders_the_next() {
    let Some(engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    project.write("more.txt", "MarkupSafe==3.0.2\nnumpy==1.26.4\n");
    // The lock is resolved once, so that what is killed is the making of layers.
    run(&mut wheelwright(
        &arguments(&project, &["--wheels-from=graph"])
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    ));
    for milliseconds in [150, 300, 500, 800, 1200] {
        let mut child = start(&project, cache.path());
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().and_then(|()| child.wait()).expect("an end");
    }
    let image = engines.image("killed");
    build(&project, cache.path(), &["--push", "-t", &image]).ok();
    assert_eq!(engines.answer(&engines.docker, &image, "/"), ANSWER);
    let pruned =
        run(wheelwright(&["cache", "prune", "--all"]).env("WHEELWRIGHT_CACHE_DIR", cache.path())).ok();
    assert!(
        pruned.starts_with("removed") && !pruned.contains("in use"),
        "{pruned}"
    );
}

#[test]
fn several_commands_share_a_cache() {
    let Some(_engines) = engines() else { return };
    let (project, cache) = (Project::new(), TempDir::new().expect("a folder"));
    let mut children = [(), (), ()].map(|()| start(&project, cache.path()));
    for child in &mut children {
        assert!(child.wait().expect("an end").success());
    }
    let shown = run(wheelwright(&["cache", "--json"]).env("WHEELWRIGHT_CACHE_DIR", cache.path())).ok();
    assert_eq!(
        shown.matches("\"entries\": 2").count(),
        2,
        "two wheels, two layers: {shown}"
    );
}

/// What the registry holds of two builds on caches of their own.
#[test]
fn equal_layers_come_of_different_machines() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let layers = |engines: &Engines, name: &str| {
        let cache = TempDir::new().expect("a folder");
        let image = engines.image(name);
        build(&project, cache.path(), &["--push", "-t", &image]).ok();
        std::fs::read_dir(cache.path().join("blobs"))
            .expect("layers")
            .map(|blob| blob.expect("a layer").file_name())
            .collect::<BTreeSet<_>>()
    };
    let (here, there) = (layers(&engines, "here"), layers(&engines, "there"));
    assert_eq!(here, there);
    assert_eq!(here.len(), 2);
}
