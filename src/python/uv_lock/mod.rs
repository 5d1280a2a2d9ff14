//! `uv.lock` (version 1): all packages of a workspace on all platforms, with the edges between them.
//!
//! What is installed for one member is found by a walk: from the member over its dependencies, the chosen extras and
//! groups, along edges whose marker holds. The packages it reaches are handed on in the words of `pylock.toml`, so the
//! choice of files is the same for all locks.
//!
//! Read: registries (also folders and flat pages), addresses, git, paths, folders, editable and virtual members,
//! extras and groups on edges, several versions of a package (forks), declared conflicts. Not decided here: which
//! versions there are; that was uv's doing when it made the lock.

mod convert;
mod said;
mod stale;
#[cfg(test)]
mod tests;
mod walk;

pub use said::{overrides, said, versions};
pub use stale::{members, stale};
pub use walk::locked;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::known::Known;
use crate::diag::{Diagnostic, SourceFile, Span};

/// The newest version of the format that is read; revisions add what may be ignored.
const VERSION: u32 = 1;

/// A lock as written; keys that decide nothing here are left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UvLock {
    version: Spanned<u32>,
    requires_python: Option<Spanned<String>>,
    #[serde(default)]
    conflicts: Vec<toml::Value>,
    #[serde(default)]
    manifest: Manifest,
    #[serde(default)]
    package: Vec<Package>,
}

/// What the workspace decided for all of its packages.
#[derive(Debug, Clone, Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    overrides: Vec<Requirement>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: Spanned<String>,
    version: Option<String>,
    source: Source,
    #[serde(default)]
    dependencies: Vec<Edge>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<Edge>>,
    #[serde(default)]
    dev_dependencies: BTreeMap<String, Vec<Edge>>,
    metadata: Option<Metadata>,
    sdist: Option<File>,
    #[serde(default)]
    wheels: Vec<File>,
}

/// Exactly one of these is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Source {
    registry: Option<String>,
    url: Option<String>,
    git: Option<String>,
    path: Option<String>,
    directory: Option<String>,
    editable: Option<String>,
    r#virtual: Option<String>,
    subdirectory: Option<String>,
}

impl Source {
    /// The folder of the repository that it is, relative to the lock.
    fn folder(&self) -> Option<&str> {
        let folders = [&self.directory, &self.editable, &self.r#virtual];
        folders.into_iter().find_map(Option::as_deref)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Edge {
    name: String,
    version: Option<String>,
    source: Option<Source>,
    marker: Option<Spanned<String>>,
    #[serde(default)]
    extra: Vec<String>,
}

/// What a member said of itself when the lock was made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    #[serde(default)]
    requires_dist: Vec<Requirement>,
    #[serde(default)]
    requires_dev: BTreeMap<String, Vec<Requirement>>,
    #[serde(default)]
    provides_extras: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Requirement {
    name: Spanned<String>,
    #[serde(default)]
    extras: Vec<String>,
    specifier: Option<String>,
    marker: Option<String>,
    #[serde(flatten)]
    source: Source,
}

impl Requirement {
    /// Whether it is bound to a place, which then decides in place of versions.
    fn is_direct(&self) -> bool {
        self.source != Source::default()
    }
}

#[derive(Debug, Clone, Deserialize)]
struct File {
    url: Option<String>,
    path: Option<String>,
    filename: Option<String>,
    hash: Option<String>,
    size: Option<u64>,
}

/// Reads a lock's text, once.
pub fn parse(file: &SourceFile) -> Result<Arc<UvLock>, Diagnostic> {
    static KNOWN: Known<UvLock> = Known::new();
    KNOWN.get(file, read)
}

fn read(file: &SourceFile) -> Result<UvLock, Diagnostic> {
    let lock: UvLock = toml::from_str(file.text()).map_err(|error| {
        let place = error
            .span()
            .map_or(Span::default(), |range| Span::new(range.start, range.end));
        Diagnostic::error(format!("not a valid uv.lock: {}", error.message())).at(file, place)
    })?;
    let version = *lock.version.get_ref();
    if version > VERSION {
        return Err(Diagnostic::error(format!(
            "uv.lock version {version} is newer than this version reads"
        ))
        .at(file, super::pylock::span(&lock.version))
        .help("version 1 is supported; update Wheelwright, or export it: `uv export --format pylock.toml`"));
    }
    Ok(lock)
}
