//! The key of a wheel layer.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Version of how wheels are laid down; part of every key. Raised whenever the same wheels would give other bytes.
pub const LAYOUT: u32 = 1;

/// Sha256 over what a layer is made of, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerKey(String);

impl LayerKey {
    /// The key of these wheels laid down at `venv` for Python `minor`. Each input is a line; the order of wheels
    /// does not matter.
    pub fn new<'a>(wheels: impl IntoIterator<Item = &'a str>, venv: &str, minor: &str) -> Self {
        let mut wheels = wheels.into_iter().collect::<Vec<_>>();
        wheels.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(format!("layout {LAYOUT}\nvenv {venv}\npython {minor}\n"));
        for wheel in wheels {
            hash.update(format!("wheel {wheel}\n"));
        }
        Self(hex(&hash.finalize()))
    }

    /// The key in hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes in lowercase hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl fmt::Display for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for LayerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
