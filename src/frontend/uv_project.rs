//! The uv.lock that a service's project has or is to have: where it is, what it is made from, whether it still fits.

use std::collections::BTreeSet;

use super::project::{Gather, Missing};
use super::workspace::{LOCKS, join};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, Spanned};
use crate::manifest::{Manifest, ProjectPath, Service};
use crate::plan::Files;
use crate::python::pyproject;
use crate::python::requirements::Named;
use crate::python::{Anchor, uv_lock};

/// Locks that other tools make, and how.
const MAKERS: [(&str, &str); 3] = [
    ("poetry.lock", "`poetry lock`"),
    ("Pipfile.lock", "`pipenv lock`"),
    ("pylock.toml", "the tool that made it"),
];

/// What there is to lock of a service with a project.
#[derive(Debug, Clone)]
pub enum Locked {
    /// uv makes it.
    Uv(UvProject),
    /// Another tool does: the lock, and what makes it.
    Theirs(ProjectPath, &'static str),
}

/// A workspace's uv.lock.
#[derive(Debug, Clone)]
pub struct UvProject {
    /// Where the lock is, or would be.
    pub path: ProjectPath,
    /// Its text, when it is there.
    pub text: Option<SourceFile>,
    /// What the pyproject.toml files say that the lock does not know.
    pub stale: Diagnostics,
    /// What uv reads besides all pyproject.toml files.
    pub(super) files: BTreeSet<ProjectPath>,
    /// Where the manifest names the project.
    pub at: Span,
}

impl UvProject {
    /// The folder of the workspace.
    pub(super) fn folder(&self) -> ProjectPath {
        self.path.parent()
    }
}

/// What there is to lock of a service; none for one without a project.
pub fn lockable(
    file: &SourceFile,
    manifest: &Manifest,
    name: &str,
    files: &Files,
) -> Result<Result<Option<Locked>, Missing>, Diagnostics> {
    let service = manifest.service(name);
    let Some((service, folder)) = service.and_then(|service| Some((service, service.project.as_ref()?)))
    else {
        return Ok(Ok(None));
    };
    let mut gather = Gather::new(files);
    let found = gather.lockable(file, service, folder);
    if !gather.missing.is_empty() && !gather.mistakes.has_errors() {
        return Ok(Err(gather.missing));
    }
    gather
        .mistakes
        .finish(Some(found))
        .map(|(found, _)| Ok(Some(found)))
}

impl Gather<'_> {
    fn lockable(&mut self, file: &SourceFile, service: &Service, folder: &Spanned<ProjectPath>) -> Locked {
        let path = match &service.lock {
            Some(lock) => lock.value.clone(),
            None => self.place(folder),
        };
        let maker = MAKERS.iter().find(|(name, _)| path.file_name() == *name);
        if path.file_name() != "uv.lock" {
            return Locked::Theirs(path, maker.map_or("the tool that made it", |(_, maker)| maker));
        }
        let text = self.optional(&path);
        let root = path.parent();
        let mut folders = BTreeSet::from([root.clone(), folder.value.clone()]);
        let before = std::mem::take(&mut self.mistakes);
        if let Some(text) = &text {
            let selection = self.selection(file, service, Some(&folder.value));
            self.fits(&path, text, &selection);
            if let Ok(lock) = uv_lock::parse(text) {
                folders.extend(uv_lock::members(
                    &lock,
                    &folder.value,
                    Anchor::beside(path.as_str()),
                ));
            }
        }
        let stale = std::mem::replace(&mut self.mistakes, before);
        for member in folders {
            self.member(file, folder, member);
        }
        let mut files = std::mem::take(&mut self.seen);
        files.extend(text.as_ref().map(|_| path.clone()));
        let settings = join(&Spanned::new(root, folder.span), "uv.toml");
        files.extend(self.optional(&settings).map(|_| settings));
        Locked::Uv(UvProject {
            path,
            text,
            stale,
            files,
            at: folder.span,
        })
    }

    /// What of a member uv reads besides its pyproject.toml: all of it where that does not say everything.
    fn member(&mut self, file: &SourceFile, named: &Spanned<ProjectPath>, member: ProjectPath) {
        let about = self.optional(&join(&Spanned::new(member.clone(), named.span), "pyproject.toml"));
        let project = about.as_ref().map(pyproject::parse);
        match project {
            None if member == named.value && self.missing.is_empty() => self.mistakes.push(
                Diagnostic::error(format!("there is no project in `{member}`"))
                    .at(file, named.span)
                    .label("no pyproject.toml here"),
            ),
            None => {}
            Some(Err(mistake)) => self.mistakes.push(mistake),
            // A root may be no project itself.
            Some(Ok(project)) if project.project.is_none() => {}
            Some(Ok(_)) => {
                let at = Named {
                    path: member,
                    span: named.span,
                };
                self.package(&at, file);
            }
        }
    }

    /// Where a project's lock is: in its folder or above it; or where uv would put it.
    fn place(&mut self, folder: &Spanned<ProjectPath>) -> ProjectPath {
        let own = LOCKS.map(|name| join(folder, name));
        let there = own.map(|path| (self.optional(&path).is_some(), path));
        if let Some((_, path)) = there.into_iter().find(|(there, _)| *there) {
            return path;
        }
        let mut place = folder.value.clone();
        let mut root = None;
        loop {
            let at = Spanned::new(place.clone(), folder.span);
            let lock = join(&at, "uv.lock");
            let about = self.optional(&join(&at, "pyproject.toml"));
            if self.optional(&lock).is_some() {
                return lock;
            }
            let workspace = about.and_then(|about| pyproject::parse(&about).ok()?.tool.uv.workspace);
            let relative = folder.value.relative_to(&place);
            if root.is_none() && workspace.is_some_and(|found| relative == "." || found.has(&relative)) {
                root = Some(lock);
            }
            if place == ProjectPath::root() {
                break;
            }
            place = place.parent();
        }
        root.unwrap_or_else(|| join(folder, "uv.lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    /// Where the lock of a service with `project: apps/api` is, and what uv reads for it.
    fn found(there: &[(&str, &str)]) -> Result<Locked, Vec<String>> {
        let text = "services:\n  s: {image: x, project: apps/api, command: [x]}\n";
        let file = SourceFile::new("wheelwright.yaml", text);
        let manifest = manifest::parse(&file).unwrap().0;
        let mut files = Files::new();
        loop {
            match lockable(&file, &manifest, "s", &files) {
                Ok(Ok(found)) => return Ok(found.unwrap()),
                Ok(Err(missing)) => files.extend(missing.into_iter().map(|path| {
                    let text = there.iter().find(|(name, _)| *name == path.as_str());
                    (path, text.map(|(_, text)| (*text).into()))
                })),
                Err(mistakes) => return Err(mistakes.iter().map(Diagnostic::summary).collect()),
            }
        }
    }

    fn uv(there: &[(&str, &str)]) -> (String, Vec<String>) {
        match found(there).unwrap() {
            Locked::Uv(uv) => (
                uv.path.to_string(),
                uv.files.iter().map(ToString::to_string).collect(),
            ),
            Locked::Theirs(path, _) => panic!("{path}"),
        }
    }

    const API: (&str, &str) = (
        "apps/api/pyproject.toml",
        "[project]\nname = \"api\"\nversion = \"1\"\n",
    );

    #[test]
    fn a_lock_is_where_uv_has_it() {
        assert_eq!(uv(&[API]).0, "apps/api/uv.lock");
        let root = |members| ("pyproject.toml", members);
        let of = "[tool.uv.workspace]\nmembers = [\"apps/*\"]\n";
        assert_eq!(uv(&[API, root(of)]).0, "uv.lock");
        let others = "[tool.uv.workspace]\nmembers = [\"libs/*\"]\n";
        assert_eq!(uv(&[API, root(others)]).0, "apps/api/uv.lock");
        assert_eq!(uv(&[API, ("uv.lock", "version = 1\n")]).0, "uv.lock");
        let Ok(Locked::Theirs(path, maker)) = found(&[API, ("apps/api/poetry.lock", "")]) else {
            panic!("poetry makes it");
        };
        assert_eq!((path.as_str(), maker), ("apps/api/poetry.lock", "`poetry lock`"));
        let nothing = found(&[]).unwrap_err();
        assert!(
            nothing[0].contains("there is no project in `apps/api`"),
            "{nothing:?}"
        );
    }

    #[test]
    fn uv_reads_all_of_what_has_to_be_built() {
        let (_, files) = uv(&[API]);
        assert_eq!(files, ["apps/api/pyproject.toml"]);
        let dynamic = "[project]\nname = \"api\"\ndynamic = [\"version\"]\n[tool.uv.sources]\nlib = {path = \"../../lib\"}\n";
        let lib = "[project]\nname = \"lib\"\nversion = \"1\"\n";
        let (_, files) = uv(&[(API.0, dynamic), ("lib/pyproject.toml", lib)]);
        assert_eq!(files, ["apps/api", "lib/pyproject.toml"]);
    }
}
