//! A project's files as far as they are known: a pure function from files to what is needed next.
//!
//! Requirement files name other files, so reading goes in rounds: whoever has the files (a disk, an engine) reads
//! what is missing and asks again. No stage here reads anything itself.

use std::collections::BTreeSet;

use super::made::{self, Made};
use super::needs::Needs;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::manifest::types::items;
use crate::manifest::{Manifest, ProjectPath, Service};
use crate::plan::Files;
use crate::python::own_files::{OwnFiles, PYPROJECT};
use crate::python::{Selection, Stamp, requirements};

/// What has to be read before it can go on.
pub type Missing = BTreeSet<ProjectPath>;

/// What a service installs from, with every file it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// The lock that packages are installed from, when there is one.
    pub lock: Option<(ProjectPath, SourceFile)>,
    /// The lock of another tool that names no files, of which the resolver makes one.
    pub pins: Option<SourceFile>,
    /// What of the lock is installed.
    pub selection: Selection,
    /// Where the layers of its packages are recorded, and what is, when it is there; none without a lock.
    pub records: Option<(ProjectPath, Option<SourceFile>)>,
    /// The lock that is made from the requirements, there or not.
    pub made: Option<Made>,
    /// Requirement files in order: the base's, then the service's.
    pub requirements: Vec<ProjectPath>,
    /// Constraint files in order: the project's, the base's, the service's.
    pub constraints: Vec<ProjectPath>,
    /// All of these and the files that they name.
    pub files: BTreeSet<ProjectPath>,
    /// What else the resolver needs.
    pub needs: Needs,
    /// Where the requirements are listed in the manifest.
    pub at: Span,
}

impl Project {
    /// Whether a lock says what is installed, be it one without addresses that is resolved in the build.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some() || (self.made.is_none() && self.records.is_some())
    }

    /// The requirement files that packages are resolved from: none where a lock says what is installed.
    pub fn resolved_from(&self) -> &[ProjectPath] {
        if self.lock.is_some() {
            &[]
        } else {
            &self.requirements
        }
    }

    /// Gathers the files of a service, called `name`, from those that were read: the project, or what to read next, or what is wrong.
    pub fn gather(
        manifest_file: &SourceFile,
        manifest: &Manifest,
        (name, service): (&str, &Service),
        files: &Files,
    ) -> Result<Result<Self, Missing>, Diagnostics> {
        let mut gather = Gather::new(files);
        let project = gather.project(manifest_file, manifest, (name, service));
        if let Some((path, lock)) = &project.lock {
            gather.root_package(path, lock);
        }
        if !gather.missing.is_empty() && !gather.mistakes.has_errors() {
            return Ok(Err(gather.missing));
        }
        gather
            .mistakes
            .finish(Some(project))
            .map(|(project, _)| Ok(project))
    }
}

pub(super) struct Gather<'a> {
    pub(super) files: &'a Files,
    pub(super) missing: Missing,
    pub(super) seen: BTreeSet<ProjectPath>,
    pub(super) needs: Needs,
    pub(super) mistakes: Diagnostics,
}

impl<'a> Gather<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self {
            files,
            missing: Missing::new(),
            seen: BTreeSet::new(),
            needs: Needs::default(),
            mistakes: Diagnostics::default(),
        }
    }
}

impl Gather<'_> {
    fn project(
        &mut self,
        file: &SourceFile,
        manifest: &Manifest,
        (name, service): (&str, &Service),
    ) -> Project {
        // What sources are built with is part of what they become, with a lock too.
        for path in items(manifest.build_constraints.as_ref()) {
            self.read(&path.value, file, path.span);
        }
        let base = service.base.as_ref().and_then(|name| manifest.base(&name.value));
        if let Some(folder) = &service.project {
            return self.of_project(file, service, folder);
        }
        if let (Some(lock), None) = (&service.lock, &service.requirements) {
            let selection = self.selection(file, service, None);
            return self.of_lock(file, lock, selection);
        }
        let lists = [
            base.and_then(|base| base.requirements.as_ref()),
            service.requirements.as_ref(),
        ];
        let requirements = lists.into_iter().flat_map(items).collect::<Vec<_>>();
        let constraints = [
            manifest.constraints.as_ref(),
            base.and_then(|base| base.constraints.as_ref()),
            service.constraints.as_ref(),
        ];
        let constraints = constraints.into_iter().flat_map(items).collect::<Vec<_>>();
        let wanted = if requirements.is_empty() {
            Vec::new()
        } else {
            let build = items(manifest.build_constraints.as_ref()).iter().collect();
            [requirements.clone(), constraints.clone(), build].concat()
        };
        for path in wanted {
            self.visit(&path.value, file, path.span, &mut Vec::new());
        }
        let at = service.requirements.as_ref().map_or_else(
            || requirements.first().map_or(Span::default(), |p| p.span),
            |list| list.span,
        );
        let requirements = unique(requirements.iter().map(|path| &path.value));
        if let Some(first) = requirements.first() {
            self.links(items(manifest.find_links.as_ref()), first);
        }
        let constraints = unique(constraints.iter().map(|path| &path.value));
        let files = std::mem::take(&mut self.seen);
        let place = Made::place(manifest, name, service).filter(|_| !requirements.is_empty());
        let made = place.map(|path| Made {
            text: self.optional(&path),
            now: self.stamp(
                made::settings(manifest, service, &requirements, &constraints),
                &files,
            ),
            at: service.lock.as_ref().map_or(at, |lock| lock.span),
            path,
        });
        Project {
            lock: made
                .as_ref()
                .and_then(|made| Some((made.path.clone(), made.text.clone()?))),
            pins: None,
            selection: Selection::default(),
            records: made.as_ref().map(|made| (made.path.clone(), made.text.clone())),
            made,
            requirements,
            constraints,
            files,
            at,
            needs: std::mem::take(&mut self.needs),
        }
    }

    /// Reads what tells which files a package at the repository's root is made of, if the lock may have one.
    fn root_package(&mut self, path: &ProjectPath, lock: &SourceFile) {
        let root = ProjectPath::root().relative_to(&path.parent());
        if !lock.text().contains(&format!("\"{root}\"")) {
            return;
        }
        let Ok(about) = PYPROJECT.parse() else { return };
        let own = self.optional(&about).and_then(|file| OwnFiles::of(file.text()));
        let asks = own.iter().flat_map(OwnFiles::asks);
        for path in asks.filter_map(|path| path.parse().ok()) {
            self.optional(&path);
        }
    }

    /// A stamp with the text of the files that were read.
    fn stamp(&self, mut stamp: Stamp, files: &BTreeSet<ProjectPath>) -> Stamp {
        for path in files {
            if let Some(Some(text)) = self.files.get(path) {
                stamp.file(path.as_str(), text);
            }
        }
        stamp
    }

    /// Reads a requirement file and those it names, depth first; `path` is the way here, to see circles.
    fn visit(&mut self, at: &ProjectPath, named_in: &SourceFile, span: Span, way: &mut Vec<ProjectPath>) {
        if way.contains(at) {
            let circle = way
                .iter()
                .chain([at])
                .map(ProjectPath::as_str)
                .collect::<Vec<_>>()
                .join(" -> ");
            self.mistakes.push(
                Diagnostic::error(format!("`{at}` includes itself: {circle}"))
                    .at(named_in, span)
                    .help("remove one of the `-r` lines of the circle"),
            );
            return;
        }
        if !self.seen.insert(at.clone()) {
            return;
        }
        let Some(file) = self.read(at, named_in, span) else {
            return;
        };
        let (mut found, mistakes) = requirements::read(&file, at);
        self.mistakes.extend(mistakes);
        self.take(at, &file, &mut found);
        way.push(at.clone());
        for include in found.includes {
            // A file on the way is looked at again, so that the circle is seen.
            if way.contains(&include.path) || !self.seen.contains(&include.path) {
                self.visit(&include.path, &file, include.span, way);
            }
        }
        way.pop();
    }

    /// A file that need not be there.
    pub(super) fn optional(&mut self, path: &ProjectPath) -> Option<SourceFile> {
        if let Some(text) = self.files.get(path) {
            return text
                .as_ref()
                .map(|text| SourceFile::new(path.as_str(), text.clone()));
        }
        self.missing.insert(path.clone());
        None
    }

    pub(super) fn read(
        &mut self,
        path: &ProjectPath,
        named_in: &SourceFile,
        span: Span,
    ) -> Option<SourceFile> {
        match self.files.get(path) {
            Some(Some(text)) => Some(SourceFile::new(path.as_str(), text.clone())),
            Some(None) => {
                self.mistakes.push(
                    Diagnostic::error(format!("`{path}` is not there"))
                        .at(named_in, span)
                        .label("named here")
                        .help("paths are relative to the repository's root; see also `.dockerignore`"),
                );
                None
            }
            None => {
                self.missing.insert(path.clone());
                None
            }
        }
    }
}

fn unique<'a>(paths: impl Iterator<Item = &'a ProjectPath>) -> Vec<ProjectPath> {
    let mut seen = BTreeSet::new();
    paths
        .filter(|path| seen.insert((*path).clone()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    fn gather(files: &[(&str, &str)]) -> Result<Result<Vec<String>, Missing>, Vec<String>> {
        let text = "bases: {b: {image: x, requirements: [base.txt]}}\nservices:\n  s: {base: b, requirements: [s/r.txt], command: [x]}\n";
        let file = SourceFile::new("wheelwright.yaml", text);
        let manifest = manifest::parse(&file).unwrap().0;
        let files = ["base.txt", "s/r.txt", "s/more.txt", "pylock.s.toml"]
            .iter()
            .map(|name| (name.parse().unwrap(), None))
            .chain(
                files
                    .iter()
                    .map(|(name, text)| (name.parse().unwrap(), Some((*text).into()))),
            )
            .collect::<Files>();
        Project::gather(&file, &manifest, ("s", manifest.service("s").unwrap()), &files)
            .map(|found| found.map(|project| project.files.iter().map(ToString::to_string).collect()))
            .map_err(|mistakes| mistakes.iter().map(Diagnostic::summary).collect())
    }

    #[test]
    fn named_files_are_asked_for_in_rounds() {
        let next = gather(&[("base.txt", "a"), ("s/r.txt", "-r other.txt")])
            .unwrap()
            .unwrap_err();
        assert_eq!(
            next.iter().map(ProjectPath::as_str).collect::<Vec<_>>(),
            ["s/other.txt"]
        );
        let all = gather(&[
            ("base.txt", "a"),
            ("s/r.txt", "-r more.txt\n-r ../base.txt"),
            ("s/more.txt", ""),
        ]);
        assert_eq!(all.unwrap().unwrap(), ["base.txt", "s/more.txt", "s/r.txt"]);
    }

    #[test]
    fn missing_files_and_circles_are_named_where_they_are_named() {
        let mistakes = gather(&[("base.txt", "-r s/r.txt"), ("s/r.txt", "x\n-r ../base.txt")]).unwrap_err();
        assert_eq!(
            mistakes,
            ["s/r.txt:2:4: `base.txt` includes itself: base.txt -> s/r.txt -> base.txt"]
        );
        let mistakes = gather(&[("base.txt", "-r s/more.txt"), ("s/r.txt", "")]).unwrap_err();
        assert_eq!(mistakes, ["base.txt:1:4: `s/more.txt` is not there"]);
    }
}
