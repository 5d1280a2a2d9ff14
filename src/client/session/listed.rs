//! Content that a build lists for the engine: documents in memory, layers in files.
//!
//! The engine asks for manifests when it meets them in a graph, and for a layer's bytes only when something needs them:
//! not if it has them, and not for a push to a registry that has them.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use buildkit_proto::content::{ReadContentRequest, ReadContentResponse};
use tokio::sync::{OnceCell, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::content::{PIECE, failed, range};
use crate::layers::LayerRecord;
use crate::layers::local::{Cache, Held};

/// Content by digest. Nothing else can be read through it.
#[derive(Debug, Default)]
pub struct Listed(Mutex<BTreeMap<String, Arc<Content>>>);

/// One piece of content.
#[derive(Debug)]
pub(super) enum Content {
    Document(Vec<u8>),
    Layer(Box<Layer>),
}

/// A layer in a cache.
#[derive(Debug)]
pub(super) struct Layer {
    record: LayerRecord,
    blob: Held,
    cache: Cache,
    /// Set once its bytes were seen to be right.
    whole: OnceCell<()>,
}

impl Listed {
    /// Lists a document.
    pub fn document(&self, digest: &str, bytes: Vec<u8>) {
        self.add(digest, Content::Document(bytes));
    }

    /// Lists a layer. One that was not made just now is looked through before its first byte is sent.
    pub fn layer(&self, record: LayerRecord, blob: Held, cache: &Cache, fresh: bool) {
        let digest = record.digest.clone();
        let layer = Layer {
            record,
            blob,
            cache: cache.clone(),
            whole: OnceCell::new_with(fresh.then_some(())),
        };
        self.add(&digest, Content::Layer(Box::new(layer)));
    }

    fn add(&self, digest: &str, content: Content) {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed
            .entry(digest.to_owned())
            .or_insert_with(|| Arc::new(content));
    }

    pub(super) fn get(&self, digest: &str) -> Result<Arc<Content>, Status> {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let content = listed.get(digest).cloned();
        content.ok_or_else(|| Status::not_found(format!("content {digest}: not found")))
    }

    pub(super) async fn read(
        &self,
        request: &ReadContentRequest,
    ) -> Result<ReceiverStream<Result<ReadContentResponse, Status>>, Status> {
        let content = self.get(&request.digest)?;
        let (mut offset, mut length) = range(request, content.size())?;
        if let Content::Layer(layer) = content.as_ref() {
            layer.whole.get_or_try_init(|| check(content.clone())).await?;
        }
        let (pieces, stream) = mpsc::channel(4);
        tokio::task::spawn_blocking(move || {
            while length > 0 {
                let piece = content.piece(offset, length.min(PIECE));
                let count = piece.as_ref().map_or(length, |data| data.len() as u64);
                let answer = piece
                    .map_err(|error| failed(&error))
                    .map(|data| ReadContentResponse {
                        offset: offset.cast_signed(),
                        data,
                    });
                if pieces.blocking_send(answer).is_err() {
                    return;
                }
                (offset, length) = (offset + count, length - count);
            }
        });
        Ok(ReceiverStream::new(stream))
    }
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Document(bytes) => bytes.len() as u64,
            Self::Layer(layer) => layer.blob.size(),
        }
    }

    fn piece(&self, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
        let count = usize::try_from(length).unwrap_or(usize::MAX);
        match self {
            Self::Document(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                Ok(bytes.iter().skip(start).take(count).copied().collect())
            }
            Self::Layer(layer) => {
                let mut data = vec![0; count];
                layer.blob.file().read_exact_at(&mut data, offset)?;
                Ok(data)
            }
        }
    }
}

/// The engine would notice wrong bytes, too; this says which, and takes care that the next build makes them again.
async fn check(content: Arc<Content>) -> Result<(), Status> {
    let outcome = tokio::task::spawn_blocking(move || {
        let Content::Layer(layer) = content.as_ref() else {
            return Ok(());
        };
        if layer.blob.has_digest(&layer.record.digest) {
            return Ok(());
        }
        layer.cache.forget(&layer.record);
        let place = layer.blob.path().display();
        Err(Status::data_loss(format!(
            "the cached layer `{place}` was damaged and is removed; build again"
        )))
    });
    outcome
        .await
        .unwrap_or_else(|ended| Err(Status::internal(ended.to_string())))
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn only_what_is_listed_is_read_and_only_the_part_asked_for() {
        let listed = Listed::default();
        listed.document("sha256:1", b"0123456789".to_vec());
        let read = async |digest: &str, offset, size| {
            let request = ReadContentRequest {
                digest: digest.to_owned(),
                offset,
                size,
            };
            let answers = listed.read(&request).await?.collect::<Vec<_>>().await;
            let pieces = answers.into_iter().map(|answer| answer.unwrap().data);
            Ok::<_, Status>(pieces.collect::<Vec<_>>().concat())
        };
        assert_eq!(read("sha256:1", 0, 0).await.unwrap(), b"0123456789");
        assert_eq!(read("sha256:1", 3, 4).await.unwrap(), b"3456");
        assert_eq!(read("sha256:1", 10, 0).await.unwrap(), b"");
        assert_eq!(
            read("sha256:1", 11, 0).await.unwrap_err().code(),
            tonic::Code::OutOfRange
        );
        assert_eq!(
            read("sha256:2", 0, 0).await.unwrap_err().code(),
            tonic::Code::NotFound
        );
    }
}
