//! A gzip file of many members: some are the wheel's own streams, some are compressed here.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::output::Output;
use crate::body::{Raw, RawMethod};
use crate::error::Problem;

/// What is compressed here is cut into members of so many bytes, whatever the size of the chunks it comes in.
const PLAIN: usize = 256 << 10;
/// Headers compress to nearly nothing at any level.
const LEVEL: Compression = Compression::new(6);
/// A stored block could hold 64 KiB less one byte; this divides the buffers that contents are read into.
const STORED: usize = 32 << 10;
/// Deflate, no flags, no time, no system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Writes members.
pub(super) struct Gzip<'a> {
    out: Output<'a>,
    /// Bytes that wait for a member of ours.
    plain: Vec<u8>,
    deflate: Compress,
    packed: Vec<u8>,
    /// The member that is passed through, and how many of its stored bytes are still to come.
    passing: Option<(Raw, u64)>,
}

impl<'a> Gzip<'a> {
    pub(super) fn new(out: Output<'a>) -> Self {
        Self {
            out,
            plain: Vec::with_capacity(PLAIN),
            deflate: Compress::new(LEVEL, false),
            packed: Vec::with_capacity(PLAIN + (PLAIN >> 4)),
            passing: None,
        }
    }

    /// Takes bytes to compress.
    pub(super) fn plain(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PLAIN - self.plain.len()));
            self.plain.extend_from_slice(now);
            if self.plain.len() == PLAIN {
                self.flush()?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Starts a member that is passed through.
    pub(super) fn begin(&mut self, raw: Raw) -> Result<(), Problem> {
        self.flush()?;
        self.passing = Some((raw, raw.size));
        self.out.put(&HEADER)
    }

    /// Takes bytes of the member as they lie in the wheel.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let (raw, left) = self.passing.as_mut().expect("a member was begun");
        if raw.method == RawMethod::Deflate {
            return self.out.put(bytes);
        }
        for block in bytes.chunks(STORED) {
            *left -= block.len() as u64;
            let length = u16::try_from(block.len()).expect("blocks are small");
            let [low, high] = length.to_le_bytes();
            self.out.put(&[u8::from(*left == 0), low, high, !low, !high])?;
            self.out.put(block)?;
        }
        Ok(())
    }

    /// Ends the member, whose contents have turned out to be what the wheel says.
    pub(super) fn end(&mut self) -> Result<(), Problem> {
        let (raw, _) = self.passing.take().expect("a member was begun");
        self.trailer(raw.crc, raw.size)
    }

    /// Ends the member that is being filled and tells where the next one starts.
    pub(super) fn boundary(&mut self) -> Result<u64, Problem> {
        self.flush()?;
        Ok(self.out.written)
    }

    /// Compresses what waits.
    fn flush(&mut self) -> Result<(), Problem> {
        if self.plain.is_empty() {
            return Ok(());
        }
        self.deflate.reset();
        self.packed.clear();
        let status = self
            .deflate
            .compress_vec(&self.plain, &mut self.packed, FlushCompress::Finish);
        assert!(
            matches!(status, Ok(Status::StreamEnd)),
            "the buffer has room for data that does not compress"
        );
        let mut crc = Crc::new();
        crc.update(&self.plain);
        self.out.put(&HEADER)?;
        self.out.put(&self.packed)?;
        let size = self.plain.len() as u64;
        self.plain.clear();
        self.trailer(crc.sum(), size)
    }

    /// Writes checksum and length, the latter without what does not fit into 32 bits.
    fn trailer(&mut self, crc: u32, size: u64) -> Result<(), Problem> {
        self.out.put(&crc.to_le_bytes())?;
        self.out.put(&size.to_le_bytes()[..4])
    }

    /// Ends the file with members that are ready. Returns its digest and size.
    pub(super) fn finish(mut self, last: &[u8]) -> Result<(String, u64), Problem> {
        self.flush()?;
        self.out.put(last)?;
        self.out.finish()
    }
}
