//! What a package is installed from: a wheel, or something that a wheel is built from.

use serde::Serialize;

use super::name::PackageName;
use crate::manifest::{ProjectPath, Sha256};

/// One package to install and what it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pick {
    /// Package.
    pub name: PackageName,
    /// Version as locked; empty for folders, which say it only when they are built.
    pub version: String,
    /// What it comes from.
    #[serde(flatten)]
    pub artifact: Artifact,
}

/// What a package is installed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Artifact {
    /// A wheel: only unpacked.
    Wheel(Locked),
    /// A source distribution: built to a wheel first.
    Source(Locked),
    /// A folder of the repository: built to a wheel first.
    Directory(Folder),
    /// A commit of a git repository: built to a wheel first.
    Vcs(Checkout),
}

impl Artifact {
    /// The file behind it, where it is one.
    pub fn file(&self) -> Option<&Locked> {
        match self {
            Self::Wheel(file) | Self::Source(file) => Some(file),
            Self::Directory(_) | Self::Vcs(_) => None,
        }
    }

    /// Bytes of the file; zero when nobody knows.
    pub fn size(&self) -> u64 {
        self.file().map_or(0, |file| file.size)
    }

    /// Whether a build comes before it can be laid down.
    pub fn is_built(&self) -> bool {
        !matches!(self, Self::Wheel(_))
    }

    /// Whether equal words here mean equal content. A folder's content is known only to the engine.
    pub fn is_pinned(&self) -> bool {
        !matches!(self, Self::Directory(_))
    }

    /// A line that stands for it in keys: the digest of a file, else the words that name it.
    pub fn identity(&self) -> String {
        match self {
            Self::Wheel(file) | Self::Source(file) => file.sha256.hex().to_owned(),
            Self::Directory(folder) => format!("directory {}", folder.path),
            Self::Vcs(checkout) => format!(
                "git {} {} {}",
                checkout.url,
                checkout.commit,
                checkout.subdirectory.as_ref().map_or("", ProjectPath::as_str)
            ),
        }
    }
}

/// A file with its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Locked {
    /// File name.
    pub filename: String,
    /// Where it is.
    #[serde(flatten)]
    pub origin: Origin,
    /// Its digest.
    pub sha256: Sha256,
    /// Bytes; zero when the lock does not say.
    pub size: u64,
}

impl Locked {
    /// Its address; none for a file of the repository.
    pub fn url(&self) -> Option<&str> {
        match &self.origin {
            Origin::Url(url) => Some(url),
            Origin::Path(_) => None,
        }
    }
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// At an address.
    Url(String),
    /// In the repository.
    Path(ProjectPath),
}

/// A folder of the repository that holds a package's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// The folder.
    pub path: ProjectPath,
    /// What in it belongs to other packages, relative to the repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<ProjectPath>,
    /// What of it the package is made of, as patterns; all of it when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// A commit of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkout {
    /// Address of the repository.
    pub url: String,
    /// Full commit id.
    pub commit: String,
    /// The folder in it that holds the package; none is its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subdirectory: Option<ProjectPath>,
}
