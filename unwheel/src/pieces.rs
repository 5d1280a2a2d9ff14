//! The metadata of a wheel of which only pieces are at hand, such as one on a server that gives parts of files.
//!
//! It decides nothing that is installed, so the archive is not held against the policy of `archive`: what is read of it may
//! be wrong, and nobody relies on it.

use std::cell::Cell;
use std::io::{Error, Read as _};
use std::ops::Range;

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipLocator};

/// Metadata of more bytes is not read.
const MOST: u64 = 16 << 20;
/// Longest record of the central directory.
const RECORD_BUFFER: usize = RECOMMENDED_BUFFER_SIZE + 3 * 0x1_0000;

/// Pieces of an archive.
#[derive(Debug)]
pub struct Pieces {
    length: u64,
    held: Vec<(u64, Vec<u8>)>,
    wanted: Cell<Option<u64>>,
}

/// What came of looking for metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The text.
    Found(Vec<u8>),
    /// The piece that begins here is wanted first.
    Wants(u64),
    /// There is none, or it cannot be read.
    Nothing,
}

impl Pieces {
    /// None yet of an archive of so many bytes.
    pub fn new(length: u64) -> Self {
        Self {
            length,
            held: Vec::new(),
            wanted: Cell::new(None),
        }
    }

    /// Adds what the archive holds from `offset` on.
    pub fn add(&mut self, offset: u64, bytes: Vec<u8>) {
        self.held.push((offset, bytes));
    }

    /// The range of bytes at `offset` that is not held yet, no more than `most`.
    pub fn missing(&self, offset: u64, most: u64) -> Range<u64> {
        let next = self.held.iter().map(|(start, _)| *start);
        let next = next.filter(|start| *start > offset).min().unwrap_or(self.length);
        offset..next.min(offset.saturating_add(most))
    }

    /// Looks for the wheel's `METADATA`.
    pub fn metadata(&self) -> Look {
        self.wanted.set(None);
        match self.look() {
            Some(text) => Look::Found(text),
            None => self.wanted.get().map_or(Look::Nothing, Look::Wants),
        }
    }

    fn look(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; RECORD_BUFFER];
        let located = ZipLocator::new().locate_in_reader(self, &mut buffer, self.length);
        let zip: ZipArchive<&Self> = located.ok()?;
        let mut records = zip.entries(&mut buffer);
        while let Some(record) = records.next_entry().ok()? {
            let path = record.file_path();
            let Ok(name) = std::str::from_utf8(path.as_ref()) else {
                continue;
            };
            let folder = name.strip_suffix(".dist-info/METADATA");
            if folder.is_none_or(|folder| folder.contains('/')) {
                continue;
            }
            let (method, entry) = (record.compression_method(), record.wayfinder());
            let packed = zip.get_entry(entry).ok()?.reader();
            let mut text = Vec::new();
            if method == CompressionMethod::DEFLATE {
                DeflateDecoder::new(packed)
                    .take(MOST)
                    .read_to_end(&mut text)
                    .ok()?;
            } else if method == CompressionMethod::STORE {
                packed.take(MOST).read_to_end(&mut text).ok()?;
            }
            return Some(text);
        }
        None
    }
}

impl ReaderAt for Pieces {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        if offset >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        for (start, bytes) in &self.held {
            let within = offset.checked_sub(*start).and_then(|at| usize::try_from(at).ok());
            if let Some(rest) = within.and_then(|at| bytes.get(at..))
                && !rest.is_empty()
            {
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                return Ok(count);
            }
        }
        self.wanted.set(Some(offset));
        Err(Error::other("this piece is not at hand"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stored archive with one file.
    fn archive(name: &str, text: &[u8], before: usize) -> Vec<u8> {
        let (size, name_size) = (
            u32::try_from(text.len()).unwrap(),
            u16::try_from(name.len()).unwrap(),
        );
        let mut crc = flate2::Crc::new();
        crc.update(text);
        let mut common = vec![0; 8];
        common.extend(crc.sum().to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(name_size.to_le_bytes());
        common.extend([0; 2]);
        let mut bytes = vec![7; before];
        bytes.extend(b"PK\x03\x04\x14\x00");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(text);
        let directory = bytes.len();
        bytes.extend(b"PK\x01\x02\x14\x00\x14\x00");
        bytes.extend(&common);
        bytes.extend([0; 10]);
        bytes.extend(u32::try_from(before).unwrap().to_le_bytes());
        bytes.extend(name.as_bytes());
        let length = bytes.len() - directory;
        bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
        bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(directory).unwrap().to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }

    /// What comes of asking for pieces of `most` bytes, and how often that was.
    fn asked(bytes: &[u8], most: u64) -> (Look, u32) {
        let mut pieces = Pieces::new(bytes.len() as u64);
        for count in 0..100 {
            match pieces.metadata() {
                Look::Wants(offset) => {
                    let range = pieces.missing(offset, most);
                    let (start, end) = (
                        usize::try_from(range.start).unwrap(),
                        usize::try_from(range.end).unwrap(),
                    );
                    pieces.add(range.start, bytes[start..end].to_vec());
                }
                found => return (found, count),
            }
        }
        panic!("it asks forever");
    }

    #[test]
    fn metadata_is_found_in_pieces() {
        let text = b"Metadata-Version: 2.1\nName: a\nVersion: 1\n";
        let bytes = archive("a-1.dist-info/METADATA", text, 100_000);
        for most in [64, 1 << 10, 1 << 20] {
            let (found, count) = asked(&bytes, most);
            assert_eq!(found, Look::Found(text.to_vec()), "in pieces of {most}");
            assert!(most < 1 << 10 || count <= 3, "{count} of {most}");
        }
    }

    #[test]
    fn what_holds_none_ends() {
        let vendored = archive("a/b-1.dist-info/METADATA", b"Name: b\n", 10);
        assert_eq!(asked(&vendored, 1 << 20).0, Look::Nothing);
        assert_eq!(asked(b"<html>no wheel</html>", 1 << 20).0, Look::Nothing);
        assert_eq!(Pieces::new(0).metadata(), Look::Nothing);
    }
}
