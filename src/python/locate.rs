//! Where a lock's files, folders and commits are: its addresses and paths as artifacts.

use percent_encoding::percent_decode_str;

use super::artifact::{Artifact, Checkout, Folder, Locked, Origin};
use super::name::PackageName;
use super::pylock::{Archive, Directory, File, Package, Vcs, span};
use crate::diag::{Diagnostic, SourceFile, Span};
use crate::manifest::ProjectPath;

/// Where the paths in a lock begin, as absolute paths of the place where it was made.
#[derive(Debug, Clone, Copy)]
pub struct Anchor<'a> {
    /// The lock's folder, which its paths are relative to.
    pub lock: &'a str,
    /// The repository.
    pub repository: &'a str,
}

impl<'a> Anchor<'a> {
    /// A lock that is part of the repository, by its path in it.
    pub fn beside(path: &'a str) -> Self {
        Self {
            lock: path.rsplit_once('/').map_or("", |(folder, _)| folder),
            repository: "",
        }
    }

    /// A path of the lock as a path of the repository.
    pub fn path(&self, text: &str) -> Result<ProjectPath, String> {
        let absolute = if text.starts_with('/') {
            text.to_owned()
        } else {
            format!("{}/{text}", self.lock)
        };
        let cleaned: ProjectPath = absolute.trim_start_matches('/').parse()?;
        let root = self.repository.trim_start_matches('/');
        if root.is_empty() {
            let foreign = "absolute paths are not the same on two machines; write it relative to the lock";
            return if text.starts_with('/') {
                Err(foreign.to_owned())
            } else {
                Ok(cleaned)
            };
        }
        match cleaned.as_str().strip_prefix(root) {
            Some("") => ".".parse(),
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/').parse(),
            _ => Err("the path leaves the repository; only what is inside it can be used".to_owned()),
        }
    }
}

/// Turns what a lock says of anchor into artifacts.
#[derive(Debug)]
pub(super) struct Locate<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) anchor: Anchor<'a>,
}

impl Locate<'_> {
    /// A package that comes from no index: a folder, a commit, an archive. None for all others.
    pub(super) fn direct(
        &self,
        name: &PackageName,
        package: &Package,
    ) -> Option<Result<Artifact, Diagnostic>> {
        let found = match (&package.directory, &package.vcs, &package.archive) {
            (Some(directory), ..) => self.directory(directory.get_ref(), span(directory)),
            (_, Some(vcs), _) => self.vcs(name, vcs.get_ref(), span(vcs)),
            (.., Some(archive)) => self.archive(name, archive.get_ref(), span(archive)),
            _ => return None,
        };
        Some(found)
    }

    fn directory(&self, directory: &Directory, at: Span) -> Result<Artifact, Diagnostic> {
        let path = match &directory.subdirectory {
            Some(inner) => format!("{}/{inner}", directory.path),
            None => directory.path.clone(),
        };
        Ok(Artifact::Directory(Folder {
            path: self.path(&path, at)?,
            without: directory.without.clone(),
            only: Vec::new(),
        }))
    }

    fn vcs(&self, name: &PackageName, vcs: &Vcs, at: Span) -> Result<Artifact, Diagnostic> {
        let wrong = |message: String| Diagnostic::error(message).at(self.file, at);
        if vcs.r#type != "git" {
            return Err(wrong(format!(
                "`{name}` comes from {}, which cannot be built",
                vcs.r#type
            ))
            .help("git is supported; publish others to an index"));
        }
        let url = vcs
            .url
            .clone()
            .ok_or_else(|| wrong(format!("the repository of `{name}` has no address")))?;
        let subdirectory = vcs.subdirectory.as_deref().map(str::parse).transpose();
        Ok(Artifact::Vcs(Checkout {
            url,
            commit: commit(&vcs.commit_id)
                .ok_or_else(|| wrong(format!("`{}` is not a full commit id", vcs.commit_id)))?,
            subdirectory: subdirectory.map_err(wrong)?,
        }))
    }

    fn archive(&self, name: &PackageName, archive: &Archive, at: Span) -> Result<Artifact, Diagnostic> {
        if archive.subdirectory.is_some() {
            return Err(Diagnostic::error(format!(
                "`{name}` is in a folder of an archive, which cannot be built"
            ))
            .at(self.file, at)
            .help("take it from its repository, or publish it to an index"));
        }
        let file = self.file(&archive.file, at)?;
        let wheel = file.filename.strip_suffix(".whl").is_some();
        Ok(if wheel {
            Artifact::Wheel(file)
        } else {
            Artifact::Source(file)
        })
    }

    /// A file with its digest, from the internet or from the repository.
    pub(super) fn file(&self, file: &File, at: Span) -> Result<Locked, Diagnostic> {
        let wrong = |message: String| Diagnostic::error(message).at(self.file, at);
        // An address writes the `+` of a local version in its own way.
        let filename = percent_decode_str(file.filename())
            .decode_utf8_lossy()
            .into_owned();
        let hash = file
            .hashes
            .sha256
            .as_ref()
            .ok_or_else(|| wrong(format!("`{filename}` has no sha256 in the lock")))?;
        let sha256 = hash
            .parse()
            .map_err(|error| wrong(format!("`{filename}`: {error}")))?;
        let origin = match (&file.url, &file.path) {
            (Some(url), _) if url.starts_with("https://") || url.starts_with("http://") => {
                Origin::Url(url.clone())
            }
            (Some(url), _) => match url.strip_prefix("file://") {
                Some(path) => Origin::Path(self.path(path, at)?),
                None => {
                    return Err(wrong(format!(
                        "`{filename}` has an address that is not http: `{url}`"
                    )));
                }
            },
            (None, Some(path)) => Origin::Path(self.path(path, at)?),
            (None, None) => return Err(wrong(format!("`{filename}` has no address"))),
        };
        Ok(Locked {
            filename,
            origin,
            sha256,
            size: file.size.unwrap_or(0),
        })
    }

    fn path(&self, text: &str, at: Span) -> Result<ProjectPath, Diagnostic> {
        self.anchor.path(text).map_err(|reason| {
            Diagnostic::error(format!("`{text}` cannot be used"))
                .at(self.file, at)
                .help(reason)
        })
    }
}

/// A full commit id in lowercase.
pub(crate) fn commit(text: &str) -> Option<String> {
    let full = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    full.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_lock_become_paths_of_the_repository() {
        let path = |anchor: Anchor<'_>, text: &str| anchor.path(text).map(|path| path.to_string());
        let beside = Anchor::beside("services/api/pylock.toml");
        assert_eq!(path(beside, "../common").as_deref(), Ok("services/common"));
        assert_eq!(path(beside, ".").as_deref(), Ok("services/api"));
        assert!(path(beside, "../../../x").is_err());
        assert!(path(beside, "/home/x").is_err());
        let resolved = Anchor {
            lock: "/out",
            repository: "/run/requirements",
        };
        assert_eq!(
            path(resolved, "../run/requirements/libs/a").as_deref(),
            Ok("libs/a")
        );
        assert_eq!(path(resolved, "/run/requirements").as_deref(), Ok("."));
        assert!(path(resolved, "../run/other").is_err());
    }
}
