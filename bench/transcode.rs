//! How fast wheels become layers and trees, beside the least that any program has to do for it.
//!
//! `cargo bench --package unwheel --bench transcode -- DIR_OF_WHEELS [ROUNDS]`; `bench/wheels DIR` downloads a set.
//! Prints JSON: milliseconds of the clock and of all processors together (medians), peak memory and bytes written of
//! each way. Every round of a way is a process of its own, ways take turns, the wheels are in the page cache. On a busy
//! machine compare processor time. Asserts nothing.
//!
//! | way | what it does |
//! |---|---|
//! | `hash` | reads the wheels, inflates their entries, SHA-256 of the packed and of the unpacked bytes |
//! | `gzip`, `estargz`, `zstd` | makes a layer of each wheel and throws it away |
//! | `write` | reads, inflates and writes each entry to a file below a new folder |
//! | `install` | installs all wheels into a new folder |

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use flate2::{Decompress, FlushDecompress};
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};
use sha2::{Digest, Sha256};
use unwheel::{LayerFormat, Layout, Options, Plan, PythonVersion, install, wheels_in, write_layer};

const WAYS: [&str; 6] = ["hash", "gzip", "estargz", "zstd", "write", "install"];

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.is_empty() {
        println!("transcode: no folder of wheels is given, nothing is measured");
        return;
    }
    let folder = PathBuf::from(arguments.remove(0));
    match arguments.first().map(String::as_str) {
        Some(way) if WAYS.contains(&way) => one_round(way, &folder),
        rounds => compare(
            &folder,
            rounds.map_or(5, |text| text.parse().expect("a number of rounds")),
        ),
    }
}

/// What one round took.
struct Round {
    wall_ms: u64,
    cpu_ms: u64,
    peak_kib: u64,
    written: u64,
}

/// Runs all ways in turn and prints the table.
fn compare(folder: &Path, rounds: usize) {
    let mut results: Vec<Vec<Round>> = WAYS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (way, results) in WAYS.iter().zip(&mut results) {
            let program = std::env::current_exe().expect("a path");
            let output = Command::new(program)
                .arg(folder)
                .arg(way)
                .output()
                .expect("a process");
            assert!(output.status.success(), "{way}: {output:?}");
            let text = String::from_utf8(output.stdout).expect("text");
            let numbers: Vec<u64> = text
                .split_whitespace()
                .map(|n| n.parse().expect("a number"))
                .collect();
            let [wall_ms, cpu_ms, peak_kib, written] = numbers[..] else {
                panic!("{way}: {text}");
            };
            results.push(Round {
                wall_ms,
                cpu_ms,
                peak_kib,
                written,
            });
        }
    }
    let wheels = wheels(folder);
    let bytes: u64 = wheels.iter().map(|path| size(path)).sum();
    println!(
        "{{\"wheels\": {}, \"bytes\": {bytes}, \"threads\": {}, \"ways\": {{",
        wheels.len(),
        jobs()
    );
    for (at, (way, results)) in WAYS.iter().zip(&results).enumerate() {
        let comma = if at + 1 == WAYS.len() { "" } else { "," };
        println!(
            "  \"{way}\": {{\"wall_ms\": {}, \"cpu_ms\": {}, \"peak_kib\": {}, \"written\": {}}}{comma}",
            median(results.iter().map(|round| round.wall_ms)),
            median(results.iter().map(|round| round.cpu_ms)),
            results
                .iter()
                .map(|round| round.peak_kib)
                .max()
                .unwrap_or_default(),
            results[0].written,
        );
    }
    println!("}}}}");
}

fn median(numbers: impl Iterator<Item = u64>) -> u64 {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

/// Measures one way in this process.
fn one_round(way: &str, folder: &Path) {
    let wheels = wheels(folder);
    let scratch = tempfile::tempdir().expect("a folder");
    let written = AtomicU64::new(0);
    let layers = |format| {
        spread(&wheels, |wheel| {
            written.fetch_add(layer(wheel, format), Ordering::Relaxed);
        });
    };
    let (started, cpu) = (Instant::now(), cpu_ms());
    match way {
        "hash" => spread(&wheels, hash),
        "gzip" => layers(LayerFormat::Gzip),
        "estargz" => layers(LayerFormat::Estargz),
        "zstd" => layers(LayerFormat::Zstd { level: 3 }),
        "write" => spread(&wheels, |wheel| write(wheel, scratch.path())),
        _ => {
            let options = Options {
                root: scratch.path().to_owned(),
                layout: layout(),
                jobs: jobs(),
                allow_conflicts: false,
                facts: None,
            };
            install(&wheels, &options).expect("good wheels");
        }
    }
    let (wall, cpu) = (started.elapsed().as_millis(), cpu_ms() - cpu);
    println!("{wall} {cpu} {} {}", peak_kib(), written.into_inner());
}

/// Makes a layer and returns its size.
fn layer(wheel: &Path, format: LayerFormat) -> u64 {
    let plan = Plan::open(&[wheel.to_owned()], &layout(), false, NonZeroUsize::MIN).expect("a good wheel");
    write_layer(&plan, &format, &mut std::io::sink())
        .expect("a layer")
        .size
}

fn hash(wheel: &Path) {
    let mut packed = Sha256::new();
    let mut unpacked = Sha256::new();
    entries(
        wheel,
        |bytes| packed.update(bytes),
        |_| (),
        |(), bytes| unpacked.update(bytes),
    );
    assert_ne!(packed.finalize(), unpacked.finalize());
}

fn write(wheel: &Path, root: &Path) {
    let start = |name: &str| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        File::create(path).expect("a file")
    };
    entries(
        wheel,
        |_| (),
        start,
        |file, bytes| file.write_all(bytes).expect("written"),
    );
}

/// Inflates all entries of a wheel with the same library as `unwheel`, in the same sizes of buffers, and checks nothing.
fn entries<T>(
    wheel: &Path,
    mut packed: impl FnMut(&[u8]),
    start: impl Fn(&str) -> T,
    mut unpacked: impl FnMut(&mut T, &[u8]),
) {
    let mut file = File::open(wheel).expect("a wheel");
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let zip = ZipArchive::from_file(file.try_clone().expect("a handle"), &mut buffer).expect("a zip");
    let (mut input, mut output) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    let mut inflate = Decompress::new(false);
    let mut records = zip.entries(&mut buffer);
    while let Some(record) = records.next_entry().expect("a record") {
        let name = String::from_utf8_lossy(record.file_path().as_ref()).into_owned();
        if name.ends_with('/') {
            continue;
        }
        let deflated = record.compression_method() == CompressionMethod::DEFLATE;
        let range = zip
            .get_entry(record.wayfinder())
            .expect("an entry")
            .compressed_data_range();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(range.0)).expect("a place");
        let mut left = range.1 - range.0;
        let mut target = start(&name);
        inflate.reset(false);
        while left > 0 {
            let want = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
            file.read_exact(&mut input[..want]).expect("bytes");
            left -= want as u64;
            packed(&input[..want]);
            if !deflated {
                unpacked(&mut target, &input[..want]);
                continue;
            }
            let mut at = 0;
            loop {
                let (read, written) = (inflate.total_in(), inflate.total_out());
                inflate
                    .decompress(&input[at..want], &mut output, FlushDecompress::None)
                    .expect("deflate data");
                let read = usize::try_from(inflate.total_in() - read).expect("small");
                let written = usize::try_from(inflate.total_out() - written).expect("small");
                at += read;
                unpacked(&mut target, &output[..written]);
                if written < output.len() && at == want {
                    break;
                }
            }
        }
    }
}

/// Gives every wheel to one of as many threads as there are processors, the largest first.
fn spread(wheels: &[PathBuf], each: impl Fn(&Path) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs().get() {
            scope.spawn(|| {
                while let Some(wheel) = wheels.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(wheel);
                }
            });
        }
    });
}

fn wheels(folder: &Path) -> Vec<PathBuf> {
    let mut wheels = wheels_in(&[folder.to_owned()]).expect("a folder of wheels");
    wheels.sort_by_key(|path| std::cmp::Reverse(size(path)));
    wheels
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).expect("a wheel").len()
}

fn layout() -> Layout {
    Layout::new("/opt/venv", PythonVersion { major: 3, minor: 11 }).expect("a layout")
}

fn jobs() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Most memory that was resident, as Linux tells it.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}

/// Time on processors in this process, user and system, as Linux tells it in hundredths of a second.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum::<u64>()
        * 10
}
