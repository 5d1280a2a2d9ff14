//! The sink that makes image layers: a tar archive, compressed, with the digests by which an image refers to it.
//!
//! Nothing is compressed again that a wheel has compressed already. A zip entry is a raw deflate stream with its
//! CRC-32 and its length, which is all that a gzip member consists of, and a gzip file is any number of members in
//! a row (RFC 1952, section 2.2). So the large files of a wheel pass through as they are; the tar headers between
//! them, and what is small or generated, go into members of our own.
//!
//! - `writer` is the sink; `tar` spells its headers; `tree` fills it from a folder instead of wheels;
//! - `gzip` writes members, `zstd` compresses anew, `toc` adds what eStargz has beyond gzip;
//! - `output` counts and hashes what is written.
//!
//! A layer depends on its wheels, the layout and the format alone: no clock, no names of users, no number of
//! threads. Equal layers can be made on any machine. What decides their bytes is therefore pinned in these files, and
//! a test holds digests against it: a change of any of them needs a new layout version wherever layers are keyed.

mod gzip;
mod output;
mod tar;
mod toc;
mod tree;
mod writer;
#[cfg(feature = "zstd")]
mod zstd;

use std::io::Write;
use std::num::NonZeroUsize;

use crate::error::{Error, ErrorKind, Problem};
use crate::plan::Plan;
pub use tree::write_tree;
use writer::Writer;

/// Image layers give names that start so a meaning of their own: they delete.
const WHITEOUT: &str = ".wh.";

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerFormat {
    /// gzip, made of the wheels' own deflate streams.
    Gzip,
    /// gzip with a table of contents, from which the stargz snapshotter starts containers before the layer is there.
    /// Two files at the root of the layer belong to it.
    Estargz,
    /// zstd, compressed anew at a level of that library.
    #[cfg(feature = "zstd")]
    Zstd {
        /// 1 to 19; 3 is the library's own choice.
        level: i32,
    },
}

/// A layer that was written, in the terms of the OCI image specification.
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

impl Layer {
    /// What the manifest has to say of the layer for its table of contents to be used, by key.
    pub fn annotations(&self) -> Vec<(&'static str, String)> {
        let Some(toc) = &self.toc_digest else {
            return Vec::new();
        };
        vec![
            ("containerd.io/snapshot/stargz/toc.digest", toc.clone()),
            (
                "io.containers.estargz.uncompressed-size",
                self.unpacked.to_string(),
            ),
        ]
    }
}

/// Writes all files of a plan as one layer. Memory does not grow with the wheels' contents.
///
/// Contents are verified while they are written, so bytes come out before the verdict: unless this returns `Ok`, what
/// was written is to be thrown away. If anything is wrong with a wheel, everything that is wrong is told, as
/// [`crate::install`] does.
pub fn write_layer(plan: &Plan, format: &LayerFormat, out: &mut dyn Write) -> Result<Layer, Vec<Error>> {
    refuse_whiteouts(plan)?;
    let mut writer = Writer::new(*format, out).map_err(unplaced)?;
    plan.emit(&mut writer).map_err(|found| all_errors(plan, found))?;
    writer.finish().map_err(unplaced)
}

/// Files that a layer cannot hold are found before anything is written.
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

fn unplaced(problem: Problem) -> Vec<Error> {
    vec![Error {
        wheel: None,
        entry: None,
        problem,
    }]
}
