//! Wheels and layers on this machine, so that neither is fetched or made twice.
//!
//! ```text
//! wheels/SHA256/FILENAME      a wheel as it was downloaded
//! layers/KEY.FORMAT.json      what is known of a layer
//! blobs/SHA256                its bytes
//! metadata/SHA256.json        what a wheel says of itself
//! receipts/SHA256.json        what a pushed image was made of; whoever builds them writes and reads them
//! work/                       what is being written
//! claims/                     who is making what
//! ```
//!
//! Several processes use one directory at a time, and any of them may be killed:
//!
//! - everything is written in `work` and renamed when it is whole, the blob before its record;
//! - who uses an entry holds a shared lock on its file; pruning takes only what nobody holds ([`Held`]);
//! - who makes something holds a claim, so that others wait and then find it ([`Claim`]);
//! - nothing is flushed to the disk: what a power failure or another program leaves damaged is noticed, since wheels
//!   are hashed before they are used and a blob that was touched since its record was written does not count. It is
//!   then made again.
//!
//! How long ago an entry was used is the time stamp of its wheel or its record; the oldest go first when the whole
//! grows past its limit.

mod claim;
mod entries;
mod held;
mod metadata;
mod place;
mod prune;
mod size;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

pub use self::claim::Claim;
pub use self::entries::{Kind, Usage};
pub use self::held::Held;
pub use self::place::{DIRECTORY, LIMIT, default_directory};
pub use self::prune::Pruned;
pub use self::size::Size;
use crate::layers::key::hex;
use crate::layers::{Format, LayerKey, LayerRecord};

/// The folder of receipts.
const RECEIPTS: &str = "receipts";

const FOLDERS: [&str; 7] = [
    "wheels", "layers", "blobs", "metadata", RECEIPTS, "work", "claims",
];

/// How long unfinished work of nobody is kept: a download may be gone on with.
const UNFINISHED: Duration = Duration::from_hours(24);

/// The mark by which backup programs know that there is nothing to keep here.
const TAG: (&str, &str) = (
    "CACHEDIR.TAG",
    "Signature: 8a477f597d28d172789f06886806bc55\n# Wheels and layers of Wheelwright; they can be made again.\n",
);

/// A directory of wheels and layers.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    limit: u64,
    /// Something was taken in since it was opened.
    grown: Arc<AtomicBool>,
}

/// Version of what records say of wheels. Raised whenever it changes: images of layers hold it, and have to be equal wherever
/// they are made.
const SAYS: u32 = 1;

/// A record as it lies on the disk.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    says: u32,
    record: LayerRecord,
    /// When the blob was last written, in nanoseconds since 1970.
    written: u64,
}

impl Cache {
    /// Opens the cache in `root`, makes it where there is none, and sees that it can be written to. It is pruned
    /// to `limit` bytes when asked.
    pub fn open(root: &Path, limit: u64) -> io::Result<Self> {
        for folder in FOLDERS {
            fs_err::create_dir_all(root.join(folder))?;
        }
        let cache = Self {
            root: root.to_owned(),
            limit,
            grown: Arc::default(),
        };
        let tag = root.join(TAG.0);
        if !tag.exists() {
            fs_err::write(tag, TAG.1)?;
        }
        // A directory that exists may still be read-only, or its disk full to the last byte.
        let mut probe = cache.writing()?;
        probe.write_all(b"x").and_then(|()| probe.flush())?;
        Ok(cache)
    }

    /// Whether anything large was taken in since it was opened, by this handle or a clone of it.
    pub fn has_grown(&self) -> bool {
        self.grown.load(Ordering::Relaxed)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where receipts of builds are.
    pub fn receipts(&self) -> PathBuf {
        self.root.join(RECEIPTS)
    }

    /// How large it may grow.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// A wheel, if it is there and whole. Reads it, so this is no call for an async task.
    pub fn wheel(&self, sha256: &str, filename: &str) -> Option<Held> {
        let held = Held::open(&self.wheel_path(sha256, filename)?)?;
        let whole = digest(held.file()).is_ok_and(|found| found == sha256);
        if !whole {
            held.remove();
            return None;
        }
        held.touch();
        Some(held)
    }

    /// Takes a downloaded and verified file in.
    pub fn keep_wheel(&self, sha256: &str, filename: &str, part: &Path) -> io::Result<Held> {
        let path = self.wheel_path(sha256, filename).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{filename}` is no name for a file"),
            )
        })?;
        self.grown.store(true, Ordering::Relaxed);
        let folder = path.parent().unwrap_or(&self.root);
        fs_err::create_dir_all(folder)?;
        if fs_err::rename(part, &path).is_err() {
            // Pruning takes empty folders away, and may just have.
            fs_err::create_dir_all(folder)?;
            fs_err::rename(part, &path)?;
        }
        Held::open(&path).ok_or_else(|| gone(&path))
    }

    /// The beginning of a wheel that is being downloaded, maybe left by an earlier process. Hold the wheel's claim.
    pub fn part(&self, sha256: &str) -> io::Result<(PathBuf, File)> {
        let path = self.root.join("work").join(format!("{sha256}.part"));
        let mut options = fs_err::OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let (file, _) = file.into_parts();
        // Pruning leaves alone what is locked.
        drop(file.try_lock());
        Ok((path, file))
    }

    /// A layer, if it is there and nobody touched its bytes since.
    pub fn layer(&self, key: &LayerKey, format: Format) -> Option<(LayerRecord, Held)> {
        let record = Held::open(&self.record_path(key, format))?;
        let mut text = String::new();
        let mut file = record.file();
        let kept = file
            .read_to_string(&mut text)
            .ok()
            .and_then(|_| serde_json::from_str::<Kept>(&text).ok())
            .filter(|kept| kept.says == SAYS && kept.record.key == *key && kept.record.format == format);
        let Some(Kept {
            record: known,
            written,
            ..
        }) = kept
        else {
            record.remove();
            return None;
        };
        let blob = Held::open(&self.blob_path(&known.digest)?);
        let Some(blob) = blob.filter(|blob| blob.size() == known.size && stamp(blob.file()) == Some(written))
        else {
            record.remove();
            return None;
        };
        record.touch();
        Some((known, blob))
    }

    /// A file to write a layer to. It is gone when it is dropped.
    pub fn writing(&self) -> io::Result<NamedTempFile> {
        let file = NamedTempFile::new_in(self.root.join("work"))?;
        drop(file.as_file().try_lock());
        Ok(file)
    }

    /// Takes a layer in.
    pub fn keep_layer(&self, record: &LayerRecord, blob: NamedTempFile) -> io::Result<Held> {
        let path = self.blob_path(&record.digest).ok_or_else(|| {
            let text = format!("`{}` is no digest", record.digest);
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        self.grown.store(true, Ordering::Relaxed);
        let written = stamp(blob.as_file()).unwrap_or_default();
        let file = blob.persist(&path).map_err(|error| error.error)?;
        drop(file);
        let held = Held::open(&path).ok_or_else(|| gone(&path))?;
        let kept = Kept {
            says: SAYS,
            record: record.clone(),
            written,
        };
        let mut text = self.writing()?;
        serde_json::to_writer(&mut text, &kept)?;
        text.flush()?;
        text.persist(self.record_path(&record.key, record.format))
            .map_err(|error| error.error)?;
        Ok(held)
    }

    /// Forgets a layer whose bytes turned out to be damaged.
    pub fn forget(&self, record: &LayerRecord) {
        let record_file = self.record_path(&record.key, record.format);
        // It may be gone already, which is what is wanted.
        drop(fs_err::remove_file(record_file));
        if let Some(blob) = self.blob_path(&record.digest) {
            drop(fs_err::remove_file(blob));
        }
    }

    /// Waits until nobody else is making `name`.
    pub async fn claim(&self, name: &str) -> io::Result<Claim> {
        Claim::of(&self.root.join("claims").join(name)).await
    }

    fn wheel_path(&self, sha256: &str, filename: &str) -> Option<PathBuf> {
        let plain = !filename.is_empty() && !filename.starts_with('.') && !filename.contains(['/', '\0']);
        plain.then(|| self.root.join("wheels").join(sha256).join(filename))
    }

    fn record_path(&self, key: &LayerKey, format: Format) -> PathBuf {
        self.root.join("layers").join(format!("{key}.{format}.json"))
    }

    /// A record's digest becomes a path: only one in the usual form does.
    fn blob_path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        let plain = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| self.root.join("blobs").join(hex))
    }
}

fn gone(path: &Path) -> io::Error {
    let text = format!("`{}` went away as soon as it was written", path.display());
    io::Error::new(io::ErrorKind::NotFound, text)
}

fn stamp(file: &File) -> Option<u64> {
    let modified = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// The digest of a whole file in hex.
pub(super) fn digest(mut file: &File) -> io::Result<String> {
    use std::io::Seek as _;
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&piece[..count]),
        }
    }
}
