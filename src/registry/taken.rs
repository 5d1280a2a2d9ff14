//! Whether anybody takes what is sent: an upload may last for hours, but it may not stand still.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::Body;
use tokio::time::Instant;

/// When a piece of a body was last taken.
#[derive(Debug, Clone)]
pub(super) struct Taken(Arc<Mutex<Instant>>);

impl Taken {
    /// The body of these pieces, and what tells of it.
    pub(super) fn body(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> (Body, Self) {
        let taken = Self(Arc::new(Mutex::new(Instant::now())));
        let told = taken.clone();
        let pieces = pieces.inspect(move |_| *told.last() = Instant::now());
        (Body::wrap_stream(pieces), taken)
    }

    /// Waits until nothing was taken for as long as this.
    pub(super) async fn stops(&self, patience: Duration) {
        loop {
            let until = *self.last() + patience;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
