//! A file from an index, exactly the one that the lock names.
//!
//! Downloads go to a file of the caller's and may be picked up where an earlier one broke off, even one of a process
//! that was killed. Nothing is taken for complete before its digest is right.

use std::io::SeekFrom;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, RANGE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::credentials::Credentials;
use super::fetch_error::{Cause, FetchError};
use crate::http::{LazyClient, SILENCE, Shown, Url};
use crate::layers::key::hex;

/// Downloads at a time: enough to fill a link, few enough to be a good guest.
const PARALLEL: usize = 12;
/// Attempts in a row that bring nothing new before a download is given up.
const ATTEMPTS: u32 = 4;
/// Wait before the second attempt; doubled before each further one.
const BACKOFF: Duration = Duration::from_millis(300);
/// Bytes a second that a server sends at least; one that trickles would keep a build for days.
const SLOWEST: u64 = 1 << 10;
/// The longest wait that a server may ask for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The package, with its version, for messages.
    pub package: String,
    /// Its name.
    pub filename: String,
    /// Where it is: http or https.
    pub url: String,
    /// Its digest in hex.
    pub sha256: String,
    /// Bytes; zero when the lock does not say.
    pub size: u64,
}

/// Downloads files. Clones share connections and the bound on parallel downloads.
#[derive(Debug, Clone)]
pub struct Fetch {
    client: LazyClient,
    credentials: Vec<Arc<dyn Credentials>>,
    /// What addresses begin with, and what they begin with instead.
    mirrors: Vec<(String, String)>,
    slots: Arc<Semaphore>,
    backoff: Duration,
    /// How long a server may send less than [`SLOWEST`].
    window: Duration,
}

impl Fetch {
    /// Downloads with `client`; the first of `credentials` that knows an address is asked for it.
    pub fn new(client: LazyClient, credentials: Vec<Arc<dyn Credentials>>) -> Self {
        Self {
            client,
            credentials,
            mirrors: Vec::new(),
            slots: Arc::new(Semaphore::new(PARALLEL)),
            backoff: BACKOFF,
            window: SILENCE,
        }
    }

    /// The same from mirrors: the first whose beginning an address has is taken in its place.
    pub fn with_mirrors(mut self, mirrors: Vec<(String, String)>) -> Self {
        self.mirrors = mirrors;
        self
    }

    fn mirrored(&self, url: &str) -> String {
        let found = self
            .mirrors
            .iter()
            .find_map(|(from, to)| Some(format!("{to}{}", url.strip_prefix(from.as_str())?)));
        found.unwrap_or_else(|| url.to_owned())
    }

    /// The same with other waits between attempts.
    pub fn with_backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// The same with another time that a server may be slow for.
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Completes `file`, which may hold the beginning already. `progress` gets the bytes that are there. On an error
    /// the file holds what a later attempt can go on from, or nothing.
    pub async fn download(
        &self,
        remote: &Remote,
        file: std::fs::File,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), FetchError> {
        let address = self.mirrored(&remote.url);
        let failed = |cause| FetchError {
            package: remote.package.clone(),
            file: remote.filename.clone(),
            url: Shown::new(&address),
            cause,
        };
        let url = Url::parse(&address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| failed(Cause::Scheme))?;
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let mut part = Part::open(file, remote.size)
            .await
            .map_err(|error| failed(error.into()))?;
        let again = part.length > 0;
        match self.complete(&url, remote, &mut part, progress).await {
            // What was there before may have been damaged: once more from the beginning.
            Err(Cause::WrongHash { .. } | Cause::TooLong { .. }) if again => {
                part.clear().await.map_err(|error| failed(error.into()))?;
                self.complete(&url, remote, &mut part, progress).await
            }
            outcome => outcome,
        }
        .map_err(failed)
    }

    /// What a server has at an address, if it has anything there and it is no more than `most` bytes. `remote` is the file that
    /// it is about.
    pub(super) async fn text(
        &self,
        remote: &Remote,
        address: &str,
        most: usize,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let found = self.again(remote, address, async |url| {
            let request = self.request(url)?;
            let response = request.send().await.map_err(|error| Cause::from(&error))?;
            match response.status() {
                StatusCode::OK => self.body(response, most).await,
                StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
                status => Err(Cause::Status(status)),
            }
        });
        found.await
    }

    /// Part of a file and the file's length; nothing from servers that do not give parts. `range` is as HTTP has it.
    pub(super) async fn part(
        &self,
        remote: &Remote,
        range: &str,
        most: usize,
    ) -> Result<Option<FilePart>, FetchError> {
        let found = self.again(remote, &remote.url, async |url| {
            let request = self.request(url)?.header(RANGE, range);
            let response = request.send().await.map_err(|error| Cause::from(&error))?;
            let place = starts_at(&response).zip(length_in(&response));
            match (response.status(), place) {
                (StatusCode::PARTIAL_CONTENT, Some((start, length))) => {
                    let bytes = self.body(response, most).await?;
                    Ok(bytes.map(|bytes| FilePart { start, length, bytes }))
                }
                (status, _) if status.is_success() => Ok(None),
                (StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::RANGE_NOT_SATISFIABLE, _) => Ok(None),
                (status, _) => Err(Cause::Status(status)),
            }
        });
        found.await
    }

    /// Asks until an answer is good or bad for good.
    async fn again<T>(
        &self,
        remote: &Remote,
        address: &str,
        once: impl AsyncFn(&Url) -> Result<T, Cause>,
    ) -> Result<T, FetchError> {
        let address = self.mirrored(address);
        let failed = |cause| FetchError {
            package: remote.package.clone(),
            file: remote.filename.clone(),
            url: Shown::new(&address),
            cause,
        };
        let url = Url::parse(&address).map_err(|_| failed(Cause::Scheme))?;
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let mut attempt = 1;
        loop {
            match once(&url).await {
                Err(cause) if attempt < ATTEMPTS && cause.may_pass() => {}
                found => return found.map_err(failed),
            }
            tokio::time::sleep(self.backoff * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
        }
    }

    /// All of an answer; nothing when it is more than `most` bytes.
    async fn body(&self, mut response: Response, most: usize) -> Result<Option<Vec<u8>>, Cause> {
        let mut body = Vec::new();
        let mut pace = Pace::new(self.window);
        while let Some(piece) = response.chunk().await.map_err(|error| Cause::from(&error))? {
            body.extend_from_slice(&piece);
            pace.keep(piece.len())?;
            if body.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(body))
    }

    fn request(&self, url: &Url) -> Result<RequestBuilder, Cause> {
        let client = self.client.get().map_err(Cause::Connection)?;
        // A compressed answer would have other lengths.
        let request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        Ok(
            match self.credentials.iter().find_map(|known| known.authorization(url)) {
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            },
        )
    }

    async fn complete(
        &self,
        url: &Url,
        remote: &Remote,
        part: &mut Part,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Cause> {
        let mut fruitless = 0;
        loop {
            let before = part.length;
            let outcome = self.attempt(url, remote, part, progress).await;
            let Err(stopped) = outcome else {
                return part.check(remote).await;
            };
            fruitless = if part.length > before { 1 } else { fruitless + 1 };
            if !stopped.cause.may_pass() || fruitless >= ATTEMPTS {
                part.leave(&stopped.cause).await?;
                return Err(stopped.cause);
            }
            let doubled = self.backoff * 2_u32.pow(fruitless - 1);
            tokio::time::sleep(stopped.wait.unwrap_or(doubled).min(PATIENCE)).await;
        }
    }

    /// One request, from where the file ends.
    async fn attempt(
        &self,
        url: &Url,
        remote: &Remote,
        part: &mut Part,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Stopped> {
        if remote.size > 0 && part.length == remote.size {
            return Ok(());
        }
        let mut request = self.request(url)?;
        if part.length > 0 {
            request = request.header(RANGE, format!("bytes={}-", part.length));
        }
        let mut response = request.send().await.map_err(|error| Cause::from(&error))?;
        part.accept(&response).await?;
        let mut pace = Pace::new(self.window);
        while let Some(piece) = response.chunk().await.map_err(|error| Cause::from(&error))? {
            part.append(&piece).await.map_err(Cause::from)?;
            pace.keep(piece.len())?;
            if remote.size > 0 && part.length > remote.size {
                let expected = remote.size;
                return Err(Cause::TooLong { expected }.into());
            }
            progress(part.length);
        }
        part.flush().await.map_err(Cause::from)?;
        if part.length < remote.size {
            let (got, expected) = (part.length, remote.size);
            return Err(Cause::Truncated { got, expected }.into());
        }
        Ok(())
    }
}

/// How much came lately.
struct Pace {
    window: Duration,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self {
            window,
            begun: Instant::now(),
            bytes: 0,
        }
    }

    /// Takes a piece in; an error when too little came since the last look.
    fn keep(&mut self, piece: usize) -> Result<(), Cause> {
        self.bytes += piece as u64;
        let past = self.begun.elapsed();
        if past < self.window {
            return Ok(());
        }
        let least = u128::from(SLOWEST) * past.as_millis() / 1000;
        if u128::from(self.bytes) < least {
            return Err(Cause::Slow(SLOWEST));
        }
        *self = Self::new(self.window);
        Ok(())
    }
}

/// Why an attempt ended early, and how long the server wants to be left alone.
struct Stopped {
    cause: Cause,
    wait: Option<Duration>,
}

impl From<Cause> for Stopped {
    fn from(cause: Cause) -> Self {
        Self { cause, wait: None }
    }
}

/// A file that grows, and the digest of what it holds.
struct Part {
    file: tokio::io::BufWriter<tokio::fs::File>,
    hash: Sha256,
    length: u64,
}

impl Part {
    /// Reads what is there already; more than the whole file is nothing to go on from.
    async fn open(file: std::fs::File, size: u64) -> std::io::Result<Self> {
        let mut file = tokio::fs::File::from_std(file);
        let (mut hash, mut length) = (Sha256::new(), 0);
        let mut piece = vec![0; 1 << 18];
        loop {
            match file.read(&mut piece).await? {
                0 => break,
                count => {
                    hash.update(&piece[..count]);
                    length += count as u64;
                }
            }
        }
        let file = tokio::io::BufWriter::with_capacity(1 << 18, file);
        let mut part = Self { file, hash, length };
        if size > 0 && length > size {
            part.clear().await?;
        }
        Ok(part)
    }

    async fn clear(&mut self) -> std::io::Result<()> {
        self.file.flush().await?;
        let file = self.file.get_mut();
        file.set_len(0).await?;
        file.seek(SeekFrom::Start(0)).await?;
        (self.hash, self.length) = (Sha256::new(), 0);
        Ok(())
    }

    /// Makes ready for what `response` will bring, which may be less or more than what was asked for.
    async fn accept(&mut self, response: &Response) -> Result<(), Stopped> {
        let status = response.status();
        if status == StatusCode::PARTIAL_CONTENT && starts_at(response) == Some(self.length) {
            return Ok(());
        }
        if status == StatusCode::OK {
            if self.length > 0 {
                self.clear().await.map_err(Cause::from)?;
            }
            return Ok(());
        }
        if status == StatusCode::PARTIAL_CONTENT || status == StatusCode::RANGE_NOT_SATISFIABLE {
            self.clear().await.map_err(Cause::from)?;
        }
        Err(Stopped {
            cause: Cause::Status(status),
            wait: wait(response),
        })
    }

    async fn append(&mut self, piece: &[u8]) -> std::io::Result<()> {
        self.file.write_all(piece).await?;
        self.hash.update(piece);
        self.length += piece.len() as u64;
        Ok(())
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush().await
    }

    /// Leaves what is worth going on from.
    async fn leave(&mut self, cause: &Cause) -> std::io::Result<()> {
        if matches!(cause, Cause::TooLong { .. }) {
            return self.clear().await;
        }
        self.flush().await
    }

    async fn check(&mut self, remote: &Remote) -> Result<(), Cause> {
        let found = hex(&self.hash.clone().finalize());
        if found == remote.sha256 {
            return Ok(());
        }
        // Nothing wrong is left lying about.
        self.clear().await?;
        Err(Cause::WrongHash {
            expected: remote.sha256.clone(),
            found,
        })
    }
}

/// Part of a file on a server.
#[derive(Debug)]
pub(super) struct FilePart {
    /// Where it begins.
    pub(super) start: u64,
    /// Bytes of the whole file.
    pub(super) length: u64,
    /// What it holds.
    pub(super) bytes: Vec<u8>,
}

/// Bytes of the file that a partial answer is of.
fn length_in(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit_once('/')?.1.parse().ok()
}

/// The first byte of a partial answer.
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// The wait that the server asks for, when it does so in seconds.
fn wait(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}
