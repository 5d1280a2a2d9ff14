//! What the members of a workspace said they need when the lock was made. Of other packages the lock records who needs whom, but
//! not which versions would do.

use std::collections::BTreeSet;

use pep508_rs::{ExtraName, MarkerEnvironment, MarkerTree};

use super::stale::members;
use super::{Metadata as Recorded, Package, Requirement, UvLock};
use crate::manifest::ProjectPath;
use crate::python::locate::Anchor;
use crate::python::metadata::{Metadata, RequiresDist};
use crate::python::name::PackageName;
use crate::python::pylock::span;
use crate::python::selection::Selection;

/// What the members say that a selection installs. `installed` tells whether a package is.
pub fn said(
    lock: &UvLock,
    selection: &Selection,
    anchor: Anchor<'_>,
    installed: impl Fn(&PackageName) -> bool,
    environment: &MarkerEnvironment,
) -> Vec<Metadata<'static>> {
    let own = anchor.path(".").unwrap_or_else(|_| ProjectPath::root());
    let root = selection.root.as_ref().unwrap_or(&own);
    let reached = members(lock, root, anchor);
    let folder = |package: &Package| anchor.path(package.source.folder()?).ok();
    let packages = lock.package.iter().filter_map(|package| {
        let folder = folder(package).filter(|folder| reached.contains(folder))?;
        let name = package.name.get_ref().parse::<PackageName>().ok()?;
        let recorded = package.metadata.as_ref()?;
        let requires = if folder == *root {
            of_root(recorded, selection, environment)
        } else if installed(&name) {
            recorded.requires_dist.iter().map(of_member).collect()
        } else {
            return None;
        };
        Some(Metadata {
            name,
            version: package.version.clone().unwrap_or_default().into(),
            requires,
        })
    });
    packages.collect()
}

/// Names and versions of all packages that have one.
pub fn versions(lock: &UvLock) -> Vec<(PackageName, String)> {
    let packages = lock.package.iter();
    packages
        .filter_map(|package| Some((package.name.get_ref().parse().ok()?, package.version.clone()?)))
        .collect()
}

/// Packages whose versions were decided over the heads of those that need them.
pub fn overrides(lock: &UvLock) -> BTreeSet<PackageName> {
    let overrides = lock.manifest.overrides.iter();
    overrides
        .filter_map(|requirement| requirement.name.get_ref().parse().ok())
        .collect()
}

fn of_member(requirement: &Requirement) -> RequiresDist<'static> {
    let marker = requirement.marker.as_ref();
    let marker = marker.map_or_else(String::new, |marker| format!(" ; {marker}"));
    RequiresDist::locked(words(requirement) + &marker, span(&requirement.name))
}

/// What the root needs with its chosen extras and groups, which nobody else asks it for.
fn of_root(
    recorded: &Recorded,
    selection: &Selection,
    environment: &MarkerEnvironment,
) -> Vec<RequiresDist<'static>> {
    let extras = selection.extras.iter();
    let extras = extras
        .filter_map(|name| ExtraName::new(name.to_string()).ok())
        .collect::<Vec<_>>();
    let groups = selection.groups.iter().flatten();
    let groups = groups.filter_map(|group| recorded.requires_dev.get(group.as_str()));
    let all = recorded.requires_dist.iter().chain(groups.flatten());
    let holds = |requirement: &&Requirement| {
        let marker = requirement.marker.as_ref();
        let tree = marker.and_then(|text| text.parse::<MarkerTree>().ok());
        tree.is_none_or(|tree| tree.evaluate(environment, &extras))
    };
    all.filter(holds)
        .map(|requirement| RequiresDist::locked(words(requirement), span(&requirement.name)))
        .collect()
}

/// A requirement without its marker. One that is bound to a place takes whatever version is there.
fn words(requirement: &Requirement) -> String {
    let name = requirement.name.get_ref();
    let extras = match requirement.extras.as_slice() {
        [] => String::new(),
        some => format!("[{}]", some.join(",")),
    };
    let specifier = requirement.specifier.as_deref().unwrap_or_default();
    let specifier = if requirement.is_direct() { "" } else { specifier };
    format!("{name}{extras}{specifier}")
}
