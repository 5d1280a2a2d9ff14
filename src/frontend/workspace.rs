//! `project:`: which lock a project has, what of it a service asks for, and whether it still fits.

use super::project::{Gather, Project};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Spanned};
use crate::layers::sidecar;
use crate::manifest::types::items;
use crate::manifest::{List, ProjectPath, Service};
use crate::python::{Anchor, PackageName, Selection, foreign, pyproject, requirements, uv_lock};

/// Locks that are looked for in a project's folder.
pub(super) const LOCKS: [&str; 4] = ["uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml"];

/// Locks of other tools, which can write one of the above.
const FOREIGN: [(&str, &str); 2] = [
    ("pdm.lock", "`pdm export --format pylock --output pylock.toml`"),
    ("pixi.lock", "`lock:` with a pylock.toml"),
];

impl Gather<'_> {
    /// What a service with `project:` installs from: the lock that it names, else the one that is there.
    pub(super) fn of_project(
        &mut self,
        file: &SourceFile,
        service: &Service,
        folder: &Spanned<ProjectPath>,
    ) -> Project {
        let selection = self.selection(file, service, Some(&folder.value));
        let about = join(folder, "pyproject.toml");
        let lock = match &service.lock {
            Some(lock) => Some(lock.clone()),
            None => self.find(file, folder),
        };
        let text = self.optional(&about);
        let (Some(lock), true) = (lock, self.missing.is_empty()) else {
            return Project::default();
        };
        if text.is_none() && lock.value.file_name() == "uv.lock" {
            self.mistakes.push(
                Diagnostic::error(format!("there is no project in `{}`", folder.value))
                    .at(file, folder.span)
                    .label("no pyproject.toml here"),
            );
        }
        self.of_lock(file, &lock, selection)
    }

    /// What a service with this lock installs.
    pub(super) fn of_lock(
        &mut self,
        file: &SourceFile,
        lock: &Spanned<ProjectPath>,
        selection: Selection,
    ) -> Project {
        // Asked for together with the lock: each round of reading takes an engine a transfer.
        if let Some(place) = sidecar::beside(&lock.value) {
            self.optional(&place);
        }
        let source = self.read(&lock.value, file, lock.span);
        match (lock.value.file_name(), &source) {
            ("poetry.lock", Some(source)) => {
                let text = foreign::poetry(source, &selection);
                return self.pinned(lock, source, text, selection);
            }
            ("Pipfile.lock", Some(source)) => {
                let text = foreign::pipfile(source, &selection);
                return self.pinned(lock, source, text, selection);
            }
            _ => {}
        }
        if let Some(source) = &source
            && lock.value.file_name() == "uv.lock"
        {
            self.fits(&lock.value, source, &selection);
        }
        let records = match sidecar::beside(&lock.value) {
            Some(place) => (place.clone(), self.optional(&place)),
            None => (lock.value.clone(), source.clone()),
        };
        Project {
            lock: source.map(|text| (lock.value.clone(), text)),
            records: Some(records),
            selection,
            files: [lock.value.clone()].into(),
            at: lock.span,
            ..Project::default()
        }
    }

    /// A lock without addresses: the resolver reads it as a requirement file in which everything is pinned.
    fn pinned(
        &mut self,
        lock: &Spanned<ProjectPath>,
        source: &SourceFile,
        text: Result<String, Diagnostics>,
        selection: Selection,
    ) -> Project {
        let path = &lock.value;
        let text = text.unwrap_or_else(|mistakes| {
            self.mistakes.extend(mistakes);
            String::new()
        });
        let file = SourceFile::new(path.as_str(), text.as_str());
        let (mut found, mistakes) = requirements::read(&file, path);
        self.mistakes.extend(mistakes);
        found.text.get_or_insert(text);
        self.seen.insert(path.clone());
        self.take(path, &file, &mut found);
        Project {
            records: sidecar::beside(path).map(|place| (place.clone(), self.optional(&place))),
            pins: Some(source.clone()),
            selection,
            requirements: vec![path.clone()],
            files: std::mem::take(&mut self.seen),
            needs: std::mem::take(&mut self.needs),
            at: lock.span,
            ..Project::default()
        }
    }

    /// The extras and groups that a service asks for.
    pub(super) fn selection(
        &mut self,
        file: &SourceFile,
        service: &Service,
        root: Option<&ProjectPath>,
    ) -> Selection {
        let mut names = |list: Option<&List<String>>, what: &str| {
            let mut names = std::collections::BTreeSet::new();
            for item in items(list) {
                match item.parse::<PackageName>() {
                    Ok(name) => drop(names.insert(name)),
                    Err(_) => self.mistakes.push(
                        Diagnostic::error(format!("`{}` cannot be the name of {what}", item.value))
                            .at(file, item.span),
                    ),
                }
            }
            names
        };
        Selection {
            root: root.cloned(),
            extras: names(service.extras.as_ref(), "an extra"),
            groups: service
                .groups
                .is_some()
                .then(|| names(service.groups.as_ref(), "a dependency group")),
        }
    }

    /// The one lock of a project: in its folder, or a workspace's above it.
    fn find(&mut self, file: &SourceFile, folder: &Spanned<ProjectPath>) -> Option<Spanned<ProjectPath>> {
        let own = LOCKS.map(|name| join(folder, name));
        let foreign = FOREIGN.map(|(name, _)| join(folder, name));
        let mut above = Vec::new();
        let mut parent = folder.value.clone();
        while parent != ProjectPath::root() {
            parent = parent.parent();
            above.extend(parent.join("uv.lock"));
        }
        for records in own.iter().chain(&above).filter_map(sidecar::beside) {
            self.optional(&records);
        }
        let there = |gather: &mut Self, paths: &[ProjectPath]| {
            let found = paths.iter().map(|path| (path, gather.optional(path)));
            let found = found.collect::<Vec<_>>();
            let found = found.into_iter().filter(|(_, text)| text.is_some());
            found.map(|(path, _)| path.clone()).collect::<Vec<_>>()
        };
        let (own, above, foreign) = (there(self, &own), there(self, &above), there(self, &foreign));
        if !self.missing.is_empty() {
            return None;
        }
        let found = if own.is_empty() {
            above.into_iter().take(1).collect()
        } else {
            own
        };
        let mistake = match found.as_slice() {
            [one] => return Some(Spanned::new(one.clone(), folder.span)),
            [] => no_lock(folder, &foreign),
            several => {
                let names = several.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>();
                Diagnostic::error(format!(
                    "`{}` has several locks: {}",
                    folder.value,
                    names.join(" and ")
                ))
                .help(format!("choose one: `lock: {}`", several[0]))
            }
        };
        self.mistakes.push(mistake.at(file, folder.span));
        None
    }

    /// A uv.lock that was made from other words than its members say now is told, not used.
    pub(super) fn fits(&mut self, path: &ProjectPath, source: &SourceFile, selection: &Selection) {
        let lock = match uv_lock::parse(source) {
            Ok(lock) => lock,
            Err(mistake) => return self.mistakes.push(mistake),
        };
        let anchor = Anchor::beside(path.as_str());
        let root = selection.root.clone().unwrap_or_else(|| path.parent());
        for member in uv_lock::members(&lock, &root, anchor) {
            let Ok(about) = member.join("pyproject.toml") else {
                continue;
            };
            let Some(file) = self.optional(&about) else {
                continue;
            };
            match pyproject::parse(&file) {
                Ok(project) => {
                    let stale = uv_lock::stale(&lock, (source, anchor), &member, &file, &project);
                    self.mistakes.extend(stale);
                }
                Err(mistake) => self.mistakes.push(mistake),
            }
        }
    }
}

fn no_lock(folder: &Spanned<ProjectPath>, foreign: &[ProjectPath]) -> Diagnostic {
    let mistake = Diagnostic::error(format!("`{}` has no lock", folder.value));
    let tool = foreign.first().and_then(|path| {
        let (name, how) = FOREIGN.iter().find(|(name, _)| path.file_name() == *name)?;
        Some(format!("`{name}` is not read; {how} makes one that is"))
    });
    mistake
        .maybe_help(tool)
        .help(format!(
            "looked for: {}; of a workspace, `uv.lock` also above",
            LOCKS.join(", ")
        ))
        .help("`wheelwright lock` makes a uv.lock, as does `uv lock`")
}

pub(super) fn join(folder: &ProjectPath, name: &str) -> ProjectPath {
    folder.join(name).unwrap_or_else(|_| folder.clone())
}
