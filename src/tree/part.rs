//! A part of a folder as a local source asks for it, and what tells one state of it from another.

use std::path::Path;

use buildkit_llb::digest_of;
use serde::{Deserialize, Serialize};

use super::follow::{follow, without_nested};
use super::{BadPattern, Entry, Filter, Patterns, walk};

/// Which entries of a folder are wanted, in BuildKit's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// Only what matches one of these; everything when there are none.
    pub include: Vec<String>,
    /// Not what matches one of these.
    pub exclude: Vec<String>,
    /// These paths, with every link on the way to them.
    pub follow: Vec<String>,
}

impl Part {
    /// The filter of a walk through `root`. Links lead where they lead now.
    pub fn filter(&self, root: &Path) -> Result<Filter, BadPattern> {
        let mut include = self.include.clone();
        if !self.follow.is_empty()
            && let Some(followed) = follow(root, &self.follow)
        {
            include.extend(followed);
            include = without_nested(include).unwrap_or_default();
        }
        Ok(Filter::new(
            Patterns::new(include)?,
            Patterns::new(&self.exclude)?,
        ))
    }

    /// A digest of all that tells its entries apart for a transfer: no content is read, and a folder is as old as it likes.
    /// None where the part cannot be walked.
    pub fn fingerprint(&self, root: &Path) -> Option<String> {
        let mut all = Vec::new();
        let filter = self.filter(root).ok()?;
        let walked = walk(root, &filter, |entry| {
            add(&mut all, &entry);
            true
        });
        walked.ok()?;
        Some(digest_of(&all))
    }
}

/// Texts go in with their length, so that no two entries read the same.
fn add(all: &mut Vec<u8>, entry: &Entry) {
    let mut text = |bytes: &[u8]| {
        all.extend((bytes.len() as u64).to_le_bytes());
        all.extend(bytes);
    };
    text(entry.path.as_bytes());
    text(entry.link.as_bytes());
    for (name, value) in &entry.xattrs {
        text(name.as_bytes());
        text(value);
    }
    let modified = if entry.is_folder() { 0 } else { entry.modified };
    let (major, minor) = entry.device;
    all.extend((entry.xattrs.len() as u64).to_le_bytes());
    all.extend(entry.size.to_le_bytes());
    all.extend(modified.to_le_bytes());
    all.extend([entry.mode, major, minor].map(u32::to_le_bytes).concat());
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn part(include: &[&str], exclude: &[&str]) -> Part {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Part {
            include: owned(include),
            exclude: owned(exclude),
            follow: Vec::new(),
        }
    }

    #[test]
    fn a_fingerprint_is_that_of_the_part_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("app/__pycache__")).unwrap();
        fs::write(at("app/main.py"), "1").unwrap();
        fs::write(at("other.py"), "1").unwrap();
        let app = part(&["app"], &["**/*.pyc"]);
        let now = || app.fingerprint(folder.path()).unwrap();
        let first = now();

        fs::write(at("other.py"), "22").unwrap();
        assert_eq!(now(), first, "what is not in the part");
        fs::write(at("app/__pycache__/main.pyc"), "1").unwrap();
        assert_eq!(now(), first, "what is left out, and the age of its folder");

        let file = File::options().write(true).open(at("app/main.py")).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified + Duration::from_nanos(1)).unwrap();
        let later = now();
        assert_ne!(later, first, "a file that was written again");
        fs::set_permissions(at("app/main.py"), Permissions::from_mode(0o755)).unwrap();
        let runs = now();
        assert_ne!(runs, later, "another mode");
        std::os::unix::fs::symlink("main.py", at("app/link")).unwrap();
        let linked = now();
        assert_ne!(linked, runs, "one more file");
        fs::remove_file(at("app/link")).unwrap();
        assert_eq!(now(), runs, "as before");
    }

    #[test]
    fn links_that_are_followed_belong_to_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("real"), "1").unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        let part = Part {
            follow: vec!["link".to_owned()],
            ..Part::default()
        };
        let first = part.fingerprint(folder.path()).unwrap();
        let file = File::options()
            .write(true)
            .open(folder.path().join("real"))
            .unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_ne!(part.fingerprint(folder.path()).unwrap(), first);
        assert_eq!(part.fingerprint(Path::new("/nonexistent")), None);
    }
}
