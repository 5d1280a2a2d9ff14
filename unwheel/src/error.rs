//! Everything that can be wrong with a wheel, or with writing it, and what is said about it.
//!
//! An [`Error`] says where (wheel, entry), a [`Problem`] says what. Messages are lowercase fragments on one line;
//! names that come out of an archive are escaped, since they are under the control of whoever made it.

use std::fmt;
use std::io;
use std::path::Path;

/// A [`Problem`] and where it was met.
#[derive(Debug)]
pub struct Error {
    /// File name of the wheel, or the argument as given when it was never found to be one.
    pub wheel: Option<String>,
    /// Name of the entry inside the wheel, as the archive spells it.
    pub entry: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// Who has to act on an error; decides the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// A wheel is malformed, unsafe, or in conflict with another one.
    Wheel,
    /// Reading or writing failed.
    Io,
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Reading or writing failed.
    #[error("failed to {action}: {source}")]
    Io {
        /// What was tried, with the path it was tried on.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// An argument is neither a wheel nor a directory with wheels in it.
    #[error("{0}")]
    Argument(String),
    /// The file name does not follow the wheel naming scheme.
    #[error("not a wheel file name: {0}; expected `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl`")]
    FileName(String),

    /// The file is no zip archive, or is cut off.
    #[error("not a readable zip archive, perhaps truncated: {0}")]
    NotAZip(String),
    /// The archive can be read in more than one way.
    #[error("ambiguous zip archive: {0}")]
    Ambiguous(String),
    /// A file name could land outside of the environment, or mean different things to different tools.
    #[error("unsafe file name: {0}")]
    UnsafeName(&'static str),
    /// Two entries have the same name once normalised, or one is a directory of the other.
    #[error("clashes with entry `{}`", .0.escape_debug())]
    Duplicate(String),
    /// The entry is a symbolic link, a device, or something else that wheels do not have.
    #[error("is a {0}; wheels hold regular files only")]
    NotAFile(&'static str),
    /// The entry is encrypted.
    #[error("is encrypted")]
    Encrypted,
    /// The entry is compressed in a way wheels do not use.
    #[error("compression method {0} is not supported; expected stored (0) or deflate (8)")]
    Method(u16),
    /// Contents would grow beyond what any real wheel does.
    #[error("unpacks to {size} bytes, more than the {limit} allowed for a file of its size")]
    TooLarge {
        /// What the archive declares.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Two entries share bytes of the archive.
    #[error("overlaps entry `{}` inside the archive", .0.escape_debug())]
    Overlap(String),
    /// The header before the data contradicts the central directory.
    #[error("local header contradicts the central directory: {0}")]
    LocalHeader(&'static str),
    /// More or fewer bytes came out than were declared.
    #[error("declares {declared} bytes but holds {found}")]
    Size {
        /// Size in the central directory.
        declared: u64,
        /// What there was, as far as it was read.
        found: String,
    },
    /// The checksum of the zip archive is wrong.
    #[error("crc-32 is {found:08x}, expected {declared:08x}")]
    Crc {
        /// Checksum in the central directory.
        declared: u32,
        /// Checksum of the contents.
        found: u32,
    },
    /// The compressed data is damaged.
    #[error("damaged deflate data: {0}")]
    Deflate(String),

    /// A file that every wheel must have is missing.
    #[error("no `{0}` in the wheel")]
    Missing(String),
    /// The wheel's metadata is wrong in itself.
    #[error("{0}")]
    Metadata(String),
    /// Metadata and file name name different things.
    #[error("{what} is `{}`, but the file name says `{}`", found.escape_debug(), expected.escape_debug())]
    Mismatch {
        /// Which statement is compared.
        what: &'static str,
        /// What the metadata says.
        found: String,
        /// What the file name says.
        expected: String,
    },
    /// `RECORD` is malformed or not true.
    #[error("{0}")]
    Record(String),
    /// `entry_points.txt` is malformed.
    #[error("{0}")]
    EntryPoint(String),
    /// The wheel would replace a file of the virtual environment itself.
    #[error("would replace `{}`, which belongs to the virtual environment", .0.escape_debug())]
    Reserved(String),

    /// Two wheels have different files for one path.
    #[error("`{}` differs from the file that {other} has for this path; --allow-conflicts lets the later win", path.escape_debug())]
    Conflict {
        /// The path under the root.
        path: String,
        /// File name of the other wheel.
        other: String,
    },
    /// A layer cannot hold the file.
    #[error("no layer can hold a name that starts with `.wh.`: it would delete files")]
    Whiteout,
    /// A different file is already at the place.
    #[error("`{}` is there already and differs; --allow-conflicts replaces it", .0.escape_debug())]
    Exists(String),
}

impl Problem {
    /// Makes an [`Problem::Io`] of an action and its path.
    pub(crate) fn io(verb: &str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action: format!("{verb} `{}`", path.display().to_string().escape_debug()),
            source,
        }
    }

    /// Adds the wheel.
    pub(crate) fn in_wheel(self, wheel: &str) -> Error {
        Error {
            wheel: Some(wheel.to_owned()),
            entry: None,
            problem: self,
        }
    }

    /// Adds the wheel and the entry.
    pub(crate) fn in_entry(self, wheel: &str, entry: &str) -> Error {
        Error {
            wheel: Some(wheel.to_owned()),
            entry: Some(entry.to_owned()),
            problem: self,
        }
    }
}

impl Error {
    /// Says who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self.problem {
            Problem::Io { .. } | Problem::Argument(_) => ErrorKind::Io,
            _ => ErrorKind::Wheel,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(wheel) = &self.wheel {
            write!(f, "{}: ", wheel.escape_debug())?;
        }
        if let Some(entry) = &self.entry {
            write!(f, "entry `{}`: ", entry.escape_debug())?;
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
