//! Whether what a service installs goes together: one judge for all who know something of its packages.
//!
//! A lock knows something before anything is fetched, wheels know the rest once they are at hand. Each who asks brings what it
//! knows; rules, words and severity are the same. What a wheel says of itself counts before what a lock says of it.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::MarkerEnvironment;
use unwheel::Facts;

use super::lock::is_uv_lock;
use super::{Failure, Project};
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceFile, Span};
use crate::manifest::{Conflicts, Manifest};
use crate::python::foreign::{self, Pinned};
use crate::python::together::{Conflict, overwritten, unmet};
use crate::python::{Anchor, Interpreter, Metadata, PackageName, Pick, dependencies, uv_lock};

/// Judges one service on one target.
pub(crate) struct Judge<'a> {
    /// The manifest.
    pub(crate) file: &'a SourceFile,
    /// What it says.
    pub(crate) manifest: &'a Manifest,
    /// Where it speaks of the service.
    pub(crate) at: Span,
    /// What the service installs from.
    pub(crate) project: &'a Project,
    /// What it runs on.
    pub(crate) interpreter: &'a Interpreter,
}

/// What a lock says of its packages.
#[derive(Default)]
struct Said {
    known: Vec<Metadata<'static>>,
    /// Packages whose versions were decided over the heads of those that need them.
    overrides: BTreeSet<PackageName>,
}

impl Judge<'_> {
    /// Whether anybody wants to know.
    pub(crate) fn is_asked(&self) -> bool {
        self.severity().is_some()
    }

    /// What does not go together among packages of a lock that names their files. `facts` in the order in which wheels are laid
    /// down, as far as they are known.
    pub(crate) fn packages(&self, packages: &[Pick], facts: &[Facts]) -> Result<Diagnostics, Failure> {
        let Some(severity) = self.severity() else {
            return Ok(Diagnostics::default());
        };
        let environment = self.interpreter.markers().map_err(Diagnostic::error)?;
        let mut installed = packages
            .iter()
            .map(|pick| (pick.name.clone(), pick.version.clone()))
            .collect::<BTreeMap<_, _>>();
        let mut known = facts.iter().filter_map(Metadata::of_wheel).collect::<Vec<_>>();
        // A folder's version is known once it is built.
        for package in &known {
            installed.insert(package.name.clone(), package.version.clone().into_owned());
        }
        let said = self.said(packages, &installed, &environment)?;
        let silent = |package: &Metadata<'_>| !known.iter().any(|other| other.name == package.name);
        let more = said.known.into_iter().filter(silent).collect::<Vec<_>>();
        known.extend(more);
        let mut found = unmet(&known, &installed, &environment);
        found.extend(overwritten(facts));
        Ok(self.told(&found, severity, &installed, &said.overrides))
    }

    /// The same of a lock that names no files, which the resolver then looks for.
    pub(crate) fn pinned(&self) -> Result<Diagnostics, Failure> {
        let lock = self.project.pins.as_ref();
        let lock = lock.filter(|lock| lock.name().rsplit('/').next() == Some("poetry.lock"));
        let (Some(lock), Some(severity)) = (lock, self.severity()) else {
            return Ok(Diagnostics::default());
        };
        let environment = self.interpreter.markers().map_err(Diagnostic::error)?;
        let Pinned { installed, known } = foreign::pinned(lock, &self.project.selection, self.interpreter)?;
        let found = unmet(&known, &installed, &environment);
        Ok(self.told(&found, severity, &installed, &BTreeSet::new()))
    }

    fn severity(&self) -> Option<Severity> {
        let wanted = self.manifest.conflicts.as_ref().map(|wanted| wanted.value);
        match wanted.unwrap_or_default() {
            Conflicts::Warn => Some(Severity::Warning),
            Conflicts::Error => Some(Severity::Error),
            Conflicts::Ignore => None,
        }
    }

    /// What the lock says of packages.
    fn said(
        &self,
        packages: &[Pick],
        installed: &BTreeMap<PackageName, String>,
        environment: &MarkerEnvironment,
    ) -> Result<Said, Diagnostic> {
        let Some((path, lock)) = &self.project.lock else {
            return Ok(Said::default());
        };
        if !is_uv_lock(lock) {
            let known = dependencies::lacking(lock, packages);
            return Ok(Said {
                known,
                ..Said::default()
            });
        }
        let parsed = uv_lock::parse(lock)?;
        let selection = &self.project.selection;
        let is_installed = |name: &PackageName| installed.contains_key(name);
        let anchor = Anchor::beside(path.as_str());
        Ok(Said {
            known: uv_lock::said(&parsed, selection, anchor, is_installed, environment),
            overrides: uv_lock::overrides(&parsed),
        })
    }

    /// Conflicts with their places. What was overridden was decided by somebody: it is told, and ends nothing.
    fn told(
        &self,
        found: &[Conflict],
        severity: Severity,
        installed: &BTreeMap<PackageName, String>,
        overrides: &BTreeSet<PackageName>,
    ) -> Diagnostics {
        let lock = self.project.lock.as_ref().map(|(_, lock)| lock);
        let lock = lock.or(self.project.pins.as_ref());
        let told = found.iter().map(|conflict| {
            let (about, told) = tell(conflict);
            let needed = conflict.needed();
            let overridden = needed.is_some_and(|needed| overrides.contains(needed));
            let told = Diagnostic {
                severity: if overridden { Severity::Warning } else { severity },
                ..told
            };
            let place = |name: &PackageName| line_of(lock?, name, installed.get(name)?);
            let at = conflict.at().or_else(|| place(about));
            let (Some(lock), Some(at)) = (lock, at) else {
                return told.at(self.file, self.at);
            };
            let told = told.at(lock, at);
            match needed.and_then(|needed| Some((needed, place(needed)?))) {
                Some((needed, place)) => told.related(place, format!("`{needed}` is locked here")),
                None => told,
            }
        });
        told.collect()
    }
}

/// A conflict in words, and the package whose line in the lock it is about.
fn tell(conflict: &Conflict) -> (&PackageName, Diagnostic) {
    match conflict {
        Conflict::Need {
            package,
            version,
            name,
            needs,
            needed,
            installed,
            ..
        } => {
            let version = if version.is_empty() {
                String::new()
            } else {
                format!(" {version}")
            };
            let told = match installed {
                Some(installed) => Diagnostic::warning(format!(
                    "`{package}{version}` needs `{needs}`, but `{needed} {installed}` is installed"
                ))
                .help(format!(
                    "take another version of `{needed}` that fits, or another one of `{name}`"
                )),
                None => Diagnostic::warning(format!(
                    "`{package}{version}` needs `{needs}`, which is not installed"
                ))
                .help(format!(
                    "add `{needed}` to the requirements, or make the lock again"
                )),
            };
            (name, told)
        }
        Conflict::Path {
            losers,
            winner,
            path,
            more,
        } => {
            let more = match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let losers = losers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let losers = losers.join(", ");
            let told = Diagnostic::warning(format!(
                "{losers} and `{winner}` have different files at one path, the image has those of `{winner}`: {path}{more}"
            ))
            .help("keep one of them: they are most often builds of one library");
            (winner, told)
        }
    }
}

/// Where a lock names a package; of several versions the one that is installed.
fn line_of(lock: &SourceFile, name: &PackageName, version: &str) -> Option<Span> {
    let mut first = None;
    let mut start = 0;
    let mut lines = lock.text().split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let named = line
            .strip_prefix("name = \"")
            .and_then(|rest| rest.split_once('"'));
        if let Some((found, _)) = named
            && found.parse::<PackageName>().is_ok_and(|found| found == *name)
        {
            let quote = start + "name = ".len();
            let span = Span::new(quote, quote + found.len() + 2);
            let next = lines.peek().and_then(|next| next.strip_prefix("version = \""));
            if next.is_some_and(|next| next.split('"').next() == Some(version)) {
                return Some(span);
            }
            first.get_or_insert(span);
        }
        start += line.len();
    }
    first
}
