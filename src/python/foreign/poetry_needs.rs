//! What the packages of a `poetry.lock` need: of all locks it alone records the versions that would do.

use std::collections::BTreeMap;

use pep508_rs::MarkerEnvironment;
use toml::Spanned;

use super::constraint::versions;
use super::poetry::{Dependencies, Dependency, PoetryPackage, chosen, read, wanted};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::python::interpreter::Interpreter;
use crate::python::metadata::{Metadata, RequiresDist};
use crate::python::name::PackageName;
use crate::python::pylock::span;
use crate::python::requirement;
use crate::python::selection::Selection;

/// What a lock pins on a target.
#[derive(Debug, Default)]
pub struct Pinned {
    /// The packages with their versions.
    pub installed: BTreeMap<PackageName, String>,
    /// What they need.
    pub known: Vec<Metadata<'static>>,
}

/// What a lock pins on a target; packages that are not for its Python are mistakes.
pub fn pinned(
    file: &SourceFile,
    selection: &Selection,
    interpreter: &Interpreter,
) -> Result<Pinned, Diagnostics> {
    let lock = read(file)?;
    let environment = interpreter.markers().map_err(Diagnostic::error)?;
    let mut mistakes = Diagnostics::default();
    let mut pinned = Pinned::default();
    let mut pythons = vec![lock.metadata.python_versions.as_ref()];
    for package in &lock.package {
        match is_installed(file, package, selection, &environment) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        }
        pythons.push(package.python_versions.as_ref());
        if let Ok(name) = package.name.get_ref().parse::<PackageName>() {
            let known = Metadata {
                name: name.clone(),
                version: package.version.clone().into(),
                requires: requires(package),
            };
            pinned.known.push(known);
            pinned.installed.insert(name, package.version.clone());
        }
    }
    let wrong = pythons
        .into_iter()
        .flatten()
        .filter_map(|text| refused(file, text, interpreter));
    mistakes.extend(wrong.collect());
    mistakes.finish(Some(pinned)).map(|(pinned, _)| pinned)
}

fn is_installed(
    file: &SourceFile,
    package: &PoetryPackage,
    selection: &Selection,
    environment: &MarkerEnvironment,
) -> Result<bool, Diagnostic> {
    let wanted = wanted(file, package, selection)?;
    Ok(wanted.is_some_and(|marker| marker.evaluate(environment, &chosen(selection))))
}

/// Python versions that the interpreter is not among.
fn refused(file: &SourceFile, text: &Spanned<String>, interpreter: &Interpreter) -> Option<Diagnostic> {
    let ranges = versions(text.get_ref())?;
    let fits = ranges.is_empty()
        || ranges
            .iter()
            .any(|range| interpreter.is_in(range).unwrap_or(true));
    (!fits).then(|| {
        let found = &interpreter.version;
        let message = format!("Python {found} of the base image is not in `{}`", text.get_ref());
        Diagnostic::error(message)
            .at(file, span(text))
            .help("make the lock again for this Python, or use another base image")
    })
}

fn requires(package: &PoetryPackage) -> Vec<RequiresDist<'static>> {
    let mut found = Vec::new();
    for (name, needed) in &package.dependencies {
        let all = match needed.get_ref() {
            Dependencies::One(one) => std::slice::from_ref(one),
            Dependencies::Several(several) => several.as_slice(),
        };
        found.extend(all.iter().filter_map(|one| dependency(name, one, span(needed))));
    }
    for (extra, needed) in &package.extras {
        found.extend(needed.iter().filter_map(|text| of_extra(extra, text)));
    }
    found
}

/// A dependency; none where it is of an extra, which says it itself.
fn dependency(name: &str, dependency: &Dependency, at: Span) -> Option<RequiresDist<'static>> {
    let (versions, marker, extras) = match dependency {
        Dependency::Versions(versions) => (Some(versions), None, &[][..]),
        Dependency::Table { optional: true, .. } => return None,
        Dependency::Table {
            version,
            markers,
            extras,
            ..
        } => (version.as_ref(), markers.as_ref(), extras.as_slice()),
    };
    let marker = marker.map_or_else(String::new, |marker| format!(" ; {marker}"));
    let extras = match extras {
        [] => String::new(),
        some => format!("[{}]", some.join(",")),
    };
    Some(RequiresDist {
        any_of: versions.and_then(|text| self::versions(text)).unwrap_or_default(),
        ..RequiresDist::locked(format!("{name}{extras}{marker}"), at)
    })
}

/// What an extra needs: `name (>=1) ; marker`.
fn of_extra(extra: &str, text: &Spanned<String>) -> Option<RequiresDist<'static>> {
    let (needed, marker) = text.get_ref().split_once(';').unwrap_or((text.get_ref(), ""));
    let (name, ranges) = needed.split_once('(').unwrap_or((needed, ""));
    let any_of = versions(ranges.trim_end().trim_end_matches(')')).unwrap_or_default();
    let marker = match marker.trim() {
        "" => format!("extra == '{extra}'"),
        marker => format!("({marker}) and extra == '{extra}'"),
    };
    let text_of = format!("{} ; {marker}", name.trim());
    requirement::parse(&text_of).ok()?;
    Some(RequiresDist {
        any_of,
        ..RequiresDist::locked(text_of, span(text))
    })
}
