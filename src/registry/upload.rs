//! Blobs on their way to a registry.
//!
//! A blob of another repository of the same registry is mounted: no bytes travel. Small ones go in one request. Others
//! go in one stream, as Docker sends them, which every registry takes; when it breaks off, the registry is asked how
//! much it has and gets the rest. The registry compares the digest at the end, so a half of a blob never becomes one.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Body, Response, StatusCode};
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

use super::error::{Cause, Error};
use super::remote::Remote;
use super::taken::Taken;
use crate::http::Url;
use crate::manifest::Repository;

/// Up to here a blob goes in one request.
const SMALL: u64 = 1 << 20;
/// How often an upload is taken up again without a byte of progress.
const ATTEMPTS: u32 = 5;
/// Pieces that files are read in.
const PIECE: usize = 256 << 10;
/// Bytes of an upload for which the registry may take a second more at its end, to compare their digest.
const COMPARED: u64 = 10 << 20;

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
pub enum Content {
    /// Here.
    Bytes(Bytes),
    /// In a file.
    File(PathBuf),
    /// In another repository.
    Remote(Remote),
}

impl Remote {
    /// Takes a blob from another repository of the same registry; whether the registry did.
    pub async fn mount(&self, digest: &str, from: &Repository) -> Result<bool, Error> {
        if from.host() != self.repository.host() || from == &self.repository {
            return Ok(false);
        }
        let url = self.url(&format!("blobs/uploads/?mount={digest}&from={}", from.path()));
        let expected = [StatusCode::CREATED, StatusCode::ACCEPTED];
        let sent = self
            .registry
            .send(&self.repository, Some(from), &expected, |client| {
                client.post(&url)
            });
        let response = sent.await.map_err(self.failed(format!("mount {digest} into")))?;
        Ok(response.status() == StatusCode::CREATED)
    }

    /// Stores a blob unless it is there; the bytes that were sent.
    pub async fn upload(&self, digest: &str, size: u64, content: &Content) -> Result<u64, Error> {
        if self.has_blob(digest).await? {
            return Ok(0);
        }
        if let Content::Remote(from) = content
            && self.mount(digest, &from.repository).await?
        {
            return Ok(0);
        }
        let sent = match content {
            Content::Bytes(bytes) if size <= SMALL => self.at_once(digest, bytes).await,
            content => self.streamed(digest, size, content).await,
        };
        sent.map_err(self.failed(format!("upload {digest} to")))?;
        Ok(size)
    }

    async fn at_once(&self, digest: &str, bytes: &Bytes) -> Result<(), Cause> {
        let url = finish(&self.begin().await?, digest);
        let sent = self
            .registry
            .send(&self.repository, None, &[StatusCode::CREATED], |client| {
                client
                    .put(url.clone())
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .body(bytes.clone())
            });
        sent.await.map(drop)
    }

    async fn streamed(&self, digest: &str, size: u64, content: &Content) -> Result<(), Cause> {
        let mut place = self.begin().await?;
        let (mut there, mut failures) = (0, 0);
        while there < size {
            let failure = match self.rest(&place, digest, there, size, content).await {
                Ok(next) => {
                    place = next;
                    break;
                }
                Err(cause) => cause,
            };
            let may_go_on = match failure {
                // The token ran out: the next request gets another one. Or it was silent for long, in the middle.
                Cause::Unauthorized(_) | Cause::Anonymous { .. } | Cause::Silent { .. } => failures == 0,
                Cause::Refused { status: 416, .. } => true,
                _ => failure.is_passing(),
            };
            if !may_go_on {
                return Err(failure);
            }
            failures += 1;
            if failures == ATTEMPTS {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(200 << failures)).await;
            // The registry knows how much it has, or nothing of the upload any more.
            match self.so_far(&place).await {
                Ok((next, has)) => {
                    failures = if has > there { 0 } else { failures };
                    (place, there) = (next, has);
                }
                Err(cause @ Cause::Silent { .. }) => return Err(cause),
                Err(cause) if cause.is_passing() => {}
                Err(_) => (place, there) = (self.begin().await?, 0),
            }
        }
        self.end(&finish(&place, digest), size).await
    }

    /// Ends an upload. The registry reads all of it once more before it answers.
    async fn end(&self, url: &Url, size: u64) -> Result<(), Cause> {
        let patience = self.registry.silence() + Duration::from_secs(size / COMPARED);
        let expected = [StatusCode::CREATED];
        let sent = self
            .registry
            .send_within(patience, &self.repository, None, &expected, |client| {
                client.put(url.clone()).header(CONTENT_LENGTH, 0)
            });
        sent.await.map(drop)
    }

    /// Begins an upload; where it goes.
    async fn begin(&self) -> Result<Url, Cause> {
        let url = self.url("blobs/uploads/");
        let sent = self
            .registry
            .send(&self.repository, None, &[StatusCode::ACCEPTED], |client| {
                client.post(&url).header(CONTENT_LENGTH, 0)
            });
        let response = sent.await?;
        location(&response)
    }

    /// How much of an upload the registry has, and where it goes on.
    async fn so_far(&self, place: &Url) -> Result<(Url, u64), Cause> {
        let expected = [StatusCode::NO_CONTENT, StatusCode::ACCEPTED];
        let sent = self.registry.send(&self.repository, None, &expected, |client| {
            client.get(place.clone())
        });
        let response = sent.await?;
        let range = response
            .headers()
            .get(RANGE)
            .and_then(|value| value.to_str().ok());
        // `0-0` is one byte, or nothing: registries differ, so nothing it is.
        let last = range.and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok());
        let has = last.filter(|last| *last > 0).map_or(0, |last| last + 1);
        Ok((location(&response).unwrap_or_else(|_| place.clone()), has))
    }

    /// Sends everything from an offset on; where the upload goes on.
    async fn rest(
        &self,
        place: &Url,
        digest: &str,
        offset: u64,
        size: u64,
        content: &Content,
    ) -> Result<Url, Cause> {
        let left = size - offset;
        let (body, taken) = body(digest, offset, content).await?;
        let request = self
            .registry
            .client(&self.repository)?
            .patch(place.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, left)
            .body(body);
        let request = if offset > 0 {
            request.header(CONTENT_RANGE, format!("{offset}-{}", size - 1))
        } else {
            request
        };
        let response = self
            .registry
            .send_stream(&self.repository, request, &taken)
            .await?;
        location(&response)
    }
}

/// A blob's bytes from an offset on.
async fn body(digest: &str, offset: u64, content: &Content) -> Result<(Body, Taken), Cause> {
    let local = |error: io::Error| Cause::Local(error.to_string());
    match content {
        Content::Bytes(bytes) => {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let rest = Ok(bytes.slice(from..));
            Ok(Taken::body(stream::once(std::future::ready(rest))))
        }
        Content::File(path) => {
            let mut file = fs_err::tokio::File::open(path).await.map_err(local)?;
            file.seek(SeekFrom::Start(offset)).await.map_err(local)?;
            Ok(Taken::body(ReaderStream::with_capacity(file, PIECE)))
        }
        Content::Remote(from) => Ok(Taken::body(from.open(digest, offset).await?)),
    }
}

/// Where an upload goes on; registries may write it relative to their address.
fn location(response: &Response) -> Result<Url, Cause> {
    let text = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let url = text.and_then(|text| response.url().join(text).ok());
    url.ok_or_else(|| Cause::Corrupt("the registry does not say where the upload goes on".to_owned()))
}

/// The address that ends an upload.
fn finish(place: &Url, digest: &str) -> Url {
    let mut url = place.clone();
    url.query_pairs_mut().append_pair("digest", digest);
    url
}
