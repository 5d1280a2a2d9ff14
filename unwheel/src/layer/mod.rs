//! The sink that makes image layers: a tar archive, compressed, with the digests an image refers to it by.
//!
//! Nothing is compressed again that a wheel has compressed already. A zip entry is a raw deflate stream with its
//! CRC-32 and its length, which is all that a gzip member consists of, and a gzip file is any number of members in
//! a row (RFC 1952, section 2.2). So the large files of a wheel pass through as they are; the tar headers between
//! them, and what is small or generated, go into members of our own.
//!
//! - `tar` spells headers;
//! - `gzip` writes members, `zstd` compresses anew;
//! - `output` counts and hashes what is written.
//!
//! A layer depends on its wheels, the layout and the format alone: no clock, no names of users, no number of
//! threads. Equal layers can be made on any machine. What decides their bytes is therefore pinned here, and
//! a test holds digests against it: a change of any of them needs a new layout version wherever layers are keyed.

mod gzip;
mod output;
mod tar;

use std::io::Write;
use std::num::NonZeroUsize;

use sha2::{Digest, Sha256};

use crate::body::Body;
use crate::error::{Error, ErrorKind, Problem};
use crate::plan::Plan;
use crate::sink::Sink;
use gzip::Gzip;
use output::{Output, digest_of};

/// Overlay file systems and image layers give names that start so a meaning of their own: they delete.
const WHITEOUT: &str = ".wh.";

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerFormat {
    /// gzip, made of the wheels' own deflate streams.
    Gzip,
}

/// A layer that was written, by the terms of the OCI image specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// `sha256:…` of the compressed bytes, by which a manifest refers to the layer.
    pub digest: String,
    /// `sha256:…` of the tar archive, by which an image config refers to it.
    pub diff_id: String,
    /// Compressed bytes.
    pub size: u64,
    /// Bytes of the tar archive.
    pub unpacked: u64,
    /// `sha256:…` of the table of contents, for formats that have one.
    pub toc_digest: Option<String>,
}

/// Writes all files of a plan as one layer. Memory does not grow with the wheels' contents.
///
/// Contents are verified while they are written, so bytes come out before the verdict: unless this returns `Ok`, what
/// was written is to be thrown away. If anything is wrong with a wheel, everything that is wrong is told, as
/// [`crate::install`] does.
pub fn write_layer(plan: &Plan, format: &LayerFormat, out: &mut dyn Write) -> Result<Layer, Vec<Error>> {
    refuse_whiteouts(plan)?;
    let LayerFormat::Gzip = format;
    let mut writer = Writer {
        packer: Gzip::new(Output::new(out)),
        digest: Sha256::new(),
        unpacked: 0,
    };
    plan.emit(&mut writer).map_err(|found| all_errors(plan, found))?;
    writer.finish().map_err(|problem| {
        vec![Error {
            wheel: None,
            entry: None,
            problem,
        }]
    })
}

/// A tar archive on its way into a packer.
struct Writer<'a> {
    packer: Gzip<'a>,
    /// Over the tar archive.
    digest: Sha256,
    unpacked: u64,
}

impl Sink for Writer<'_> {
    fn directory(&mut self, path: &str) -> Result<(), Problem> {
        self.plain(&tar::directory(path))
    }

    fn file(&mut self, path: &str, executable: bool, size: u64, body: Body<'_>) -> Result<(), Problem> {
        self.plain(&tar::file(path, executable, size))?;
        match body.raw().filter(gzip::passes) {
            Some(raw) => {
                self.packer.begin(raw)?;
                let Self {
                    packer,
                    digest,
                    unpacked,
                } = self;
                body.stream_with_raw(&mut |packed| packer.pass(packed), &mut |chunk| {
                    digest.update(chunk);
                    *unpacked += chunk.len() as u64;
                    Ok(())
                })?;
                self.packer.end()?;
            }
            None => body.stream(&mut |chunk| self.plain(chunk))?,
        }
        self.plain(tar::padding(size))
    }
}

impl Writer<'_> {
    /// Takes bytes of the archive that the packer has to compress.
    fn plain(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.digest.update(bytes);
        self.unpacked += bytes.len() as u64;
        self.packer.plain(bytes)
    }

    fn finish(mut self) -> Result<Layer, Problem> {
        self.plain(tar::END)?;
        let (digest, size) = self.packer.finish()?;
        Ok(Layer {
            digest,
            diff_id: digest_of(self.digest),
            size,
            unpacked: self.unpacked,
            toc_digest: None,
        })
    }
}

/// A file that a layer cannot hold is found before anything is written.
fn refuse_whiteouts(plan: &Plan) -> Result<(), Vec<Error>> {
    let is_whiteout = |path: &str| path.split('/').any(|part| part.starts_with(WHITEOUT));
    let errors: Vec<Error> = plan
        .files()
        .filter(|(_, file)| is_whiteout(&file.path))
        .map(|(wheel, file)| Problem::Whiteout.in_entry(&wheel.file_name, &wheel.entry_of(file)))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Writing stops at the first bad file; this goes on to the others.
fn all_errors(plan: &Plan, first: Vec<Error>) -> Vec<Error> {
    if first.iter().any(|error| error.kind() == ErrorKind::Io) {
        return first;
    }
    let all = plan.verify(NonZeroUsize::MIN);
    if all.is_empty() { first } else { all }
}
