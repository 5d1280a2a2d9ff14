//! Every way in which a wheel can be bad: refused by name, with an exit code, and without a trace.

mod support;

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use support::{Entry, Wheel, install, layout, line, stderr, zip};
use unwheel::{LayerFormat, Plan, write_layer};

/// A good wheel to make bad.
fn wheel() -> Wheel {
    Wheel::new("bad", "1.0").file("bad/__init__.py", "good = True\n")
}

/// Installs bytes as a wheel next to a good one and expects that both fail, the message names wheel and `entry`
/// and says `why`, and nothing is left.
#[track_caller]
fn refused_bytes(bytes: &[u8], file_name: &str, entry: Option<&str>, why: &str) {
    let temp = tempfile::tempdir().unwrap();
    let bad = temp.path().join(file_name);
    fs::write(&bad, bytes).unwrap();
    let good = Wheel::new("good", "2")
        .file("good.py", "x = 1\n")
        .write(temp.path());
    let root = temp.path().join("root");
    fs::create_dir(&root).unwrap();

    let output = install(&root, &[&good, &bad]);

    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let start = match entry {
        Some(entry) => format!("unwheel: {file_name}: entry `{entry}`: "),
        None => format!("unwheel: {file_name}: "),
    };
    assert!(
        message
            .lines()
            .any(|line| line.starts_with(&start) && line.contains(why)),
        "expected `{start}…{why}` in:\n{message}"
    );
    assert!(!message.contains("good-2"), "{message}");
    let errors = Plan::open(&[good, bad], &layout(), false, NonZeroUsize::MIN)
        .and_then(|plan| write_layer(&plan, &LayerFormat::Gzip, &mut std::io::sink()))
        .unwrap_err();
    let as_layer: Vec<String> = errors.iter().map(|error| format!("unwheel: {error}")).collect();
    assert!(
        as_layer.iter().eq(message.lines()),
        "a layer is refused for other reasons: {as_layer:#?}"
    );
    assert_eq!(
        fs::read_dir(&root).unwrap().count(),
        0,
        "something is left in the root"
    );
}

#[track_caller]
fn refused(wheel: &Wheel, entry: &str, why: &str) {
    refused_bytes(&wheel.bytes(), &wheel.file_name(), Some(entry), why);
}

#[track_caller]
fn refused_whole(wheel: &Wheel, why: &str) {
    refused_bytes(&wheel.bytes(), &wheel.file_name(), None, why);
}

/// Adds an entry of a given name, listed in `RECORD`.
fn named(name: &str) -> Wheel {
    wheel().file(name, "x\n")
}

#[test]
fn the_wheel_to_make_bad_is_good() {
    let temp = tempfile::tempdir().unwrap();
    let output = install(&temp.path().join("root"), &[&wheel().write(temp.path())]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn unsafe_names() {
    refused(
        &named("/etc/passwd"),
        "/etc/passwd",
        "unsafe file name: absolute path",
    );
    refused(&named("bad/../../../x.py"), "bad/../../../x.py", "contains `..`");
    refused(&named("bad\\..\\x.py"), "bad\\\\..\\\\x.py", "backslash");
    refused(&named("C:/x.py"), "C:/x.py", "drive letter");
    refused(&named("bad/x\0.py"), "bad/x\\0.py", "NUL");
    refused(&named("bad/x\n.py"), "bad/x\\n.py", "control character");
    refused(
        &wheel().with(|e| e.name = b"bad/\xff.py".to_vec()),
        "bad/\u{fffd}.py",
        "not UTF-8",
    );
}

#[test]
fn one_name_twice() {
    refused(
        &named("bad/__init__.py"),
        "bad/__init__.py",
        "clashes with entry `bad/__init__.py`",
    );
    refused(
        &named("bad/./__init__.py"),
        "bad/./__init__.py",
        "clashes with entry `bad/__init__.py`",
    );
    refused(
        &named("bad//__init__.py"),
        "bad//__init__.py",
        "clashes with entry `bad/__init__.py`",
    );
    refused(&named("bad"), "bad/__init__.py", "clashes with entry `bad`");
    let directory = wheel().entry(Entry::stored("bad/__init__.py/", b""), b"");
    refused(
        &directory.with(|e| e.mode = 0o40_755),
        "bad/__init__.py/",
        "clashes",
    );
}

#[test]
fn links_and_devices() {
    for (mode, kind) in [
        (0o120_777, "symbolic link"),
        (0o010_644, "named pipe"),
        (0o020_644, "character device"),
        (0o060_644, "block device"),
        (0o140_644, "socket"),
        (0o040_755, "directory without a trailing slash"),
    ] {
        refused(&named("bad/x").with(|e| e.mode = mode), "bad/x", kind);
    }
    let foreign = named("bad/x").with(|e| (e.mode, e.system) = (0o120_777, 0));
    refused(&foreign, "bad/x", "symbolic link");
}

#[test]
fn encryption_and_methods() {
    refused(&named("bad/x").with(|e| e.flags |= 1), "bad/x", "is encrypted");
    refused(
        &named("bad/x").with(|e| e.flags |= 1 << 6),
        "bad/x",
        "is encrypted",
    );
    refused(
        &named("bad/x").with(|e| e.flags |= 1 << 13),
        "bad/x",
        "is encrypted",
    );
    refused(
        &named("bad/x").with(|e| e.method = 12),
        "bad/x",
        "compression method 12",
    );
}

#[test]
fn sizes_that_lie() {
    let bomb = Entry::deflated("bad/zeros", &vec![0; 10 << 20]);
    let smaller = wheel().entry(
        Entry {
            size: 100,
            ..bomb.clone()
        },
        &[0; 100],
    );
    refused(&smaller, "bad/zeros", "declares 100 bytes but holds more");
    let larger = wheel().entry(
        Entry {
            size: 11 << 20,
            ..bomb
        },
        b"",
    );
    refused(&larger, "bad/zeros", "declares 11534336 bytes but holds 10485760");
    let stored = named("bad/x").with(|e| (e.method, e.size) = (0, 1));
    refused(&stored, "bad/x", "declares 1 bytes");
}

#[test]
fn growth_has_a_limit() {
    let entry = Entry {
        size: 2 << 30,
        ..Entry::deflated("bad/zeros", &[0; 1000])
    };
    refused(
        &wheel().entry(entry, b""),
        "bad/zeros",
        "more than the 1073741824 allowed",
    );
    let entry = Entry {
        size: 1 << 45,
        zip64: true,
        ..Entry::deflated("bad/zeros", &[0; 1000])
    };
    refused(
        &wheel().entry(entry, b""),
        "bad/zeros",
        "more than the 1073741824 allowed",
    );
}

#[test]
fn entries_that_share_bytes() {
    // A second central directory record for the data of the entry before it, as in quoted-overlap bombs.
    let inner = Entry::stored("bad/b", b"PK");
    let length = i64::try_from(30 + inner.name.len() + inner.data.len()).unwrap();
    let mut contents = zip(std::slice::from_ref(&inner));
    contents.truncate(usize::try_from(length).unwrap());
    let outer = Entry::stored("bad/a", &contents);
    let overlapping = wheel().entry(outer, &contents).entry(
        Entry {
            shift: -length,
            ..inner
        },
        b"PK",
    );
    refused(&overlapping, "bad/b", "overlaps entry `bad/a`");
}

#[test]
fn damaged_contents() {
    refused(&named("bad/x").with(|e| e.crc ^= 1), "bad/x", "crc-32 is");
    refused(
        &named("bad/x").with(|e| e.data[0] = 0xff),
        "bad/x",
        "damaged deflate data",
    );
    refused(
        &named("bad/x").with(|e| e.data.push(0)),
        "bad/x",
        "bytes follow its end",
    );
    let cut = wheel().file("bad/x", &"abc".repeat(1000)).with(|e| {
        e.data.pop();
        e.data.pop();
    });
    refused(&cut, "bad/x", "damaged deflate data: it ends too early");
}

#[test]
fn archives_with_two_readings() {
    let renamed = named("bad/x").with(|e| e.local_name = Some(b"bad/y".to_vec()));
    refused(&renamed, "bad/x", "local header contradicts");
    let name = wheel().file_name();
    let bytes = wheel().bytes();
    refused_bytes(
        &[&bytes[..], b"more"].concat(),
        &name,
        None,
        "4 bytes after the end",
    );
    refused_bytes(
        &[b"#!/bin/sh\n", &bytes[..]].concat(),
        &name,
        None,
        "before its first entry",
    );
    let mut counted = bytes.clone();
    let end = counted.len();
    counted[end - 12] += 1;
    refused_bytes(&counted, &name, None, "central directory has 4");
    // A whole archive inside the comment of another one.
    let inner = Wheel::new("bad", "1.0").file("evil.py", "x\n").bytes();
    let mut nested = bytes;
    let end = nested.len();
    nested[end - 2..].copy_from_slice(&u16::try_from(inner.len()).unwrap().to_le_bytes());
    nested.extend_from_slice(&inner);
    refused_bytes(&nested, &name, None, "before its first entry");
}

#[test]
fn truncated_archives() {
    let bytes = wheel().bytes();
    for length in [0, 1, 30, bytes.len() / 2, bytes.len() - 23, bytes.len() - 1] {
        refused_bytes(
            &bytes[..length],
            &wheel().file_name(),
            None,
            "not a readable zip archive",
        );
    }
    let mut moved = wheel().bytes();
    moved.drain(10..40);
    refused_bytes(&moved, &wheel().file_name(), None, "");
}

#[test]
fn record_must_be_true() {
    let wrong = wheel().entry(Entry::deflated("bad/x", b"x"), b"y");
    refused(&wrong, "bad/x", "contents hash to `sha256=");
    let mut unlisted = wheel();
    unlisted.entries.push(Entry::deflated("bad/x", b"x"));
    refused(&unlisted, "bad/x", "not listed in RECORD");
    let mut absent = wheel();
    absent.record.push_str(&line("bad/x", b"x"));
    refused(&absent, "bad/x", "listed in RECORD, but not in the archive");
    for (text, why) in [
        ("bad/x,,1\n", "without a hash"),
        ("bad/x,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\n", "`md5` in RECORD is weak"),
        (
            "bad/x,sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk,0\n",
            "`sha1` in RECORD is weak",
        ),
    ] {
        let mut weak = wheel();
        weak.entries.push(Entry::deflated("bad/x", b""));
        weak.record.push_str(text);
        refused(&weak, "bad/x", why);
    }
    let mut malformed = wheel();
    malformed.record.push_str("bad/x\n");
    refused(&malformed, "bad-1.0.dist-info/RECORD", "1 fields");
}

#[test]
fn metadata_must_be_there_and_agree() {
    for file in ["WHEEL", "METADATA"] {
        let mut without = wheel();
        without.entries.retain(|e| !e.name.ends_with(file.as_bytes()));
        refused_whole(&without, &format!("no `bad-1.0.dist-info/{file}` in the wheel"));
    }
    let bytes = zip(&wheel().entries);
    refused_bytes(
        &bytes,
        &wheel().file_name(),
        None,
        "no `bad-1.0.dist-info/RECORD` in the wheel",
    );
    let bytes = zip(&[Entry::deflated("bad.py", b"x")]);
    refused_bytes(
        &bytes,
        &wheel().file_name(),
        None,
        "no `*.dist-info` in the wheel",
    );
    refused_whole(
        &wheel().file("other-1.dist-info/METADATA", ""),
        "more than one .dist-info directory",
    );

    let metadata = "bad-1.0.dist-info/METADATA";
    let bytes = wheel().bytes();
    refused_bytes(
        &bytes,
        "other-1.0-py3-none-any.whl",
        Some(metadata),
        "name is `bad`, but the file name says `other`",
    );
    refused_bytes(
        &bytes,
        "bad-1.1-py3-none-any.whl",
        Some(metadata),
        "version is `1.0`, but the file name says `1.1`",
    );
    refused_bytes(&bytes, "bad.whl", None, "not a wheel file name");
    refused_bytes(b"", "bad.zip", None, "it does not end in `.whl`");

    let mut future = wheel();
    future.entries[1] = Entry::deflated("bad-1.0.dist-info/WHEEL", b"Wheel-Version: 2.0\n");
    refused(
        &future,
        "bad-1.0.dist-info/WHEEL",
        "wheel version `2.0` is not supported",
    );
}

#[test]
fn data_and_scripts_stay_in_their_places() {
    let data = |path: &str| wheel().data(path, "#!python\n");
    refused(
        &data("binaries/x"),
        "bad-1.0.data/binaries/x",
        "unknown scheme `binaries`",
    );
    refused(&data("x"), "bad-1.0.data/x", "directories only");
    refused(
        &data("scripts/sub/x"),
        "bad-1.0.data/scripts/sub/x",
        "directory inside of `scripts`",
    );
    refused(
        &data("scripts/python3"),
        "bad-1.0.data/scripts/python3",
        "would replace `bin/python3`",
    );
    refused(
        &data("data/bin/python"),
        "bad-1.0.data/data/bin/python",
        "would replace `bin/python`",
    );
    refused(
        &data("data/pyvenv.cfg"),
        "bad-1.0.data/data/pyvenv.cfg",
        "would replace `pyvenv.cfg`",
    );
    refused(
        &data("purelib/bad/__init__.py"),
        "bad/__init__.py",
        "clashes with entry",
    );
    let points = |text: &str| wheel().info("entry_points.txt", text);
    let entry = "bad-1.0.dist-info/entry_points.txt";
    refused(
        &points("[console_scripts]\n../../x = a:b\n"),
        entry,
        "`../../x` is not a file name",
    );
    refused(
        &points("[gui_scripts]\npython3.11 = a:b\n"),
        entry,
        "would replace `bin/python3.11`",
    );
    refused(
        &points("[console_scripts]\nx = os.system('x')\n"),
        entry,
        "expected `module:attribute`",
    );
    let both = points("[console_scripts]\nx = a:b\n").data("data/bin/x", "x");
    refused_whole(&both, "clashes with entry `the script of entry point x`");
}

#[test]
fn all_errors_of_all_wheels_are_told() {
    let temp = tempfile::tempdir().unwrap();
    let one = Wheel::new("one", "1")
        .file("/a", "")
        .file("b/../c", "")
        .write(temp.path());
    let crc = Wheel::new("two", "1")
        .file("two.py", "x")
        .with(|e| e.crc ^= 1)
        .write(temp.path());
    let root = temp.path().join("root");
    let output = install(
        &root,
        &[&one, &crc, Path::new("/nonexistent/three-1-py3-none-any.whl")],
    );
    let message = stderr(&output);
    assert_eq!(
        message.lines().count(),
        1,
        "a missing argument is told before any wheel is read:\n{message}"
    );
    assert_eq!(output.status.code(), Some(3), "{message}");
    let output = install(&root, &[&one, &crc]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let starts: Vec<&str> = message
        .lines()
        .map(|line| line.split(": ").nth(2).unwrap())
        .collect();
    assert_eq!(
        starts,
        ["entry `/a`", "entry `b/../c`", "entry `two.py`"],
        "{message}"
    );
    assert!(!root.exists());
}
