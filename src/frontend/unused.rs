//! Constraints of packages that nobody installs: most often a name that is misspelt, or left over.
//!
//! Known only where every service that reads a file of constraints has its lock.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::MarkerEnvironment;

use super::build::Build;
use super::{Failure, Missing, Origin, Project, census, locked_versions};
use crate::diag::{Diagnostic, Diagnostics, SourceFile};
use crate::manifest::{Manifest, ProjectPath};
use crate::plan::{self, Files};
use crate::python::{Interpreter, PackageName, requirements};

/// Packages that are named in a line.
const NAMED: usize = 8;

/// Who reads a file of constraints.
#[derive(Default)]
struct Readers {
    /// What they install.
    names: BTreeSet<PackageName>,
    /// Whether one of them has no lock.
    unknown: bool,
}

/// One warning for each file of constraints that limits packages of no service, or what has to be read first. A service with
/// mistakes tells them itself; nothing is known then. A constraint whose marker does not hold is not looked at.
pub fn unused(file: &SourceFile, manifest: &Manifest, files: &Files) -> Result<Diagnostics, Missing> {
    let mut projects = Vec::new();
    let mut missing = Missing::new();
    for (name, service) in &manifest.services {
        match Project::gather(file, manifest, (name, service), files) {
            Ok(Ok(project)) => projects.push(project),
            Ok(Err(more)) => missing.extend(more),
            Err(_) => return Ok(Diagnostics::default()),
        }
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(
        environment(manifest).map_or_else(Diagnostics::default, |environment| {
            of_projects(&projects, files, &environment)
        }),
    )
}

impl Build<'_> {
    /// Says so in a build, as far as what was read for it tells. A command that builds many services says it once for all.
    pub(super) async fn unused(&self, files: &Files) -> Result<(), Failure> {
        if matches!(self.request.origin, Origin::Disk { .. }) {
            return Ok(());
        }
        match unused(&self.loaded.file, &self.loaded.manifest, files) {
            Ok(found) => self.say_all(found).await,
            Err(_) => Ok(()),
        }
    }
}

/// What markers are evaluated for: the first service's Python, as far as the manifest tells.
fn environment(manifest: &Manifest) -> Option<MarkerEnvironment> {
    let (_, first) = manifest.services.first()?;
    let python = manifest.python.as_ref();
    let minor = python.map_or_else(
        || census::minor_of(&plan::stand(manifest, first).image),
        |python| python.value,
    );
    Interpreter::assumed(minor, "amd64").markers().ok()
}

fn of_projects(projects: &[Project], read: &Files, environment: &MarkerEnvironment) -> Diagnostics {
    let mut files = BTreeMap::<ProjectPath, Readers>::new();
    for project in projects {
        for path in constraint_files(project, read) {
            let readers = files.entry(path).or_default();
            match &project.lock {
                Some((_, lock)) => readers
                    .names
                    .extend(locked_versions(lock).into_iter().map(|(name, _)| name)),
                None => readers.unknown = true,
            }
        }
    }
    let known = files.into_iter().filter(|(_, readers)| !readers.unknown);
    known
        .filter_map(|(path, readers)| {
            let file = SourceFile::new(path.as_str(), read.get(&path)?.clone()?);
            told(&file, &readers.names, environment)
        })
        .collect()
}

fn told(
    file: &SourceFile,
    installed: &BTreeSet<PackageName>,
    environment: &MarkerEnvironment,
) -> Option<Diagnostic> {
    let named = requirements::named(file);
    let unused = named
        .iter()
        .filter(|named| named.marker.evaluate(environment, &[]) && !installed.contains(&named.name))
        .collect::<Vec<_>>();
    let first = unused.first()?;
    let mut names = unused
        .iter()
        .take(NAMED)
        .map(|named| format!("`{}`", named.name))
        .collect::<Vec<_>>();
    if unused.len() > NAMED {
        names.push(format!("and {} more", unused.len() - NAMED));
    }
    let (constrained, no) = match unused.len() {
        1 => ("a package", "it"),
        _ => ("packages", "them"),
    };
    let warning = Diagnostic::warning(format!(
        "constraints of {constrained} that no service installs: {}",
        names.join(", ")
    ));
    Some(
        warning
            .at(file, first.span)
            .help(format!("remove {no}, or look at the spelling")),
    )
}

/// Files of constraints, and those that they name: the manifest's, and `-c` of requirement files.
fn constraint_files(project: &Project, files: &Files) -> BTreeSet<ProjectPath> {
    if project.requirements.is_empty() {
        return BTreeSet::new();
    }
    let read = |path: &ProjectPath| {
        let text = files.get(path)?.as_deref()?;
        Some(requirements::read(&SourceFile::new(path.as_str(), text), path).0)
    };
    let by_option = project.files.iter().filter_map(read);
    let mut queue = by_option
        .flat_map(|found| found.constraints)
        .chain(project.constraints.iter().cloned())
        .collect::<Vec<_>>();
    let mut all = BTreeSet::new();
    while let Some(path) = queue.pop() {
        if let Some(found) = read(&path).filter(|_| !all.contains(&path)) {
            queue.extend(found.includes.into_iter().map(|named| named.path));
            all.insert(path);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    const LOCK: &str = "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"Idna\"\nversion = \"3\"\n[[packages]]\nname = \"six\"\nversion = \"1\"\n";

    fn found(locks: &[&str]) -> Vec<String> {
        let text = "constraints: [all.txt]\nservices:\n  a: {image: x, requirements: [a.txt], command: [x]}\n  b: {image: x, requirements: [b.txt], command: [x]}\n";
        let file = SourceFile::new("wheelwright.yaml", text);
        let manifest = manifest::parse(&file).unwrap().0;
        let mut files = ["pylock.a.toml", "pylock.b.toml"]
            .iter()
            .map(|path| (path.parse().unwrap(), locks.contains(path).then(|| LOCK.into())))
            .collect::<Files>();
        for (path, text) in [
            ("a.txt", "idna\n-c more/a.txt\n"),
            ("b.txt", "six\n"),
            (
                "all.txt",
                "# all\nsix<2\n\nsetuptols<81\nwin ; sys_platform == 'win32'\nidna==3 \\\n  ; python_version > '3'\n",
            ),
            ("more/a.txt", "-r deep.txt\nidna<4\n"),
            ("more/deep.txt", "left-over==1\nOther_One==2\n"),
        ] {
            files.insert(path.parse().unwrap(), Some(text.into()));
        }
        unused(&file, &manifest, &files)
            .unwrap()
            .iter()
            .map(Diagnostic::summary)
            .collect()
    }

    #[test]
    fn constraints_of_packages_that_nobody_installs_are_told_once_a_file() {
        assert_eq!(
            found(&["pylock.a.toml", "pylock.b.toml"]),
            [
                "all.txt:4:1: constraints of a package that no service installs: `setuptols`",
                "more/deep.txt:1:1: constraints of packages that no service installs: `left-over`, `other-one`",
            ]
        );
    }

    #[test]
    fn nothing_is_said_where_a_reader_has_no_lock() {
        let said = found(&["pylock.a.toml"]);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("more/deep.txt"));
    }
}
