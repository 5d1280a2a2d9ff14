//! A folder as a layer: for what was made of wheels elsewhere, such as their bytecode.
//!
//! The same archive as of wheels: sorted, root's, one time stamp. What the folder says of owners, times and permissions
//! other than the executable bit does not count.

use std::fs;
use std::io::{Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::writer::Writer;
use super::{Layer, LayerFormat, WHITEOUT, unplaced};
use crate::error::{Error, Problem};
use crate::sink::Sink as _;

const BUFFER: usize = 128 << 10;

/// Writes all that is in a folder as one layer, in which the folder is the root. Links and devices are refused.
pub fn write_tree(root: &Path, format: &LayerFormat, out: &mut dyn Write) -> Result<Layer, Vec<Error>> {
    let mut writer = Writer::new(*format, out).map_err(unplaced)?;
    folder(root, "", &mut writer).map_err(|error| vec![error])?;
    writer.finish().map_err(unplaced)
}

/// What is in a folder, in the order of a walk. `prefix` is its path in the layer, with a slash at its end.
fn folder(path: &Path, prefix: &str, writer: &mut Writer<'_>) -> Result<(), Error> {
    let failed = |source| at(prefix, io(path, source));
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort_unstable();
    for name in names {
        let Some(text) = name.to_str() else {
            return Err(at(&name.to_string_lossy(), Problem::UnsafeName("not UTF-8")));
        };
        let inside = format!("{prefix}{text}");
        if text.starts_with(WHITEOUT) {
            return Err(at(&inside, Problem::Whiteout));
        }
        one(&path.join(&name), &inside, writer)?;
    }
    Ok(())
}

fn one(path: &Path, inside: &str, writer: &mut Writer<'_>) -> Result<(), Error> {
    let metadata = fs::symlink_metadata(path).map_err(|source| at(inside, io(path, source)))?;
    if metadata.is_dir() {
        writer.directory(inside).map_err(|problem| at(inside, problem))?;
        return folder(path, &format!("{inside}/"), writer);
    }
    if !metadata.is_file() {
        let what = if metadata.is_symlink() {
            "symbolic link"
        } else {
            "special file"
        };
        return Err(at(inside, Problem::NotAFile(what)));
    }
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let size = metadata.len();
    writer
        .file_with(inside, executable, size, |writer| contents(path, size, writer))
        .map_err(|problem| at(inside, problem))
}

/// A file's bytes, as many as its header says.
fn contents(path: &Path, size: u64, writer: &mut Writer<'_>) -> Result<(), Problem> {
    let mut file = fs::File::open(path).map_err(|source| io(path, source))?;
    let mut buffer = vec![0; BUFFER];
    let mut found = 0;
    loop {
        let count = file.read(&mut buffer).map_err(|source| io(path, source))?;
        found += count as u64;
        if found > size || (count == 0 && found < size) {
            return Err(Problem::Size {
                declared: size,
                found: found.to_string(),
            });
        }
        if count == 0 {
            return Ok(());
        }
        writer.contents(&buffer[..count])?;
    }
}

fn io(path: &Path, source: std::io::Error) -> Problem {
    Problem::Io {
        action: format!("read `{}`", path.display()),
        source,
    }
}

fn at(entry: &str, problem: Problem) -> Error {
    Error {
        wheel: None,
        entry: Some(entry.to_owned()),
        problem,
    }
}
