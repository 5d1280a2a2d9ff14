//! What has to be known of wheels to see whether they go together: what they need, and which paths they write.
//!
//! Facts are small, so that they can be kept where wheels are not: beside a layer that was made of them long ago.
//! Written as JSON, and as one line of text for the label of an image.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::metadata;
use crate::names::normalize;
use crate::plan::Plan;
use crate::wheel::Wheel;

/// Facts of that many bytes are not read: those of a thousand wheels are smaller.
const MOST: u64 = 64 << 20;
/// Bytes of a digest that are told: enough to see that two files differ.
const TOLD: usize = 8;

/// What is known of one wheel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Normalised name of the distribution.
    pub name: String,
    /// Version as its metadata spells it.
    pub version: String,
    /// What it needs, as its metadata spells it (PEP 508).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Beginnings of digests in hex, by path relative to the virtual environment; without its own `.dist-info`, which
    /// no other wheel has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

impl Facts {
    /// The facts of a wheel.
    pub fn of(wheel: &Wheel, layout: &Layout) -> Self {
        let inside = |path: &str| {
            let path = path.strip_prefix(layout.venv()).unwrap_or(path);
            path.trim_start_matches('/').to_owned()
        };
        let files = wheel.files.iter();
        let files = files.filter(|file| !wheel.is_own(&file.path));
        Self {
            name: wheel.name.clone(),
            version: wheel.version.clone(),
            requires: wheel.requires.clone(),
            files: files
                .map(|file| (inside(&file.path), file.digest.beginning(TOLD)))
                .collect(),
        }
    }

    /// What a wheel's `METADATA` says of it by itself: which paths it writes is not known then. None for what is no metadata.
    pub fn of_metadata(text: &[u8]) -> Option<Self> {
        Some(Self {
            name: normalize(&metadata::header(text, "Name")?),
            version: metadata::header(text, "Version")?,
            requires: metadata::headers(text, "Requires-Dist"),
            files: BTreeMap::new(),
        })
    }

    /// The facts of all wheels of a plan, in its order.
    pub fn of_all(plan: &Plan, layout: &Layout) -> Vec<Self> {
        plan.wheels()
            .iter()
            .map(|wheel| Self::of(wheel, layout))
            .collect()
    }

    /// As JSON.
    pub fn to_json(all: &[Self]) -> Vec<u8> {
        serde_json::to_vec(all).expect("strings in maps are always written")
    }

    /// From JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Vec<Self>, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// As one line of text. Its bytes are pinned by a test, since digests of images are made from them.
    pub fn to_line(all: &[Self]) -> String {
        STANDARD.encode(deflated(&Self::to_json(all)))
    }

    /// From such a line.
    pub fn from_line(line: &str) -> Result<Vec<Self>, String> {
        let packed = STANDARD.decode(line).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        let mut reader = DeflateDecoder::new(packed.as_slice()).take(MOST);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        Self::from_json(&bytes)
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len() / 2 + 64);
    let mut deflate = Compress::new(Compression::new(6), false);
    loop {
        packed.reserve(1 << 12);
        let read = usize::try_from(deflate.total_in()).expect("it was in memory");
        let status = deflate
            .compress_vec(&bytes[read..], &mut packed, FlushCompress::Finish)
            .expect("a fresh compressor takes any bytes");
        if status == Status::StreamEnd {
            return packed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Vec<Facts> {
        let file = |n: usize| {
            (
                format!("lib/python3.11/site-packages/a/m{n}.py"),
                format!("{n:016x}"),
            )
        };
        let a = Facts {
            name: "a".to_owned(),
            version: "1.0".to_owned(),
            requires: vec!["b>=2; extra == 'x'".to_owned()],
            files: (0..2000).map(file).collect(),
        };
        vec![a, Facts::default()]
    }

    #[test]
    fn they_come_back_as_they_went() {
        assert_eq!(Facts::from_json(&Facts::to_json(&facts())).unwrap(), facts());
        let line = Facts::to_line(&facts());
        assert_eq!(Facts::from_line(&line).unwrap(), facts());
        assert!(line.len() < Facts::to_json(&facts()).len() / 4, "{}", line.len());
        assert!(Facts::from_line("?").is_err() && Facts::from_line("AAAA").is_err());
    }

    #[test]
    fn metadata_by_itself_tells_what_is_needed() {
        let text = b"Metadata-Version: 2.1\nName: A.b\nVersion: 1.0\nRequires-Dist: c>=1\nrequires-dist: d\n\nRequires-Dist: e\n";
        let facts = Facts::of_metadata(text).unwrap();
        assert_eq!((facts.name.as_str(), facts.version.as_str()), ("a-b", "1.0"));
        assert_eq!(facts.requires, ["c>=1", "d"]);
        assert_eq!(Facts::of_metadata(b"<!DOCTYPE html>\n<html>"), None);
    }

    /// Labels of images are made of these bytes: whoever changes them raises the layout's version.
    #[test]
    fn the_line_is_stable_to_the_byte() {
        let one = [Facts {
            name: "a".to_owned(),
            version: "1.0".to_owned(),
            requires: vec!["b".to_owned()],
            files: [("bin/a".to_owned(), "0011".to_owned())].into(),
        }];
        assert_eq!(
            Facts::to_line(&one),
            "FcdBCoAgEEDRu/y1lG7nKuJCYYKBNFJqI949ersXJy1XRcg4Xu3DroYQNo+j6/1Y14FECslx2PlvUqztGcH7EFgrfQ=="
        );
    }
}
