//! Making room: what was not used for longest goes first, and nothing goes that is in use.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::entries::{Entry, Sort};
use super::{Cache, UNFINISHED};

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that would have gone, but are in use.
    pub in_use: u64,
}

impl Cache {
    /// Removes entries until at most `keep` bytes are left, and what was left unfinished a day ago; with `keep` zero
    /// everything that nobody uses.
    pub fn prune(&self, keep: u64) -> io::Result<Pruned> {
        let mut pruned = Pruned::default();
        let mut entries = self.entries()?;
        let mut total = entries.iter().map(|entry| entry.bytes).sum::<u64>();
        entries.sort_by_key(|entry| (entry.sort != Sort::Unfinished, entry.used));
        for entry in entries {
            let stale = entry.sort == Sort::Unfinished && entry.is_older_than(UNFINISHED);
            if total <= keep && !stale {
                continue;
            }
            if remove(&entry)? {
                pruned.entries += 1;
                pruned.bytes += entry.bytes;
                total = total.saturating_sub(entry.bytes);
            } else {
                pruned.in_use += 1;
            }
        }
        self.sweep()?;
        Ok(pruned)
    }

    /// Folders and claims that nobody needs any more; those in use stay.
    fn sweep(&self) -> io::Result<()> {
        for folder in fs_err::read_dir(self.root.join("wheels"))? {
            // Refused for folders with a file in them.
            drop(std::fs::remove_dir(folder?.path()));
        }
        for claim in fs_err::read_dir(self.root.join("claims"))? {
            let path = claim?.path();
            let lock = exclusive(&path);
            if lock.is_ok_and(|lock| lock.is_some()) {
                drop(std::fs::remove_file(&path));
            }
        }
        Ok(())
    }
}

/// False if somebody uses it.
fn remove(entry: &Entry) -> io::Result<bool> {
    // All locks first: of a layer neither file goes while the other is in use.
    let mut locks = Vec::new();
    for file in &entry.files {
        match exclusive(file) {
            Ok(Some(lock)) => locks.push(lock),
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for file in &entry.files {
        match fs_err::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(true)
}

/// The lock that only one can hold; None if somebody has one.
fn exclusive(path: &Path) -> io::Result<Option<File>> {
    let (file, _) = fs_err::File::open(path)?.into_parts();
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        // Where there are no locks, nobody else can be asked.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}
