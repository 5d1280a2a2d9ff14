//! Merges, differences, and whole graphs with names, locations and shared parts.

use crate::{Case, ZEROS, compare, defaults, plain, platform};
use buildkit_llb::{
    Copy, Diff, Exec, FileOp, MarshalOptions, Merge, Mount, Network, Range, Sharing, Source, SourceMap,
    State, cap, diff, digest_of, merge,
};
use std::collections::BTreeSet;

const MANIFEST: &str = "name: voice\nservices:\n  stt: {}\n";

fn manifest() -> SourceMap {
    SourceMap::new("service.yaml", "YAML", MANIFEST)
}

fn with_caps() -> MarshalOptions {
    let caps = BTreeSet::from([cap::EXEC_META_SETS_DEFAULT_PATH.to_owned()]);
    MarshalOptions {
        caps: Some(caps),
        ..defaults()
    }
}

#[test]
fn graphs() {
    let a = Source::image("a").build();
    let b = Source::image("b").platform(platform("linux/arm64")).build();
    let c = Source::image("c").build();
    let scratch = State::scratch;
    let on = |root: State| Exec::new(["x"]).root(root).build().root();
    let cases: Vec<Case> = vec![
        plain("merge", merge([a.clone(), b.clone(), c])),
        plain("merge-same", merge([a.clone(), b.clone(), a.clone()])),
        plain(
            "merge-scratch",
            merge([scratch(), a.clone(), scratch(), b.clone()]),
        ),
        plain("merge-one", merge([scratch(), a.clone()])),
        plain("merge-none", merge([scratch()])),
        plain(
            "merge-name",
            Merge::new([a.clone(), b.clone()]).name("all").build(),
        ),
        plain("merge-exec", on(merge([b.clone(), a.clone()]))),
        plain("diff", diff(a.clone(), b.clone())),
        plain("diff-scratch", diff(scratch(), a.clone())),
        plain("diff-deletes", diff(a.clone(), scratch())),
        plain("diff-exec", on(Diff::new(b, a).name("d").build())),
        ("dockerfile", dockerfile(), with_caps()),
        ("wheels", wheels(), with_caps()),
        plain("twins", twins()),
        plain("locations", locations()),
        plain("imported", imported()),
    ];
    compare::check("graphs", cases);
}

fn dockerfile() -> State {
    let map = manifest();
    let context = Source::local("context")
        .session_id("s1")
        .follow_paths(["app", "requirements.txt"])
        .shared_key_hint("context")
        .name("[internal] load build context")
        .build();
    let slim = Source::image("python:3.11-slim")
        .name("[base] FROM python:3.11-slim")
        .platform(platform("linux/amd64"))
        .build();
    let copied = FileOp::on(slim.clone())
        .copy(Copy::from(&context, "/requirements.txt", "/src/").create_dest_path())
        .name("COPY requirements.txt .")
        .location(&map, [Range::line(1)])
        .build();
    let build = Exec::new(["/bin/sh", "-c", "pip install -r requirements.txt"])
        .root(copied)
        .cwd("/src")
        .env("PIP_NO_CACHE_DIR", "1")
        .mount(Mount::cache("/root/.cache/pip", "pip").sharing(Sharing::Locked))
        .mount(Mount::secret("/run/secrets/index", "index").optional())
        .name("RUN pip install")
        .location(&map, [Range::lines(2, 3)])
        .build()
        .root();
    let with_packages = FileOp::on(slim)
        .copy(
            Copy::from(&build, "/usr/local/lib", "/usr/local/")
                .create_dest_path()
                .dir_contents(),
        )
        .build();
    let last = FileOp::on(with_packages)
        .copy(Copy::from(&context, "/app", "/app").chown(1000, 1000))
        .mkfile("/etc/version", 0o444, "1\n", None)
        .build();
    Exec::new(["python", "-m", "compileall", "/app"])
        .root(last)
        .network(Network::None)
        .build()
        .root()
}

fn wheels() -> State {
    let map = manifest();
    let pinned = |name: &str| Source::image(format!("{name}@sha256:{ZEROS}"));
    let slim = pinned("python:3.11-slim")
        .platform(platform("linux/arm64"))
        .name("base")
        .build();
    let tool = pinned("ghcr.io/example/frontend")
        .platform(platform("linux/amd64"))
        .build();
    let mut layers = vec![slim];
    for (name, line) in [("numpy", 1), ("requests", 2), ("torch", 3)] {
        let wheel = Source::http(format!("https://index.example/{name}.whl"))
            .checksum(digest_of(name.as_bytes()))
            .filename(format!("{name}-1.0-py3-none-any.whl"))
            .name(format!("fetch {name}"))
            .build();
        let layer = Exec::new(["/t/unwheel", "--venv", "/opt/venv"])
            .mount(Mount::bind("/w", wheel).readonly())
            .mount(Mount::bind("/t", tool.clone()).readonly().selector("/bin"))
            .network(Network::None)
            .platform(platform("linux/amd64"))
            .name(format!("unpack {name}"))
            .progress_group("wheels", "wheels", false)
            .location(&map, [Range::line(line)])
            .build();
        layers.push(layer.root());
    }
    let merged = Merge::new(layers)
        .name("merge")
        .location(&map, [Range::lines(1, 3)])
        .build();
    let code = Source::local("context")
        .session_id("s1")
        .include_patterns(["services/stt"])
        .shared_key_hint("code:stt")
        .build();
    let copy = Copy::from(&code, "/", "/app/")
        .dir_contents()
        .create_dest_path()
        .include(["services/stt"])
        .mode(0o755)
        .chown(10001, 10001);
    FileOp::on(merged)
        .copy(copy)
        .name("code")
        .location(&map, [Range::line(3)])
        .build()
}

fn twins() -> State {
    let map = manifest();
    let one = |name: &str, key: &str, value: &str, line| {
        Source::image("a")
            .name(name)
            .description(key, value)
            .location(&map, [Range::line(line)])
    };
    merge([
        one("first", "x", "1", 1).build(),
        one("second", "y", "2", 2).ignore_cache().build(),
    ])
}

fn locations() -> State {
    let map = manifest();
    let again = manifest();
    let other = SourceMap::new("pylock.toml", "TOML", "lock-version = '1.0'\n");
    let image = Source::image("a").location(&other, [Range::new((1, 2), (1, 7)), Range::new((3, 0), (4, 1))]);
    let a = FileOp::on(image.build())
        .mkdir("/a", 0o755, false, None)
        .location(&map, [Range::line(1)])
        .location(&other, [Range::line(2)]);
    let b = FileOp::on(a.build()).mkdir("/b", 0o755, false, None);
    FileOp::on(b.build())
        .mkdir("/c", 0o755, false, None)
        .location(&again, [Range::line(3)])
        .build()
}

fn imported() -> State {
    let definition = dockerfile().marshal(&defaults()).to_pb();
    let state = State::from_definition(&definition).unwrap();
    let made = FileOp::on(state)
        .mkdir("/x", 0o755, false, None)
        .location(&manifest(), [Range::lines(1, 2)])
        .build();
    Exec::new(["true"]).root(made).build().root()
}
