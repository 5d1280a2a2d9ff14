//! Holds the installed tree against the one uv makes of the same wheels at the same path: paths, bytes and modes.
//!
//! Needs a network and `python3` with pip: set `WHEELWRIGHT_NETWORK=1`. Then anything missing is a failure; without
//! it the test says so and does nothing. uv comes from the package index by hash, the wheels by version.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Entry, Node, Wheel, line, network, stderr, tree, unwheel};

const UV: &str = "uv==0.13.9 \
    --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \
    --hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe\n";

/// Console scripts, every `.data` scheme, namespace packages old and new, abi3, pure, large, made on Windows, signed.
const WHEELS: &[&str] = &[
    "boto==2.49.0",
    "certifi==2026.10.18",
    "cffi==2.1.1",
    "charset-normalizer==3.5.2",
    "click==8.5.1",
    "cryptography==50.0.2",
    "docutils==0.14",
    "fastapi==0.165.0",
    "Flask==0.12",
    "google-api-core==1.31.0",
    "google-auth==2.62.2",
    "google-cloud-core==1.7.0",
    "google-cloud-storage==3.17.1",
    "googleapis-common-protos==1.76.0",
    "greenlet==3.5.6",
    "httpx==0.28.1",
    "idna==3.20",
    "ipykernel==7.4.0",
    "Jinja2==2.8",
    "jsonpatch==1.47",
    "jsonpointer==3.12",
    "lxml==6.1.3",
    "markupsafe==3.0.4",
    "nbconvert==5.0.0",
    "ninja==1.13.2",
    "nose==1.3.7",
    "notebook-shim==0.2.4",
    "numpy==2.4.6",
    "opentelemetry-api==1.45.2",
    "opentelemetry-proto==1.45.2",
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-semantic-conventions==0.66b2",
    "pip==26.3",
    "protobuf==7.36.2",
    "psutil==7.2.2",
    "pydantic==2.14.3",
    "pydantic-core==2.50.4",
    "Pygments==2.0.2",
    "pynacl==1.6.2",
    "pytest==9.2.0",
    "pytz==2015.7",
    "pywin32-ctypes==0.2.3",
    "pyyaml==6.0.3",
    "redis==8.1.0",
    "requests==2.34.2",
    "ruff==0.17.6",
    "scipy==1.17.1",
    "selenium==4.52.0",
    "setuptools==84.2.1",
    "six==1.17.0",
    "sphinxcontrib-jsmath==1.0.1",
    "sqlalchemy==2.1.9",
    "typing-extensions==4.16.0",
    "tzdata==2026.6",
    "urllib3==2.8.0",
    "uvicorn==0.54.0",
    "wheel==0.24.0",
    "zope.event==4.4",
];

#[test]
fn equals_uv() {
    if !network("comparing with uv needs a network") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let bench = Bench::set_up(temp.path());

    let odd = temp.path().join("odd");
    fs::create_dir(&odd).unwrap();
    for wheel in odd_wheels(&bench.python_version) {
        wheel.write(&odd);
    }
    bench.compare(&odd, "plain/venv");
    bench.compare(&odd, "it's a/venv");
    bench.compare(&odd, &format!("{}/venv", "long".repeat(30)));

    let real = temp.path().join("real");
    bench.pip(
        &[
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            real.to_str().unwrap(),
        ],
        WHEELS,
    );
    assert_eq!(fs::read_dir(&real).unwrap().count(), WHEELS.len());
    bench.compare(&real, "plain/venv");
}

/// Wheels with what is rare in the wild.
fn odd_wheels(python: &str) -> Vec<Wheel> {
    let scripts = Wheel::new("scripts", "1.0")
        .data("scripts/bare", "#!python")
        .data("scripts/crlf", "#!python\r\nprint(1)\r\n")
        .data("scripts/cr", "#!python\rprint(1)\r")
        .data("scripts/cr-only", "#!python\r")
        .data("scripts/gui", "#!pythonw -E\nprint(1)\n")
        .data("scripts/versioned", "#!python3\nprint(1)\n")
        .data("scripts/env", "#!/usr/bin/env python\nprint(1)\n")
        .data("scripts/short", "#!p")
        .data("scripts/empty", "")
        .data(
            "scripts/large",
            &format!("#!python\n{}", "x = 1\n".repeat(100_000)),
        )
        .data("scripts/program", "\u{7f}ELF\n#!python\n")
        .with(|e| e.mode = 0o100_755);
    let commands = Wheel::new("Commands_and.more", "2.0.post1")
        .info(
            "entry_points.txt",
            "# comment\n[console_scripts]\none = m:f\ntwo=m.sub : Class.run [extra]\n; x\nThree = m:f\n\
             pip = p:a\npip3 = p:b\npip3.7 = p:c\n\n[gui_scripts] ; x\n  four = m:g[a,b]\n[other]\nx = y\n  z\n",
        )
        .data("scripts/one", "#!python\nshadowed\n")
        .data("scripts/two-script.py", "#!python\nshadowed\n")
        .data("scripts/five", "#!python\n")
        .data("headers/x/y.h", "int y;\n")
        .data("headers/z.h", "int z;\n");
    let places = Wheel::new("places", "3")
        .data("purelib/places/pure.py", "1")
        .data("platlib/places/plat.so", "2")
        .data("data/etc/places.conf", "3")
        .data(
            "data/bin/places-tool",
            "#!python\nnot rewritten, for it is data\n",
        )
        .data(
            &format!("data/lib/python{python}/site-packages/places/via_data.py"),
            "4",
        )
        .file("other-3.data/scripts/x", "the data of nobody")
        .info("RECORD.jws", "")
        .info("license.txt", "x");
    let mut signed = Wheel::new("signed", "1")
        .info("REQUESTED", "")
        .info("sub/dir/file", "x");
    signed
        .entries
        .push(Entry::deflated("signed-1.dist-info/RECORD.jws", b"{}"));
    signed
        .entries
        .push(Entry::deflated("signed-1.dist-info/RECORD.p7s", b"?"));
    let modes = Wheel::new("modes", "1")
        .file("modes/x.sh", "")
        .with(|e| e.mode = 0o100_700)
        .file("modes/group.sh", "")
        .with(|e| e.mode = 0o100_654)
        .file("modes/all.sh", "")
        .with(|e| e.mode = 0o106_777)
        .file("modes/none.py", "")
        .with(|e| e.mode = 0)
        .file("modes/private.py", "")
        .with(|e| e.mode = 0o100_600)
        .file("modes/dos.sh", "")
        .with(|e| (e.system, e.mode) = (0, 0o100_755))
        .file("modes/darwin.sh", "")
        .with(|e| (e.system, e.mode) = (19, 0o100_755));
    let mut names = Wheel::new("names", "1!2.0+local.1")
        .file("names/a,b.py", "1")
        .file("names/say \"hi\".txt", "2")
        .file("names/ünï — 🌈.py", "3")
        .file("names/ space ", "4")
        .file("B.py", "upper sorts first")
        .file("a.py", "lower sorts last");
    names.entries.push(Entry::deflated("names/dotted.py", b"5"));
    names.record.push_str(&line("./names/dotted.py", b"5"));
    names.entries.push(Entry::deflated("names/rooted.py", b"6"));
    names.record.push_str(&line("/names/rooted.py", b"6"));
    names.entries.push(Entry::deflated("names/padded.py", b"7"));
    names
        .record
        .push_str(&line("names/padded.py", b"7").replace(",1\n", "=,1\n"));
    names.entries.push(Entry::deflated("names/sizeless.py", b"8"));
    names
        .record
        .push_str(&line("names/sizeless.py", b"8").replace(",1\n", ",\n"));
    names.record = names.record.replace('\n', "\r\n");
    vec![scripts, commands, places, signed, modes, names]
}

/// uv, an interpreter, and a place to work in.
struct Bench {
    directory: PathBuf,
    python: PathBuf,
    python_version: String,
    uv: PathBuf,
}

impl Bench {
    fn set_up(directory: &Path) -> Self {
        let directory = fs::canonicalize(directory).unwrap();
        let tell = "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])";
        let told = run(Command::new("python3").args(["-c", tell]));
        let (python, version) = told.trim().split_once('\n').unwrap();
        let tools = directory.join("tools");
        let bench = Self {
            python: PathBuf::from(python),
            python_version: version.to_owned(),
            uv: tools.join("bin/uv"),
            directory,
        };
        let requirements = bench.directory.join("uv.txt");
        fs::write(&requirements, UV).unwrap();
        let target = [
            "install",
            "-q",
            "--require-hashes",
            "--target",
            tools.to_str().unwrap(),
        ];
        bench.pip(&target, &["-r", requirements.to_str().unwrap()]);
        bench
    }

    fn pip(&self, arguments: &[&str], more: &[&str]) {
        run(Command::new(&self.python)
            .args(["-m", "pip"])
            .args(arguments)
            .args(more));
    }

    fn uv(&self) -> Command {
        let mut command = Command::new(&self.uv);
        command
            .args(["--offline", "--quiet", "--no-config", "--cache-dir"])
            .arg(self.directory.join("cache"))
            .env("UV_NO_INSTALLER_METADATA", "1")
            .env("UV_LINK_MODE", "copy");
        command
    }

    /// Installs all wheels of a directory both ways and compares the trees.
    #[track_caller]
    fn compare(&self, wheels: &Path, venv: &str) {
        let venv = self.directory.join(venv);
        let root = self.directory.join("root");
        run(self.uv().args(["venv", "--python"]).arg(&self.python).arg(&venv));
        let skeleton = tree(&venv);
        let mut files: Vec<PathBuf> = fs::read_dir(wheels).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        run(self
            .uv()
            .args(["pip", "install", "--no-deps", "--no-index", "--python"])
            .arg(&venv)
            .args(&files));
        let mut theirs = tree(&venv);
        theirs.retain(|path, node| !node.directory && path != ".lock" && !skeleton.contains_key(path));

        let (root_name, venv_name) = (root.to_str().unwrap(), venv.to_str().unwrap());
        let flags = [
            "--root",
            root_name,
            "--venv",
            venv_name,
            "--python",
            &self.python_version,
        ];
        let output = unwheel(&flags, &[wheels]);
        assert!(output.status.success(), "{}", stderr(&output));
        let mut ours = tree(&root.join(venv.strip_prefix("/").unwrap()));
        assert!(ours.values().all(|node| !node.directory || node.mode == 0o755));
        ours.retain(|_, node| !node.directory);

        assert!(
            theirs.len() >= files.len() * 3,
            "uv installed {} files only",
            theirs.len()
        );
        compare(&theirs, &ours);
        fs::remove_dir_all(&root).unwrap();
        fs::remove_dir_all(&venv).unwrap();
    }
}

/// Allows a difference in `INSTALLER`, which uv was told not to write, and in its line in `RECORD`; in nothing else.
#[track_caller]
fn compare(theirs: &BTreeMap<String, Node>, ours: &BTreeMap<String, Node>) {
    let mut differences = Vec::new();
    for path in theirs
        .keys()
        .chain(ours.keys().filter(|path| !theirs.contains_key(*path)))
    {
        if path.ends_with(".dist-info/INSTALLER") {
            continue;
        }
        let (Some(their), Some(our)) = (theirs.get(path), ours.get(path)) else {
            differences.push(format!(
                "{path}: only {}",
                if ours.contains_key(path) { "ours" } else { "uv's" }
            ));
            continue;
        };
        if their.mode != our.mode {
            differences.push(format!("{path}: mode {:o}, uv's {:o}", our.mode, their.mode));
        }
        let equal = if path.ends_with(".dist-info/RECORD") {
            without_installer(&their.contents) == without_installer(&our.contents)
        } else {
            their.contents == our.contents
        };
        if !equal {
            let show = |node: &Node| {
                String::from_utf8_lossy(&node.contents[..node.contents.len().min(3000)]).into_owned()
            };
            differences.push(format!("{path}: uv's\n{}\nours\n{}", show(their), show(our)));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn without_installer(record: &[u8]) -> String {
    let text = std::str::from_utf8(record).unwrap();
    text.split_inclusive('\n')
        .filter(|line| !line.contains(".dist-info/INSTALLER,"))
        .collect()
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}\n{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}
