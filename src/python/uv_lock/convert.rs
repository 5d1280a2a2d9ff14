//! A package of `uv.lock` in the words of `pylock.toml`.

use super::{File, Package, Source};
use crate::diag::{Diagnostic, SourceFile};
use crate::manifest::ProjectPath;
use crate::python::locate::Anchor;
use crate::python::pylock::{self, Archive, Directory, Vcs, span};

/// The package with its files; none for a virtual one, which is not installed.
pub(super) fn package(
    file: &SourceFile,
    package: &Package,
    anchor: Anchor<'_>,
    folders: &[ProjectPath],
) -> Result<Option<pylock::Package>, Diagnostic> {
    let source = &package.source;
    if source.r#virtual.is_some() {
        return Ok(None);
    }
    let wrong = |message: String| Diagnostic::error(message).at(file, span(&package.name));
    let name = package.name.get_ref();
    let spanned = |value| toml::Spanned::new(package.name.span(), value);
    let mut found = pylock::Package {
        version: package.version.clone(),
        ..pylock::Package::named(package.name.clone())
    };
    if let Some(git) = &source.git {
        let vcs = git_source(git).ok_or_else(|| wrong(format!("`{git}` of `{name}` names no commit")))?;
        found.vcs = Some(toml::Spanned::new(package.name.span(), vcs));
    } else if let Some(folder) = source.folder() {
        found.directory = Some(toml::Spanned::new(
            package.name.span(),
            Directory {
                path: folder.to_owned(),
                subdirectory: None,
                without: inside(folder, anchor, folders),
            },
        ));
    } else if source.url.is_some() || source.path.is_some() {
        let locked = package.wheels.first().or(package.sdist.as_ref());
        let locked = locked.ok_or_else(|| wrong(format!("`{name}` has no file in the lock")))?;
        found.archive = Some(spanned(Archive {
            file: archive(locked, source),
            subdirectory: source.subdirectory.clone(),
        }));
    } else {
        found.wheels = package.wheels.iter().map(|file| registry(file, source)).collect();
        found.sdist = package.sdist.as_ref().map(|file| registry(file, source));
    }
    Ok(Some(found))
}

/// Folders of other packages in a package's own.
fn inside(folder: &str, anchor: Anchor<'_>, folders: &[ProjectPath]) -> Vec<ProjectPath> {
    let Ok(own) = anchor.path(folder) else {
        return Vec::new();
    };
    let within = |other: &&ProjectPath| **other != own && other.is_within(&own);
    folders.iter().filter(within).cloned().collect()
}

fn hashes(hash: Option<&String>) -> pylock::Hashes {
    let sha256 = hash.and_then(|hash| hash.strip_prefix("sha256:"));
    pylock::Hashes {
        sha256: sha256.map(str::to_owned),
    }
}

/// A file of an index: its address, or its path in an index that is a folder.
fn registry(file: &File, source: &Source) -> pylock::File {
    let folder = source.registry.as_deref().unwrap_or_default();
    pylock::File {
        name: file.filename.clone(),
        url: file.url.clone(),
        path: file.path.as_ref().map(|path| format!("{folder}/{path}")),
        size: file.size,
        hashes: hashes(file.hash.as_ref()),
    }
}

/// A file that is the package's source.
fn archive(file: &File, source: &Source) -> pylock::File {
    pylock::File {
        name: file.filename.clone(),
        url: file.url.clone().or_else(|| source.url.clone()),
        path: source.path.clone(),
        size: file.size,
        hashes: hashes(file.hash.as_ref()),
    }
}

/// `https://host/path?subdirectory=sub&rev=main#commit`.
fn git_source(text: &str) -> Option<Vcs> {
    let (address, commit) = text.rsplit_once('#')?;
    let (url, query) = address.split_once('?').unwrap_or((address, ""));
    let subdirectory = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("subdirectory="));
    Some(Vcs {
        r#type: "git".to_owned(),
        url: Some(url.to_owned()),
        commit_id: commit.to_owned(),
        subdirectory: subdirectory.map(|folder| folder.replace("%2F", "/").replace("%2f", "/")),
    })
}
