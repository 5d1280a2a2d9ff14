//! Locks into the repository: all of them or none, each whole.

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::Failure;
use crate::layers::with_records_of;

/// A lock that was written.
pub(super) struct Written {
    /// Relative to the repository.
    pub(super) path: String,
    /// What it says now.
    pub(super) text: String,
}

/// Moves every file of a tree to its place in the repository. Files that say what they said stay as they are.
pub(super) fn all(tree: &Path, repository: &Path) -> Result<Vec<Written>, Failure> {
    let local = |error: std::io::Error| Failure::Local(error.to_string());
    let mut ready = Vec::new();
    let mut written = Vec::new();
    for file in files(tree).map_err(local)? {
        let relative = file.strip_prefix(tree).unwrap_or(&file);
        let place = repository.join(relative);
        let old = fs_err::read_to_string(&place).unwrap_or_default();
        let text = with_records_of(&old, &fs_err::read_to_string(&file).map_err(local)?);
        written.push(Written {
            path: relative.display().to_string(),
            text: text.clone(),
        });
        if old == text {
            continue;
        }
        let folder = place.parent().unwrap_or(repository);
        fs_err::create_dir_all(folder).map_err(local)?;
        let beside = NamedTempFile::new_in(folder).map_err(local)?;
        fs_err::write(beside.path(), text).map_err(local)?;
        readable(beside.path()).map_err(local)?;
        ready.push((beside, place));
    }
    for (beside, place) in ready {
        beside
            .persist(&place)
            .map_err(|error| Failure::Local(format!("`{}`: {}", place.display(), error.error)))?;
    }
    Ok(written)
}

/// Temporary files are for their owner alone; locks are for everyone.
fn readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_is_not_touched() {
        let (tree, repository) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [tree.path(), repository.path()] {
            fs_err::create_dir_all(folder.join("locks")).unwrap();
            fs_err::write(folder.join("locks/a.toml"), "same").unwrap();
        }
        fs_err::write(tree.path().join("b.toml"), "new").unwrap();
        let before = fs_err::metadata(repository.path().join("locks/a.toml")).unwrap();
        let written = all(tree.path(), repository.path()).unwrap();
        assert_eq!(
            written.iter().map(|w| w.path.as_str()).collect::<Vec<_>>(),
            ["b.toml", "locks/a.toml"]
        );
        let after = fs_err::metadata(repository.path().join("locks/a.toml")).unwrap();
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert_eq!(
            fs_err::read_to_string(repository.path().join("b.toml")).unwrap(),
            "new"
        );
        assert_eq!(fs_err::read_dir(repository.path()).unwrap().count(), 2);
    }
}
