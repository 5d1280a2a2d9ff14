//! What is in the cache.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{Cache, Kept};

/// How old a blob without a record must be to belong to nobody: its record may be about to be written.
const ORPHANED: Duration = Duration::from_mins(1);

/// Entries of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// How many.
    pub entries: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// What is in a cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wheels as downloaded.
    pub wheels: Kind,
    /// Layers.
    pub layers: Kind,
    /// What wheels say of themselves.
    pub metadata: Kind,
    /// What pushed images were made of.
    pub receipts: Kind,
    /// Unfinished downloads and layers.
    pub unfinished: Kind,
    /// When the entry that was not used for longest was used.
    pub oldest: Option<SystemTime>,
}

impl Usage {
    /// Bytes of everything.
    pub fn bytes(&self) -> u64 {
        let kinds = [
            &self.wheels,
            &self.layers,
            &self.metadata,
            &self.receipts,
            &self.unfinished,
        ];
        kinds.into_iter().map(|kind| kind.bytes).sum()
    }
}

/// Something that is removed as a whole.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sort: Sort,
    /// Its files; the one whose lock and age count comes first.
    pub(super) files: Vec<PathBuf>,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Wheel,
    Layer,
    Metadata,
    Receipt,
    /// In `work`, or a blob without a record.
    Unfinished,
}

impl Cache {
    /// Counts what is there.
    pub fn usage(&self) -> io::Result<Usage> {
        let mut usage = Usage::default();
        for entry in self.entries()? {
            let kind = match entry.sort {
                Sort::Wheel => &mut usage.wheels,
                Sort::Layer => &mut usage.layers,
                Sort::Metadata => &mut usage.metadata,
                Sort::Receipt => &mut usage.receipts,
                Sort::Unfinished => &mut usage.unfinished,
            };
            kind.entries += 1;
            kind.bytes += entry.bytes;
            if entry.sort != Sort::Unfinished {
                usage.oldest = Some(usage.oldest.map_or(entry.used, |oldest| oldest.min(entry.used)));
            }
        }
        Ok(usage)
    }

    /// Everything that can be removed. Files that go away meanwhile are left out.
    pub(super) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for folder in files_in(&self.root.join("wheels"))? {
            for wheel in files_in(&folder).unwrap_or_default() {
                entries.extend(Entry::of(Sort::Wheel, vec![wheel]));
            }
        }
        let mut known = Vec::new();
        for record in files_in(&self.root.join("layers"))? {
            let kept = fs_err::read(&record)
                .ok()
                .and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
            let blob = kept.and_then(|kept| self.blob_path(&kept.record.digest));
            known.extend(blob.clone());
            entries.extend(Entry::of(
                Sort::Layer,
                std::iter::once(record).chain(blob).collect(),
            ));
        }
        for blob in files_in(&self.root.join("blobs"))? {
            if !known.contains(&blob) {
                let entry = Entry::of(Sort::Unfinished, vec![blob]);
                entries.extend(entry.filter(|entry| entry.is_older_than(ORPHANED)));
            }
        }
        for about in files_in(&self.root.join("metadata"))? {
            entries.extend(Entry::of(Sort::Metadata, vec![about]));
        }
        for receipt in files_in(&self.receipts())? {
            entries.extend(Entry::of(Sort::Receipt, vec![receipt]));
        }
        for work in files_in(&self.root.join("work"))? {
            entries.extend(Entry::of(Sort::Unfinished, vec![work]));
        }
        Ok(entries)
    }
}

impl Entry {
    fn of(sort: Sort, files: Vec<PathBuf>) -> Option<Self> {
        let used = fs_err::metadata(files.first()?).ok()?.modified().ok()?;
        let sizes = files.iter().filter_map(|file| fs_err::metadata(file).ok());
        Some(Self {
            sort,
            bytes: sizes.map(|metadata| metadata.len()).sum(),
            used,
            files,
        })
    }

    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        // A time in the future is not old.
        self.used.elapsed().is_ok_and(|elapsed| elapsed > age)
    }
}

fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let files = fs_err::read_dir(folder)?;
    files.map(|file| file.map(|file| file.path())).collect()
}
