//! A zstd file: one frame, compressed anew.

use std::io::Write;

use zstd::Encoder;

use super::output::{Output, failed};
use crate::error::Problem;

/// The encoder is fed in pieces of one size, whatever the size of the chunks they come in.
const PIECE: usize = 128 << 10;

/// Writes a frame.
pub(super) struct Zstd<'a> {
    encoder: Encoder<'static, Output<'a>>,
    plain: Vec<u8>,
}

impl<'a> Zstd<'a> {
    pub(super) fn new(out: Output<'a>, level: i32) -> Result<Self, Problem> {
        Ok(Self {
            encoder: Encoder::new(out, level).map_err(failed)?,
            plain: Vec::with_capacity(PIECE),
        })
    }

    /// Takes bytes to compress.
    pub(super) fn plain(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.plain.len()));
            self.plain.extend_from_slice(now);
            if self.plain.len() == PIECE {
                self.flush()?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Problem> {
        let done = self.encoder.write_all(&self.plain);
        self.plain.clear();
        done.map_err(failed)
    }

    /// Returns digest and size of the file.
    pub(super) fn finish(mut self) -> Result<(String, u64), Problem> {
        self.flush()?;
        self.encoder.finish().map_err(failed)?.finish()
    }
}
