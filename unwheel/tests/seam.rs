//! The seam for other sinks than a directory: order, completeness, and deflate streams that can be passed on.

mod support;

use std::io::Read;
use std::num::NonZeroUsize;

use support::{Entry, Wheel, tree};
use unwheel::{Body, Layout, Options, Plan, Problem, PythonVersion, Raw, RawMethod, Sink, install};

/// One call of the sink.
#[derive(Debug, PartialEq)]
struct Call {
    path: String,
    /// Mode and contents of a file.
    file: Option<(bool, Vec<u8>)>,
}

#[derive(Default)]
struct Recorder {
    calls: Vec<Call>,
    passed_on: Vec<String>,
}

impl Sink for Recorder {
    fn directory(&mut self, path: &str) -> Result<(), Problem> {
        self.calls.push(Call {
            path: path.to_owned(),
            file: None,
        });
        Ok(())
    }

    fn file(&mut self, path: &str, executable: bool, size: u64, body: Body<'_>) -> Result<(), Problem> {
        let (mut data, mut contents) = (Vec::new(), Vec::new());
        body.stream_with_raw(
            &mut |packed| {
                data.extend_from_slice(packed);
                Ok(())
            },
            &mut |chunk| {
                contents.extend_from_slice(chunk);
                Ok(())
            },
        )?;
        assert_eq!(contents.len() as u64, size, "{path}");
        match body.raw() {
            Some(raw) => {
                check_raw(raw, &data, &contents, path);
                self.passed_on.push(path.to_owned());
            }
            None => assert_eq!(data, [0; 0], "{path}"),
        }
        self.calls.push(Call {
            path: path.to_owned(),
            file: Some((executable, contents)),
        });
        Ok(())
    }
}

/// What is known of the data is true, and it unpacks to the contents.
#[track_caller]
fn check_raw(raw: Raw, data: &[u8], contents: &[u8], path: &str) {
    let mut unpacked = Vec::new();
    match raw.method {
        RawMethod::Stored => unpacked.extend_from_slice(data),
        RawMethod::Deflate => {
            flate2::read::DeflateDecoder::new(data)
                .read_to_end(&mut unpacked)
                .unwrap();
        }
    }
    let mut crc = flate2::Crc::new();
    crc.update(&unpacked);
    assert_eq!((raw.size, raw.crc), (contents.len() as u64, crc.sum()), "{path}");
    assert_eq!(raw.length, data.len() as u64, "{path}");
    assert_eq!(unpacked, contents, "{path}");
}

fn layout() -> Layout {
    Layout::new("/opt/venv", PythonVersion { major: 3, minor: 11 }).unwrap()
}

#[test]
fn a_sink_gets_the_tree_in_order() {
    let temp = tempfile::tempdir().unwrap();
    let a = Wheel::new("a", "1")
        .file("ns/__init__.py", "")
        .file("ns-data/x", "x")
        .file("ns.py", "y")
        .entry(Entry::stored("ns/a.bin", b"stored"), b"stored")
        .data("scripts/tool", "#!python\n");
    let b = Wheel::new("b", "1")
        .file("ns/__init__.py", "")
        .file("ns/b.py", "b")
        .info("entry_points.txt", "[console_scripts]\nb = ns.b:main\n");
    let wheels = [a.write(temp.path()), b.write(temp.path())];
    let plan = Plan::open(&wheels, &layout(), false, NonZeroUsize::MIN).unwrap();
    let mut recorder = Recorder::default();
    plan.emit(&mut recorder).unwrap();

    let paths: Vec<&str> = recorder.calls.iter().map(|call| call.path.as_str()).collect();
    assert!(
        paths.is_sorted_by(|a, b| a.split('/').lt(b.split('/'))),
        "each path once, ascending: {paths:#?}"
    );
    assert_eq!(paths[..3], ["opt", "opt/venv", "opt/venv/bin"]);
    for (at, path) in paths.iter().enumerate() {
        if let Some((parent, _)) = path.rsplit_once('/') {
            let before = paths[..at]
                .iter()
                .position(|earlier| *earlier == parent)
                .expect("parents come first");
            assert_eq!(recorder.calls[before].file, None);
        }
    }
    let site = "opt/venv/lib/python3.11/site-packages";
    assert!(recorder.passed_on.contains(&format!("{site}/ns/a.bin")));
    assert!(recorder.passed_on.contains(&format!("{site}/ns/b.py")));
    assert!(
        !recorder
            .passed_on
            .iter()
            .any(|path| path.ends_with("bin/tool") || path.ends_with("RECORD"))
    );

    // The same files as in a directory.
    let root = temp.path().join("root");
    let options = Options {
        root: root.clone(),
        layout: layout(),
        jobs: NonZeroUsize::MIN,
        allow_conflicts: false,
        facts: None,
    };
    let report = install(&wheels, &options).unwrap();
    assert_eq!(report.wheels.len(), 2);
    assert_eq!((report.wheels[0].name.as_str(), report.wheels[0].files), ("a", 9));
    let mut installed = tree(&root);
    installed.remove(".");
    recorder.calls.sort_by(|a, b| a.path.cmp(&b.path));
    let installed: Vec<Call> = installed
        .into_iter()
        .map(|(path, node)| Call {
            path,
            file: (!node.directory).then_some((node.mode == 0o755, node.contents)),
        })
        .collect();
    assert_eq!(installed, recorder.calls);
}

#[test]
fn a_sink_hears_of_bad_contents() {
    let temp = tempfile::tempdir().unwrap();
    let bad = Wheel::new("bad", "1")
        .file("bad.py", "x")
        .with(|e| e.crc ^= 1)
        .write(temp.path());
    let plan = Plan::open(&[bad], &layout(), false, NonZeroUsize::MIN).unwrap();
    let errors = plan.emit(&mut Recorder::default()).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]
            .to_string()
            .starts_with("bad-1-py3-none-any.whl: entry `bad.py`: crc-32 is")
    );
}
