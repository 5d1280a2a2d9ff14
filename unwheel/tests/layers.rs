//! Layers hold the same tree as a directory does, say the truth about themselves, and are equal wherever they are made.

mod support;

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use support::{Entry, FORMATS, Wheel, layer, layout, network, pipe, plan, stderr, tree, unpack};
use unwheel::{ErrorKind, LayerFormat, Options, Plan, install, write_layer, write_tree};

/// Digests of tar archive and layer, by format.
///
/// Where layers are found by their key, a change of their bytes needs another key. Whoever changes digests here,
/// be it for a new version of a dependency, has to raise the layout version in those keys.
const PINNED: &[(&str, &str)] = &[
    (
        "sha256:fcb8711a8e1efe17370b81efcfec29deeb077413b8dd4cad714692096d467ef6",
        "sha256:375d251a424ebc89ca9b4aca2da306641ff3f3d1754708fc8ced03e0287fc8df",
    ),
    (
        "sha256:c04bf644debba33de15503fd436a68a2cd092c4437b27671cf15f198f1ee7a8d",
        "sha256:4c3bc14e5a9d941a720d59a9411a19bb75b298d3c9720648018da07c638182f1",
    ),
    #[cfg(feature = "zstd")]
    (
        "sha256:fcb8711a8e1efe17370b81efcfec29deeb077413b8dd4cad714692096d467ef6",
        "sha256:54ef67668b802574ed2cf27ad1d169bace8434d12fb94464fb599d8b4d6fd96a",
    ),
];

/// Two wheels with something of everything.
fn samples(directory: &Path) -> [PathBuf; 2] {
    let long = "long/".repeat(40);
    let noise = noise(300_000);
    let a = Wheel::new("a", "1")
        .file("ns/__init__.py", "")
        .file("ns/empty/__init__.py", "")
        .file("ns.py", "y")
        .file("ns-data/x", "x")
        .file("names/ünï — 🌈.py", "3")
        .file(&format!("{long}deep.py"), "deep\n")
        .file("a/small.py", &"x = 1\n".repeat(300))
        .file("a/large.py", &"x = 1\n".repeat(100_000))
        .entry(Entry::stored("a/stored.bin", &noise), &noise)
        .with(|e| e.mode = 0o100_755)
        .entry(Entry::deflated("a/noise.bin", &noise), &noise)
        .entry(Entry::stored("a/tiny.bin", b"tiny"), b"tiny")
        .data("scripts/tool", "#!python\n")
        .data("scripts/big", &format!("#!python\n{}", "x = 1\n".repeat(10_000)))
        .data("headers/a.h", "int a;\n")
        .data("data/etc/a.conf", "a = 1\n");
    let mut b = Wheel::new("b", "1")
        .file("ns/__init__.py", "")
        .file("ns/b.py", "b")
        .info("entry_points.txt", "[console_scripts]\nb = ns.b:main\n");
    for entry in &mut b.entries {
        entry.zip64 = true;
    }
    [a.write(directory), b.write(directory)]
}

/// Bytes that do not compress, equal in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn options(temp: &Path) -> Options {
    Options {
        root: temp.join("root"),
        layout: layout(),
        jobs: NonZeroUsize::MIN,
        allow_conflicts: false,
        facts: None,
    }
}

#[test]
fn a_layer_unpacks_to_the_installed_tree() {
    let temp = tempfile::tempdir().unwrap();
    let wheels = samples(temp.path());
    let options = options(temp.path());
    install(&wheels, &options).unwrap();
    let mut installed = tree(&options.root);
    installed.remove(".");
    for (format, program) in FORMATS {
        let (bytes, _) = layer(&plan(&wheels), *format);
        let directory = temp.path().join(format!("{format:?}"));
        fs::create_dir(&directory).unwrap();
        unpack(&bytes, program, &directory);
        let mut unpacked = tree(&directory);
        unpacked.remove(".");
        if *format == LayerFormat::Estargz {
            assert!(unpacked.remove("stargz.index.json").is_some());
            assert_eq!(unpacked.remove(".no.prefetch.landmark").unwrap().contents, [0xf]);
        }
        assert_eq!(
            unpacked.keys().collect::<Vec<_>>(),
            installed.keys().collect::<Vec<_>>()
        );
        for (path, node) in &unpacked {
            assert!(*node == installed[path], "{path} differs");
        }
    }
}

#[test]
fn a_layer_says_the_truth_about_itself() {
    let temp = tempfile::tempdir().unwrap();
    for (format, program) in FORMATS {
        let (bytes, layer) = layer(&plan(&samples(temp.path())), *format);
        let unpacked = pipe(&bytes, Command::new(program).args(["-d", "-c"]));
        assert_eq!(layer.digest, sha256(&bytes));
        assert_eq!(layer.size, bytes.len() as u64);
        assert_eq!(layer.diff_id, sha256(&unpacked));
        assert_eq!(layer.unpacked, unpacked.len() as u64);
        assert_eq!(layer.toc_digest.is_some(), *format == LayerFormat::Estargz);
        assert_eq!(
            layer.annotations().len(),
            if layer.toc_digest.is_some() { 2 } else { 0 }
        );
    }
}

#[test]
fn other_readers_agree() {
    let temp = tempfile::tempdir().unwrap();
    let (bytes, _) = layer(&plan(&samples(temp.path())), LayerFormat::Gzip);
    let list = "import io, sys, tarfile\n\
        for e in tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())):\n\
        \x20   print(e.name, oct(e.mode), e.size, int(e.mtime), e.uid, e.gid, repr(e.uname + e.gname), e.isdir())";
    let listed = pipe(&bytes, Command::new("python3").args(["-c", list]));
    let listed = String::from_utf8(listed).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], "opt 0o755 0 315532800 0 0 '' True");
    let site = "opt/venv/lib/python3.11/site-packages";
    for expected in [
        "opt/venv/bin/tool 0o755 23 315532800 0 0 '' False".to_owned(),
        format!("{site}/names/ünï — 🌈.py 0o644 1 315532800 0 0 '' False"),
        format!(
            "{site}/{}deep.py 0o644 5 315532800 0 0 '' False",
            "long/".repeat(40)
        ),
        format!("{site}/a/stored.bin 0o755 300000 315532800 0 0 '' False"),
    ] {
        assert!(lines.contains(&expected.as_str()), "no `{expected}` in\n{listed}");
    }
}

/// The stargz snapshotter's own library reads the table, agrees with its digest and with that of every file.
#[test]
fn the_snapshotters_library_accepts_estargz() {
    if !network("checking eStargz takes Go and its module proxy") {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let wheels = samples(temp.path());
    let options = options(temp.path());
    install(&wheels, &options).unwrap();
    let (bytes, layer) = layer(&plan(&wheels), LayerFormat::Estargz);
    let file = temp.path().join("layer");
    fs::write(&file, bytes).unwrap();
    let output = Command::new("go")
        .args(["run", "."])
        .arg(&file)
        .arg(layer.toc_digest.unwrap())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/estargz"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found: Vec<&str> = text.lines().collect();
    found.sort_unstable();

    let mut installed = tree(&options.root);
    installed.remove(".");
    let mut expected: Vec<String> = installed
        .iter()
        .map(|(path, node)| {
            let kind = if node.directory { "dir" } else { "reg" };
            let size = node.contents.len();
            format!("{kind} {path} {:o} {size} {}", node.mode, node.mtime)
        })
        .collect();
    expected.push("reg .no.prefetch.landmark 644 1 315532800".to_owned());
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn bytes_are_pinned() {
    let temp = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (format, _) in FORMATS {
        let (_, layer) = layer(&plan(&samples(temp.path())), *format);
        found.push((layer.diff_id, layer.digest));
    }
    let pinned: Vec<_> = PINNED
        .iter()
        .map(|(tar, layer)| ((*tar).to_owned(), (*layer).to_owned()))
        .collect();
    assert_eq!(found, pinned);
}

#[test]
fn twice_is_equal_whatever_the_jobs_and_the_folder() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let jobs = NonZeroUsize::new(7).unwrap();
    for (format, _) in FORMATS {
        let first = layer(&plan(&samples(one.path())), *format);
        let plan = Plan::open(&samples(other.path()), &layout(), false, jobs).unwrap();
        assert!(first == layer(&plan, *format), "{format:?}");
    }
}

#[test]
fn deflate_streams_pass_through() {
    let temp = tempfile::tempdir().unwrap();
    // Packed as badly as can be: compressing it again would show.
    let text = "x = 1\n".repeat(5_000);
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(text.as_bytes()).unwrap();
    let stream = encoder.finish().unwrap();
    let wheel = Wheel::new("a", "1")
        .file("a.py", &text)
        .with(|e| e.data.clone_from(&stream));
    let (bytes, _) = layer(&plan(&[wheel.write(temp.path())]), LayerFormat::Gzip);
    assert!(bytes.windows(stream.len()).any(|window| window == stream));
}

#[test]
fn bad_contents_are_told_as_when_installed() {
    let temp = tempfile::tempdir().unwrap();
    let bad = |name: &str| {
        let large = "y = 2\n".repeat(10_000);
        Wheel::new(name, "1")
            .file(&format!("{name}/crc.py"), &large)
            .with(|e| e.crc ^= 1)
            .file(&format!("{name}/long.py"), &large)
            .with(|e| e.size -= 1)
            .entry(Entry::deflated(&format!("{name}/lies.py"), b"one"), b"two")
            .file(&format!("{name}/cut.py"), &large)
            .with(|e| e.data.truncate(20))
            .write(temp.path())
    };
    let wheels = [bad("a"), bad("b")];
    let text = |errors: Vec<unwheel::Error>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let installed = text(install(&wheels, &options(temp.path())).unwrap_err());
    assert_eq!(installed.len(), 8);
    for (format, _) in FORMATS {
        let errors = write_layer(&plan(&wheels), format, &mut std::io::sink()).unwrap_err();
        assert_eq!(text(errors), installed);
    }
}

#[test]
fn names_that_delete_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let wheel = Wheel::new("a", "1")
        .file("a/.wh.__init__.py", "")
        .file("a/.wh..wh..opq/x.py", "")
        .file("a/fine.wh.py", "");
    let mut out = Vec::new();
    let errors = write_layer(&plan(&[wheel.write(temp.path())]), &LayerFormat::Gzip, &mut out).unwrap_err();
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let why = "no layer can hold a name that starts with `.wh.`: it would delete files";
    assert_eq!(
        messages,
        ["a/.wh..wh..opq/x.py", "a/.wh.__init__.py"]
            .map(|entry| format!("a-1-py3-none-any.whl: entry `{entry}`: {why}"))
    );
    assert!(out.is_empty());
}

/// A writer that has room for so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.0.min(bytes.len());
        self.0 -= room;
        if room == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(room)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_no_fault_of_a_wheel() {
    let temp = tempfile::tempdir().unwrap();
    let plan = plan(&samples(temp.path()));
    for (format, _) in FORMATS {
        let (bytes, _) = layer(&plan, *format);
        for room in [0, 1, 1000, 200_000, bytes.len() - 1] {
            let errors = write_layer(&plan, format, &mut Full(room)).unwrap_err();
            assert_eq!(errors.len(), 1);
            assert_eq!(errors[0].kind(), ErrorKind::Io);
            let message = errors[0].to_string();
            assert!(message.contains("failed to write the layer"), "{message}");
        }
        write_layer(&plan, format, &mut Full(bytes.len())).unwrap();
    }
}

#[test]
fn a_tree_is_packed_as_its_wheels_are() {
    let temp = tempfile::tempdir().unwrap();
    let wheels = samples(temp.path());
    let options = options(temp.path());
    install(&wheels, &options).unwrap();
    for (format, _) in FORMATS {
        let mut bytes = Vec::new();
        let packed = write_tree(&options.root, format, &mut bytes).unwrap();
        assert_eq!(
            (packed.size, &packed.digest),
            (bytes.len() as u64, &sha256(&bytes))
        );
        if *format != LayerFormat::Estargz {
            // The table of contents says where members start, and here they are others.
            assert_eq!(packed.diff_id, layer(&plan(&wheels), *format).1.diff_id);
        }
        let mut again = Vec::new();
        write_tree(&options.root, format, &mut again).unwrap();
        assert!(bytes == again, "equal bytes twice");
    }
    std::os::unix::fs::symlink("opt", options.root.join("link")).unwrap();
    let errors = write_tree(&options.root, &LayerFormat::Gzip, &mut Vec::new()).unwrap_err();
    assert!(errors[0].to_string().contains("symbolic link"), "{}", errors[0]);
}
