//! Content on this machine for the engine: OCI layouts that `local` caches are read from and written to, and what a
//! build lists for it, such as wheel layers.
//!
//! The engine names a store in a header (`local:DIR` for caches, `oci:NAME` for layouts) and then speaks containerd's content protocol. A blob
//! is written beside the others and gets its name when its digest is right, so a broken export leaves no wrong
//! blob. Only what BuildKit uses is served: labels, listing and deletion are not.

use std::collections::BTreeMap;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use buildkit_proto::content::content_server::Content;
use buildkit_proto::content::{
    AbortRequest, DeleteContentRequest, Info, InfoRequest, InfoResponse, ListContentRequest,
    ListContentResponse, ListStatusesRequest, ListStatusesResponse, ReadContentRequest, ReadContentResponse,
    StatusRequest, StatusResponse, UpdateRequest, UpdateResponse, WriteAction, WriteContentRequest,
    WriteContentResponse,
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::listed::Listed;

/// What is served, for the session's announcement.
pub(super) const METHODS: [&str; 5] = [
    "/containerd.services.content.v1.Content/Info",
    "/containerd.services.content.v1.Content/Read",
    "/containerd.services.content.v1.Content/Status",
    "/containerd.services.content.v1.Content/Write",
    "/containerd.services.content.v1.Content/Abort",
];

/// Content in one message.
pub(super) const PIECE: u64 = 1 << 20;

/// Where content comes from.
#[derive(Debug, Clone)]
pub enum Store {
    /// A layout in a directory, to be read and written.
    Directory(PathBuf),
    /// What is listed, to be read.
    Listed(Arc<Listed>),
}

/// Stores by id.
#[derive(Debug)]
pub(super) struct Layouts(BTreeMap<String, Store>);

impl Layouts {
    pub(super) fn new(stores: BTreeMap<String, Store>) -> Self {
        Self(stores)
    }

    /// The directory of a store that can be written.
    fn layout(&self, headers: &MetadataMap) -> Result<&Path, Status> {
        match self.store(headers)? {
            Store::Directory(layout) => Ok(layout),
            Store::Listed(_) => Err(Status::permission_denied("this store is only read")),
        }
    }

    fn store(&self, headers: &MetadataMap) -> Result<&Store, Status> {
        let id = headers
            .get("buildkit-attachable-store-id")
            .and_then(|id| id.to_str().ok());
        let id = id.ok_or_else(|| Status::invalid_argument("the request names no store"))?;
        self.0
            .get(id)
            .ok_or_else(|| Status::not_found(format!("unknown store `{id}`")))
    }
}

/// Where the blob of `digest` is; the digest's form is checked, since it becomes a path.
fn blob(layout: &Path, digest: &str) -> Result<PathBuf, Status> {
    let hex = digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    let bad = || Status::invalid_argument(format!("`{digest}` is no sha256 digest"));
    Ok(layout.join("blobs/sha256").join(hex.ok_or_else(bad)?))
}

async fn size(layout: &Path, digest: &str) -> Result<u64, Status> {
    let metadata = fs_err::tokio::metadata(blob(layout, digest)?).await;
    let metadata = metadata.map_err(|_| Status::not_found(format!("content {digest}: not found")))?;
    Ok(metadata.len())
}

/// Where a read begins and how long it is, of `total` bytes.
pub(super) fn range(request: &ReadContentRequest, total: u64) -> Result<(u64, u64), Status> {
    let offset = u64::try_from(request.offset).unwrap_or(0);
    if offset > total {
        let digest = &request.digest;
        return Err(Status::out_of_range(format!(
            "read past the {total} bytes of {digest}"
        )));
    }
    let rest = total - offset;
    let wanted = u64::try_from(request.size).ok().filter(|wanted| *wanted > 0);
    Ok((offset, wanted.map_or(rest, |wanted| wanted.min(rest))))
}

pub(super) fn failed(error: &std::io::Error) -> Status {
    Status::internal(error.to_string())
}

#[tonic::async_trait]
impl Content for Layouts {
    async fn info(&self, request: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        let digest = request.get_ref().digest.clone();
        let size = match self.store(request.metadata())? {
            Store::Directory(layout) => size(layout, &digest).await?,
            Store::Listed(listed) => listed.get(&digest)?.size(),
        };
        let size = size.cast_signed();
        Ok(Response::new(InfoResponse {
            info: Some(Info {
                digest,
                size,
                ..Info::default()
            }),
        }))
    }

    async fn update(&self, request: Request<UpdateRequest>) -> Result<Response<UpdateResponse>, Status> {
        // containerd's garbage collector reads labels; there is none here.
        let layout = self.layout(request.metadata())?;
        let info = request.get_ref().info.clone().unwrap_or_default();
        let size = size(layout, &info.digest).await?.cast_signed();
        Ok(Response::new(UpdateResponse {
            info: Some(Info { size, ..info }),
        }))
    }

    type ListStream = ReceiverStream<Result<ListContentResponse, Status>>;

    async fn list(&self, _: Request<ListContentRequest>) -> Result<Response<Self::ListStream>, Status> {
        Err(Status::unimplemented("content is not listed"))
    }

    async fn delete(&self, _: Request<DeleteContentRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("content is not deleted"))
    }

    type ReadStream = ReceiverStream<Result<ReadContentResponse, Status>>;

    async fn read(&self, request: Request<ReadContentRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let layout = match self.store(request.metadata())? {
            Store::Directory(layout) => layout,
            Store::Listed(listed) => return Ok(Response::new(listed.read(request.get_ref()).await?)),
        };
        let digest = &request.get_ref().digest;
        let total = size(layout, digest).await?;
        let (offset, length) = range(request.get_ref(), total)?;
        let mut file = fs_err::tokio::File::open(blob(layout, digest)?)
            .await
            .map_err(|error| failed(&error))?;
        file.seek(SeekFrom::Start(offset))
            .await
            .map_err(|error| failed(&error))?;
        let (pieces, stream) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut file = file.take(length);
            let mut offset = 0;
            loop {
                let mut data = Vec::new();
                let piece = (&mut file).take(PIECE).read_to_end(&mut data).await;
                let answer = match piece {
                    Ok(0) => return,
                    Ok(_) => Ok(ReadContentResponse { offset, data }),
                    Err(error) => Err(failed(&error)),
                };
                offset += answer
                    .as_ref()
                    .map_or(0, |answer| answer.data.len().cast_signed() as i64);
                let last = answer.is_err();
                if pieces.send(answer).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        // Nothing is resumed, so nothing is ever under way.
        Err(Status::not_found(format!(
            "no write `{}`",
            request.get_ref().r#ref
        )))
    }

    async fn list_statuses(
        &self,
        _: Request<ListStatusesRequest>,
    ) -> Result<Response<ListStatusesResponse>, Status> {
        Ok(Response::new(ListStatusesResponse::default()))
    }

    type WriteStream = ReceiverStream<Result<WriteContentResponse, Status>>;

    async fn write(
        &self,
        request: Request<Streaming<WriteContentRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        let layout = self.layout(request.metadata())?.to_owned();
        let (answers, stream) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut incoming = request.into_inner();
            if let Err(status) = write(&layout, &mut incoming, &answers).await {
                drop(answers.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn abort(&self, _: Request<AbortRequest>) -> Result<Response<()>, Status> {
        // A write ends with its stream.
        Ok(Response::new(()))
    }
}

/// A blob being written.
struct Writing {
    path: PathBuf,
    file: fs_err::tokio::File,
    hash: Sha256,
    length: u64,
}

impl Drop for Writing {
    fn drop(&mut self) {
        // It has another name by now if it was completed.
        drop(fs_err::remove_file(&self.path));
    }
}

impl Writing {
    async fn open(layout: &Path) -> std::io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let dir = layout.join("ingest");
        fs_err::tokio::create_dir_all(&dir).await?;
        fs_err::tokio::create_dir_all(layout.join("blobs/sha256")).await?;
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = dir.join(name);
        let file = fs_err::tokio::File::create(&path).await?;
        Ok(Self {
            path,
            file,
            hash: Sha256::new(),
            length: 0,
        })
    }

    async fn append(&mut self, data: &[u8]) -> std::io::Result<()> {
        self.file.write_all(data).await?;
        self.hash.update(data);
        self.length += data.len() as u64;
        Ok(())
    }

    fn digest(&self) -> String {
        format!("sha256:{}", crate::client::hex(&self.hash.clone().finalize()))
    }
}

async fn write(
    layout: &Path,
    incoming: &mut Streaming<WriteContentRequest>,
    answers: &mpsc::Sender<Result<WriteContentResponse, Status>>,
) -> Result<(), Status> {
    let mut writing = Writing::open(layout).await.map_err(|error| failed(&error))?;
    let mut expected = String::new();
    let mut total = 0;
    while let Some(request) = incoming.message().await? {
        if !request.expected.is_empty() {
            expected.clone_from(&request.expected);
            if size(layout, &expected).await.is_ok() {
                return Err(Status::already_exists(format!("content {expected} is there")));
            }
        }
        total = if request.total > 0 { request.total } else { total };
        let action = request.action();
        if action != WriteAction::Stat {
            if request.offset > 0 && request.offset != writing.length.cast_signed() {
                let at = writing.length;
                return Err(Status::out_of_range(format!(
                    "write at {} while {at} bytes are there",
                    request.offset
                )));
            }
            writing
                .append(&request.data)
                .await
                .map_err(|error| failed(&error))?;
        }
        if action == WriteAction::Commit {
            commit(layout, &mut writing, total, &expected).await?;
        }
        let digest = if action == WriteAction::Write {
            String::new()
        } else {
            writing.digest()
        };
        let answer = WriteContentResponse {
            action: action.into(),
            offset: writing.length.cast_signed(),
            total,
            digest,
            ..WriteContentResponse::default()
        };
        if answers.send(Ok(answer)).await.is_err() || action == WriteAction::Commit {
            break;
        }
    }
    Ok(())
}

async fn commit(layout: &Path, writing: &mut Writing, total: i64, expected: &str) -> Result<(), Status> {
    let digest = writing.digest();
    if !expected.is_empty() && digest != expected {
        return Err(Status::failed_precondition(format!(
            "unexpected digest {digest}, expected {expected}"
        )));
    }
    if total > 0 && total != writing.length.cast_signed() {
        let length = writing.length;
        return Err(Status::failed_precondition(format!(
            "unexpected size {length}, expected {total}"
        )));
    }
    let named = async {
        writing.file.flush().await?;
        fs_err::tokio::rename(
            &writing.path,
            blob(layout, &digest).map_err(std::io::Error::other)?,
        )
        .await
    };
    named.await.map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_become_paths_only_in_their_own_form() {
        let hex = "0123456789abcdef".repeat(4);
        let path = blob(Path::new("/l"), &format!("sha256:{hex}")).unwrap();
        assert_eq!(path, Path::new("/l/blobs/sha256").join(&hex));
        for bad in [
            "sha256:../../x",
            "sha512:00",
            "",
            &format!("sha256:{}", hex.to_uppercase()),
        ] {
            assert!(blob(Path::new("/l"), bad).is_err());
        }
    }
}
