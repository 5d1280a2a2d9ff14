//! Texts that were read before are not read again.
//!
//! A run builds many services at a time, and each looks at the locks of all. Reading those is most of what a build thinks about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::diag::{Diagnostic, SourceFile};

/// Texts that are remembered; what is read takes about as much memory as its text.
const MOST: usize = 256;

/// What texts were read as.
#[derive(Debug)]
pub(super) struct Known<T>(Mutex<BTreeMap<Arc<str>, Reading<T>>>);

/// A text that is read or being read; none inside where it has mistakes.
type Reading<T> = Arc<OnceLock<Option<Arc<T>>>>;

impl<T> Known<T> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// What a file was read as; one that is being read is waited for. Mistakes are not remembered, since the file's name is in
    /// them.
    pub(super) fn get(
        &self,
        file: &SourceFile,
        read: impl Fn(&SourceFile) -> Result<T, Diagnostic>,
    ) -> Result<Arc<T>, Diagnostic> {
        let known = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() == MOST && !known.contains_key(file.text()) {
                known.clear();
            }
            known.entry(file.shared_text()).or_default().clone()
        };
        match known.get_or_init(|| read(file).ok().map(Arc::new)) {
            Some(lock) => Ok(lock.clone()),
            None => read(file).map(Arc::new),
        }
    }
}
