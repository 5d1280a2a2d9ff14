//! Whether a member needs something else now than when the lock was made.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::VersionSpecifiers;
use pep508_rs::VersionOrUrl;
use toml::Spanned;

use super::{Requirement, UvLock};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::manifest::ProjectPath;
use crate::python::locate::Anchor;
use crate::python::name::PackageName;
use crate::python::pylock::span;
use crate::python::pyproject::{self, Group, Pyproject};

/// The folders of the members and path dependencies that may be installed with a root, itself included; markers are
/// not asked.
pub fn members(lock: &UvLock, root: &ProjectPath, anchor: Anchor<'_>) -> Vec<ProjectPath> {
    let folder = |at: usize| anchor.path(lock.package[at].source.folder()?).ok();
    let mut queue = (0..lock.package.len())
        .filter(|at| folder(*at).as_ref() == Some(root))
        .collect::<Vec<_>>();
    let mut seen = queue.iter().copied().collect::<BTreeSet<_>>();
    while let Some(at) = queue.pop() {
        let package = &lock.package[at];
        let tables = package
            .optional_dependencies
            .values()
            .chain(package.dev_dependencies.values());
        let edges = package.dependencies.iter().chain(tables.flatten());
        // Only folders can lead to folders.
        let names = edges.map(|edge| edge.name.as_str()).collect::<BTreeSet<_>>();
        let next = (0..lock.package.len())
            .filter(|at| names.contains(lock.package[*at].name.get_ref().as_str()) && folder(*at).is_some());
        queue.extend(next.filter(|at| seen.insert(*at)));
    }
    seen.into_iter().filter_map(folder).collect()
}

/// What a member's `pyproject.toml` says that the lock does not know, each at its place.
pub fn stale(
    lock: &UvLock,
    (lock_file, anchor): (&SourceFile, Anchor<'_>),
    member: &ProjectPath,
    file: &SourceFile,
    project: &Pyproject,
) -> Diagnostics {
    let mut found = Diagnostics::default();
    let package = lock
        .package
        .iter()
        .find(|package| package.source.folder().and_then(|f| anchor.path(f).ok()).as_ref() == Some(member));
    let (Some(package), Some(standard)) = (package, &project.project) else {
        return found;
    };
    let empty = super::Metadata::default();
    let locked = package.metadata.as_ref().unwrap_or(&empty);
    let mut compare = |written: Vec<&Spanned<String>>, locked: &[Requirement]| {
        for mistake in differences(file, &written, locked) {
            found.push(mistake.help(format!("run `uv lock`, so that `{}` knows it", lock_file.name())));
        }
    };
    if !standard.dynamic.iter().any(|key| key.ends_with("dependencies")) {
        let extras = standard.optional_dependencies.values().flatten();
        compare(
            standard.dependencies.iter().chain(extras).collect(),
            &locked.requires_dist,
        );
    }
    let none = Vec::new();
    for (name, locked) in groups(project, locked) {
        let written = written(project, &name, &mut BTreeSet::new());
        compare(written.iter().collect(), locked.unwrap_or(&none));
    }
    found
}

/// The groups that either of them has.
fn groups<'a>(
    project: &Pyproject,
    locked: &'a super::Metadata,
) -> BTreeMap<String, Option<&'a Vec<Requirement>>> {
    let normal = |name: &str| {
        name.parse::<PackageName>()
            .map_or_else(|_| name.to_owned(), |n| n.to_string())
    };
    let own = project.dependency_groups.keys().map(|name| normal(name));
    let legacy = (!project.tool.uv.dev_dependencies.is_empty()).then(|| "dev".to_owned());
    let names = own.chain(legacy).chain(locked.requires_dev.keys().cloned());
    names
        .map(|name| (name.clone(), locked.requires_dev.get(&name)))
        .collect()
}

/// A group's requirements with those it includes.
fn written(project: &Pyproject, name: &str, seen: &mut BTreeSet<String>) -> Vec<Spanned<String>> {
    if !seen.insert(name.to_owned()) {
        return Vec::new();
    }
    let normal = |other: &str| {
        other
            .parse::<PackageName>()
            .is_ok_and(|other| other.as_str() == name)
    };
    let own = project.dependency_groups.iter().filter(|(key, _)| normal(key));
    let mut all = Vec::new();
    for item in own.flat_map(|(_, items)| items) {
        match item.get_ref() {
            Group::Requirement(text) => all.push(Spanned::new(item.span(), text.clone())),
            Group::Include { include_group } => {
                if let Ok(name) = include_group.parse::<PackageName>() {
                    all.extend(written(project, name.as_str(), seen));
                }
            }
        }
    }
    if name == "dev" {
        all.extend(project.tool.uv.dev_dependencies.iter().cloned());
    }
    all
}

/// Requirements are compared by name, extras and versions. Markers and sources are not: uv writes them in its own words.
fn differences(file: &SourceFile, written: &[&Spanned<String>], locked: &[Requirement]) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut names = BTreeSet::new();
    for text in written {
        let requirement = match pyproject::requirement(file, text) {
            Ok(requirement) => requirement,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        };
        let name = requirement.name.to_string();
        let extras = requirement
            .extras
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>();
        let versions = match &requirement.version_or_url {
            Some(VersionOrUrl::VersionSpecifier(specifiers)) => canonical(specifiers),
            Some(VersionOrUrl::Url(_)) | None => BTreeSet::new(),
        };
        let same = locked
            .iter()
            .filter(|other| *other.name.get_ref() == name)
            .any(|other| {
                let specifier = other.specifier.as_deref().unwrap_or_default();
                let theirs = specifier
                    .parse()
                    .map(|specifiers| canonical(&specifiers))
                    .unwrap_or_default();
                other.extras.iter().cloned().collect::<BTreeSet<_>>() == extras
                    && (other.is_direct() || theirs == versions)
            });
        if !same {
            mistakes.push(
                Diagnostic::error(format!("`{}` is not what the lock was made from", text.get_ref()))
                    .at(file, span(text))
                    .label("added or changed since"),
            );
        }
        names.insert(name);
    }
    let gone = locked
        .iter()
        .filter(|requirement| !names.contains(requirement.name.get_ref()));
    let gone = gone
        .map(|requirement| requirement.name.get_ref().as_str())
        .collect::<BTreeSet<_>>();
    mistakes.extend(gone.into_iter().map(|name| {
        Diagnostic::error(format!(
            "the lock was made when `{}` needed `{name}`",
            file.name()
        ))
        .at(file, Span::default())
    }));
    mistakes
}

fn canonical(specifiers: &VersionSpecifiers) -> BTreeSet<String> {
    specifiers.iter().map(ToString::to_string).collect()
}
