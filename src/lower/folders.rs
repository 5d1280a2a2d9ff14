//! Folders that the base has and a layer puts something into.
//!
//! Merging takes a folder's owner and permissions from the last layer that has it, so a file put below `/tmp` would
//! take away everybody's right to write there. Such folders are laid down in the layer as they are below it.

use std::collections::{BTreeMap, BTreeSet};

use buildkit_llb::FileOp;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::pack::Pack;
use crate::plan::{CodePlan, FilePlan, Plan};

/// Owner and permissions of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Permissions, set-id and sticky bits included.
    pub mode: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Folder {
    /// What layers give folders that nobody else has.
    const PLAIN: Self = Self {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
}

/// Folders by path.
pub type Folders = BTreeMap<String, Folder>;

/// Plain in every distribution; not worth a question.
const PLAIN: [&str; 13] = [
    "/etc",
    "/home",
    "/mnt",
    "/opt",
    "/srv",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/share",
    "/var",
    "/var/lib",
];

/// The folders that the code layer puts something into, and that the base may have otherwise than plain.
pub fn folders_of(working_dir: &str, code: &[CodePlan], files: &[FilePlan]) -> Vec<String> {
    let targets = code
        .iter()
        .map(|code| &code.to)
        .chain(files.iter().map(|file| &file.to));
    let parents = targets.flat_map(|path| above(path.trim_end_matches('/')));
    let all = parents.chain(above(working_dir)).chain([working_dir]);
    let wanted = all.filter(|path| *path != "/" && !path.is_empty() && !PLAIN.contains(path));
    wanted
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// The folders above a path, outermost first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Lays down those that are not plain: as the base has them, and the home of a user that was added to it.
pub(super) fn as_below(plan: &Plan, cx: &Context, op: FileOp) -> FileOp {
    let wanted = folders_of(&plan.image.working_dir, &plan.code, &plan.files);
    let below = |path: &str| home(plan, path).or_else(|| cx.folders.get(path).copied());
    let special = wanted
        .iter()
        .filter(|path| below(path).is_some_and(|folder| folder != Folder::PLAIN));
    let mut all = Folders::new();
    for path in special {
        for path in above(path).chain([path.as_str()]).filter(|path| !path.is_empty()) {
            all.insert(path.to_owned(), below(path).unwrap_or(Folder::PLAIN));
        }
    }
    all.iter()
        .fold(Pack::default(), |pack, (path, folder)| pack.folder(path, folder))
        .lay_down(op)
}

fn home(plan: &Plan, path: &str) -> Option<Folder> {
    let account = plan.account.as_ref()?;
    let added = account.add.as_ref().filter(|added| added.home == path);
    added.map(|_| Folder {
        uid: account.uid,
        gid: account.gid,
        ..Folder::PLAIN
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;
    use crate::manifest::Mode;
    use crate::plan::FileFrom;

    #[test]
    fn folders_that_may_be_special_are_asked_for() {
        let file = |to: &str| FilePlan {
            from: FileFrom::Path("x".parse().unwrap()),
            to: to.to_owned(),
            mode: Mode(0o644),
            at: Span::default(),
        };
        let files = [
            file("/tmp/a/b.txt"),
            file("/root/.netrc"),
            file("/etc/x.conf"),
            file("/y"),
        ];
        assert_eq!(
            folders_of("/app", &[], &files),
            ["/app", "/root", "/tmp", "/tmp/a"]
        );
        assert!(folders_of("/", &[], &[]).is_empty());
    }
}
