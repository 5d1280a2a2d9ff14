//! What the resolver needs besides requirement files: packages and files of the repository, commits, variables; and
//! what the result is held against.

use std::collections::{BTreeMap, BTreeSet};

use buildkit_llb::State;

use super::project::Gather;
use crate::diag::{Diagnostic, SourceFile, Spanned};
use crate::lower::{self, Context};
use crate::manifest::{ProjectPath, Sha256};
use crate::python::artifact::{Artifact, Checkout, Folder, Pick};
use crate::python::requirements::{CHECKOUTS, Named, ROOT, Requirements, is_archive};
use crate::python::{Anchor, PackageName, pyproject};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Requirement files that the resolver reads in other words.
    pub texts: BTreeMap<ProjectPath, String>,
    /// Commits by their folder in the resolver's tree.
    pub checkouts: BTreeMap<String, Checkout>,
    /// Variables that the files ask for.
    pub variables: BTreeSet<String>,
    /// The digests that packages may have.
    pub hashes: BTreeMap<PackageName, BTreeSet<Sha256>>,
    /// Whether a package has to be built for its metadata, which leaves files in its folder.
    pub builds: bool,
}

impl Needs {
    /// What several services need together.
    pub(super) fn of_all<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        all.fold(Self::default(), |mut sum, needs| {
            sum.texts.extend(needs.texts.clone());
            sum.checkouts.extend(needs.checkouts.clone());
            sum.variables.extend(needs.variables.clone());
            sum.builds |= needs.builds;
            sum
        })
    }

    /// The tree that the resolver reads.
    pub(super) fn tree(&self, cx: &Context, what: &str, files: &[ProjectPath]) -> State {
        let writable = self.writable(cx);
        lower::requirement_files(&cx.context, what, files, &self.texts, &self.checkouts, writable)
    }

    /// Whether that is the resolver's to write to: where it builds, and where it puts other addresses into files.
    pub(super) fn writable(&self, cx: &Context) -> bool {
        self.builds || cx.indexes.have_logins()
    }

    /// The variables with the values that the build's arguments give them; others are secrets.
    pub(super) fn values(&self, arguments: &BTreeMap<String, String>) -> Vec<(String, Option<String>)> {
        let names = self.variables.iter();
        names
            .map(|name| (name.clone(), arguments.get(name).cloned()))
            .collect()
    }

    /// Puts what a resolved package says of places into words for a lock in the repository: paths relative to it,
    /// and commits for checkouts. `lock` is the lock in the resolver's result and in the repository.
    pub(super) fn settle(&self, package: &mut toml::Table, lock: (&str, &ProjectPath)) {
        let folder = format!("/out{}", lock.0.rsplit_once('/').map_or("", |(folder, _)| folder));
        let anchor = Anchor {
            lock: &folder,
            repository: ROOT,
        };
        let place = |text: &str| anchor.path(text.strip_prefix("file://").unwrap_or(text)).ok();
        let from = lock.1.parent();
        let here = |text: &str| Some(place(text)?.relative_to(&from));
        let directory = package
            .get("directory")
            .and_then(|directory| directory.get("path")?.as_str());
        let checkout = directory
            .and_then(place)
            .and_then(|path| self.checkout(&path).cloned());
        if let Some(checkout) = checkout {
            package.remove("directory");
            package.insert("vcs".to_owned(), toml::Value::Table(vcs(&checkout)));
            return;
        }
        let single = ["directory", "archive", "sdist"];
        for (key, value) in package.iter_mut() {
            match value {
                toml::Value::Table(table) if single.contains(&key.as_str()) => relocate(table, here),
                toml::Value::Array(files) if key == "wheels" => {
                    files
                        .iter_mut()
                        .filter_map(toml::Value::as_table_mut)
                        .for_each(|file| relocate(file, here));
                }
                _ => {}
            }
        }
    }

    /// The commit that a folder of the resolver's tree holds.
    fn checkout(&self, path: &ProjectPath) -> Option<&Checkout> {
        let folder = path.as_str().strip_prefix(CHECKOUTS)?.strip_prefix('/')?;
        self.checkouts.get(folder)
    }

    /// Picks that were resolved from a checkout as the commits that they are.
    pub(super) fn checkouts(&self, mut picks: Vec<Pick>) -> Vec<Pick> {
        for pick in &mut picks {
            if let Artifact::Directory(Folder { path, .. }) = &pick.artifact
                && let Some(checkout) = self.checkout(path)
            {
                pick.artifact = Artifact::Vcs(checkout.clone());
            }
        }
        picks
    }
}

impl Gather<'_> {
    /// Folders of the manifest's `find_links`: the resolver reads them as lines at the end of a service's first file.
    pub(super) fn links(&mut self, folders: &[Spanned<ProjectPath>], first: &ProjectPath) {
        if folders.is_empty() {
            return;
        }
        let written = || Some(self.files.get(first)?.as_deref()?.to_owned());
        let Some(mut text) = self.needs.texts.remove(first).or_else(written) else {
            return;
        };
        for folder in folders {
            self.seen.insert(folder.value.clone());
            text.extend(["\n--find-links ", ROOT, "/", folder.value.as_str()]);
        }
        text.push('\n');
        self.needs.texts.insert(first.clone(), text);
    }

    /// Takes up what a requirement file names; the files to read next are the caller's.
    pub(super) fn take(&mut self, at: &ProjectPath, file: &SourceFile, found: &mut Requirements) {
        if let Some(text) = found.text.take() {
            self.needs.texts.insert(at.clone(), text);
        }
        if !found.checkouts.is_empty() {
            self.needs.builds = true;
        }
        self.needs.checkouts.append(&mut found.checkouts);
        self.needs.variables.append(&mut found.variables);
        for (name, hashes) in std::mem::take(&mut found.hashes) {
            self.needs.hashes.entry(name).or_default().extend(hashes);
        }
        self.seen
            .extend(found.files.iter().map(|named| named.path.clone()));
        for package in &found.packages {
            self.package(package, file);
        }
    }

    /// A package of the repository: its metadata where that is all the resolver looks at, else all of it.
    pub(super) fn package(&mut self, package: &Named, named_in: &SourceFile) {
        let inside = |name: &str| package.path.join(name).unwrap_or_else(|_| package.path.clone());
        let about = inside("pyproject.toml");
        let (project, setup) = (self.optional(&about), self.optional(&inside("setup.py")));
        if !self.missing.is_empty() {
            return;
        }
        let Some(file) = project else {
            if setup.is_some() {
                self.whole(&package.path);
            } else {
                let message = format!("`{}` is not a package", package.path);
                let mistake = Diagnostic::error(message)
                    .at(named_in, package.span)
                    .label("no pyproject.toml and no setup.py there");
                self.mistakes.push(
                    mistake.help("paths are relative to the file they stand in; see also `.dockerignore`"),
                );
            }
            return;
        };
        let project = match pyproject::parse(&file) {
            Ok(project) => project,
            Err(mistake) => return self.mistakes.push(mistake),
        };
        if !project.is_static() {
            self.whole(&package.path);
        } else if !self.seen.insert(about) {
            return;
        }
        for path in project.tool.uv.paths() {
            if let Ok(path) = package.path.join(path) {
                if is_archive(path.as_str()) {
                    self.seen.insert(path);
                } else {
                    self.package(
                        &Named {
                            path,
                            span: crate::diag::Span::default(),
                        },
                        &file,
                    );
                }
            }
        }
    }

    fn whole(&mut self, folder: &ProjectPath) {
        self.needs.builds = true;
        self.seen.insert(folder.clone());
    }
}

/// A path of the resolver, or a `file:` address, as a path in words of the lock.
fn relocate(file: &mut toml::Table, here: impl Fn(&str) -> Option<String>) {
    let text = |key: &str| file.get(key).and_then(toml::Value::as_str);
    let local = text("url")
        .filter(|url| url.starts_with("file://"))
        .or_else(|| text("path"));
    if let Some(path) = local.and_then(here) {
        file.remove("url");
        file.insert("path".to_owned(), path.into());
    }
}

fn vcs(checkout: &Checkout) -> toml::Table {
    let subdirectory = checkout
        .subdirectory
        .as_ref()
        .map(|folder| ("subdirectory", folder.as_str()));
    let words = [
        ("type", "git"),
        ("url", checkout.url.as_str()),
        ("commit-id", checkout.commit.as_str()),
    ];
    let words = words.into_iter().chain(subdirectory);
    words.map(|(key, value)| (key.to_owned(), value.into())).collect()
}
