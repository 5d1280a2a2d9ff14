//! An engine that answers from an example's folder and a lock made up for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buildkit_proto::pb;
use wheelwright::bridge::{Recording, Refs};
use wheelwright::frontend::{self, Failure, Request, Tools};

/// What the stand-in for the base image says of its Python.
const INTERPRETER: &str = r#"{"version": "3.11.7", "implementation": "cpython", "executable": "/usr/local/bin/python3.11", "libc": "glibc 2.36", "machine": "x86_64"}"#;

const IMAGE: &str = r#"{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"],"Cmd":["python3"]}}"#;

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// An engine that has the files of a folder, everything BuildKit 0.32 can do but what is taken away.
pub(crate) fn engine(folder: &Path, without: &[&str]) -> Recording {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files);
    let mut add = |path: &str, text: &str| files.insert(path.to_owned(), text.as_bytes().to_vec());
    add("/interpreter.json", INTERPRETER);
    add("/pylock.toml", &lock());
    add("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    add("/etc/group", "root:x:0:\n");
    add("/facts", &unwheel::Facts::to_line(&[]));
    let mut recording = Recording::capable();
    recording
        .engine
        .llb_caps
        .retain(|cap| !without.contains(&cap.as_str()));
    recording.image_config = IMAGE.as_bytes().to_vec();
    recording.files = files;
    recording
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("the example") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let relative = path.strip_prefix(root).expect("inside").display().to_string();
            files.insert(format!("/{relative}"), fs::read(&path).expect("a file"));
        }
    }
}

/// A lock with a heavy wheel, light ones, one for Windows only and a source distribution.
pub(crate) fn lock() -> String {
    let package = |name: &str, size: u64, marker: &str, file: &str| {
        let sha = name
            .bytes()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let sha = format!("{sha:0<64}");
        let table = format!(
            "{{ url = \"https://files.example/{file}\", size = {size}, hashes = {{ sha256 = \"{sha}\" }} }}"
        );
        let files = if file.strip_suffix(".whl").is_some() {
            format!("wheels = [{table}]")
        } else {
            format!("sdist = {table}")
        };
        format!("[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\n{marker}{files}\n\n")
    };
    [
        "lock-version = \"1.0\"\ncreated-by = \"test\"\n\n".to_owned(),
        package(
            "numpy",
            18_000_000,
            "",
            "numpy-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        ),
        package("fastapi", 90_000, "", "fastapi-1.0-py3-none-any.whl"),
        package("idna", 70_000, "", "idna-1.0-py3-none-any.whl"),
        package("anyio", 80_000, "", "anyio-1.0-py3-none-any.whl"),
        package(
            "colorama",
            20_000,
            "marker = \"sys_platform == 'win32'\"\n",
            "colorama-1.0-py3-none-any.whl",
        ),
        package("webrtcvad", 66_000, "", "webrtcvad-1.0.tar.gz"),
    ]
    .concat()
}

/// Runs a request.
pub(crate) fn build(engine: Recording, opts: &[(&str, &str)]) -> (Arc<Recording>, Result<(), Failure>) {
    let engine = Arc::new(engine);
    let request = Request {
        opts: opts
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        session: "session".to_owned(),
        tools: Tools::Local("tools".to_owned()),
        ..Request::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(frontend::run(engine.clone(), request));
    (engine, outcome)
}

/// The graph of the image that the build ended with; of the last one, where there are several.
pub(crate) fn graph(engine: &Recording) -> pb::Definition {
    let outcome = engine.outcome().expect("an end").expect("a good one");
    let result = match outcome.refs {
        Refs::One(result) => result,
        Refs::Many(results) => results.into_values().next_back().expect("an image"),
        Refs::None => unreachable!("images are results"),
    };
    let number: usize = result.id.trim_start_matches("ref-").parse().expect("its number");
    engine.solved().swap_remove(number - 1).0
}

/// A graph as text: one vertex a line with its name, inputs first.
pub(crate) fn show(definition: &pb::Definition) -> String {
    use prost::Message as _;
    let digest = |bytes: &[u8]| buildkit_llb::digest_of(bytes);
    let mut numbers = BTreeMap::new();
    let mut lines = Vec::new();
    for (number, bytes) in definition.def.iter().enumerate() {
        let op = pb::Op::decode(bytes.as_slice()).expect("an op");
        let digest = digest(bytes);
        let inputs = op
            .inputs
            .iter()
            .map(|input| format!("{}.{}", numbers[&input.digest], input.index));
        let inputs = inputs.collect::<Vec<_>>().join(" ");
        let name = definition
            .metadata
            .get(&digest)
            .and_then(|meta| meta.description.get("llb.customname"));
        let place = definition
            .source
            .as_ref()
            .and_then(|source| source.locations.get(&digest));
        let line = place
            .and_then(|place| place.locations.first()?.ranges.first()?.start)
            .map(|start| start.line);
        let line = line.map(|line| format!(" @{line}")).unwrap_or_default();
        lines.push(format!(
            "{number} {} [{inputs}]{line}",
            name.map_or("result", String::as_str)
        ));
        numbers.insert(digest, number);
    }
    lines.push(format!(
        "digest {}",
        definition
            .def
            .last()
            .map(|bytes| digest(bytes))
            .unwrap_or_default()
    ));
    lines.join("\n")
}
