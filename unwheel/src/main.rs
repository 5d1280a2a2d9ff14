//! The `unwheel` command: arguments in, exit code out.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use unwheel::{ErrorKind, Facts, Layout, Options, PythonVersion, Report, install};

const HELP: &str = "\
Installs Python wheels into a virtual environment, without Python and without a network.

Usage: unwheel [--root DIR] --venv PATH --python X.Y [--jobs N] [--facts FILE] WHEEL_OR_DIR...
       unwheel --join-facts FILE FACTS...

  --root DIR          directory that stands for `/` [default: /]
  --venv PATH         absolute path of the virtual environment, as its programs will see it
  --python X.Y        minor version of its interpreter, such as 3.11
  --jobs N            threads to use [default: one for each processor]
  --facts FILE        write there as JSON what the wheels need and which files they have
  --join-facts FILE   write there, packed into one line, what several such files say
  --allow-conflicts   of two different files for one path the later wins; files that are there already are replaced
  -h, --help          print this help
  -V, --version       print the version

A directory stands for all *.whl in it, sorted. Files are 0644 or 0755, directories 0755, times 1980-01-01.
Either everything is installed or nothing: a failing call removes what it has created.

Exit codes: 0 installed, 1 a wheel is bad or two wheels are in conflict, 2 wrong usage, 3 reading or writing failed
";

/// What the command line asks for.
enum Request {
    Help,
    Version,
    Install(Vec<PathBuf>, Options),
    Join(Vec<PathBuf>, PathBuf),
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Request::Help) => print(HELP),
        Ok(Request::Version) => print(concat!("unwheel ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Install(wheels, options)) => run(&wheels, &options),
        Ok(Request::Join(facts, into)) => match join(&facts, &into) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => {
                complain([message]);
                ExitCode::from(3)
            }
        },
        Err(message) => {
            complain([format!("{message}; see unwheel --help")]);
            ExitCode::from(2)
        }
    }
}

fn run(wheels: &[PathBuf], options: &Options) -> ExitCode {
    match install(wheels, options) {
        Ok(report) => print(&summary(&report)),
        Err(errors) => {
            let bad_wheel = errors.iter().any(|error| error.kind() == ErrorKind::Wheel);
            complain(errors);
            ExitCode::from(if bad_wheel { 1 } else { 3 })
        }
    }
}

fn join(facts: &[PathBuf], into: &Path) -> Result<(), String> {
    let mut all = Vec::new();
    for path in facts {
        let wrong = |reason: String| format!("{}: {reason}", path.display());
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        all.extend(Facts::from_json(&bytes).map_err(wrong)?);
    }
    std::fs::write(into, Facts::to_line(&all)).map_err(|error| format!("{}: {error}", into.display()))
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut arguments = arguments;
    let (mut root, mut venv, mut python, mut jobs, mut facts, mut joined) =
        (None, None, None, None, None, None);
    let mut allow_conflicts = false;
    let mut wheels = Vec::new();
    let mut flags_over = false;
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        if flags_over || !text.starts_with('-') {
            wheels.push(PathBuf::from(argument));
            continue;
        }
        let (flag, mut value) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(OsString::from(value))),
            None => (text, None),
        };
        let slot = match flag {
            "--root" => &mut root,
            "--venv" => &mut venv,
            "--python" => &mut python,
            "--jobs" => &mut jobs,
            "--facts" => &mut facts,
            "--join-facts" => &mut joined,
            "--allow-conflicts" if value.is_none() => {
                allow_conflicts = true;
                continue;
            }
            "--" if value.is_none() => {
                flags_over = true;
                continue;
            }
            "-h" | "--help" => return Ok(Request::Help),
            "-V" | "--version" => return Ok(Request::Version),
            _ => return Err(format!("unknown flag `{}`", text.escape_debug())),
        };
        value = value.or_else(|| arguments.next());
        let value = value.ok_or_else(|| format!("{flag} needs a value"))?;
        if slot.replace(value).is_some() {
            return Err(format!("{flag} is given twice"));
        }
    }
    if let Some(into) = joined {
        return Ok(Request::Join(wheels, PathBuf::from(into)));
    }
    if wheels.is_empty() {
        return Err("no wheel is given".to_owned());
    }
    let python: PythonVersion = text(python, "--python")?.parse()?;
    let layout = Layout::new(&text(venv, "--venv")?, python)?;
    let root = root.map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let jobs = match jobs {
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        Some(jobs) => jobs
            .to_str()
            .and_then(|jobs| jobs.parse().ok())
            .ok_or_else(|| format!("--jobs is `{}`, expected a number from 1", jobs.display()))?,
    };
    Ok(Request::Install(
        wheels,
        Options {
            root,
            layout,
            jobs,
            allow_conflicts,
            facts: facts.map(PathBuf::from),
        },
    ))
}

fn text(value: Option<OsString>, flag: &str) -> Result<String, String> {
    value
        .ok_or_else(|| format!("{flag} is missing"))?
        .into_string()
        .map_err(|value| format!("{flag} is `{}`, which is not UTF-8", value.display()))
}

fn summary(report: &Report) -> String {
    let wheels = report.wheels.len();
    let files: usize = report.wheels.iter().map(|wheel| wheel.files).sum();
    let bytes: u64 = report.wheels.iter().map(|wheel| wheel.bytes).sum();
    let plural = if wheels == 1 { "" } else { "s" };
    format!("installed {wheels} wheel{plural}: {files} files, {bytes} bytes\n")
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader that has gone away, as in `unwheel --help | head`, is no failure.
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    }
}

fn complain<T: std::fmt::Display>(lines: impl IntoIterator<Item = T>) {
    let mut stderr = std::io::stderr().lock();
    for line in lines {
        // Nobody is left to be told when this fails.
        let _ = writeln!(stderr, "unwheel: {line}");
    }
}
