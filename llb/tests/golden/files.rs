//! File operations with all their actions.

use crate::{Case, base, compare, plain, platform};
use buildkit_llb::{Copy, Exec, FileOp, Owner, Source, State};

const SECOND: i64 = 1_000_000_000;

fn local() -> State {
    Source::local("context").session_id("s").build()
}

fn on(name: &'static str, with: impl FnOnce(FileOp) -> FileOp) -> Case {
    plain(name, with(FileOp::on(base())).build())
}

fn fresh(name: &'static str, with: impl FnOnce(FileOp) -> FileOp) -> Case {
    plain(name, with(FileOp::on(State::scratch())).build())
}

fn owner(text: &str) -> Owner {
    Owner::parse(text)
}

#[test]
fn files() {
    let mut cases = vec![
        fresh("mkdir", |op| op.mkdir("/a", 0o755, false, None)),
        on("mkdir-parents", |op| {
            op.mkdir("a/../b/c", 0o1700, true, Owner::ids(0, 1000))
        }),
        on("mkdir-named", |op| {
            op.mkdir("/a", 0o755, false, owner("app:staff"))
        }),
        on("mkdir-mixed", |op| {
            op.mkdir("/a", 0o755, false, owner("root:1000"))
        }),
        on("mkdir-user", |op| op.mkdir("/a", 0o755, false, owner("app"))),
        fresh("mkdir-named-scratch", |op| {
            op.mkdir("/a", 0o755, false, owner("app"))
        }),
        on("mkdir-time", |op| op.timestamp(0).mkdir("/a", 0o755, false, None)),
        fresh("mkfile", |op| op.mkfile("/a", 0o644, "hello\n", None)),
        fresh("mkfile-empty", |op| op.mkfile("/a", 0, "", None)),
        on("mkfile-owner", |op| {
            op.timestamp(1_700_000_000 * SECOND + 5)
                .mkfile("/a", 0o600, [0, 255], Owner::ids(1000, 1000))
        }),
        on("symlink", |op| op.symlink("../x", "/usr/bin/y")),
        on("symlink-owner", |op| {
            op.timestamp(SECOND).symlink_owned("x", "/y", Owner::ids(1, 2))
        }),
        on("rm", |op| op.rm("/a/b/", false, false)),
        on("rm-all", |op| op.rm("/a/*", true, true)),
        on("file-metadata", |op| {
            op.mkdir("/a", 0o755, false, None).name("make a").ignore_cache()
        }),
        plain("file-platform", {
            let arm = Source::image("a").platform(platform("linux/arm64")).build();
            let made = FileOp::on(arm).mkdir("/a", 0o755, false, None).build();
            Exec::new(["x"]).root(made).build().root()
        }),
    ];
    cases.extend(copies());
    cases.extend(chains());
    compare::check("files", cases);
}

fn copies() -> Vec<Case> {
    let copy = |src: &str, dest: &str| Copy::from(&local(), src, dest);
    let all = copy("/src/*", "/app/")
        .chown(1000, 1000)
        .mode(0o750)
        .follow_symlink()
        .dir_contents()
        .include(["**/*.py", "*.toml"])
        .exclude(["**/test_*", "!x"])
        .required_paths(["a"])
        .attempt_unpack()
        .create_dest_path()
        .allow_wildcard()
        .allow_empty_wildcard()
        .always_replace()
        .timestamp(1_700_000_000 * SECOND);
    vec![
        fresh("copy", |op| op.copy(copy("/", "/app"))),
        on("copy-relative", |op| op.copy(copy("a/./b/../c/", "d/"))),
        on("copy-dot", |op| op.copy(copy(".", "/d/."))),
        on("copy-to-root", |op| op.copy(copy("x", "/"))),
        on("copy-scratch", |op| {
            op.copy(Copy::from(&State::scratch(), "/", "/x"))
        }),
        plain("copy-self", {
            let base = base();
            FileOp::on(base.clone())
                .copy(Copy::from(&base, "/etc/passwd", "/p"))
                .build()
        }),
        on("copy-all", |op| op.copy(all)),
        on("copy-mode-zero", |op| op.copy(copy("/a", "/b").mode(0))),
        on("copy-mode-str", |op| {
            op.copy(copy("/a", "/b").mode_str("u+rwX,go-w"))
        }),
        on("copy-named", |op| op.copy(copy("/a", "/b").chown_name("app:app"))),
    ]
}

fn chains() -> Vec<Case> {
    let local = local();
    let other = Source::image("other").build();
    vec![
        on("chain", |op| {
            op.mkdir("/a", 0o755, false, None)
                .copy(Copy::from(&local, "/x", "/a/x"))
                .copy(Copy::from(&other, "/y", "/a/y").chown_name("app"))
                .copy(Copy::from(&local, "/z", "/a/z"))
                .rm("/a/x", false, false)
                .mkfile("/a/f", 0o644, "f", None)
                .symlink("f", "/a/g")
        }),
        fresh("chain-scratch", |op| {
            op.copy(Copy::from(&local, "/x", "/x"))
                .mkdir("/a", 0o755, false, owner("app"))
                .copy(Copy::from(&other, "/y", "/y"))
        }),
    ]
}
