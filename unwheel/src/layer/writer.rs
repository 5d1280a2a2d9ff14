//! The sink: a tar archive on its way into one of the packers.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::gzip::Gzip;
use super::output::{Output, digest_of};
use super::toc::{self, Toc};
#[cfg(feature = "zstd")]
use super::zstd::Zstd;
use super::{Layer, LayerFormat, tar};
use crate::body::{Body, Each};
use crate::error::Problem;
use crate::sink::Sink;

/// Smaller files share a gzip member with what is around them: a member of its own costs more than it saves.
const SMALLEST: u64 = 4 << 10;

/// Takes files in order.
pub(super) struct Writer<'a> {
    packer: Packer<'a>,
    account: Account,
}

enum Packer<'a> {
    Gzip(Gzip<'a>),
    #[cfg(feature = "zstd")]
    Zstd(Zstd<'a>),
}

/// What is known of the archive so far.
struct Account {
    digest: Sha256,
    size: u64,
    toc: Option<Toc>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(format: LayerFormat, out: &'a mut dyn Write) -> Result<Self, Problem> {
        let out = Output::new(out);
        let packer = match format {
            LayerFormat::Gzip | LayerFormat::Estargz => Packer::Gzip(Gzip::new(out)),
            #[cfg(feature = "zstd")]
            LayerFormat::Zstd { level } => Packer::Zstd(Zstd::new(out, level)?),
        };
        let mut writer = Self {
            packer,
            account: Account {
                digest: Sha256::new(),
                size: 0,
                toc: (format == LayerFormat::Estargz).then(Toc::new),
            },
        };
        if writer.account.toc.is_some() {
            let (name, contents) = toc::LANDMARK;
            writer.file_with(name, false, contents.len() as u64, |writer| {
                writer.contents(contents)
            })?;
        }
        Ok(writer)
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Result<Layer, Problem> {
        let mut footer = Vec::new();
        let mut toc_digest = None;
        if let Some(toc) = self.account.toc.take() {
            let (table, digest) = toc.finish();
            footer = toc::footer(self.packer.boundary()?);
            toc_digest = Some(digest);
            self.file_with(toc::NAME, false, table.len() as u64, |writer| {
                writer.contents(&table)
            })?;
        }
        self.headers(tar::END)?;
        let (digest, size) = match self.packer {
            Packer::Gzip(gzip) => gzip.finish(&footer)?,
            #[cfg(feature = "zstd")]
            Packer::Zstd(zstd) => zstd.finish()?,
        };
        Ok(Layer {
            digest,
            diff_id: digest_of(self.account.digest),
            size,
            unpacked: self.account.size,
            toc_digest,
        })
    }

    /// Writes a file whose contents come from a function.
    pub(super) fn file_with(
        &mut self,
        path: &str,
        executable: bool,
        size: u64,
        contents: impl FnOnce(&mut Self) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.headers(&tar::file(path, executable, size))?;
        if let Some(toc) = &mut self.account.toc {
            toc.begin(path, executable, size, self.packer.boundary()?);
        }
        contents(self)?;
        if let Some(toc) = &mut self.account.toc {
            toc.end();
        }
        self.headers(tar::padding(size))
    }

    /// Writes the contents of a file of a wheel, through if they can pass.
    fn body(&mut self, body: Body<'_>) -> Result<(), Problem> {
        // A table refers to files by the members they start, so there every file has its own anyway.
        let smallest = if self.account.toc.is_some() { 1 } else { SMALLEST };
        let raw = body.raw().filter(|raw| raw.size >= smallest);
        let Self { packer, account } = self;
        let (Packer::Gzip(gzip), Some(raw)) = (&mut *packer, raw) else {
            return account.body(body, &mut |_| Ok(()), &mut |chunk| packer.plain(chunk));
        };
        gzip.begin(raw)?;
        account.body(body, &mut |packed| gzip.pass(packed), &mut |_| Ok(()))?;
        gzip.end()
    }

    /// Takes contents that the packer has to compress.
    pub(super) fn contents(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.account.contents(bytes);
        self.packer.plain(bytes)
    }

    /// Takes what is between contents.
    fn headers(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.account.headers(bytes);
        self.packer.plain(bytes)
    }
}

impl Sink for Writer<'_> {
    fn directory(&mut self, path: &str) -> Result<(), Problem> {
        if let Some(toc) = &mut self.account.toc {
            toc.directory(path);
        }
        self.headers(&tar::directory(path))
    }

    fn file(&mut self, path: &str, executable: bool, size: u64, body: Body<'_>) -> Result<(), Problem> {
        self.file_with(path, executable, size, |writer| writer.body(body))
    }
}

impl Packer<'_> {
    fn plain(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        match self {
            Self::Gzip(gzip) => gzip.plain(bytes),
            #[cfg(feature = "zstd")]
            Self::Zstd(zstd) => zstd.plain(bytes),
        }
    }

    /// Where the next member starts; only what is made of members has a table that asks.
    fn boundary(&mut self) -> Result<u64, Problem> {
        match self {
            Self::Gzip(gzip) => gzip.boundary(),
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => Ok(0),
        }
    }
}

impl Account {
    fn headers(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Streams the contents of a file of a wheel past.
    fn body(&mut self, body: Body<'_>, packed: Each<'_>, each: Each<'_>) -> Result<(), Problem> {
        let Self { digest, size, toc } = self;
        body.stream_hashed(digest, packed, &mut |chunk| {
            *size += chunk.len() as u64;
            if let Some(toc) = toc {
                toc.contents(chunk);
            }
            each(chunk)
        })
    }

    fn contents(&mut self, bytes: &[u8]) {
        if let Some(toc) = &mut self.toc {
            toc.contents(bytes);
        }
        self.headers(bytes);
    }
}
