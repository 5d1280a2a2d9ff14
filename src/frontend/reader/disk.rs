//! Files from this machine's disk, seen through the same patterns as a transfer of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use buildkit_llb::{State, digest_of};
use serde::{Deserialize, Serialize};

use super::{IGNORE_FILE, Origin, Reader, Shape, own_ignore_file};
use crate::diag::Diagnostic;
use crate::frontend::{Failure, load};
use crate::lower::{LocalContext, escape};
use crate::manifest::ProjectPath;
use crate::tree::follow::way;
use crate::tree::{Entry, Filter, Patterns, walk};

/// Reads from folders.
#[derive(Debug)]
pub(in crate::frontend) struct ByDisk {
    /// The repository.
    pub(in crate::frontend) context: PathBuf,
    /// The manifest.
    pub(in crate::frontend) manifest: PathBuf,
    /// Its name in messages.
    pub(in crate::frontend) name: String,
    /// Takes note.
    pub(in crate::frontend) read: Arc<Mutex<Read>>,
}

/// What was read, by digest, so that it can be told later whether it would still be read like that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    manifest: Option<String>,
    ignored: Option<(String, String)>,
    /// None for what is not there, or is left out.
    files: BTreeMap<String, Option<String>>,
}

impl Read {
    /// The same files as they would be read now; none where that fails. `filename` is the manifest's.
    pub async fn again(&self, origin: &Origin, filename: &str) -> Option<Self> {
        let Origin::Disk {
            context, manifest, ..
        } = origin
        else {
            return None;
        };
        let disk = ByDisk::new(context, manifest, filename);
        disk.manifest().await.ok()?;
        let mut context = LocalContext::default();
        context.excludes = load::ignored(&disk, &context).await.ok()?;
        let paths = self.files.keys().map(|path| path.parse());
        let paths = paths.collect::<Result<Vec<ProjectPath>, _>>().ok()?;
        disk.read(&context, &paths).await.ok()?;
        let read = disk.noted().clone();
        Some(read)
    }
}

impl ByDisk {
    /// `context` is the repository, `folder` that of the manifest, `name` the manifest's.
    pub(in crate::frontend) fn new(context: &Path, folder: &Path, name: &str) -> Self {
        Self {
            context: context.to_owned(),
            manifest: folder.join(name),
            name: name.to_owned(),
            read: Arc::default(),
        }
    }

    fn noted(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Reader for ByDisk {
    async fn manifest(&self) -> Result<Option<Vec<u8>>, Failure> {
        let found = read(&self.manifest, &self.name)?;
        self.noted().manifest = found.as_deref().map(digest_of);
        Ok(found)
    }

    async fn ignore_file(&self, _: &LocalContext) -> Result<Option<(String, Vec<u8>)>, Failure> {
        let own = own_ignore_file(&self.name);
        let beside = own_ignore_file(&self.manifest.to_string_lossy());
        let found = if let Some(bytes) = read(Path::new(&beside), &own)? {
            Some((own, bytes))
        } else {
            let common = read(&self.context.join(IGNORE_FILE), IGNORE_FILE)?;
            common.map(|bytes| (IGNORE_FILE.to_owned(), bytes))
        };
        self.noted().ignored = found
            .as_ref()
            .map(|(name, bytes)| (name.clone(), digest_of(bytes)));
        Ok(found)
    }

    async fn read(
        &self,
        context: &LocalContext,
        paths: &[ProjectPath],
    ) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let one = |path: &ProjectPath| match look(&self.context, context, path)? {
            Some(entry) if entry.has_content() => read(&self.context.join(&entry.path), path.as_str()),
            _ => Ok(None),
        };
        let found = paths.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let digests = found.iter().map(|bytes| bytes.as_deref().map(digest_of));
        let named = paths.iter().map(|path| path.as_str().to_owned());
        self.noted().files.extend(named.zip(digests));
        Ok(found)
    }

    async fn shapes(
        &self,
        context: &LocalContext,
        _: &State,
        paths: &[ProjectPath],
    ) -> Result<Vec<Option<Shape>>, Failure> {
        let shape = |entry: Entry| {
            if entry.is_folder() {
                Shape::Folder
            } else {
                Shape::File
            }
        };
        let one = |path: &ProjectPath| match path.as_str() {
            "." => Ok(Some(Shape::Folder)),
            _ => Ok(look(&self.context, context, path)?.map(shape)),
        };
        paths.iter().map(one).collect()
    }

    fn beside(&self, path: &ProjectPath) -> Vec<ProjectPath> {
        let folder = path.parent();
        let Ok(entries) = fs_err::read_dir(self.context.join(folder.as_str())) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| folder.join(&name).ok()).collect()
    }
}

/// What a transfer of one path would show of it, or of what it is a link to. Links stay in the repository, and a link
/// that is left out is not followed.
fn look(root: &Path, context: &LocalContext, path: &ProjectPath) -> Result<Option<Entry>, Failure> {
    let mut found = None;
    for step in way(root, path.as_str()).unwrap_or_default() {
        found = show(root, context, &step)?;
        if found.is_none() {
            break;
        }
    }
    Ok(found)
}

/// What a transfer of one name would show of it. The walk goes no further than there.
fn show(root: &Path, context: &LocalContext, name: &str) -> Result<Option<Entry>, Failure> {
    let patterns = |list: &mut dyn Iterator<Item = String>| {
        Patterns::new(list).map_err(|error| Failure::from(Diagnostic::error(error.to_string())))
    };
    let include = patterns(&mut std::iter::once(escape(name)))?;
    let exclude = patterns(&mut context.excludes.iter().cloned())?;
    let mut found = None;
    let visit = |entry: Entry| {
        if entry.path == name {
            found = Some(entry);
        }
        found.is_none()
    };
    walk(root, &Filter::new(include, exclude), visit).map_err(|error| unreadable(name, &error))?;
    Ok(found)
}

fn read(path: &Path, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(unreadable(name, &error)),
    }
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> Failure {
    Diagnostic::error(format!("`{name}` cannot be read: {error}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> (tempfile::TempDir, ByDisk) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a/b.txt", "1"),
            ("a/c/d.txt", "2"),
            ("out/x.txt", "3"),
            ("out/keep.txt", "4"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for (target, link) in [
            ("b.txt", "a/link.txt"),
            ("a", "folder"),
            ("a/c", "left_out"),
            ("../outside", "above"),
        ] {
            std::os::unix::fs::symlink(target, folder.path().join(link)).unwrap();
        }
        let disk = ByDisk::new(folder.path(), folder.path(), "wheelwright.yaml");
        (folder, disk)
    }

    fn context() -> LocalContext {
        LocalContext {
            excludes: ["out", "!out/keep.txt", "a/c"].map(str::to_owned).to_vec(),
            ..LocalContext::default()
        }
    }

    fn paths(names: &[&str]) -> Vec<ProjectPath> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn files_are_seen_as_a_transfer_would_show_them() {
        let (_folder, disk) = project();
        let asked = paths(&["a/b.txt", "a/c/d.txt", "out/keep.txt", "none", "a", "a/link.txt"]);
        let found = disk.read(&context(), &asked).await.unwrap();
        let found = found.iter().map(Option::as_deref).collect::<Vec<_>>();
        assert_eq!(found, [Some(&b"1"[..]), None, Some(b"4"), None, None, Some(b"1")]);
    }

    #[tokio::test]
    async fn a_folder_with_an_exception_in_it_is_there() {
        let (_folder, disk) = project();
        let asked = paths(&[".", "a", "out", "a/c", "out/x.txt", "a/link.txt", "b"]);
        let found = disk.shapes(&context(), &State::scratch(), &asked).await.unwrap();
        let (folder, file) = (Some(Shape::Folder), Some(Shape::File));
        assert_eq!(found, [folder, folder, folder, None, None, file, None]);
    }

    #[tokio::test]
    async fn links_are_followed_inside_of_what_is_sent() {
        let (_folder, disk) = project();
        let asked = paths(&["folder/b.txt", "folder", "left_out/d.txt", "above"]);
        let found = disk.shapes(&context(), &State::scratch(), &asked).await.unwrap();
        assert_eq!(found, [Some(Shape::File), Some(Shape::Folder), None, None]);
    }

    #[tokio::test]
    async fn the_manifests_own_ignore_file_counts_and_a_missing_manifest_is_none() {
        let (folder, mut disk) = project();
        disk.manifest = folder.path().join("a/ww.yaml");
        disk.name = "ww.yaml".to_owned();
        std::fs::write(folder.path().join(".dockerignore"), "x").unwrap();
        let found = disk.ignore_file(&context()).await.unwrap();
        assert_eq!(found, Some((".dockerignore".to_owned(), b"x".to_vec())));
        std::fs::write(folder.path().join("a/ww.yaml.dockerignore"), "y").unwrap();
        let found = disk.ignore_file(&context()).await.unwrap();
        assert_eq!(found, Some(("ww.yaml.dockerignore".to_owned(), b"y".to_vec())));
        assert_eq!(disk.manifest().await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_was_read_is_told_from_what_would_be_read_now() {
        let (folder, disk) = project();
        let at = |path: &str| folder.path().join(path);
        std::fs::write(at("wheelwright.yaml"), "name: x").unwrap();
        std::fs::write(at(".dockerignore"), "out").unwrap();
        let origin = Origin::Disk {
            context: folder.path().to_owned(),
            manifest: folder.path().to_owned(),
            read: Arc::default(),
        };
        disk.manifest().await.unwrap();
        let context = LocalContext {
            excludes: load::ignored(&disk, &LocalContext::default()).await.unwrap(),
            ..LocalContext::default()
        };
        let asked = paths(&["a/link.txt", "out/x.txt", "later.lock"]);
        disk.read(&context, &asked).await.unwrap();
        let read = disk.noted().clone();
        let now = async || read.again(&origin, "wheelwright.yaml").await.unwrap();
        assert_eq!(now().await, read);

        std::fs::write(at("out/x.txt"), "other").unwrap();
        std::fs::write(at("a/c/d.txt"), "other").unwrap();
        assert_eq!(now().await, read, "left out, and never asked for");
        for (path, text, back) in [
            ("a/b.txt", "other", Some("1")),
            ("later.lock", "it is there now", None),
            (".dockerignore", "a", Some("out")),
            ("wheelwright.yaml.dockerignore", "a", None),
            ("wheelwright.yaml", "name: y", Some("name: x")),
        ] {
            std::fs::write(at(path), text).unwrap();
            assert_ne!(now().await, read, "{path}");
            match back {
                Some(text) => std::fs::write(at(path), text).unwrap(),
                None => std::fs::remove_file(at(path)).unwrap(),
            }
            assert_eq!(now().await, read, "{path} as before");
        }
    }
}
