//! The sink that writes into a directory of the file system.
//!
//! Modes and time stamps do not depend on umask or clock. Existing directories, and links to directories, are
//! used as they are; existing files are never written through. Until [`Directory::finish`] everything can be
//! taken back.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::EPOCH;
use crate::body::Body;
use crate::error::Problem;
use crate::sink::Sink;

/// A directory to install into; usable from several threads at once through shared references.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    replace: bool,
    state: Mutex<State>,
}

/// What was done so far.
#[derive(Debug, Default)]
struct State {
    /// Created directories, parents first.
    directories: Vec<PathBuf>,
    /// Created files.
    files: Vec<PathBuf>,
    /// Files written beside the ones they are to replace.
    replacements: Vec<(PathBuf, PathBuf)>,
    /// Directories whose time stamp has moved.
    changed: BTreeSet<PathBuf>,
}

impl Directory {
    /// Writes under `root`, which is created if need be. Files that are there already must be equal to what is
    /// to be written, unless `replace`.
    pub fn new(root: &Path, replace: bool) -> Result<Self, Problem> {
        let directory = Self {
            root: root.to_owned(),
            replace,
            state: Mutex::default(),
        };
        let missing: Vec<&Path> = root
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
            .collect();
        for path in missing.into_iter().rev() {
            directory.create_directory(path)?;
        }
        Ok(directory)
    }

    /// Puts replacements in place and sets the time stamps of all directories that were created or changed.
    pub fn finish(&self) -> Result<(), Problem> {
        let state = self.state();
        for (from, to) in &state.replacements {
            fs::rename(from, to).map_err(|e| Problem::io("replace", to, e))?;
        }
        for path in &state.changed {
            File::open(path)
                .and_then(|directory| directory.set_modified(time()))
                .map_err(|e| Problem::io("set the time of", path, e))?;
        }
        Ok(())
    }

    /// Removes all that was created. Best effort: what cannot be removed stays.
    pub fn roll_back(&self) {
        let state = std::mem::take(&mut *self.state());
        for path in state
            .files
            .iter()
            .chain(state.replacements.iter().map(|(from, _)| from))
        {
            let _ = fs::remove_file(path);
        }
        for path in state.directories.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn create_directory(&self, path: &Path) -> Result<(), Problem> {
        match fs::DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
            Err(e) => return Err(Problem::io("create directory", path, e)),
        }
        let mut state = self.state();
        state.directories.push(path.to_owned());
        state.changed.insert(path.to_owned());
        state.changed.insert(parent(path));
        drop(state);
        fs::set_permissions(path, Permissions::from_mode(0o755))
            .map_err(|e| Problem::io("set the mode of", path, e))
    }

    /// Writes beside an existing file that differs.
    fn replacement(&self, path: &Path, shown: &str, executable: bool, body: Body<'_>) -> Result<(), Problem> {
        if !self.replace || path.is_dir() {
            return Err(Problem::Exists(shown.to_owned()));
        }
        let mut name = std::ffi::OsString::from(".unwheel-");
        name.push(path.file_name().unwrap_or_default());
        let beside = path.with_file_name(name);
        let file = create(&beside).map_err(|e| Problem::io("create", &beside, e))?;
        self.state().replacements.push((beside.clone(), path.to_owned()));
        self.state().changed.insert(parent(path));
        fill(file, &beside, executable, body)
    }
}

impl Sink for &Directory {
    fn directory(&mut self, path: &str) -> Result<(), Problem> {
        self.create_directory(&self.root.join(path))
    }

    fn file(&mut self, path: &str, executable: bool, _size: u64, body: Body<'_>) -> Result<(), Problem> {
        let shown = path;
        let path = self.root.join(path);
        match create(&path) {
            Ok(file) => {
                let mut state = self.state();
                state.changed.insert(parent(&path));
                state.files.push(path.clone());
                drop(state);
                fill(file, &path, executable, body)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if holds(&path, body)? {
                    let file = File::open(&path).map_err(|e| Problem::io("open", &path, e))?;
                    return settle(&file, &path, executable);
                }
                self.replacement(&path, shown, executable, body)
            }
            Err(e) => Err(Problem::io("create", &path, e)),
        }
    }
}

/// Creates a file that is not there yet, and follows no link.
fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn fill(mut file: File, path: &Path, executable: bool, body: Body<'_>) -> Result<(), Problem> {
    body.stream(&mut |chunk| file.write_all(chunk).map_err(|e| Problem::io("write", path, e)))?;
    settle(&file, path, executable)
}

/// Sets mode and time.
fn settle(file: &File, path: &Path, executable: bool) -> Result<(), Problem> {
    let mode = if executable { 0o755 } else { 0o644 };
    file.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| file.set_modified(time()))
        .map_err(|e| Problem::io("set mode and time of", path, e))
}

/// Compares an existing file with a body.
fn holds(path: &Path, body: Body<'_>) -> Result<bool, Problem> {
    let failed = |e| Problem::io("read", path, e);
    if !fs::symlink_metadata(path).map_err(failed)?.is_file() {
        return Ok(false);
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = Vec::new();
    let mut equal = true;
    body.stream(&mut |chunk| {
        if equal {
            buffer.clear();
            (&mut file)
                .take(chunk.len() as u64)
                .read_to_end(&mut buffer)
                .map_err(failed)?;
            equal = buffer == chunk;
        }
        Ok(())
    })?;
    Ok(equal && file.read(&mut [0]).map_err(failed)? == 0)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH)
}
