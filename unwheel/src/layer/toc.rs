//! eStargz: a gzip layer that can be read file by file before it is there as a whole.
//!
//! Format: <https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md>. Contents of every file start a
//! member; a JSON table, the last file of the archive, says where; a footer of fixed size says where the table is.
//! A large file is one chunk, since its stream can be entered at its beginning only.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::output::digest_of;

/// The table's name in the archive.
pub(super) const NAME: &str = "stargz.index.json";
/// A file that tells snapshotters to fetch nothing before it is asked for: which files of a wheel a program starts
/// with is not known here.
pub(super) const LANDMARK: (&str, &[u8]) = (".no.prefetch.landmark", &[0xf]);
/// [`crate::EPOCH`] as text.
const MODIFIED: &str = "1980-01-01T00:00:00Z";

/// The table of contents, as far as it is known.
#[derive(Serialize)]
pub(super) struct Toc {
    version: u32,
    entries: Vec<Entry>,
    /// Over the contents of the last entry.
    #[serde(skip)]
    hasher: Sha256,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    size: u64,
    modtime: &'static str,
    mode: u32,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_digest: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Toc {
    pub(super) fn new() -> Self {
        Self {
            version: 1,
            entries: Vec::new(),
            hasher: Sha256::new(),
        }
    }

    pub(super) fn directory(&mut self, path: &str) {
        self.entries.push(Entry {
            name: format!("{path}/"),
            kind: "dir",
            size: 0,
            modtime: MODIFIED,
            mode: 0o755,
            offset: 0,
            digest: None,
            chunk_digest: None,
        });
    }

    /// Adds a file whose contents start the member at `offset`; they are to follow.
    pub(super) fn begin(&mut self, path: &str, executable: bool, size: u64, offset: u64) {
        self.entries.push(Entry {
            name: path.to_owned(),
            kind: "reg",
            size,
            modtime: MODIFIED,
            mode: if executable { 0o755 } else { 0o644 },
            offset: if size == 0 { 0 } else { offset },
            digest: None,
            chunk_digest: None,
        });
    }

    /// Takes contents of the last file.
    pub(super) fn contents(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Ends the last file.
    pub(super) fn end(&mut self) {
        let digest = digest_of(std::mem::take(&mut self.hasher));
        let entry = self.entries.last_mut().expect("a file was begun");
        entry.chunk_digest = (entry.size > 0).then(|| digest.clone());
        entry.digest = Some(digest);
    }

    /// Returns the table as it stands in the archive, and its digest.
    pub(super) fn finish(self) -> (Vec<u8>, String) {
        let json = serde_json::to_vec(&self).expect("plain data");
        let digest = digest_of(Sha256::new_with_prefix(&json));
        (json, digest)
    }
}

/// An empty gzip member that says in an extra field where the member with the table starts.
pub(super) fn footer(toc: u64) -> Vec<u8> {
    let field = format!("{toc:016x}STARGZ");
    let length = u8::try_from(field.len()).expect("22 bytes");
    let mut bytes = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
    bytes.extend([length + 4, 0, b'S', b'G', length, 0]);
    bytes.extend(field.as_bytes());
    bytes.extend([1, 0, 0, 0xff, 0xff]); // a last, stored, empty block
    bytes.extend([0; 8]);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_footer_is_an_empty_member_of_51_bytes() {
        let bytes = footer(0xabcd);
        assert_eq!(bytes.len(), 51);
        let mut decoder = flate2::bufread::GzDecoder::new(&*bytes);
        assert_eq!(decoder.read_to_end(&mut Vec::new()).unwrap(), 0);
        let extra = decoder.header().and_then(|header| header.extra()).unwrap();
        assert_eq!(extra, b"SG\x16\x00000000000000abcdSTARGZ");
    }
}
