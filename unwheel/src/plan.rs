//! Several wheels as one tree: who owns which path, and in which order it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::directory::Directory;
use crate::error::{Error, Problem};
use crate::layout::Layout;
use crate::sink::Sink;
use crate::wheel::{PlannedFile, Wheel};

/// Wheels that fit together, with an owner for each path.
#[derive(Debug)]
pub struct Plan {
    wheels: Vec<Wheel>,
    /// Index of wheel and file, by ascending path, each path once.
    files: Vec<(usize, usize)>,
    /// Files of which another wheel has an equal or winning one; only verified.
    duplicates: Vec<(usize, usize)>,
}

impl Plan {
    /// Opens wheels, `jobs` at a time, and joins them. Of two different files for one path the later wins if
    /// `allow_conflicts`, else both wheels are refused. If anything is wrong, the contents of all readable wheels
    /// are verified as well, so that one run tells everything.
    pub fn open(
        paths: &[PathBuf],
        layout: &Layout,
        allow_conflicts: bool,
        jobs: NonZeroUsize,
    ) -> Result<Self, Vec<Error>> {
        let mut wheels = Vec::new();
        let mut errors = Vec::new();
        for opened in parallel(paths, jobs, |path| Wheel::open(path, layout)) {
            match opened {
                Ok(wheel) => wheels.push(wheel),
                Err(found) => errors.extend(found),
            }
        }
        check_distinct(&wheels, &mut errors);
        let plan = Self::join(wheels, allow_conflicts, &mut errors);
        if errors.is_empty() {
            return Ok(plan);
        }
        errors.extend(plan.verify(jobs));
        Err(errors)
    }

    fn join(wheels: Vec<Wheel>, allow_conflicts: bool, errors: &mut Vec<Error>) -> Self {
        let mut all: Vec<(usize, usize)> = wheels
            .iter()
            .enumerate()
            .flat_map(|(wheel, planned)| (0..planned.files.len()).map(move |file| (wheel, file)))
            .collect();
        all.sort_by(|&(w1, f1), &(w2, f2)| {
            (&wheels[w1].files[f1].path, w1).cmp(&(&wheels[w2].files[f2].path, w2))
        });
        let mut files: Vec<(usize, usize)> = Vec::with_capacity(all.len());
        let mut duplicates = Vec::new();
        for (wheel, file) in all {
            let later = &wheels[wheel].files[file];
            let Some(&(w, f)) = files
                .last()
                .filter(|&&(w, f)| wheels[w].files[f].path == later.path)
            else {
                files.push((wheel, file));
                continue;
            };
            if wheels[w].files[f].digest != later.digest && !allow_conflicts {
                errors.push(conflict(&wheels[wheel], later, &wheels[w]));
            }
            duplicates.extend(files.pop());
            files.push((wheel, file));
        }
        let plan = Self {
            wheels,
            files,
            duplicates,
        };
        plan.check_directories(errors);
        plan
    }

    /// No path can be a file of one wheel and a directory of another.
    fn check_directories(&self, errors: &mut Vec<Error>) {
        let mut owners: BTreeMap<&str, &Wheel> = BTreeMap::new();
        for (wheel, file) in self.files() {
            for directory in parents(&file.path) {
                owners.entry(directory).or_insert(wheel);
            }
        }
        for (wheel, file) in self.files() {
            if let Some(other) = owners.get(file.path.as_str()) {
                errors.push(conflict(wheel, file, other));
            }
        }
    }

    /// The wheels, in the order given.
    pub fn wheels(&self) -> &[Wheel] {
        &self.wheels
    }

    /// All files with their wheels, by ascending path.
    pub fn files(&self) -> impl Iterator<Item = (&Wheel, &PlannedFile)> {
        self.files.iter().map(|&at| self.at(at))
    }

    /// All directories that files are in, up to the root but without it, ascending.
    pub fn directories(&self) -> BTreeSet<&str> {
        self.files().flat_map(|(_, file)| parents(&file.path)).collect()
    }

    /// Gives everything to a sink, in order. Stops at the first thing the sink refuses.
    pub fn emit(&self, sink: &mut dyn Sink) -> Result<(), Vec<Error>> {
        let directories = self.directories().into_iter().map(|path| (path, None));
        let files = self
            .files()
            .map(|(wheel, file)| (file.path.as_str(), Some((wheel, file))));
        let mut entries: Vec<_> = directories.chain(files).collect();
        entries.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        for (path, entry) in entries {
            match entry {
                None => sink.directory(path).map_err(|p| {
                    vec![Error {
                        wheel: None,
                        entry: None,
                        problem: p,
                    }]
                })?,
                Some((wheel, file)) => emit_file(wheel, file, sink).map_err(|e| vec![e])?,
            }
        }
        let errors = self.verify_rest(NonZeroUsize::MIN);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Writes everything into a directory, `jobs` files at a time, and reports all that fails.
    pub(crate) fn write(&self, directory: &Directory, jobs: NonZeroUsize) -> Result<(), Vec<Error>> {
        let mut sink = directory;
        for path in self.directories() {
            sink.directory(path).map_err(|p| {
                vec![Error {
                    wheel: None,
                    entry: None,
                    problem: p,
                }]
            })?;
        }
        let mut errors: Vec<Error> = parallel(&self.by_size(), jobs, |&(wheel, file)| {
            let mut sink = directory;
            emit_file(wheel, file, &mut sink)
        })
        .into_iter()
        .filter_map(Result::err)
        .collect();
        errors.extend(self.verify_rest(jobs));
        if errors.is_empty() {
            Ok(())
        } else {
            Err(sorted(errors))
        }
    }

    /// Verifies all contents and writes nothing.
    pub(crate) fn verify(&self, jobs: NonZeroUsize) -> Vec<Error> {
        let files = self.by_size();
        let mut errors: Vec<Error> = parallel(&files, jobs, |&(wheel, file)| verify_file(wheel, file))
            .into_iter()
            .flatten()
            .collect();
        errors.extend(self.verify_rest(jobs));
        sorted(errors)
    }

    /// Verifies what no sink gets to see.
    fn verify_rest(&self, jobs: NonZeroUsize) -> Vec<Error> {
        let duplicates = parallel(&self.duplicates, jobs, |&at| {
            let (wheel, file) = self.at(at);
            verify_file(wheel, file)
        });
        let unused = parallel(&self.wheels, jobs, Wheel::verify_unused);
        duplicates
            .into_iter()
            .flatten()
            .chain(unused.into_iter().flatten())
            .collect()
    }

    /// Files, largest first, so that no thread is left alone with a large one at the end.
    fn by_size(&self) -> Vec<(&Wheel, &PlannedFile)> {
        let mut files: Vec<_> = self.files().collect();
        files.sort_by_key(|(_, file)| std::cmp::Reverse(file.size));
        files
    }

    fn at(&self, (wheel, file): (usize, usize)) -> (&Wheel, &PlannedFile) {
        let wheel = &self.wheels[wheel];
        (wheel, &wheel.files[file])
    }
}

fn emit_file(wheel: &Wheel, file: &PlannedFile, sink: &mut dyn Sink) -> Result<(), Error> {
    sink.file(&file.path, file.executable, file.size, wheel.body(file))
        .map_err(|p| p.in_entry(&wheel.file_name, &wheel.entry_of(file)))
}

fn verify_file(wheel: &Wheel, file: &PlannedFile) -> Option<Error> {
    let verified = wheel.body(file).stream(&mut |_| Ok(()));
    verified
        .err()
        .map(|p| p.in_entry(&wheel.file_name, &wheel.entry_of(file)))
}

fn conflict(wheel: &Wheel, file: &PlannedFile, other: &Wheel) -> Error {
    Problem::Conflict {
        path: file.path.clone(),
        other: other.file_name.clone(),
    }
    .in_entry(&wheel.file_name, &wheel.entry_of(file))
}

/// Every distribution once: a second version of it would be half hidden by the first.
fn check_distinct(wheels: &[Wheel], errors: &mut Vec<Error>) {
    let mut seen: BTreeMap<&str, &Wheel> = BTreeMap::new();
    for wheel in wheels {
        if let Some(first) = seen.insert(&wheel.name, wheel) {
            let message = format!("distribution `{}` is also in {}", wheel.name, first.file_name);
            errors.push(Problem::Metadata(message).in_wheel(&wheel.file_name));
        }
    }
}

/// The directories above a path, outermost first.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

fn sorted(mut errors: Vec<Error>) -> Vec<Error> {
    errors.sort_by(|a, b| (&a.wheel, &a.entry).cmp(&(&b.wheel, &b.entry)));
    errors
}

/// Applies a function to all items on up to `jobs` threads. Results come in the order of the items.
fn parallel<T: Sync, R: Send>(items: &[T], jobs: NonZeroUsize, each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = jobs.get().min(items.len());
    if threads <= 1 {
        return items.iter().map(each).collect();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Vec::new();
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(item) = items.get(at)
                {
                    own.push((at, each(item)));
                }
                results
                    .lock()
                    .expect("no thread panics while it holds the lock")
                    .append(&mut own);
            });
        }
    });
    let mut results = results.into_inner().expect("all threads have ended");
    results.sort_by_key(|&(at, _)| at);
    results.into_iter().map(|(_, result)| result).collect()
}
