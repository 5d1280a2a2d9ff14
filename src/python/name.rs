//! Package names, compared as PEP 503 says.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A normalised package name: lowercase, with single dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

impl PackageName {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !edge(text.chars().next()) || !edge(text.chars().last()) || !text.chars().all(inside) {
            return Err(format!("`{text}` is not a package name"));
        }
        Ok(Self(unwheel::normalize(text)))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PackageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_normalised() {
        let name = |text: &str| text.parse::<PackageName>().map(|name| name.to_string());
        assert_eq!(name("Discord.py").as_deref(), Ok("discord-py"));
        assert_eq!(name("a__b-.c").as_deref(), Ok("a-b-c"));
        assert!(name("-a").is_err());
        assert!(name("a b").is_err());
    }
}
