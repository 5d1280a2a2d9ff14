//! A repository of a registry: manifests, tags and blobs. Nothing is given out that does not match its digest.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LINK, RANGE};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::error::{Cause, Error};
use super::http::Registry;
use crate::http::{STOPPED, Url, why};
use crate::manifest::Repository;

/// Manifests are small; what is larger is none.
const LARGEST_MANIFEST: usize = 4 << 20;

/// What manifests may be.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// A repository of a registry.
#[derive(Debug, Clone)]
pub struct Remote {
    pub(super) registry: Registry,
    pub(super) repository: Repository,
}

/// A manifest as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Remote {
    pub(super) fn new(registry: Registry, repository: Repository) -> Self {
        Self { registry, repository }
    }

    /// Which repository it is.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.base(&self.repository))
    }

    pub(super) fn failed(&self, doing: impl Into<String>) -> impl FnOnce(Cause) -> Error {
        let (doing, at) = (doing.into(), self.repository.to_string());
        move |cause| Error { doing, at, cause }
    }

    /// Whether a manifest is there, by tag or digest; its digest where the registry says it.
    pub async fn has_manifest(&self, reference: &str) -> Result<Option<String>, Error> {
        let url = self.url(&format!("manifests/{reference}"));
        let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
        let sent = self.registry.send(&self.repository, None, &expected, |client| {
            client.head(&url).header(ACCEPT, MANIFESTS)
        });
        let response = sent
            .await
            .map_err(self.failed(format!("look for {reference} in")))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let digest = response.headers().get("docker-content-digest");
        let digest = digest.and_then(|value| value.to_str().ok());
        Ok(Some(digest.unwrap_or_default().to_owned()))
    }

    /// A manifest by tag or digest; none when it is not there.
    pub async fn manifest(&self, reference: &str) -> Result<Option<Manifest>, Error> {
        let url = self.url(&format!("manifests/{reference}"));
        let failed = || self.failed(format!("read {reference} of"));
        let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
        let sent = self.registry.send(&self.repository, None, &expected, |client| {
            client.get(&url).header(ACCEPT, MANIFESTS)
        });
        let response = sent.await.map_err(failed())?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let media_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let said = header("docker-content-digest");
        let bytes = collect(pieces(response, self.registry.silence()), LARGEST_MANIFEST)
            .await
            .map_err(failed())?;
        let digest = format!("sha256:{}", crate::layers::hex(&Sha256::digest(&bytes)));
        let asked = Some(reference.to_owned()).filter(|text| text.starts_with("sha256:"));
        for expected in [asked, said].into_iter().flatten() {
            if expected.starts_with("sha256:") && expected != digest {
                return Err(failed()(mismatch(&expected, &digest)));
            }
        }
        Ok(Some(Manifest {
            media_type,
            digest,
            bytes,
        }))
    }

    /// Stores a manifest under a tag or its digest. Its blobs have to be there.
    ///
    /// Registries that are given one manifest by two at the same time may take their own half-written copy for a wrong
    /// one, so what is refused is looked for once more.
    pub async fn put_manifest(&self, reference: &str, media_type: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut attempts_left = 3;
        loop {
            let cause = match self.put_once(reference, media_type, bytes).await {
                Ok(()) => return Ok(()),
                Err(cause) => cause,
            };
            attempts_left -= 1;
            if attempts_left == 0
                || !matches!(
                    cause,
                    Cause::Refused {
                        status: 400 | 409,
                        ..
                    }
                )
            {
                return Err(self.failed(format!("store {reference} in"))(cause));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let digest = format!("sha256:{}", crate::layers::hex(&Sha256::digest(bytes)));
            if self.has_manifest(reference).await? == Some(digest) {
                return Ok(());
            }
        }
    }

    async fn put_once(&self, reference: &str, media_type: &str, bytes: &[u8]) -> Result<(), Cause> {
        let url = self.url(&format!("manifests/{reference}"));
        let expected = [StatusCode::CREATED, StatusCode::OK];
        let sent = self.registry.send(&self.repository, None, &expected, |client| {
            let request = client.put(&url).header(CONTENT_TYPE, media_type);
            request.body(bytes.to_vec())
        });
        sent.await.map(drop)
    }

    /// All tags, sorted; none for a repository that is not there.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let failed = || self.failed("list the tags of");
        let mut url = self.url("tags/list?n=1000");
        let mut tags = Vec::new();
        loop {
            let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
            let sent = self
                .registry
                .send(&self.repository, None, &expected, |client| client.get(&url));
            let response = sent.await.map_err(failed())?;
            if response.status() == StatusCode::NOT_FOUND {
                break;
            }
            let next = response.headers().get(LINK).and_then(|value| value.to_str().ok());
            let next = next.and_then(|link| {
                link.strip_prefix('<')?
                    .split_once('>')
                    .map(|(url, _)| url.to_owned())
            });
            let next = next.and_then(|link| Url::parse(&url).ok()?.join(&link).ok());
            let bytes = collect(pieces(response, self.registry.silence()), 64 << 20)
                .await
                .map_err(failed())?;
            let page: Page = serde_json::from_slice(&bytes)
                .map_err(|error| failed()(Cause::Corrupt(format!("not a list of tags: {error}"))))?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                Some(next) if next.as_str() != url => url = next.into(),
                _ => break,
            }
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }

    /// Removes a manifest by its digest; whether it was there.
    pub async fn delete(&self, digest: &str) -> Result<bool, Error> {
        let url = self.url(&format!("manifests/{digest}"));
        let expected = [StatusCode::ACCEPTED, StatusCode::OK, StatusCode::NOT_FOUND];
        let sent = self
            .registry
            .send(&self.repository, None, &expected, |client| client.delete(&url));
        let response = sent.await.map_err(self.failed(format!("remove {digest} from")))?;
        Ok(response.status() != StatusCode::NOT_FOUND)
    }

    /// Whether a blob is there.
    pub async fn has_blob(&self, digest: &str) -> Result<bool, Error> {
        let url = self.url(&format!("blobs/{digest}"));
        let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
        let sent = self
            .registry
            .send(&self.repository, None, &expected, |client| client.head(&url));
        let response = sent.await.map_err(self.failed(format!("look for {digest} in")))?;
        Ok(response.status() == StatusCode::OK)
    }

    /// A small blob.
    pub async fn blob(&self, digest: &str) -> Result<Vec<u8>, Error> {
        let failed = || self.failed(format!("read {digest} of"));
        let pieces = self.open(digest, 0).await.map_err(failed())?;
        let bytes = collect(pieces, LARGEST_MANIFEST).await.map_err(failed())?;
        let found = format!("sha256:{}", crate::layers::hex(&Sha256::digest(&bytes)));
        if found == digest {
            Ok(bytes)
        } else {
            Err(failed()(mismatch(digest, &found)))
        }
    }

    /// Writes a blob to a file unless it is there, whole or not at all; the bytes that were read.
    pub async fn save(&self, digest: &str, to: &Path) -> Result<u64, Error> {
        if to.is_file() {
            return Ok(0);
        }
        let failed = || self.failed(format!("read {digest} of"));
        let local = |error: io::Error| failed()(Cause::Local(error.to_string()));
        let beside = NamedTempFile::new_in(to.parent().unwrap_or(Path::new("."))).map_err(local)?;
        let mut file = beside.as_file();
        let mut pieces = self.open(digest, 0).await.map_err(failed())?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| failed()(Cause::Unreachable(error.to_string())))?;
            file.write_all(&piece).map_err(local)?;
            hash.update(&piece);
            size += piece.len() as u64;
        }
        let found = format!("sha256:{}", crate::layers::hex(&hash.finalize()));
        if found != digest {
            return Err(failed()(mismatch(digest, &found)));
        }
        beside.persist(to).map_err(|error| local(error.error))?;
        Ok(size)
    }

    /// Reads a blob to its end and checks its digest; its size.
    pub async fn verify_blob(&self, digest: &str) -> Result<u64, Error> {
        let failed = || self.failed(format!("verify {digest} of"));
        let mut pieces = self.open(digest, 0).await.map_err(failed())?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| failed()(Cause::Unreachable(error.to_string())))?;
            hash.update(&piece);
            size += piece.len() as u64;
        }
        let found = format!("sha256:{}", crate::layers::hex(&hash.finalize()));
        if found == digest {
            Ok(size)
        } else {
            Err(failed()(mismatch(digest, &found)))
        }
    }

    /// A blob's bytes from an offset on, as they come and not verified.
    pub(super) async fn open(
        &self,
        digest: &str,
        offset: u64,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Unpin + Send + use<>, Cause> {
        let url = self.url(&format!("blobs/{digest}"));
        let expected = [if offset == 0 {
            StatusCode::OK
        } else {
            StatusCode::PARTIAL_CONTENT
        }];
        let sent = self.registry.send(&self.repository, None, &expected, |client| {
            let request = client.get(&url);
            if offset == 0 {
                request
            } else {
                request.header(RANGE, format!("bytes={offset}-"))
            }
        });
        Ok(pieces(sent.await?, self.registry.silence()))
    }
}

fn mismatch(expected: &str, found: &str) -> Cause {
    Cause::Corrupt(format!("its digest is {found}, expected {expected}"))
}

/// A response's body, piece by piece; the server may say nothing for `silence`.
fn pieces(
    response: reqwest::Response,
    silence: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Unpin + Send + use<> {
    let stream = stream::try_unfold(response, move |mut response| async move {
        let piece = tokio::time::timeout(silence, response.chunk()).await;
        let piece = piece.map_err(|_| io::Error::other(STOPPED))?;
        let piece = piece.map_err(|error| io::Error::other(why(&error)))?;
        Ok(piece.map(|piece| (piece, response)))
    });
    Box::pin(stream)
}

async fn collect(
    mut pieces: impl Stream<Item = io::Result<Bytes>> + Unpin,
    largest: usize,
) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| Cause::Unreachable(error.to_string()))?);
        if bytes.len() > largest {
            return Err(Cause::Corrupt(format!("it is larger than {largest} bytes")));
        }
    }
    Ok(bytes)
}
