//! Where ready wheel layers are kept: a repository of a registry, and how its layers are packed.

use std::fmt;
use std::str::FromStr;

use buildkit_llb::normalize_reference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diag::Spanned;

/// The wheel store: a repository, or a repository and more.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum WheelStore {
    /// Only the repository, such as registry.example/wheels.
    Short(Spanned<Repository>),
    /// With settings.
    Long(LongWheelStore),
}

/// A wheel store with settings.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LongWheelStore {
    /// The repository, such as registry.example/wheels.
    pub repository: Spanned<Repository>,
    /// How layers are packed: gzip (default), zstd or estargz.
    pub format: Option<Spanned<LayerFormat>>,
}

impl WheelStore {
    /// The repository.
    pub fn repository(&self) -> &Spanned<Repository> {
        match self {
            Self::Short(repository) => repository,
            Self::Long(long) => &long.repository,
        }
    }

    /// How its layers are packed.
    pub fn format(&self) -> LayerFormat {
        match self {
            Self::Short(_) => LayerFormat::default(),
            Self::Long(long) => long
                .format
                .as_ref()
                .map(|format| format.value)
                .unwrap_or_default(),
        }
    }
}

/// How a layer's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LayerFormat {
    /// Gzip members: every engine takes it, and wheels need not be compressed again.
    #[default]
    Gzip,
    /// Zstandard: smaller and quicker to unpack, slower to make.
    Zstd,
    /// Gzip with a table of contents, for the stargz snapshotter; every engine takes it as gzip.
    Estargz,
}

impl LayerFormat {
    /// All formats, the default first.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Zstd, Self::Estargz];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Estargz => "estargz",
        }
    }
}

impl fmt::Display for LayerFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LayerFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| "known: gzip, zstd, estargz".to_owned())
    }
}

/// A repository of a registry, in full: `docker.io/library/wheels` where Docker would write `wheels`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", inline)]
pub struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// The registry, with its port where one is named.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository inside the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The reference of a tag.
    pub fn tagged(&self, tag: &str) -> String {
        format!("{self}:{tag}")
    }

    /// The reference of a digest.
    pub fn at(&self, digest: &str) -> String {
        format!("{self}@{digest}")
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl Serialize for Repository {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let full = normalize_reference(text).map_err(|error| error.to_string())?;
        // What has a tag or a digest of its own is left as it is written.
        let name = full
            .strip_suffix(":latest")
            .filter(|_| !text.ends_with(":latest"))
            .ok_or("layers have tags of their own; remove the tag or digest")?;
        let (host, path) = name
            .split_once('/')
            .ok_or("expected a registry and a repository")?;
        Ok(Self {
            host: host.to_owned(),
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_no_tag() {
        let repository = |text: &str| text.parse::<Repository>().map(|known| known.to_string());
        assert_eq!(
            repository("127.0.0.1:5000/wheels").unwrap(),
            "127.0.0.1:5000/wheels"
        );
        assert_eq!(repository("me/wheels").unwrap(), "docker.io/me/wheels");
        for bad in [
            "r.example/w:1",
            "r.example/w:latest",
            &format!("r.example/w@sha256:{}", "0".repeat(64)),
            "https://r.example/w",
            "",
        ] {
            assert!(repository(bad).is_err(), "{bad}");
        }
    }
}
