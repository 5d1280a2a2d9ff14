//! How long the pure stages take: manifest text to the bytes of a graph for six services with locks of 127 packages, one
//! after the other and all at a time, and the choice of wheels for 1,000 services of 150 packages.
//!
//! `cargo bench --bench pure`. Prints milliseconds as JSON, one line a case; asserts nothing. `-- CASE ROUNDS` runs one case,
//! so many times: for profilers.

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use wheelwright::bridge::Recording;
use wheelwright::diag::SourceFile;
use wheelwright::frontend::{self, Request, Tools};
use wheelwright::python::choose::{Target, choose};
use wheelwright::python::{Anchor, Interpreter, Selection, pylock};

const SERVICES: usize = 6;
const PACKAGES: usize = 127;

/// Something that is measured.
struct Case {
    name: &'static str,
    services: usize,
    packages: usize,
    rounds: usize,
    measure: fn(&Self) -> Times,
}

const CASES: [Case; 3] = [
    Case {
        name: "graphs",
        services: SERVICES,
        packages: PACKAGES,
        rounds: 50,
        measure: graphs,
    },
    Case {
        name: "run",
        services: SERVICES,
        packages: PACKAGES,
        rounds: 50,
        measure: run,
    },
    Case {
        name: "choices",
        services: 1_000,
        packages: 150,
        rounds: 5,
        measure: choices,
    },
];

fn main() {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let words = words.collect::<Vec<_>>();
    let asked = |case: &Case| words.first().is_none_or(|name| name == case.name);
    let rounds = words.get(1).and_then(|word| word.parse().ok());
    for mut case in CASES.into_iter().filter(asked) {
        case.rounds = rounds.unwrap_or(case.rounds);
        print(&case, &(case.measure)(&case));
    }
}

/// What each round of a case took, in milliseconds: on the clock, and of this process' work.
type Times = Vec<(f64, f64)>;

/// Each service after the other.
fn graphs(case: &Case) -> Times {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let rounds = (0..case.rounds).map(|round| {
        let engines = engines(case, round);
        let started = Time::now();
        for (number, engine) in engines.into_iter().enumerate() {
            runtime
                .block_on(frontend::run(engine, request(number)))
                .expect("a graph");
        }
        started.elapsed()
    });
    rounds.collect()
}

/// All at a time, as the command builds them.
fn run(case: &Case) -> Times {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rounds = (0..case.rounds).map(|round| {
        let engines = engines(case, round);
        let started = Time::now();
        let services = engines.into_iter().enumerate();
        let services = services.map(|(number, engine)| runtime.spawn(frontend::run(engine, request(number))));
        for service in services.collect::<Vec<_>>() {
            runtime.block_on(service).expect("no panic").expect("a graph");
        }
        started.elapsed()
    });
    rounds.collect()
}

fn engines(case: &Case, round: usize) -> Vec<Arc<Recording>> {
    (0..SERVICES).map(|_| Arc::new(engine(case, round))).collect()
}

fn request(number: usize) -> Request {
    Request {
        opts: BTreeMap::from([("target".to_owned(), format!("service{number}"))]),
        session: "session".to_owned(),
        tools: Tools::Local("tools".to_owned()),
        ..Request::default()
    }
}

/// Locks are read before: how long that takes is a part of the other case.
fn choices(case: &Case) -> Times {
    let packages = case.packages;
    let file = SourceFile::new("pylock.toml", universal(packages));
    let lock = pylock::parse(&file).expect("a lock");
    let interpreter = Interpreter::assumed("3.11".parse().expect("a version"), "amd64");
    let target = Target {
        interpreter: &interpreter,
        platform: "linux/amd64",
        from_source: &BTreeSet::new(),
        selection: &Selection::default(),
        anchor: Anchor::beside("pylock.toml"),
    };
    let rounds = (0..case.rounds).map(|_| {
        let started = Time::now();
        for _ in 0..case.services {
            let picks = choose(&file, &lock, &target).expect("a choice");
            assert_eq!(picks.len(), packages - packages / 10);
        }
        started.elapsed()
    });
    rounds.collect()
}

/// A time on the clock, and one that this process has worked, on all its threads: on a busy machine the second tells more.
#[derive(Clone, Copy)]
struct Time {
    clock: Instant,
    worked: f64,
}

impl Time {
    fn now() -> Self {
        Self {
            clock: Instant::now(),
            worked: worked(),
        }
    }

    /// Milliseconds since then on both.
    fn elapsed(self) -> (f64, f64) {
        (
            self.clock.elapsed().as_secs_f64() * 1000.0,
            worked() - self.worked,
        )
    }
}

/// Milliseconds that the kernel counts for this process, its ended threads among them. It tells hundredths of a second, so
/// only the mean of many rounds says something.
fn worked() -> f64 {
    let counts = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = counts.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn print(case: &Case, times: &[(f64, f64)]) {
    let Case {
        name,
        services,
        packages,
        ..
    } = case;
    let mut clock = times.iter().map(|(clock, _)| *clock).collect::<Vec<_>>();
    clock.sort_by(f64::total_cmp);
    let (worked, rounds) = times.iter().fold((0.0, 0.0), |(sum, rounds), (_, worked)| {
        (sum + worked, rounds + 1.0)
    });
    let mean = worked / rounds;
    println!(
        "{{\"case\": \"{name}\", \"services\": {services}, \"packages\": {packages}, \"min_ms\": {:.2}, \"median_ms\": {:.2}, \"mean_cpu_ms\": {:.2}}}",
        clock[0],
        clock[clock.len() / 2],
        mean
    );
}

/// Every service has a lock of its own, and no round has seen those of another.
fn engine(case: &Case, round: usize) -> Recording {
    let mut recording = Recording::capable();
    recording.image_config = br#"{"architecture":"amd64","os":"linux"}"#.to_vec();
    let mut add = |path: &str, text: String| recording.files.insert(path.to_owned(), text.into_bytes());
    add("/wheelwright.yaml", manifest());
    for number in 0..SERVICES {
        add(
            &format!("/pylock.service{number}.toml"),
            format!("# {}, round {round}, service {number}\n{}", case.name, lock()),
        );
    }
    add("/src", String::new());
    add("/facts", unwheel::Facts::to_line(&[]));
    add(
        "/interpreter.json",
        r#"{"version":"3.11.7","implementation":"cpython","executable":"/usr/local/bin/python3.11","libc":"glibc 2.36","machine":"x86_64"}"#.to_owned(),
    );
    recording
}

fn manifest() -> String {
    let services = (0..SERVICES).map(|number| {
        format!("  service{number}:\n    base: web\n    lock: pylock.service{number}.toml\n    code: [src]\n    command: [python, -m, src]\n")
    });
    format!(
        "bases:\n  web: {{image: python:3.11-slim}}\nservices:\n{}",
        services.collect::<String>()
    )
}

fn lock() -> String {
    let packages = (0..PACKAGES).map(|number| {
        let file = |tag: &str| {
            format!(
                "  {{ url = \"https://files.example/package{number}-1.0-{tag}.whl\", size = {}, hashes = {{ sha256 = \"{number:064x}\" }} }},\n",
                number * 40_000
            )
        };
        let tags = ["cp310-cp310-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-win_amd64"];
        let files = tags.map(file).concat();
        format!("[[packages]]\nname = \"package{number}\"\nversion = \"1.0\"\nwheels = [\n{files}]\n")
    });
    format!("lock-version = \"1.0\"\n{}", packages.collect::<String>())
}

/// A lock for every platform: many wheels a package, every fifth package under a marker, half of those not wanted here.
fn universal(packages: usize) -> String {
    let pythons = ["cp39", "cp310", "cp311", "cp312", "cp313"];
    let platforms = [
        "macosx_11_0_arm64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "win_amd64",
    ];
    let one = |number: usize| {
        let wheels = pythons.iter().flat_map(|python| {
            platforms.map(|platform| {
                format!(
                    "  {{ url = \"https://files.example/package{number}-1.0-{python}-{python}-{platform}.whl\", hashes = {{ sha256 = \"{number:064x}\" }} }},\n"
                )
            })
        });
        let marker = match number % 10 {
            0 => "marker = \"sys_platform == 'win32'\"\n",
            5 => "marker = \"python_full_version >= '3.9' and platform_machine != 's390x'\"\n",
            _ => "",
        };
        format!(
            "[[packages]]\nname = \"package{number}\"\nversion = \"1.0\"\n{marker}wheels = [\n{}]\n",
            wheels.collect::<String>()
        )
    };
    format!(
        "lock-version = \"1.0\"\n{}",
        (0..packages).map(one).collect::<String>()
    )
}
