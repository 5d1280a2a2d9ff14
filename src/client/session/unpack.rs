//! Writes a received file tree into a directory, and never outside of it.
//!
//! Every path is walked from the directory's own descriptor, one component at a time, following no symbolic link:
//! neither a link in the received tree nor one that was there before leads anywhere else. A file appears under its
//! name only when its content is complete; what a failed transfer leaves are whole files, no halves. Permissions and
//! times of directories are set last, so that a read-only directory can be filled. Everything belongs to the
//! user who builds. What is already there and not in the tree stays.
//!
//! All of it blocks; it belongs on a blocking thread.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::tree::Entry;
use crate::tree::filemode::{self, Kind};

/// A directory being filled.
#[derive(Debug)]
pub(super) struct Unpack {
    root: OwnedFd,
    directories: Vec<Entry>,
    hard_links: Vec<Entry>,
    /// Files whose content has begun to arrive, by transfer id.
    open: BTreeMap<u32, Arriving>,
}

/// A file of which the content is not complete.
#[derive(Debug)]
struct Arriving {
    entry: Entry,
    parent: OwnedFd,
    temporary: String,
    file: File,
}

impl Unpack {
    /// Opens `dest`, creating it with what is missing above it.
    pub(super) fn open(dest: &Path) -> io::Result<Self> {
        fs_err::create_dir_all(dest)?;
        let root = rustix::fs::openat(CWD, dest, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self {
            root,
            directories: Vec::new(),
            hard_links: Vec::new(),
            open: BTreeMap::new(),
        })
    }

    /// Takes the next entry of the tree; parents come before children. True if its content is to be asked for.
    pub(super) fn entry(&mut self, entry: &Entry) -> io::Result<bool> {
        self.place(entry).map_err(|error| named(&entry.path, &error))
    }

    fn place(&mut self, entry: &Entry) -> io::Result<bool> {
        if filemode::kind(entry.mode) == Kind::Regular && entry.link.is_empty() {
            return Ok(true);
        }
        let (parent, name) = self.parent(&entry.path)?;
        match filemode::kind(entry.mode) {
            Kind::Dir => {
                make_dir(&parent, name)?;
                self.directories.push(entry.clone());
            }
            Kind::Symlink => replace(&parent, name, |temporary| {
                rustix::fs::symlinkat(&entry.link, &parent, temporary)?;
                rustix::fs::utimensat(&parent, temporary, &times(entry), AtFlags::SYMLINK_NOFOLLOW)
            })?,
            _ if !entry.link.is_empty() => self.hard_links.push(entry.clone()),
            kind => replace(&parent, name, |temporary| {
                make_node(&parent, temporary, kind, entry)
            })?,
        }
        Ok(false)
    }

    /// Prepares for the content of a regular file under the transfer's `id`.
    pub(super) fn begin(&mut self, id: u32, entry: &Entry) -> io::Result<()> {
        let mut start = || -> io::Result<()> {
            let (parent, _) = self.parent(&entry.path)?;
            let temporary = temporary_name();
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::openat(
                &parent,
                &temporary,
                flags,
                Mode::RUSR | Mode::WUSR,
            )?);
            self.open.insert(
                id,
                Arriving {
                    entry: entry.clone(),
                    parent,
                    temporary,
                    file,
                },
            );
            Ok(())
        };
        start().map_err(|error| named(&entry.path, &error))
    }

    /// Takes a piece of content; an empty one completes the file. False if nobody asked for `id`.
    pub(super) fn data(&mut self, id: u32, data: &[u8]) -> io::Result<bool> {
        if !data.is_empty() {
            let Some(arriving) = self.open.get_mut(&id) else {
                return Ok(false);
            };
            arriving
                .file
                .write_all(data)
                .map_err(|error| named(&arriving.entry.path, &error))?;
            return Ok(true);
        }
        let Some(arriving) = self.open.remove(&id) else {
            return Ok(false);
        };
        arriving
            .complete()
            .map_err(|error| named(&arriving.entry.path, &error))?;
        Ok(true)
    }

    /// Files that were begun and are not complete.
    pub(super) fn arriving(&self) -> usize {
        self.open.len()
    }

    /// Links what is to be linked and gives directories their permissions and times.
    pub(super) fn finish(mut self) -> io::Result<()> {
        for entry in std::mem::take(&mut self.hard_links) {
            self.link(&entry).map_err(|error| named(&entry.path, &error))?;
        }
        for entry in std::mem::take(&mut self.directories).iter().rev() {
            self.seal(entry).map_err(|error| named(&entry.path, &error))?;
        }
        Ok(())
    }

    fn link(&self, entry: &Entry) -> io::Result<()> {
        let (from, old) = self.parent(&entry.link)?;
        let (parent, name) = self.parent(&entry.path)?;
        replace(&parent, name, |temporary| {
            rustix::fs::linkat(&from, old, &parent, temporary, AtFlags::empty())
        })
    }

    fn seal(&self, entry: &Entry) -> io::Result<()> {
        let (parent, name) = self.parent(&entry.path)?;
        let dir = open_dir(parent.as_fd(), name)?;
        rustix::fs::fchmod(&dir, permissions(entry))?;
        set_xattrs(dir.as_fd(), entry);
        Ok(rustix::fs::futimens(&dir, &times(entry))?)
    }

    /// The directory that holds `path`, and the last part of `path`.
    fn parent<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut dir = self.root.try_clone()?;
        for part in path.split('/') {
            if matches!(part, "" | "." | "..") || part.contains('\0') {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the engine sent a path that is not clean",
                ));
            }
        }
        for part in dirs.split('/').filter(|part| !part.is_empty()) {
            dir = open_dir(dir.as_fd(), part)?;
        }
        Ok((dir, name))
    }
}

impl Drop for Unpack {
    fn drop(&mut self) {
        for arriving in self.open.values() {
            // Nothing can be done about a temporary file that cannot be removed.
            let _ = rustix::fs::unlinkat(&arriving.parent, &arriving.temporary, AtFlags::empty());
        }
    }
}

impl Arriving {
    fn complete(&self) -> io::Result<()> {
        let done = || -> io::Result<()> {
            rustix::fs::fchmod(&self.file, permissions(&self.entry))?;
            set_xattrs(self.file.as_fd(), &self.entry);
            rustix::fs::futimens(&self.file, &times(&self.entry))?;
            let name = self
                .entry
                .path
                .rsplit_once('/')
                .map_or(self.entry.path.as_str(), |(_, name)| name);
            rename(&self.parent, &self.temporary, name)
        };
        done().inspect_err(|_| {
            let _ = rustix::fs::unlinkat(&self.parent, &self.temporary, AtFlags::empty());
        })
    }
}

fn open_dir(parent: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Makes a directory that can be filled, or makes an existing one so.
fn make_dir(parent: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => {}
        result => return Ok(result?),
    }
    if let Ok(dir) = open_dir(parent.as_fd(), name) {
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&dir)?.st_mode);
        return Ok(rustix::fs::fchmod(&dir, mode | Mode::RWXU)?);
    }
    // Something else has the name, perhaps a link to a directory elsewhere: it gives way.
    rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
    Ok(rustix::fs::mkdirat(parent, name, Mode::RWXU)?)
}

/// Makes something under a temporary name, then gives it the name it shall have.
fn replace(
    parent: &OwnedFd,
    name: &str,
    make: impl FnOnce(&str) -> rustix::io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary_name();
    make(&temporary)?;
    rename(parent, &temporary, name)?;
    // Renaming one link to a file onto another one does nothing and leaves both.
    match rustix::fs::unlinkat(parent, &temporary, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn rename(parent: &OwnedFd, from: &str, to: &str) -> io::Result<()> {
    match rustix::fs::renameat(parent, from, parent, to) {
        Err(Errno::ISDIR) => Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "a directory is in the way",
        )),
        result => Ok(result?),
    }
}

fn make_node(parent: &OwnedFd, name: &str, kind: Kind, entry: &Entry) -> rustix::io::Result<()> {
    let file_type = match kind {
        Kind::Fifo => FileType::Fifo,
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        _ => return Err(Errno::NOTSUP),
    };
    let device = rustix::fs::makedev(entry.device.0, entry.device.1);
    rustix::fs::mknodat(parent, name, file_type, permissions(entry), device)?;
    rustix::fs::utimensat(parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)
}

fn permissions(entry: &Entry) -> Mode {
    Mode::from_raw_mode(filemode::permissions(entry.mode))
}

fn times(entry: &Entry) -> Timestamps {
    let time = Timespec {
        tv_sec: entry.modified.div_euclid(1_000_000_000),
        tv_nsec: entry.modified.rem_euclid(1_000_000_000),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// As the daemon's own receiver, keeps what the file system and the user's rights allow.
fn set_xattrs(file: BorrowedFd<'_>, entry: &Entry) {
    for (name, value) in &entry.xattrs {
        let _ = rustix::fs::fsetxattr(file, name.as_str(), value, rustix::fs::XattrFlags::empty());
    }
}

fn temporary_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        ".wheelwright-{}-{}.tmp",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn entry(path: &str, unix_mode: u32, link: &str) -> Entry {
        Entry {
            path: path.to_owned(),
            mode: filemode::from_unix(unix_mode),
            modified: 1_500_000_000_123_456_789,
            link: link.to_owned(),
            ..Entry::default()
        }
    }

    fn file(unpack: &mut Unpack, id: u32, entry: &Entry, content: &[u8]) {
        assert!(unpack.entry(entry).unwrap());
        unpack.begin(id, entry).unwrap();
        assert!(unpack.data(id, content).unwrap());
        assert!(unpack.data(id, &[]).unwrap());
    }

    #[test]
    fn a_tree_arrives_with_modes_times_and_links() {
        let dest = tempfile::tempdir().unwrap();
        fs::write(dest.path().join("stays"), "old").unwrap();
        let mut unpack = Unpack::open(dest.path()).unwrap();
        assert!(!unpack.entry(&entry("d", 0o040_555, "")).unwrap());
        file(&mut unpack, 1, &entry("d/f", 0o100_640, ""), b"content");
        assert!(!unpack.entry(&entry("d/hard", 0o100_640, "d/f")).unwrap());
        assert!(!unpack.entry(&entry("soft", 0o120_777, "/etc/passwd")).unwrap());
        unpack.finish().unwrap();

        let dir = fs::metadata(dest.path().join("d")).unwrap();
        assert_eq!(
            (dir.mode() & 0o7777, dir.mtime(), dir.mtime_nsec()),
            (0o555, 1_500_000_000, 123_456_789)
        );
        let hard = fs::metadata(dest.path().join("d/hard")).unwrap();
        assert_eq!(
            (hard.mode() & 0o7777, hard.nlink(), hard.mtime()),
            (0o640, 2, 1_500_000_000)
        );
        assert_eq!(fs::read_to_string(dest.path().join("d/hard")).unwrap(), "content");
        assert_eq!(
            fs::read_link(dest.path().join("soft")).unwrap().to_str(),
            Some("/etc/passwd")
        );
        assert_eq!(fs::read_to_string(dest.path().join("stays")).unwrap(), "old");
        fs::set_permissions(dest.path().join("d"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn nothing_is_written_outside() {
        let outside = tempfile::tempdir().unwrap();
        let dest = tempfile::tempdir().unwrap();
        symlink(outside.path(), dest.path().join("before")).unwrap();
        let mut unpack = Unpack::open(dest.path()).unwrap();
        for path in ["../x", "/x", "a/../../x", "", ".", "a//b", "before/x"] {
            let target = entry(path, 0o100_644, "");
            assert!(
                unpack.entry(&target).is_err() || unpack.begin(9, &target).is_err(),
                "`{path}`"
            );
        }
        // A link of the tree itself, with a file under it.
        unpack
            .entry(&entry("link", 0o120_777, outside.path().to_str().unwrap()))
            .unwrap();
        assert!(unpack.begin(9, &entry("link/x", 0o100_644, "")).is_err());
        assert!(unpack.entry(&entry("link/x", 0o040_755, "")).is_err());
        // A hard link to what is not in the tree.
        unpack.entry(&entry("hard", 0o100_644, "../secret")).unwrap();
        assert!(unpack.finish().is_err());
        // A directory where a link was: the link gives way, its target stays as it was.
        let mut unpack = Unpack::open(dest.path()).unwrap();
        unpack.entry(&entry("before", 0o040_755, "")).unwrap();
        file(&mut unpack, 1, &entry("before/x", 0o100_644, ""), b"1");
        unpack.finish().unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(dest.path().join("before/x")).unwrap(), "1");
    }

    #[test]
    fn a_broken_transfer_leaves_no_halves() {
        let dest = tempfile::tempdir().unwrap();
        fs::write(dest.path().join("f"), "old").unwrap();
        let mut unpack = Unpack::open(dest.path()).unwrap();
        let target = entry("f", 0o100_644, "");
        assert!(unpack.entry(&target).unwrap());
        unpack.begin(1, &target).unwrap();
        unpack.data(1, b"half").unwrap();
        assert_eq!(unpack.arriving(), 1);
        drop(unpack);
        assert_eq!(fs::read_to_string(dest.path().join("f")).unwrap(), "old");
        assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 1);
    }
}
