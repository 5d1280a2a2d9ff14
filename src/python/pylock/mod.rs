//! `pylock.toml` (PEP 751): every package with its files, sizes and digests. The lock format of Wheelwright.

mod plain;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::known::Known;
use super::name::PackageName;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::manifest::{ProjectPath, Sha256};

/// A lock as written; keys that decide nothing here are left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lock {
    /// Version of the format.
    pub lock_version: Spanned<String>,
    /// Python versions the lock is for.
    pub requires_python: Option<Spanned<String>>,
    /// Groups that are installed when none are asked for.
    #[serde(default)]
    pub default_groups: Vec<String>,
    /// The packages.
    #[serde(default)]
    pub packages: Vec<Package>,
    /// Where in the text begins what is none of a lock's; the whole text where nobody can tell.
    #[serde(skip)]
    pub tools_at: usize,
}

/// One version of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Package {
    /// Name as written.
    pub name: Spanned<String>,
    /// Version; absent for some directories.
    pub version: Option<String>,
    /// When it is installed (PEP 508).
    pub marker: Option<Spanned<String>>,
    /// Python versions it is for.
    pub requires_python: Option<Spanned<String>>,
    /// Its wheels.
    #[serde(default)]
    pub wheels: Vec<File>,
    /// Its source distribution.
    pub sdist: Option<File>,
    /// A checkout.
    pub vcs: Option<Spanned<Vcs>>,
    /// A folder.
    pub directory: Option<Spanned<Directory>>,
    /// An archive by address or path.
    pub archive: Option<Spanned<Archive>>,
}

impl Package {
    /// A package of which nothing else is known yet.
    pub(super) fn named(name: Spanned<String>) -> Self {
        Self {
            name,
            version: None,
            marker: None,
            requires_python: None,
            wheels: Vec::new(),
            sdist: None,
            vcs: None,
            directory: None,
            archive: None,
        }
    }
}

/// A commit of a repository.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Vcs {
    /// Which system, such as git.
    pub r#type: String,
    /// Address of the repository.
    pub url: Option<String>,
    /// The commit.
    pub commit_id: String,
    /// The folder that holds the package.
    pub subdirectory: Option<String>,
}

/// A folder with a package's source.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Directory {
    /// Path relative to the lock.
    pub path: String,
    /// The folder in it that holds the package.
    pub subdirectory: Option<String>,
    /// What in it belongs to other packages, where the lock tells.
    #[serde(skip)]
    pub without: Vec<ProjectPath>,
}

/// A wheel or a source distribution that no index has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Archive {
    /// The file.
    #[serde(flatten)]
    pub file: File,
    /// The folder that holds the package.
    pub subdirectory: Option<String>,
}

/// One file of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct File {
    /// File name; the last part of the address or path when absent.
    pub name: Option<String>,
    /// Where to get it.
    pub url: Option<String>,
    /// Path relative to the lock.
    pub path: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// Its digests.
    pub hashes: Hashes,
}

/// Digests of a file, as far as anybody asks for them: a lock has thousands of files.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Hashes {
    /// In hex.
    pub sha256: Option<String>,
}

impl File {
    /// The file's name.
    pub fn filename(&self) -> &str {
        match (&self.name, &self.url, &self.path) {
            (Some(name), _, _) => name,
            (None, Some(url), _) => {
                let address = url.split_once('?').map_or(url.as_str(), |(address, _)| address);
                last(address.split_once('#').map_or(address, |(address, _)| address))
            }
            (None, None, Some(path)) => last(path),
            (None, None, None) => "",
        }
    }
}

/// What follows the last slash.
fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

impl Lock {
    /// Keeps only files with the digests that a package may have, where any are given.
    pub fn only(
        &mut self,
        file: &SourceFile,
        hashes: &BTreeMap<PackageName, BTreeSet<Sha256>>,
    ) -> Result<(), Diagnostics> {
        let mut mistakes = Diagnostics::default();
        for package in &mut self.packages {
            let name = package.name.get_ref().parse::<PackageName>().ok();
            let Some(allowed) = name.and_then(|name| hashes.get(&name)) else {
                continue;
            };
            let fits = |file: &File| {
                let hash = file.hashes.sha256.as_ref();
                hash.and_then(|hash| hash.parse().ok())
                    .is_some_and(|hash: Sha256| allowed.contains(&hash))
            };
            let had = package.wheels.len() + usize::from(package.sdist.is_some());
            package.wheels.retain(fits);
            package.sdist = package.sdist.take().filter(fits);
            if had > 0 && package.wheels.is_empty() && package.sdist.is_none() {
                let message = format!(
                    "no file of `{}` has a digest that it may have",
                    package.name.get_ref()
                );
                mistakes.push(Diagnostic::error(message).at(file, span(&package.name)).help(
                    "the index has other files than the hashes were made from; make them again, and look why",
                ));
            }
        }
        if mistakes.has_errors() {
            Err(mistakes)
        } else {
            Ok(())
        }
    }
}

/// A span of the toml crate as ours.
pub(super) fn span<T>(spanned: &Spanned<T>) -> Span {
    let range = spanned.span();
    Span::new(range.start, range.end)
}

/// Reads a lock's text, once.
pub fn parse(file: &SourceFile) -> Result<Arc<Lock>, Diagnostic> {
    static KNOWN: Known<Lock> = Known::new();
    KNOWN.get(file, read)
}

/// The part of a lock's text that holds what tools keep there, with the rest where the two cannot be told apart.
pub fn tools(file: &SourceFile) -> &str {
    let at = parse(file).map_or(0, |lock| lock.tools_at);
    &file.text()[at..]
}

fn read(file: &SourceFile) -> Result<Lock, Diagnostic> {
    let lock = match plain::read(file.text()) {
        Some(lock) => lock,
        None => toml::from_str(file.text()).map_err(|error| {
            let place = error
                .span()
                .map_or(Span::default(), |range| Span::new(range.start, range.end));
            Diagnostic::error(format!("not a valid pylock: {}", error.message())).at(file, place)
        })?,
    };
    if lock.lock_version.get_ref().split('.').next() != Some("1") {
        let found = lock.lock_version.get_ref();
        return Err(
            Diagnostic::error(format!("lock version `{found}` is newer than this version reads"))
                .at(file, span(&lock.lock_version))
                .help("version 1 is supported; update Wheelwright or make the lock with an older tool"),
        );
    }
    Ok(lock)
}
