//! Receipts: what a pushed image was made of, so that the next build of it can tell that nothing has changed.
//!
//! A build that does nothing but push an image leaves one in the command's cache. It holds as long as all of this is as it was:
//!
//! - the request: engine, options, outputs, programs (`key`);
//! - the files that were read, and the parts of folders that the graph takes, as a transfer tells them apart (`notes`);
//! - the images that were looked up by a tag, by the engine's own word (`ask`);
//! - the image itself: its registry has it under all its names (`ask`).
//!
//! Nothing else gets into an image: the same pipeline runs in the frontend image, which has neither disk nor network. What a
//! build could not be sure of leaves no receipt, and what cannot be asked now is a reason to build: no errors come from here.

mod ask;
mod key;
mod notes;

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use self::notes::Witness;

use self::ask::Asked;
use self::notes::{Notes, Taken};
use crate::bridge::Bridge;
use crate::client::{BuildRequest, BuildResult, Engine, Update};
use crate::frontend::{Origin, Read};
use crate::layers::WheelsFrom;
use crate::layers::local::Cache;

/// The receipts of this machine, and what the builds of a run ask together.
#[derive(Debug)]
pub struct Receipts {
    cache: Cache,
    asked: Asked,
}

/// What one build is about to do and what its receipt will say. Clones share what is noted.
#[derive(Clone)]
pub struct Draft {
    receipts: Arc<Receipts>,
    path: PathBuf,
    key: String,
    request: BuildRequest,
    origin: Origin,
    notes: Arc<Mutex<Notes>>,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A receipt as it lies on the disk.
#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    key: String,
    read: Read,
    notes: Notes,
    result: BuildResult,
}

/// A build that need not be done again.
#[derive(Debug)]
pub struct UpToDate {
    /// What came of it.
    pub result: BuildResult,
    /// What it had to say.
    pub warnings: Vec<Update>,
}

impl Receipts {
    /// Those in a cache.
    pub fn new(cache: Cache) -> Arc<Self> {
        Arc::new(Self {
            cache,
            asked: Asked::default(),
        })
    }

    /// What is to be done for a request; None where it leaves no receipt. `places` is where wheel layers come from.
    pub fn draft(
        self: &Arc<Self>,
        engine: &Engine,
        request: &BuildRequest,
        origin: &Origin,
        places: &[WheelsFrom],
    ) -> Option<Draft> {
        if !key::leaves_receipt(engine, request) {
            return None;
        }
        Some(Draft {
            receipts: self.clone(),
            path: self.cache.receipts().join(key::file_name(engine, request)),
            key: key::key(engine, request, places),
            request: request.clone(),
            origin: origin.clone(),
            notes: Arc::default(),
        })
    }
}

impl Draft {
    /// The build's bridge, watched.
    pub fn watch(&self, bridge: Arc<dyn Bridge>) -> Witness {
        Witness::new(bridge, self.request.sources.clone(), self.notes.clone())
    }

    /// The last result, if building again would give the same and it is where it was pushed to.
    pub async fn up_to_date(&self, engine: &Engine, cancel: &CancellationToken) -> Option<UpToDate> {
        let receipt = read(&self.path)?;
        if receipt.key != self.key || !self.same_folders(receipt.notes.taken()).await {
            return None;
        }
        let filename = self.request.options.get("filename")?;
        if receipt.read.again(&self.origin, filename).await? != receipt.read {
            return None;
        }
        // The registry on a thread of its own: a client that is made reads many certificates.
        let (draft, result) = (self.clone(), receipt.result.clone());
        let pushed = tokio::spawn(async move { draft.receipts.asked.pushed(&draft.request, &result).await });
        let (asked, config) = (&self.receipts.asked, &self.request.docker_config);
        let images = asked.images(engine, config, receipt.notes.images(), cancel).await;
        let same = images && pushed.await.unwrap_or(false);
        same.then(|| UpToDate {
            warnings: receipt.notes.warnings(),
            result: receipt.result,
        })
    }

    /// Whether the folders' parts are as they were. What they are now is noted: should they have to be built, then from that
    /// state or a later one.
    async fn same_folders(&self, taken: &[Taken]) -> bool {
        let now = notes::look(&self.request.sources, taken).await;
        let same = now == taken;
        self.lock().look_at(now);
        same
    }

    /// Writes the receipt of a build that went well. A disk that takes none costs a build next time, and no more.
    pub fn keep(&self, result: &BuildResult) {
        let notes = std::mem::take(&mut *self.lock());
        if !notes.are_sure() || result.digest().is_none() {
            drop(fs_err::remove_file(&self.path));
            return;
        }
        let Origin::Disk { read, .. } = &self.origin else {
            return;
        };
        let receipt = Receipt {
            key: self.key.clone(),
            read: read.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            notes,
            result: result.clone(),
        };
        drop(self.write(&receipt));
    }

    /// Others see the old one or the new one.
    fn write(&self, receipt: &Receipt) -> io::Result<()> {
        let mut file = self.receipts.cache.writing()?;
        serde_json::to_writer(&mut file, receipt)?;
        file.flush()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that cannot be read is none.
fn read(path: &Path) -> Option<Receipt> {
    serde_json::from_slice(&fs_err::read(path).ok()?).ok()
}
