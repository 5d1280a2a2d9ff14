//! A file of the cache that is in use.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// An open file with a shared lock, which keeps [`super::Cache::prune`] from removing it. Ends when dropped, or with
/// the process.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Held {
    /// Opens and locks; None where there is no file, or where it is being removed.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        // File systems without locks have nobody who prunes by them either.
        if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let metadata = file.metadata().ok()?;
        // It may have been removed between the two calls.
        (metadata.nlink() > 0).then(|| Self {
            path: path.to_owned(),
            size: metadata.len(),
            file,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file; its position is nobody's.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether its bytes have this digest, `sha256:…`. Reads them all.
    pub fn has_digest(&self, digest: &str) -> bool {
        super::digest(&self.file).is_ok_and(|found| digest.strip_prefix("sha256:") == Some(&found))
    }

    /// Says that it was used now. A cache on a read-only disk cannot be told.
    pub(super) fn touch(&self) {
        drop(self.file.set_modified(SystemTime::now()));
    }

    /// Removes a damaged file, whoever else holds it.
    pub(super) fn remove(self) {
        drop(std::fs::remove_file(&self.path));
    }
}
