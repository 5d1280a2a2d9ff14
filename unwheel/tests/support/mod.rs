//! Zip archives and wheels made byte by byte, so that each field can be wrong on its own.
#![allow(dead_code, missing_docs, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Crc;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};
use unwheel::{Layer, LayerFormat, Layout, Plan, PythonVersion, write_layer};

/// One entry and all that its two headers say about it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// Name in the local header, if it is another one.
    pub(crate) local_name: Option<Vec<u8>>,
    /// Data as it lies in the archive.
    pub(crate) data: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) size: u64,
    pub(crate) crc: u32,
    pub(crate) flags: u16,
    /// High byte of `version made by`: 3 is Unix, 0 is FAT.
    pub(crate) system: u8,
    pub(crate) mode: u32,
    /// Puts sizes and offset into a zip64 extra field.
    pub(crate) zip64: bool,
    /// Added to the offset the central directory gives.
    pub(crate) shift: i64,
}

impl Entry {
    pub(crate) fn deflated(name: &str, contents: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(contents).unwrap();
        Self {
            method: 8,
            data: encoder.finish().unwrap(),
            ..Self::stored(name, contents)
        }
    }

    pub(crate) fn stored(name: &str, contents: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(contents);
        Self {
            name: name.as_bytes().to_vec(),
            local_name: None,
            data: contents.to_vec(),
            method: 0,
            size: contents.len() as u64,
            crc: crc.sum(),
            // What is not ASCII is marked as UTF-8.
            flags: if name.is_ascii() { 0 } else { 1 << 11 },
            system: 3,
            mode: 0o100_644,
            zip64: false,
            shift: 0,
        }
    }

    fn local(&self) -> Vec<u8> {
        let described = self.flags & 8 != 0;
        let name = self.local_name.as_ref().unwrap_or(&self.name);
        let (crc, stored, size) = if described {
            (0, 0, 0)
        } else {
            (self.crc, self.data.len() as u64, self.size)
        };
        let mut extra = Vec::new();
        if self.zip64 {
            put16(&mut extra, 1);
            put16(&mut extra, 16);
            put64(&mut extra, size);
            put64(&mut extra, stored);
        }
        let mut out = b"PK\x03\x04".to_vec();
        for field in [45, self.flags, self.method, 0, 0x21] {
            put16(&mut out, field);
        }
        put32(&mut out, crc);
        put32(
            &mut out,
            if self.zip64 {
                u32::MAX
            } else {
                u32::try_from(stored).unwrap()
            },
        );
        put32(
            &mut out,
            if self.zip64 {
                u32::MAX
            } else {
                u32::try_from(size).unwrap()
            },
        );
        put16(&mut out, u16::try_from(name.len()).unwrap());
        put16(&mut out, u16::try_from(extra.len()).unwrap());
        out.extend_from_slice(name);
        out.extend_from_slice(&extra);
        out.extend_from_slice(&self.data);
        if described {
            out.extend_from_slice(b"PK\x07\x08");
            put32(&mut out, self.crc);
            put32(&mut out, u32::try_from(self.data.len()).unwrap());
            put32(&mut out, u32::try_from(self.size).unwrap());
        }
        out
    }

    fn central(&self, offset: u64) -> Vec<u8> {
        let offset = offset.checked_add_signed(self.shift).unwrap();
        let mut extra = Vec::new();
        if self.zip64 {
            put16(&mut extra, 1);
            put16(&mut extra, 24);
            put64(&mut extra, self.size);
            put64(&mut extra, self.data.len() as u64);
            put64(&mut extra, offset);
        }
        let mut out = b"PK\x01\x02".to_vec();
        put16(&mut out, u16::from(self.system) << 8 | 0x2d);
        for field in [45, self.flags, self.method, 0, 0x21] {
            put16(&mut out, field);
        }
        let short = |value: u64| {
            if self.zip64 {
                u32::MAX
            } else {
                u32::try_from(value).unwrap()
            }
        };
        put32(&mut out, self.crc);
        put32(&mut out, short(self.data.len() as u64));
        put32(&mut out, short(self.size));
        put16(&mut out, u16::try_from(self.name.len()).unwrap());
        put16(&mut out, u16::try_from(extra.len()).unwrap());
        for field in [0, 0, 0] {
            put16(&mut out, field);
        }
        put32(&mut out, self.mode << 16);
        put32(&mut out, short(offset));
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
        out
    }
}

/// Puts entries into an archive.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        directory.extend(entry.central(out.len() as u64));
        out.extend(entry.local());
    }
    let start = out.len();
    out.extend_from_slice(&directory);
    if entries.iter().any(|entry| entry.zip64) {
        let at = out.len() as u64;
        out.extend_from_slice(b"PK\x06\x06");
        put64(&mut out, 44);
        put16(&mut out, 45);
        put16(&mut out, 45);
        put64(&mut out, 0);
        put64(&mut out, entries.len() as u64);
        put64(&mut out, entries.len() as u64);
        put64(&mut out, directory.len() as u64);
        put64(&mut out, start as u64);
        out.extend_from_slice(b"PK\x06\x07");
        put32(&mut out, 0);
        put64(&mut out, at);
        put32(&mut out, 1);
    }
    out.extend_from_slice(b"PK\x05\x06");
    put32(&mut out, 0);
    put16(&mut out, u16::try_from(entries.len()).unwrap());
    put16(&mut out, u16::try_from(entries.len()).unwrap());
    put32(&mut out, u32::try_from(directory.len()).unwrap());
    put32(&mut out, u32::try_from(start).unwrap());
    put16(&mut out, 0);
    out
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// A wheel that is in order until it is told not to be.
#[derive(Clone)]
pub(crate) struct Wheel {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) entries: Vec<Entry>,
    /// Lines of `RECORD`; the archive gets it last.
    pub(crate) record: String,
}

impl Wheel {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self::saying(name, version, "")
    }

    /// With more in its metadata.
    pub(crate) fn saying(name: &str, version: &str, more: &str) -> Self {
        let wheel = Self {
            name: name.to_owned(),
            version: version.to_owned(),
            entries: Vec::new(),
            record: String::new(),
        };
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}");
        wheel.info("METADATA", &metadata).info(
            "WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
    }

    /// Adds a file with its line in `RECORD`.
    pub(crate) fn file(self, path: &str, contents: &str) -> Self {
        self.entry(Entry::deflated(path, contents.as_bytes()), contents.as_bytes())
    }

    /// Adds a file to the `.dist-info` directory.
    pub(crate) fn info(self, file: &str, contents: &str) -> Self {
        let path = format!("{}-{}.dist-info/{file}", self.name, self.version);
        self.file(&path, contents)
    }

    /// Adds a file to the `.data` directory.
    pub(crate) fn data(self, path: &str, contents: &str) -> Self {
        let path = format!("{}-{}.data/{path}", self.name, self.version);
        self.file(&path, contents)
    }

    /// Adds an entry, and a line in `RECORD` as if it held these contents.
    pub(crate) fn entry(mut self, entry: Entry, contents: &[u8]) -> Self {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        self.record.push_str(&line(&name, contents));
        self.entries.push(entry);
        self
    }

    /// Changes the entry added last.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Entry)) -> Self {
        change(self.entries.last_mut().unwrap());
        self
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}-py3-none-any.whl", self.name, self.version)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut entries = self.entries.clone();
        let path = format!("{}-{}.dist-info/RECORD", self.name, self.version);
        let record = format!("{}{path},,\n", self.record);
        entries.push(Entry::deflated(&path, record.as_bytes()));
        zip(&entries)
    }

    pub(crate) fn write(&self, directory: &Path) -> PathBuf {
        let path = directory.join(self.file_name());
        fs::write(&path, self.bytes()).unwrap();
        path
    }
}

/// A line of `RECORD`.
pub(crate) fn line(path: &str, contents: &[u8]) -> String {
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(contents));
    let path = if path.contains([',', '"']) {
        format!("\"{}\"", path.replace('"', "\"\""))
    } else {
        path.to_owned()
    };
    format!("{path},sha256={hash},{}\n", contents.len())
}

/// What is known of a file or directory in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) directory: bool,
    pub(crate) mode: u32,
    pub(crate) mtime: i64,
    pub(crate) contents: Vec<u8>,
}

/// Reads a tree by relative path; the root itself is `.`, links are left out.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Node> {
    let mut nodes = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let path = root.join(&relative);
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_symlink() {
            continue;
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(&path).unwrap() {
                open.push(relative.join(entry.unwrap().file_name()));
            }
        }
        let name = if relative.as_os_str().is_empty() {
            ".".to_owned()
        } else {
            relative.display().to_string()
        };
        nodes.insert(
            name,
            Node {
                directory: metadata.is_dir(),
                mode: metadata.mode() & 0o7777,
                mtime: metadata.mtime(),
                contents: if metadata.is_dir() {
                    Vec::new()
                } else {
                    fs::read(&path).unwrap()
                },
            },
        );
    }
    nodes
}

/// Runs the command.
pub(crate) fn unwheel(arguments: &[&str], wheels: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unwheel"))
        .args(arguments)
        .args(wheels)
        .output()
        .unwrap()
}

/// Runs the command with `/opt/venv` below `root`.
pub(crate) fn install(root: &Path, wheels: &[&Path]) -> Output {
    unwheel(
        &[
            "--root",
            root.to_str().unwrap(),
            "--venv",
            "/opt/venv",
            "--python",
            "3.11",
        ],
        wheels,
    )
}

/// What a run printed to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The usual place.
pub(crate) fn layout() -> Layout {
    Layout::new("/opt/venv", PythonVersion { major: 3, minor: 11 }).unwrap()
}

/// Wheels that are in order.
pub(crate) fn plan(wheels: &[PathBuf]) -> Plan {
    Plan::open(wheels, &layout(), false, NonZeroUsize::MIN).unwrap()
}

/// Makes a layer in memory.
pub(crate) fn layer(plan: &Plan, format: LayerFormat) -> (Vec<u8>, Layer) {
    let mut bytes = Vec::new();
    let layer = write_layer(plan, &format, &mut bytes).unwrap();
    (bytes, layer)
}

/// Whether tests may use a network; says so if they may not. With it, anything that is missing is a failure.
pub(crate) fn network(what: &str) -> bool {
    let allowed = std::env::var_os("WHEELWRIGHT_NETWORK").is_some_and(|value| value == "1");
    if !allowed {
        let note = format!("skipped: {what}; set WHEELWRIGHT_NETWORK=1\n");
        std::io::stderr().write_all(note.as_bytes()).unwrap();
    }
    allowed
}

/// Everything a layer can be, with the program that unpacks it.
pub(crate) const FORMATS: &[(LayerFormat, &str)] = &[
    (LayerFormat::Gzip, "gzip"),
    (LayerFormat::Estargz, "gzip"),
    #[cfg(feature = "zstd")]
    (LayerFormat::Zstd { level: 3 }, "zstd"),
];

/// Pipes bytes into a command that has to succeed.
pub(crate) fn pipe(bytes: &[u8], command: &mut Command) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A command that stops reading tells why itself.
        scope.spawn(move || input.write_all(bytes));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output.stdout
}

/// Unpacks a layer with the system's `tar`.
pub(crate) fn unpack(bytes: &[u8], program: &str, directory: &Path) {
    let archive = pipe(bytes, Command::new(program).args(["-d", "-c"]));
    let flags = ["-x", "-p", "-f", "-", "--no-same-owner", "-C"];
    pipe(&archive, Command::new("tar").args(flags).arg(directory));
}
