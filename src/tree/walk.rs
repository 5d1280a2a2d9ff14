//! A walk of a shared directory, as a file transfer wants it.
//!
//! Entries come depth first, names compared byte by byte, parents before children: the order BuildKit's receiver
//! checks. A directory that no pattern names is still sent where something under it is. Of several hard links the
//! first one sent carries the content and the others refer to it. Owners are not sent: what a checkout belongs to
//! on this machine says nothing about the image.
//!
//! The walk blocks; it belongs on a blocking thread.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::filemode;
use super::patterns::{Matched, Patterns};

/// One file of a walk: everything but its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Path below the root, `/`-separated, without a leading `/`.
    pub path: String,
    /// Kind and permissions as Go's `os.FileMode` bits.
    pub mode: u32,
    /// Bytes of content; 0 for directories and for links to an earlier entry.
    pub size: u64,
    /// Nanoseconds since the epoch.
    pub modified: i64,
    /// Where a symbolic link points, or the path of the entry that a hard link repeats.
    pub link: String,
    /// Device numbers, for device files.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Entry {
    /// True if the receiver may ask for its content.
    pub fn has_content(&self) -> bool {
        filemode::kind(self.mode) == filemode::Kind::Regular
    }

    /// True for a directory.
    pub fn is_folder(&self) -> bool {
        filemode::kind(self.mode) == filemode::Kind::Dir
    }
}

/// Which entries of a directory are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Patterns,
    exclude: Patterns,
    /// Include patterns hold no wildcards, so that whole directories can be left out by prefix.
    plain_includes: bool,
    plain_exceptions: bool,
}

/// A walk that failed.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A file or directory could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// Where it is on this machine.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The transfer's text fields are UTF-8; other names cannot be sent.
    #[error("the file name `{0}` is not UTF-8, exclude it or rename it")]
    Name(PathBuf),
}

impl Filter {
    /// With no include pattern everything is included.
    pub fn new(include: Patterns, exclude: Patterns) -> Self {
        let plain_includes = include
            .iter()
            .all(|pattern| pattern.is_exception() || pattern.is_plain());
        let plain_exceptions = exclude
            .iter()
            .all(|pattern| !pattern.is_exception() || pattern.is_plain());
        Self {
            include,
            exclude,
            plain_includes,
            plain_exceptions,
        }
    }

    fn judge(&self, path: &str, is_dir: bool, parent: &Verdict) -> Verdict {
        let (included, include) = Self::ask(&self.include, path, parent.include.as_ref(), true);
        let (excluded, exclude) = Self::ask(&self.exclude, path, parent.exclude.as_ref(), false);
        let hopeless = is_dir
            && ((!included && self.plain_includes && !reaches(&self.include, path, false))
                || (excluded && self.plain_exceptions && !reaches(&self.exclude, path, true)));
        Verdict {
            wanted: included && !excluded,
            hopeless,
            include,
            exclude,
        }
    }

    fn ask(
        patterns: &Patterns,
        path: &str,
        parent: Option<&Matched>,
        when_empty: bool,
    ) -> (bool, Option<Matched>) {
        if patterns.is_empty() {
            return (when_empty, None);
        }
        let (matched, info) = patterns.matches_under(path, parent);
        (matched, Some(info))
    }
}

/// True if a pattern (of the wanted polarity) could match something under `dir`.
fn reaches(patterns: &Patterns, dir: &str, exceptions: bool) -> bool {
    patterns
        .iter()
        .filter(|pattern| pattern.is_exception() == exceptions)
        .any(|pattern| {
            let stem = pattern.stem();
            stem == dir || stem.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
        })
}

#[derive(Debug, Clone, Default)]
struct Verdict {
    wanted: bool,
    /// Nothing under this directory can be wanted.
    hopeless: bool,
    include: Option<Matched>,
    exclude: Option<Matched>,
}

/// A directory being walked.
struct Level {
    path: String,
    verdict: Verdict,
    sent: bool,
    /// Still to visit, last first.
    names: Vec<OsString>,
}

/// Walks `root`, handing each wanted entry to `visit` until that returns false.
pub fn walk(root: &Path, filter: &Filter, mut visit: impl FnMut(Entry) -> bool) -> Result<(), WalkError> {
    let mut links = BTreeMap::new();
    let mut levels = vec![Level {
        path: String::new(),
        verdict: Verdict::default(),
        sent: true,
        names: names(root)?,
    }];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.pop() else {
            levels.pop();
            continue;
        };
        let name = name
            .into_string()
            .map_err(|name| WalkError::Name(root.join(&level.path).join(name)))?;
        let path = if level.path.is_empty() {
            name
        } else {
            format!("{}/{name}", level.path)
        };
        let full = root.join(&path);
        let Some(metadata) = gone_is_none(fs::symlink_metadata(&full), &full)? else {
            continue;
        };
        let verdict = filter.judge(&path, metadata.is_dir(), &level.verdict);
        let wanted = verdict.wanted;
        if wanted {
            if !send_parents(root, &mut levels, &mut visit)? {
                return Ok(());
            }
            let Some(entry) = gone_is_none(entry(&full, &path, &metadata, &mut links), &full)? else {
                continue;
            };
            if !visit(entry) {
                return Ok(());
            }
        }
        if metadata.is_dir() && !verdict.hopeless {
            let names = match names(&full) {
                Err(WalkError::Read { source, .. }) if skippable(&source, wanted) => continue,
                names => names?,
            };
            levels.push(Level {
                path,
                verdict,
                sent: wanted,
                names,
            });
        }
    }
    Ok(())
}

/// A directory that went away is no error, nor is an unreadable one nobody asked for.
fn skippable(error: &io::Error, wanted: bool) -> bool {
    error.kind() == io::ErrorKind::NotFound || (!wanted && error.kind() == io::ErrorKind::PermissionDenied)
}

/// Sends the directories that matched nothing themselves but lead to an entry that did.
fn send_parents(
    root: &Path,
    levels: &mut [Level],
    visit: &mut impl FnMut(Entry) -> bool,
) -> Result<bool, WalkError> {
    for level in levels.iter_mut().filter(|level| !level.sent) {
        level.sent = true;
        let full = root.join(&level.path);
        let metadata = fs::symlink_metadata(&full).map_err(|source| read_error(&full, source))?;
        let entry = entry(&full, &level.path, &metadata, &mut BTreeMap::new())
            .map_err(|source| read_error(&full, source))?;
        if !visit(entry) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The names in a directory, in reverse order so that `pop` gives the first.
fn names(dir: &Path) -> Result<Vec<OsString>, WalkError> {
    let read = || -> io::Result<Vec<OsString>> {
        fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect()
    };
    let mut names = read().map_err(|source| read_error(dir, source))?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

fn entry(
    full: &Path,
    path: &str,
    metadata: &fs::Metadata,
    links: &mut BTreeMap<(u64, u64), String>,
) -> io::Result<Entry> {
    let mode = filemode::from_unix(metadata.mode());
    let mut entry = Entry {
        path: path.to_owned(),
        mode,
        modified: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
        xattrs: xattrs(full)?,
        ..Entry::default()
    };
    match filemode::kind(mode) {
        filemode::Kind::Dir => return Ok(entry),
        filemode::Kind::Symlink => {
            let target = fs::read_link(full)?;
            entry.size = metadata.size();
            entry.link = target.into_os_string().into_string().map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, "the target of the link is not UTF-8")
            })?;
            return Ok(entry);
        }
        filemode::Kind::CharDevice | filemode::Kind::BlockDevice => {
            entry.device = (
                rustix::fs::major(metadata.rdev()),
                rustix::fs::minor(metadata.rdev()),
            );
        }
        _ => entry.size = metadata.size(),
    }
    if metadata.nlink() > 1 {
        match links.get(&(metadata.dev(), metadata.ino())) {
            Some(first) => {
                entry.link.clone_from(first);
                entry.size = 0;
            }
            None => drop(links.insert((metadata.dev(), metadata.ino()), entry.path.clone())),
        }
    }
    Ok(entry)
}

/// All extended attributes but Apple's, which no Linux file system takes. A file system without any has none.
fn xattrs(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut list = vec![0; 256];
    let names = loop {
        match rustix::fs::llistxattr(path, list.as_mut_slice()) {
            Ok(length) => break &list[..length],
            Err(rustix::io::Errno::RANGE) => list.resize(list.len() * 4, 0),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ACCESS) => return Ok(BTreeMap::new()),
            Err(other) => return Err(other.into()),
        }
    };
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let names = names.filter_map(|name| std::str::from_utf8(name).ok());
    let names = names.filter(|name| !name.starts_with("com.apple."));
    Ok(names
        .filter_map(|name| Some((name.to_owned(), xattr(path, name)?)))
        .collect())
}

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    // 64 KiB is the kernel's own limit for one value.
    let mut value = vec![0; 1 << 16];
    let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

fn read_error(path: &Path, source: io::Error) -> WalkError {
    WalkError::Read {
        path: path.to_owned(),
        source,
    }
}

/// Files may vanish between listing and looking; that is how `git checkout` beside a build looks.
fn gone_is_none<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, WalkError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(read_error(path, source)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        dir
    }

    fn paths(root: &Path, include: &[&str], exclude: &[&str]) -> Vec<String> {
        entries(root, include, exclude)
            .into_iter()
            .map(|entry| entry.path)
            .collect()
    }

    fn entries(root: &Path, include: &[&str], exclude: &[&str]) -> Vec<Entry> {
        let filter = Filter::new(Patterns::new(include).unwrap(), Patterns::new(exclude).unwrap());
        let mut found = Vec::new();
        walk(root, &filter, |entry| {
            found.push(entry);
            true
        })
        .unwrap();
        found
    }

    #[test]
    fn order_compares_path_components() {
        let dir = tree(&["a/x", "a.b", "a-b/y", "b"]);
        assert_eq!(
            paths(dir.path(), &[], &[]),
            ["a", "a/x", "a-b", "a-b/y", "a.b", "b"]
        );
    }

    #[test]
    fn parents_of_included_files_are_sent_once() {
        let dir = tree(&["a/b/c.py", "a/b/d.py", "a/e.txt", "f/g.txt"]);
        assert_eq!(
            paths(dir.path(), &["**/*.py"], &[]),
            ["a", "a/b", "a/b/c.py", "a/b/d.py"]
        );
        assert_eq!(
            paths(dir.path(), &["a/b"], &[]),
            ["a", "a/b", "a/b/c.py", "a/b/d.py"]
        );
        assert_eq!(
            paths(dir.path(), &["a/b"], &["**/d.py"]),
            ["a", "a/b", "a/b/c.py"]
        );
    }

    #[test]
    fn exceptions_reach_into_excluded_directories() {
        let dir = tree(&["node/keep/x", "node/y", "z"]);
        assert_eq!(
            paths(dir.path(), &[], &["node", "!node/keep"]),
            ["node", "node/keep", "node/keep/x", "z"]
        );
        assert_eq!(
            paths(dir.path(), &[], &["*", "!**/x"]),
            ["node", "node/keep", "node/keep/x"]
        );
    }

    #[test]
    fn links_and_modes() {
        let dir = tree(&["a", "d/e"]);
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        symlink("../a", dir.path().join("d/link")).unwrap();
        let all = entries(dir.path(), &[], &[]);
        let by_path = |path: &str| all.iter().find(|entry| entry.path == path).unwrap();
        assert_eq!((by_path("a").link.as_str(), by_path("a").size), ("", 1));
        assert_eq!((by_path("b").link.as_str(), by_path("b").size), ("a", 0));
        assert_eq!(by_path("d/link").link, "../a");
        assert_eq!(by_path("d/link").mode & filemode::SYMLINK, filemode::SYMLINK);
        assert_eq!(by_path("d").mode & filemode::DIR, filemode::DIR);
        let second_only = entries(dir.path(), &["b"], &[]);
        assert_eq!(
            (second_only[0].link.as_str(), second_only[0].size),
            ("", 1),
            "the first link is not sent"
        );
    }

    #[test]
    fn a_missing_root_is_an_error() {
        let gone = walk(Path::new("/nonexistent"), &Filter::default(), |_| true).unwrap_err();
        assert_eq!(gone.to_string(), "failed to read `/nonexistent`");
    }
}
