//! The key of a wheel layer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::Kind;

/// Version of how wheels are laid down; part of every key. Raised whenever the same wheels would give other bytes.
pub const LAYOUT: u32 = 1;

/// Version of how bytecode is compiled; part of the key of every layer of it.
pub const BYTECODE: u32 = 1;

/// Sha256 over what a layer is made of, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerKey(String);

impl LayerKey {
    /// The key of these wheels laid down at `venv` for Python `minor`. Each input is a line; the order of wheels
    /// does not matter.
    pub fn new<'a>(wheels: impl IntoIterator<Item = &'a str>, venv: &str, minor: &str) -> Self {
        Self::of(Kind::Wheels, wheels, venv, minor)
    }

    /// The key of what these wheels become in a layer of a kind. Bytecode is good for every patch version of a minor
    /// one, so the one that compiled it is not in the key.
    pub fn of<'a>(kind: Kind, wheels: impl IntoIterator<Item = &'a str>, venv: &str, minor: &str) -> Self {
        let mut wheels = wheels.into_iter().collect::<Vec<_>>();
        wheels.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(format!("layout {LAYOUT}\nvenv {venv}\npython {minor}\n"));
        if kind == Kind::Bytecode {
            hash.update(format!("bytecode {BYTECODE}\n"));
        }
        for wheel in wheels {
            hash.update(format!("wheel {wheel}\n"));
        }
        Self(hex(&hash.finalize()))
    }

    /// A key from the digest of what it stands for.
    pub(super) fn from_digest(digest: &[u8]) -> Self {
        Self(hex(digest))
    }

    /// The key in hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes in lowercase hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

impl std::str::FromStr for LayerKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| Self(text.to_owned()))
            .ok_or_else(|| format!("`{text}` is not the key of a layer: 64 hexadecimal digits"))
    }
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

impl<'de> Deserialize<'de> for LayerKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
