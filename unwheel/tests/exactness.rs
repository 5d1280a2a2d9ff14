//! Holds the installed tree against the ones uv and pip make of the same wheels at the same path: paths, bytes and
//! modes. And layers against the installed tree, in every format, one for all wheels and one for each.
//!
//! What may differ is listed in docs/decisions/0005-installer-metadata.md.
//!
//! Needs a network and `python3` with venv: set `WHEELWRIGHT_NETWORK=1`. Then anything missing is a failure; without
//! it the test says so and does nothing. uv comes from the package index by hash, the wheels by version.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::unwheel::{LayerFormat, Layout, Plan, wheels_in};
use support::{Entry, FORMATS, Node, Wheel, layer, line, network, stderr, tree, unpack, unwheel};

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
fn equals_uv_and_pip() {
    if !network("comparing with uv and pip needs a network") {
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
    bench.compare_with_pip(&real, "plain/venv");
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

/// uv in a venv with pip, an interpreter, and a place to work in.
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
        run(Command::new(&bench.python).args(["-m", "venv"]).arg(&tools));
        let requirements = bench.directory.join("uv.txt");
        fs::write(&requirements, UV).unwrap();
        let install = ["install", "-q", "--require-hashes"];
        bench.pip(&install, &["-r", requirements.to_str().unwrap()]);
        bench
    }

    fn pip(&self, arguments: &[&str], more: &[&str]) {
        run(Command::new(self.uv.with_file_name("python"))
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

    /// Installs all wheels of a directory with uv, with `unwheel` and as layers, and compares the trees.
    #[track_caller]
    fn compare(&self, wheels: &Path, venv: &str) {
        let venv = self.directory.join(venv);
        let files = wheels_in(&[wheels.to_owned()]).unwrap();
        let theirs = self.install_into(&venv, |python| {
            let mut uv = self.uv();
            uv.args(["pip", "install", "--no-deps", "--no-index", "--python"])
                .arg(python)
                .args(&files);
            uv
        });
        assert!(
            theirs.len() >= files.len() * 3,
            "uv installed {} files only",
            theirs.len()
        );
        let root = self.unwheel(wheels, &venv);
        compare(Installer::Uv, &theirs, &files_below(&root, &venv));
        self.compare_layers(&files, &venv, &tree(&root));
        fs::remove_dir_all(&root).unwrap();
    }

    /// The same with pip, of which the wheel to run is among the others. It is asked by name and version, since it
    /// notes where files given by path come from.
    #[track_caller]
    fn compare_with_pip(&self, wheels: &Path, venv: &str) {
        let venv = self.directory.join(venv);
        let pip = wheels_in(&[wheels.to_owned()])
            .unwrap()
            .into_iter()
            .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("pip-"))
            .unwrap();
        let theirs = self.install_into(&venv, |python| {
            let mut command = Command::new(python);
            command
                .arg(pip.join("pip"))
                .args([
                    "install",
                    "-q",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "--no-index",
                ])
                .args(["--no-compile", "--ignore-installed", "--find-links"])
                .arg(wheels)
                .args(WHEELS);
            command
        });
        let root = self.unwheel(wheels, &venv);
        compare(Installer::Pip, &theirs, &files_below(&root, &venv));
        fs::remove_dir_all(&root).unwrap();
    }

    /// Makes a venv, runs a command with its interpreter, and returns the files it has added. The venv is gone then.
    #[track_caller]
    fn install_into(&self, venv: &Path, command: impl FnOnce(&Path) -> Command) -> BTreeMap<String, Node> {
        run(self.uv().args(["venv", "--python"]).arg(&self.python).arg(venv));
        let skeleton = tree(venv);
        run(&mut command(&venv.join("bin/python")));
        let mut added = tree(venv);
        added.retain(|path, node| !node.directory && path != ".lock" && !skeleton.contains_key(path));
        fs::remove_dir_all(venv).unwrap();
        added
    }

    /// Installs wheels below a new root.
    #[track_caller]
    fn unwheel(&self, wheels: &Path, venv: &Path) -> PathBuf {
        let root = self.directory.join("root");
        let (root_name, venv_name) = (root.to_str().unwrap(), venv.to_str().unwrap());
        let version = self.python_version.as_str();
        let flags = ["--root", root_name, "--venv", venv_name, "--python", version];
        let output = unwheel(&flags, &[wheels]);
        assert!(output.status.success(), "{}", stderr(&output));
        root
    }

    /// Unpacks layers and compares with what was installed, directories and times included.
    #[track_caller]
    fn compare_layers(&self, wheels: &[PathBuf], venv: &Path, installed: &BTreeMap<String, Node>) {
        let layout = Layout::new(venv.to_str().unwrap(), self.python_version.parse().unwrap()).unwrap();
        let each: Vec<&[PathBuf]> = wheels.chunks(1).collect();
        for (format, program) in FORMATS {
            // One layer for all, and in the usual format one on top of the other as well.
            let stacks: &[&[&[PathBuf]]] = if *format == LayerFormat::Gzip {
                &[&[wheels], &each]
            } else {
                &[&[wheels]]
            };
            for stack in stacks {
                let directory = self.directory.join("layers");
                fs::create_dir(&directory).unwrap();
                for wheels in *stack {
                    let plan = Plan::open(wheels, &layout, false, NonZeroUsize::MIN).unwrap();
                    unpack(&layer(&plan, *format).0, program, &directory);
                }
                let mut unpacked = tree(&directory);
                unpacked
                    .retain(|path, _| !ESTARGZ.contains(&path.as_str()) || *format != LayerFormat::Estargz);
                let differs = |path: &&String| *path != "." && installed.get(*path) != unpacked.get(*path);
                let differences: Vec<&String> =
                    installed.keys().chain(unpacked.keys()).filter(differs).collect();
                assert!(differences.is_empty(), "{format:?}: {differences:#?}");
                fs::remove_dir_all(&directory).unwrap();
            }
        }
    }
}

/// What eStargz adds.
const ESTARGZ: [&str; 2] = [".no.prefetch.landmark", "stargz.index.json"];

fn files_below(root: &Path, venv: &Path) -> BTreeMap<String, Node> {
    let mut files = tree(&root.join(venv.strip_prefix("/").unwrap()));
    assert!(files.values().all(|node| !node.directory || node.mode == 0o755));
    files.retain(|_, node| !node.directory);
    files
}

/// Whose tree is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Installer {
    /// Told not to write `INSTALLER` and the like.
    Uv,
    Pip,
}

impl Installer {
    /// Files of which ours may differ in contents or be absent.
    fn owns(self, path: &str) -> bool {
        path.ends_with(".dist-info/INSTALLER") || self == Self::Pip && path.ends_with(".dist-info/REQUESTED")
    }

    fn modes_agree(self, path: &str, their: &Node, our: &Node) -> bool {
        // pip writes a new `RECORD`, uv and unwheel into the wheel's own.
        let own_record = self == Self::Pip && path.ends_with(".dist-info/RECORD");
        their.mode == our.mode || own_record && their.mode == 0o644
    }

    fn contents_agree(self, path: &str, their: &Node, our: &Node) -> bool {
        if path.ends_with(".dist-info/RECORD") {
            self.lines(&their.contents) == self.lines(&our.contents)
        } else if self == Self::Pip && path.starts_with("bin/") && their.contents != our.contents {
            wrapper(&their.contents) == wrapper(&our.contents)
        } else {
            their.contents == our.contents
        }
    }

    /// The lines of a `RECORD` that have to be equal.
    fn lines(self, record: &[u8]) -> Vec<&str> {
        let text = std::str::from_utf8(record).unwrap();
        let mut lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains(".dist-info/INSTALLER,"))
            .collect();
        if self == Self::Pip {
            // It has texts of its own for wrappers, and lists signatures that the wheel does not list.
            let own = [".dist-info/REQUESTED,", ".dist-info/RECORD.jws,", "/bin/"];
            lines.retain(|line| !own.iter().any(|own| line.contains(own)));
            lines.sort_unstable();
        }
        lines
    }
}

/// What matters of the wrapper of an entry point: interpreter, import and call.
fn wrapper(script: &[u8]) -> Vec<&str> {
    let lines: Vec<&str> = std::str::from_utf8(script).unwrap().lines().collect();
    let matters = |line: &&str| {
        ["#!", "from ", "    sys.exit("]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let wrapper: Vec<&str> = lines.into_iter().filter(matters).collect();
    assert_eq!(wrapper.len(), 3, "{wrapper:?}");
    wrapper
}

/// Allows the differences that are the installer's own, and no other.
#[track_caller]
fn compare(installer: Installer, theirs: &BTreeMap<String, Node>, ours: &BTreeMap<String, Node>) {
    let mut differences = Vec::new();
    for path in theirs
        .keys()
        .chain(ours.keys().filter(|path| !theirs.contains_key(*path)))
    {
        if installer.owns(path) {
            continue;
        }
        let (Some(their), Some(our)) = (theirs.get(path), ours.get(path)) else {
            let whose = if ours.contains_key(path) { "ours" } else { "theirs" };
            differences.push(format!("{path}: only {whose}"));
            continue;
        };
        if !installer.modes_agree(path, their, our) {
            differences.push(format!("{path}: mode {:o}, theirs {:o}", our.mode, their.mode));
        }
        if !installer.contents_agree(path, their, our) {
            let show = |node: &Node| {
                String::from_utf8_lossy(&node.contents[..node.contents.len().min(3000)]).into_owned()
            };
            differences.push(format!("{path}: theirs\n{}\nours\n{}", show(their), show(our)));
        }
    }
    assert!(
        differences.is_empty(),
        "{installer:?}: {} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}\n{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}
