//! Headers of a tar archive in the POSIX formats: ustar, and pax records for what ustar has no room for.
//!
//! Everything belongs to 0:0 without names and has the time stamp [`EPOCH`].

use crate::EPOCH;

/// Everything in a tar archive fills blocks of this size.
const BLOCK: usize = 512;
/// What ends an archive.
pub(super) const END: &[u8] = &[0; 2 * BLOCK];

/// Bytes of the name field.
const NAME: usize = 100;
/// The size field holds eleven octal digits.
const MAX_SIZE: u64 = 0o77_777_777_777;
/// The name of pax records, for tools that do not know them.
const PAX: &str = "././@PaxHeader";

/// Spells a directory.
pub(super) fn directory(path: &str) -> Vec<u8> {
    entry(&format!("{path}/"), 0o755, 0, b'5')
}

/// Spells a regular file; its contents and their [`padding`] are to follow.
pub(super) fn file(path: &str, executable: bool, size: u64) -> Vec<u8> {
    entry(path, if executable { 0o755 } else { 0o644 }, size, b'0')
}

/// Fills the last block of contents.
pub(super) fn padding(size: u64) -> &'static [u8] {
    let over = usize::try_from(size % BLOCK as u64).expect("less than a block");
    &END[..(BLOCK - over) % BLOCK]
}

fn entry(path: &str, mode: u32, size: u64, kind: u8) -> Vec<u8> {
    let mut records = String::new();
    let mut short = path;
    if path.len() > NAME || !path.is_ascii() {
        records.push_str(&record("path", path));
        short = PAX;
    }
    let mut short_size = size;
    if size > MAX_SIZE {
        records.push_str(&record("size", &size.to_string()));
        short_size = 0;
    }
    let mut blocks = Vec::new();
    if !records.is_empty() {
        blocks.extend(header(PAX, 0o644, records.len() as u64, b'x'));
        blocks.extend(records.as_bytes());
        blocks.extend(padding(records.len() as u64));
    }
    blocks.extend(header(short, mode, short_size, kind));
    blocks
}

/// One pax record: its own length in decimal, a space, `KEY=VALUE`, a line feed.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn header(name: &str, mode: u32, size: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000"); // owner
    put(116, "0000000"); // group
    put(124, &format!("{size:011o}"));
    put(136, &format!("{EPOCH:011o}"));
    put(148, "        "); // the checksum counts as blanks
    put(156, char::from(kind).encode_utf8(&mut [0; 4]));
    put(257, "ustar\x0000");
    put(329, "0000000"); // device, major
    put(337, "0000000"); // device, minor
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(block: &[u8], at: usize, length: usize) -> &str {
        std::str::from_utf8(&block[at..at + length]).unwrap()
    }

    #[test]
    fn short_names_take_one_block() {
        let block = file("opt/venv/bin/x", true, 8);
        assert_eq!(block.len(), BLOCK);
        assert_eq!(text(&block, 0, 15), "opt/venv/bin/x\0");
        assert_eq!(text(&block, 100, 8), "0000755\0");
        assert_eq!(text(&block, 124, 12), "00000000010\0");
        assert_eq!(text(&block, 136, 12), "02263523000\0");
        assert_eq!(text(&block, 156, 1), "0");
        assert_eq!(text(&directory("opt"), 0, 5), "opt/\0");
    }

    #[test]
    fn names_of_a_hundred_bytes_are_short() {
        assert_eq!(file(&"x".repeat(100), false, 0).len(), BLOCK);
        assert_eq!(file(&"x".repeat(101), false, 0).len(), 3 * BLOCK);
        assert_eq!(directory(&"x".repeat(99)).len(), BLOCK);
        assert_eq!(directory(&"x".repeat(100)).len(), 3 * BLOCK);
    }

    #[test]
    fn pax_records_count_themselves() {
        assert_eq!(record("path", "ü"), "11 path=ü\n");
        assert_eq!(record("path", &"x".repeat(90)).find(' '), Some(2));
        for length in 1..1100 {
            let record = record("path", &"x".repeat(length));
            assert!(record.starts_with(&format!("{} ", record.len())));
        }
    }

    #[test]
    fn large_sizes_go_into_a_record() {
        assert_eq!(file("x", false, MAX_SIZE).len(), BLOCK);
        let blocks = file("x", false, MAX_SIZE + 1);
        assert_eq!(text(&blocks, BLOCK, 19), "19 size=8589934592\n");
    }

    #[test]
    fn padding_fills_blocks() {
        for (size, padded) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size).len(), padded);
        }
    }
}
