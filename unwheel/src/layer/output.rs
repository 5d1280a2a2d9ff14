//! The end of the way: bytes are counted and hashed as they leave.

use std::io::{BufWriter, Write};

use sha2::{Digest, Sha256};

use crate::error::Problem;

const BUFFER: usize = 128 << 10;

/// Where compressed bytes go.
pub(super) struct Output<'a> {
    out: BufWriter<&'a mut dyn Write>,
    digest: Sha256,
    /// Bytes so far.
    pub(super) written: u64,
}

impl<'a> Output<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out: BufWriter::with_capacity(BUFFER, out),
            digest: Sha256::new(),
            written: 0,
        }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.write_all(bytes).map_err(failed)
    }

    /// Returns digest and size.
    pub(super) fn finish(mut self) -> Result<(String, u64), Problem> {
        self.out.flush().map_err(failed)?;
        Ok((digest_of(self.digest), self.written))
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write_all(bytes)?;
        self.digest.update(bytes);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Says what failed; no wheel is at fault.
pub(super) fn failed(source: std::io::Error) -> Problem {
    Problem::Io {
        action: "write the layer".to_owned(),
        source,
    }
}

/// Spells a digest as images do.
pub(super) fn digest_of(hasher: Sha256) -> String {
    let mut text = "sha256:".to_owned();
    for byte in hasher.finalize() {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).expect("four bits are a hex digit"));
        }
    }
    text
}
