//! The whole way: arguments to wheels, wheels to a plan, the plan into a directory.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::directory::Directory;
use crate::error::{Error, Problem};
use crate::facts::Facts;
use crate::layout::Layout;
use crate::plan::Plan;

/// Where and how to install.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that stands for `/`.
    pub root: PathBuf,
    /// The virtual environment as its programs will see it.
    pub layout: Layout,
    /// How many threads to use.
    pub jobs: NonZeroUsize,
    /// Whether the later of two different files for one path wins.
    pub allow_conflicts: bool,
    /// File to write what is known of the wheels to.
    pub facts: Option<PathBuf>,
}

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The wheels, in the order given.
    pub wheels: Vec<InstalledWheel>,
}

/// One installed wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledWheel {
    /// The wheel's file name.
    pub file_name: String,
    /// Normalised name of the distribution.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How many files it has, generated ones included.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Installs wheels into `<root><venv>`. An argument that is a directory stands for all `*.whl` in it.
///
/// It is all or nothing: if any wheel is bad, or anything cannot be written, what this call has created is removed
/// and every problem found in any of the wheels is returned, in the order of the arguments.
pub fn install(arguments: &[PathBuf], options: &Options) -> Result<Report, Vec<Error>> {
    let paths = wheels_in(arguments)?;
    let plan = Plan::open(&paths, &options.layout, options.allow_conflicts, options.jobs)?;
    let directory = Directory::new(&options.root, options.allow_conflicts).map_err(unplaced)?;
    let written = plan
        .write(&directory, options.jobs)
        .and_then(|()| directory.finish().map_err(unplaced))
        .and_then(|()| write_facts(&plan, options).map_err(unplaced));
    if let Err(errors) = written {
        directory.roll_back();
        return Err(errors);
    }
    Ok(report(&plan))
}

/// Expands directories to the wheels in them, sorted by name; other arguments are taken as they are.
pub fn wheels_in(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Vec<Error>> {
    let mut wheels = Vec::new();
    let mut errors = Vec::new();
    for argument in arguments {
        match expand(argument) {
            Ok(found) => wheels.extend(found),
            Err(problem) => errors.push(problem.in_wheel(&argument.to_string_lossy())),
        }
    }
    if errors.is_empty() {
        Ok(wheels)
    } else {
        Err(errors)
    }
}

fn expand(argument: &Path) -> Result<Vec<PathBuf>, Problem> {
    let failed = |e| Problem::io("read", argument, e);
    if !fs::metadata(argument).map_err(failed)?.is_dir() {
        return Ok(vec![argument.to_owned()]);
    }
    let mut wheels = Vec::new();
    for entry in fs::read_dir(argument).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            wheels.push(path);
        }
    }
    if wheels.is_empty() {
        return Err(Problem::Argument("a directory with no `*.whl` in it".to_owned()));
    }
    wheels.sort();
    Ok(wheels)
}

fn write_facts(plan: &Plan, options: &Options) -> Result<(), Problem> {
    let Some(path) = &options.facts else { return Ok(()) };
    let facts = Facts::to_json(&Facts::of_all(plan, &options.layout));
    fs::write(path, facts).map_err(|e| Problem::io("write", path, e))
}

fn unplaced(problem: Problem) -> Vec<Error> {
    vec![Error {
        wheel: None,
        entry: None,
        problem,
    }]
}

fn report(plan: &Plan) -> Report {
    let wheels = plan.wheels().iter().map(|wheel| InstalledWheel {
        file_name: wheel.file_name.clone(),
        name: wheel.name.clone(),
        version: wheel.version.clone(),
        files: wheel.files.len(),
        bytes: wheel.files.iter().map(|file| file.size).sum(),
    });
    Report {
        wheels: wheels.collect(),
    }
}
