//! What a good wheel becomes.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use support::{Entry, Wheel, install, stderr, tree, unwheel};

const SITE: &str = "opt/venv/lib/python3.11/site-packages";

fn sample() -> Wheel {
    Wheel::new("sample", "1.0")
        .file("sample/__init__.py", "x = 1\n")
        .file("sample/run.sh", "#!/bin/sh\n")
        .with(|e| e.mode = 0o100_744)
        .file("sample/setgid", "")
        .with(|e| e.mode = 0o102_666)
        .data("scripts/tool", "#!pythonw -u\nprint(1)\n")
        .data("scripts/binary", "\u{7f}ELF")
        .data("headers/sub/sample.h", "int x;\n")
        .data("data/share/man/man1/sample.1", "man\n")
        .data("platlib/sample/ext.so", "so")
        .info(
            "entry_points.txt",
            "[console_scripts]\nsample = sample:main.run\n",
        )
}

#[track_caller]
fn good(root: &Path, wheels: &[&Path]) {
    let output = install(root, wheels);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn layout_modes_and_record() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    // The root is there already, as in a build step, and changes by what is created in it.
    fs::create_dir(&root).unwrap();
    good(&root, &[&sample().write(temp.path())]);
    let tree = tree(&root);
    let files: Vec<(&str, u32)> = tree
        .iter()
        .filter(|(_, n)| !n.directory)
        .map(|(path, n)| (path.as_str(), n.mode))
        .collect();
    let site = |path: &str| format!("{SITE}/{path}");
    let expected = [
        ("opt/venv/bin/binary".to_owned(), 0o755),
        ("opt/venv/bin/sample".to_owned(), 0o755),
        ("opt/venv/bin/tool".to_owned(), 0o755),
        (
            "opt/venv/include/site/python3.11/sample/sub/sample.h".to_owned(),
            0o644,
        ),
        (site("sample-1.0.dist-info/INSTALLER"), 0o644),
        (site("sample-1.0.dist-info/METADATA"), 0o644),
        (site("sample-1.0.dist-info/RECORD"), 0o644),
        (site("sample-1.0.dist-info/WHEEL"), 0o644),
        (site("sample-1.0.dist-info/entry_points.txt"), 0o644),
        (site("sample/__init__.py"), 0o644),
        (site("sample/ext.so"), 0o644),
        (site("sample/run.sh"), 0o755),
        (site("sample/setgid"), 0o644),
        ("opt/venv/share/man/man1/sample.1".to_owned(), 0o644),
    ];
    let expected: Vec<(&str, u32)> = expected
        .iter()
        .map(|(path, mode)| (path.as_str(), *mode))
        .collect();
    assert_eq!(files, expected);
    for (path, node) in &tree {
        assert_eq!(node.mtime, 315_532_800, "{path}");
        assert!(!node.directory || node.mode == 0o755, "{path}");
    }
    assert_eq!(
        tree["opt/venv/bin/tool"].contents,
        b"#!/opt/venv/bin/python\nprint(1)\n"
    );
    assert_eq!(
        tree[&site("sample-1.0.dist-info/INSTALLER")].contents,
        b"wheelwright"
    );

    let record = String::from_utf8(tree[&site("sample-1.0.dist-info/RECORD")].contents.clone()).unwrap();
    let mut listed = Vec::new();
    for line in record.lines() {
        let (path, rest) = line.split_once(',').unwrap();
        listed.push(path);
        if path.ends_with("/RECORD") {
            assert_eq!(rest, ",");
            continue;
        }
        let installed = fs::read(root.join(SITE).join(path)).unwrap();
        assert_eq!(format!("{line}\n"), support::line(path, &installed));
    }
    assert_eq!(listed.len(), files.len());
    assert!(listed.is_sorted());
    assert_eq!(
        listed[..3],
        ["../../../bin/binary", "../../../bin/sample", "../../../bin/tool"]
    );
}

#[test]
fn every_kind_of_archive() {
    let temp = tempfile::tempdir().unwrap();
    let big = "0123456789abcdef".repeat(100_000);
    let wheel = Wheel::new("kinds", "1")
        .entry(Entry::stored("kinds/stored", big.as_bytes()), big.as_bytes())
        .file("kinds/deflated", &big)
        .file("kinds/described", &big)
        .with(|e| e.flags |= 8)
        .file("kinds/zip64", &big)
        .with(|e| e.zip64 = true)
        .file("kinds/empty", "")
        .entry(Entry::stored("kinds/empty-stored", b""), b"")
        .file("kinds/from-dos", "x")
        .with(|e| (e.system, e.mode) = (0, 0o100_755));
    let mut wheel = wheel;
    wheel.entries.push(Entry {
        mode: 0o40_755,
        ..Entry::stored("kinds/nothing-in-it/", b"")
    });
    let root = temp.path().join("root");
    good(&root, &[&wheel.write(temp.path())]);
    let tree = tree(&root.join(SITE));
    for name in ["stored", "deflated", "described", "zip64"] {
        assert!(
            tree[&format!("kinds/{name}")].contents == big.as_bytes(),
            "{name}"
        );
    }
    assert!(tree["kinds/empty"].contents.is_empty() && tree["kinds/empty-stored"].contents.is_empty());
    assert_eq!(tree["kinds/from-dos"].mode, 0o755, "whoever made it");
    assert!(!tree.contains_key("kinds/nothing-in-it"));
}

#[test]
fn twice_is_equal_whatever_the_umask_jobs_and_order() {
    let temp = tempfile::tempdir().unwrap();
    let wheels = temp.path().join("wheels");
    fs::create_dir(&wheels).unwrap();
    sample().write(&wheels);
    for name in ["aa", "bb", "cc"] {
        Wheel::new(name, "1")
            .file(&format!("ns/{name}.py"), name)
            .file("ns/__init__.py", "")
            .write(&wheels);
    }
    let run = |root: &str, jobs: &str, umask: &str, arguments: &str| {
        let root = temp.path().join(root);
        let script = format!(
            "umask {umask}; exec \"$0\" --root \"$1\" --venv /opt/venv --python 3.11 --jobs {jobs} {arguments}"
        );
        let status = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(env!("CARGO_BIN_EXE_unwheel"))
            .arg(&root)
            .current_dir(&wheels)
            .status()
            .unwrap();
        assert!(status.success());
        tree(&root)
    };
    let first = run("one", "1", "022", ".");
    assert_eq!(first, run("two", "8", "077", "$(ls -r *.whl)"));
    assert_eq!(first, run("three", "3", "000", "./*.whl"));
}

#[test]
fn one_path_from_two_wheels() {
    let temp = tempfile::tempdir().unwrap();
    let a = Wheel::new("a", "1")
        .file("ns/__init__.py", "same")
        .file("ns/x.py", "from a")
        .write(temp.path());
    let b = Wheel::new("b", "1")
        .file("ns/__init__.py", "same")
        .file("ns/x.py", "from b")
        .write(temp.path());
    let root = temp.path().join("root");
    let output = install(&root, &[&a, &b]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert_eq!(
        message,
        "unwheel: b-1-py3-none-any.whl: entry `ns/x.py`: \
         `opt/venv/lib/python3.11/site-packages/ns/x.py` differs from the file that a-1-py3-none-any.whl has for \
         this path; --allow-conflicts lets the later win\n"
    );
    assert!(!root.exists());

    let path = root.to_str().unwrap().to_owned();
    let flags = [
        "--allow-conflicts",
        "--root",
        &path,
        "--venv=/opt/venv",
        "--python=3.11",
    ];
    for (wheels, winner) in [([&*a, &*b], "from b"), ([&*b, &*a], "from a")] {
        let output = unwheel(&flags, &wheels);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(
            fs::read_to_string(root.join(SITE).join("ns/x.py")).unwrap(),
            winner
        );
    }
}

#[test]
fn what_is_known_of_wheels_is_written_down() {
    let temp = tempfile::tempdir().unwrap();
    let needs = "Requires-Dist: b>=2\nRequires-Dist: c; extra == 'x'\n\nRequires-Dist: d\n";
    let a = Wheel::saying("a", "1", needs).file("a/__init__.py", "x");
    let a = a.write(temp.path());
    let b = Wheel::new("b", "1").write(temp.path());
    let (root, facts) = (temp.path().join("root"), temp.path().join("facts.json"));
    let flags = [
        "--root",
        root.to_str().unwrap(),
        "--facts",
        facts.to_str().unwrap(),
        "--venv=/opt/venv",
        "--python=3.11",
    ];
    let output = unwheel(&flags, &[&a, &b]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let all = unwheel::Facts::from_json(&fs::read(&facts).unwrap()).unwrap();
    let names = all.iter().map(|facts| facts.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(all[0].requires, ["b>=2", "c; extra == 'x'"]);
    let files = all[0]
        .files
        .iter()
        .map(|(path, digest)| format!("{path} {digest}"));
    assert_eq!(
        files.collect::<Vec<_>>(),
        ["lib/python3.11/site-packages/a/__init__.py 2d711642b726b044"]
    );
    let joined = temp.path().join("joined");
    let output = unwheel(&["--join-facts", joined.to_str().unwrap()], &[&facts, &facts]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let line = fs::read_to_string(&joined).unwrap();
    assert_eq!(
        unwheel::Facts::from_line(&line).unwrap(),
        [&all[..], &all[..]].concat()
    );
}

#[test]
fn a_file_cannot_be_a_directory_of_another_wheel() {
    let temp = tempfile::tempdir().unwrap();
    let a = Wheel::new("a", "1").file("x", "file").write(temp.path());
    let b = Wheel::new("b", "1").file("x/y", "below").write(temp.path());
    let output = install(&temp.path().join("root"), &[&a, &b]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("a-1-py3-none-any.whl: entry `x`: ") && stderr(&output).contains("b-1-py3")
    );
}

#[test]
fn one_distribution_twice() {
    let temp = tempfile::tempdir().unwrap();
    let a = Wheel::new("a", "1").write(temp.path());
    let b = Wheel::new("A", "2").write(temp.path());
    let output = install(&temp.path().join("root"), &[&a, &b]);
    assert!(
        stderr(&output).contains("A-2-py3-none-any.whl: distribution `a` is also in a-1-py3-none-any.whl")
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_is_there_already() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    let wheel = sample().write(temp.path());
    good(&root, &[&wheel]);
    let before = tree(&root);
    good(&root, &[&wheel]);
    assert_eq!(tree(&root), before, "an equal tree stays as it is");

    let file = root.join(SITE).join("sample/__init__.py");
    let elsewhere = temp.path().join("elsewhere");
    fs::write(&elsewhere, "mine").unwrap();
    fs::remove_file(&file).unwrap();
    symlink(&elsewhere, &file).unwrap();
    let output = install(&root, &[&wheel]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("sample/__init__.py` is there already and differs"),
        "{}",
        stderr(&output)
    );
    assert!(file.is_symlink());

    let root_name = root.to_str().unwrap().to_owned();
    let flags = [
        "--allow-conflicts",
        "--root",
        &root_name,
        "--venv",
        "/opt/venv",
        "--python",
        "3.11",
    ];
    let output = unwheel(&flags, &[&wheel]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(tree(&root), before, "the link is replaced, not followed");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
}

#[test]
fn a_failure_leaves_what_was_there() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    good(&root, &[&sample().write(temp.path())]);
    let before: Vec<String> = tree(&root).into_keys().collect();
    let bad = Wheel::new("bad", "1")
        .file("sample/more/deep.py", "x")
        .file("y.py", "y")
        .with(|e| e.crc ^= 1);
    let output = install(&root, &[&bad.write(temp.path())]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(tree(&root).into_keys().collect::<Vec<_>>(), before);
}

#[test]
fn usage_and_io_errors() {
    let temp = tempfile::tempdir().unwrap();
    let wheel = sample().write(temp.path());
    let wheel = wheel.to_str().unwrap();
    for (arguments, why) in [
        (&["--venv", "/v", "--python", "3.11"][..], "no wheel is given"),
        (&["--python", "3.11", wheel], "--venv is missing"),
        (&["--venv", "v", "--python", "3.11", wheel], "not absolute"),
        (&["--venv", "/v", "--python", "3", wheel], "not like `3.11`"),
        (
            &["--venv", "/v", "--python", "3.11", "--jobs", "0", wheel],
            "--jobs is `0`",
        ),
        (
            &["--venv", "/v", "--venv", "/w", "--python", "3.11", wheel],
            "given twice",
        ),
        (&["--vnev", "/v"], "unknown flag `--vnev`"),
        (&["--venv"], "needs a value"),
    ] {
        let output = unwheel(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
    let empty = temp.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let output = install(&temp.path().join("root"), &[&empty]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("no `*.whl`"), "{}", stderr(&output));
    let output = install(Path::new("/proc/nowhere"), &[Path::new(wheel)]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let help = unwheel(&["--help"], &[]);
    assert!(
        help.status.success()
            && String::from_utf8(help.stdout)
                .unwrap()
                .contains("Exit codes: 0 installed")
    );
}

#[test]
fn long_and_spaced_interpreters_run_through_sh() {
    let temp = tempfile::tempdir().unwrap();
    let venv = temp.path().join("it's a venv");
    let site = venv.join("lib/python3.11/site-packages/sample");
    fs::create_dir_all(&site).unwrap();
    fs::create_dir(venv.join("bin")).unwrap();
    // The interpreter is a stand-in that tells how it was called.
    let python = venv.join("bin/python");
    fs::write(&python, "#!/bin/sh\nprintf '%s|' \"$@\"\n").unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let wheel = Wheel::new("sample", "1")
        .data("scripts/tool", "#!python\nprint(1)\n")
        .write(temp.path());
    let output = unwheel(&["--venv", venv.to_str().unwrap(), "--python", "3.11"], &[&wheel]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let tool = venv.join("bin/tool");
    let output = Command::new(&tool).arg("a b").output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{}|a b|", tool.display())
    );
}
