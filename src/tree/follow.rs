//! Follow paths: files asked for by name, with every symbolic link on the way.
//!
//! BuildKit asks for `followpaths` where it wants one file and cannot know that it is a link, as it is for the
//! manifest or a requirement file. The answer is a list of include patterns: the links and what they lead to,
//! all inside of the shared directory; a link that points above the root stays at the root.

#[cfg(feature = "command")]
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

#[cfg(feature = "command")]
use super::patterns::Patterns;
use super::patterns::clean;

/// Resolves `paths` below `root` into include patterns, sorted. None means that everything is wanted.
#[cfg(feature = "command")]
pub(crate) fn follow(root: &Path, paths: &[String]) -> Option<Vec<String>> {
    let mut resolved = BTreeSet::new();
    for path in paths {
        resolve(root, path, &mut resolved);
    }
    without_nested(resolved.into_iter().collect())
}

/// Drops patterns under a directory that is itself in the list; a `.` asks for everything.
#[cfg(feature = "command")]
pub(crate) fn without_nested(patterns: Vec<String>) -> Option<Vec<String>> {
    if patterns.iter().any(|pattern| pattern == ".") {
        return None;
    }
    let mut kept: Vec<String> = Vec::new();
    for pattern in patterns {
        let nested = kept.last().and_then(|last| pattern.strip_prefix(last.as_str()));
        if !nested.is_some_and(|rest| rest.starts_with('/')) {
            kept.push(pattern);
        }
    }
    Some(kept)
}

/// How many links may stand in each other's way, as on Linux.
const MAX_LINKS: usize = 40;

/// Every link that a path goes through, and at last what it leads to; none where links go in a circle.
pub(crate) fn way(root: &Path, path: &str) -> Option<Vec<String>> {
    let split = |path: &str| {
        path.split('/')
            .filter(|part| !part.is_empty())
            .rev()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut rest = split(&clean(&format!("/{path}")));
    let (mut way, mut folder) = (Vec::new(), String::new());
    while let Some(part) = rest.pop() {
        let here = if folder.is_empty() {
            part.clone()
        } else {
            format!("{folder}/{part}")
        };
        folder = match link(root, &folder, &part) {
            Some(_) if way.len() == MAX_LINKS => return None,
            Some(target) => {
                way.push(here);
                rest.extend(split(&target));
                String::new()
            }
            None => here,
        };
    }
    way.push(folder);
    Some(way)
}

#[cfg(feature = "command")]
fn resolve(root: &Path, path: &str, resolved: &mut BTreeSet<String>) {
    // Rooted cleaning keeps `..` inside.
    let path = clean(&format!("/{path}"));
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    if parts.peek().is_none() {
        resolved.insert(".".to_owned());
        return;
    }
    let mut current = String::new();
    while let Some(part) = parts.next() {
        current = if current.is_empty() {
            part.to_owned()
        } else {
            format!("{current}/{part}")
        };
        let targets = links(root, &current);
        let last = parts.peek().is_none();
        if (last || !targets.is_empty()) && !resolved.insert(current.clone()) {
            return;
        }
        if !targets.is_empty() {
            let rest = parts.collect::<Vec<_>>().join("/");
            for target in targets {
                resolve(root, &format!("{target}/{rest}"), resolved);
            }
            return;
        }
    }
}

/// Where `path` points if it is a link; with a wildcard in its last part, where the links it matches point.
#[cfg(feature = "command")]
fn links(root: &Path, path: &str) -> Vec<String> {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !has_wildcard(name) {
        return link(root, dir, name).into_iter().collect();
    }
    let (Ok(entries), Ok(pattern)) = (fs::read_dir(root.join(dir)), Patterns::new([name])) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| pattern.matches(name)).collect();
    names.sort_unstable();
    names.iter().filter_map(|name| link(root, dir, name)).collect()
}

fn link(root: &Path, dir: &str, name: &str) -> Option<String> {
    let target = fs::read_link(root.join(dir).join(name)).ok()?;
    let target = OsStr::to_str(target.as_os_str())?;
    Some(if target.starts_with('/') {
        clean(target)
    } else {
        clean(&format!("/{dir}/{target}"))
    })
}

#[cfg(feature = "command")]
fn has_wildcard(name: &str) -> bool {
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => drop(rest.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn followed(root: &Path, paths: &[&str]) -> Option<Vec<String>> {
        follow(
            root,
            &paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn links_lead_to_files_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("real/sub")).unwrap();
        fs::write(root.join("real/sub/file"), "").unwrap();
        symlink("real", root.join("dir")).unwrap();
        symlink("../dir/sub/file", root.join("real/alias")).unwrap();
        symlink("/real/alias", root.join("absolute")).unwrap();
        symlink("../../../outside", root.join("escape")).unwrap();
        symlink("loop", root.join("loop")).unwrap();

        assert_eq!(followed(root, &["missing"]).unwrap(), ["missing"]);
        assert_eq!(
            followed(root, &["dir/sub/file"]).unwrap(),
            ["dir", "real/sub/file"]
        );
        assert_eq!(
            followed(root, &["absolute"]).unwrap(),
            ["absolute", "dir", "real/alias", "real/sub/file"]
        );
        assert_eq!(followed(root, &["escape"]).unwrap(), ["escape", "outside"]);
        assert_eq!(followed(root, &["loop"]).unwrap(), ["loop"]);
        assert_eq!(way(root, "loop"), None);
        assert_eq!(way(root, "escape").unwrap(), ["escape", "outside"]);
        assert_eq!(way(root, "real/sub/file").unwrap(), ["real/sub/file"]);
        assert_eq!(
            followed(root, &["a*"]).unwrap(),
            ["a*", "dir", "real/alias", "real/sub/file"]
        );
        assert_eq!(followed(root, &["."]), None);
        assert_eq!(followed(root, &["real", "real/sub/file"]).unwrap(), ["real"]);
    }
}
