//! Whether what a service installs goes together: asked once it is known where its layers come from.
//!
//! What wheels need and which paths they write is known by whoever has their layers: a store's image says it, and a step that
//! unpacks them in the graph leaves it beside the layer. It is read while the image is being made. With a cache to import
//! from, layers may come from there whose steps then never run, so the graph is not asked: it was when they were made.

use std::collections::BTreeMap;

use unwheel::Facts;

use super::build::{Build, Service};
use super::{Failure, Project};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::layers::{Found, Kind};
use crate::lower;
use crate::manifest::Conflicts;
use crate::python::PackageName;
use crate::python::together::{Conflict, conflicts};

impl Build<'_> {
    /// Says which packages of a service do not go together.
    pub(super) async fn together(&self, service: &Service, project: &Project) -> Result<(), Failure> {
        let manifest = &self.loaded.manifest;
        let wanted = manifest
            .conflicts
            .as_ref()
            .map(|wanted| wanted.value)
            .unwrap_or_default();
        if wanted == Conflicts::Ignore || service.plan.packages.is_empty() || self.only_gathers() {
            return Ok(());
        }
        let facts = self.facts(service).await?;
        let plan = &service.plan;
        let mut installed = plan
            .packages
            .iter()
            .map(|pick| (pick.name.clone(), pick.version.clone()))
            .collect::<BTreeMap<_, _>>();
        // A folder's version is known once it is built.
        for known in &facts {
            if let Ok(name) = known.name.parse() {
                installed.insert(name, known.version.clone());
            }
        }
        let environment = plan.interpreter.markers().map_err(Diagnostic::error)?;
        let found = conflicts(&facts, &installed, &environment);
        let lock = project.lock.as_ref().map(|(_, lock)| lock);
        let told = found.iter().map(|conflict| {
            let (about, told) = tell(conflict);
            match lock.and_then(|lock| Some((lock, line_of(lock, about)?))) {
                Some((lock, place)) => told.at(lock, place),
                None => told.at(&self.loaded.file, plan.at),
            }
        });
        if wanted == Conflicts::Error {
            let mistakes = told
                .map(|told| Diagnostic {
                    severity: crate::diag::Severity::Error,
                    ..told
                })
                .collect::<Diagnostics>();
            return if mistakes.is_empty() {
                Ok(())
            } else {
                Err(mistakes.into())
            };
        }
        for warning in told {
            self.say(warning).await?;
        }
        Ok(())
    }

    /// What is known of the wheels, in the order in which layers are laid down.
    async fn facts(&self, service: &Service) -> Result<Vec<Facts>, Failure> {
        let Service { plan, found, cx, .. } = service;
        let tree = lower::facts(&service.facts, plan, cx).filter(|_| self.options.cache_imports.is_empty());
        let unpacked = match tree {
            Some(tree) => {
                let result = self.solve(lower::marshal(&tree)).await?;
                let line = self.bridge.read_file(&result, lower::FACTS_FILE).await?;
                Facts::from_line(&String::from_utf8_lossy(&line)).map_err(Failure::Internal)?
            }
            None => Vec::new(),
        };
        let mut unpacked = unpacked.into_iter();
        let layers = plan.layers.iter().zip(found);
        let wheels = layers.filter(|(layer, _)| layer.kind == Kind::Wheels);
        let mut all = Vec::new();
        for (layer, found) in wheels {
            match found {
                Found::Image { facts, .. } | Found::Layout { facts, .. } => {
                    // One that cannot be read says nothing.
                    let read = facts.as_deref().map(Facts::from_line);
                    all.extend(read.and_then(Result::ok).unwrap_or_default());
                }
                Found::Unpack => all.extend(unpacked.by_ref().take(layer.packages.len())),
            }
        }
        Ok(all)
    }
}

/// A conflict as a warning, and the package whose line in the lock it is about.
fn tell(conflict: &Conflict) -> (&PackageName, Diagnostic) {
    match conflict {
        Conflict::Need {
            package,
            version,
            name,
            needs,
            needed,
            installed,
        } => {
            let told = match installed {
                Some(installed) => Diagnostic::warning(format!(
                    "`{package} {version}` needs `{needs}`, but `{needed} {installed}` is installed"
                ))
                .help(format!(
                    "take a `{needed}` that fits, or another version of `{name}`"
                )),
                None => Diagnostic::warning(format!(
                    "`{package} {version}` needs `{needs}`, which is not installed"
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

/// Where a lock names a package.
fn line_of(lock: &SourceFile, name: &PackageName) -> Option<Span> {
    let mut start = 0;
    for line in lock.text().split_inclusive('\n') {
        let named = line
            .strip_prefix("name = \"")
            .and_then(|rest| rest.split_once('"'));
        if let Some((found, _)) = named
            && found.parse::<PackageName>().is_ok_and(|found| found == *name)
        {
            let quote = start + "name = ".len();
            return Some(Span::new(quote, quote + found.len() + 2));
        }
        start += line.len();
    }
    None
}
