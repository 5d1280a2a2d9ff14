//! What holds for files of any size, and for archives damaged in any way.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use proptest::prelude::*;
use support::{Entry, Wheel, layer, layout, plan};
use unwheel::{LayerFormat, Options, Plan, install, write_layer};

/// Sizes around those at which something changes: blocks of a tar archive, files that pass through, stored blocks,
/// buffers, members.
fn size() -> impl Strategy<Value = usize> {
    let borders = prop::sample::select(vec![
        0,
        512,
        1024,
        4 << 10,
        32 << 10,
        64 << 10,
        128 << 10,
        256 << 10,
    ]);
    (borders, -2isize..=2).prop_map(|(border, more): (usize, isize)| border.saturating_add_signed(more))
}

/// Bytes that a deflate stream makes smaller, or not.
fn contents(size: usize, seed: u8, dense: bool) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if dense { state.to_be_bytes()[0] } else { seed }
    })
    .take(size)
    .collect()
}

/// Reads the files of a gzip layer.
fn files(layer: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(MultiGzDecoder::new(layer));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    files
}

fn small_wheel() -> Vec<u8> {
    let large = "x = 1\n".repeat(1000);
    Wheel::new("a", "1")
        .file("a/__init__.py", "")
        .file("a/large.py", &large)
        .entry(Entry::stored("a/stored.bin", large.as_bytes()), large.as_bytes())
        .data("scripts/tool", "#!python\n")
        .info("entry_points.txt", "[console_scripts]\nb = a:main\n")
        .bytes()
}

/// One way of damaging bytes.
#[derive(Debug, Clone)]
enum Damage {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => at().prop_map(Damage::Cut),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => at().prop_map(Damage::Remove),
        1 => (at(), at(), 1usize..64).prop_map(|(from, to, length)| Damage::Copy(from, to, length)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    match *damage {
        Damage::Set(at, byte) => bytes[at.index(length)] = byte,
        Damage::Cut(at) => bytes.truncate(at.index(length)),
        Damage::Insert(at, byte) => bytes.insert(at.index(length), byte),
        Damage::Remove(at) => drop(bytes.remove(at.index(length))),
        Damage::Copy(from, to, most) => {
            let (from, to) = (from.index(length), to.index(length));
            let count = most.min(length - from.max(to));
            bytes.copy_within(from..from + count, to);
        }
    }
}

/// Installs, and returns whether that was possible; if not, nothing may be left.
fn installs(wheel: &Path, root: &Path) -> bool {
    fs::create_dir(root).unwrap();
    let options = Options {
        root: root.to_owned(),
        layout: layout(),
        jobs: NonZeroUsize::MIN,
        allow_conflicts: false,
        facts: None,
    };
    let installed = install(&[wheel.to_owned()], &options);
    if let Err(errors) = &installed {
        assert!(!errors.is_empty());
        assert_eq!(fs::read_dir(root).unwrap().count(), 0, "something is left");
    }
    installed.is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn contents_of_any_size_come_back(
        specs in prop::collection::vec((size(), any::<u8>(), any::<bool>(), any::<bool>()), 1..8),
    ) {
        let temp = tempfile::tempdir().unwrap();
        let mut wheel = Wheel::new("a", "1");
        let mut expected = BTreeMap::new();
        for (number, &(size, seed, dense, stored)) in specs.iter().enumerate() {
            let name = format!("a/{number}");
            let bytes = contents(size, seed, dense);
            let entry = if stored { Entry::stored(&name, &bytes) } else { Entry::deflated(&name, &bytes) };
            wheel = wheel.entry(entry, &bytes);
            expected.insert(format!("opt/venv/lib/python3.11/site-packages/{name}"), bytes);
        }
        let plan = plan(&[wheel.write(temp.path())]);
        for format in [LayerFormat::Gzip, LayerFormat::Estargz] {
            let (bytes, _) = layer(&plan, format);
            let found = files(&bytes);
            for (path, contents) in &expected {
                prop_assert!(found.get(path) == Some(contents), "{path}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// No damage makes anything panic, and what cannot be installed is no layer either.
    #[test]
    fn damaged_wheels_are_whole_or_refused(damages in prop::collection::vec(damage(), 1..4)) {
        let temp = tempfile::tempdir().unwrap();
        let mut bytes = small_wheel();
        for damage in &damages {
            apply(&mut bytes, damage);
        }
        let wheel = temp.path().join("a-1-py3-none-any.whl");
        fs::write(&wheel, bytes).unwrap();
        let installed = installs(&wheel, &temp.path().join("root"));
        let mut out = Vec::new();
        let layered = Plan::open(&[wheel], &layout(), false, NonZeroUsize::MIN)
            .and_then(|plan| write_layer(&plan, &LayerFormat::Gzip, &mut out));
        prop_assert_eq!(installed, layered.is_ok());
        if layered.is_ok() {
            prop_assert!(!files(&out).is_empty());
        }
    }
}
