//! Which file of each locked package is installed on a target: markers first, then the best wheel, else the source.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::VersionSpecifiers;
use pep508_rs::MarkerEnvironment;
use toml::Spanned;

use super::artifact::{Artifact, Pick};
use super::interpreter::Interpreter;
use super::locate::{Anchor, Locate};
use super::marker;
use super::name::PackageName;
use super::pylock::{File, Lock, Package, span};
use super::selection::Selection;
use super::tags::Tags;
use super::wheel_name::WheelName;
use crate::diag::{Diagnostic, Diagnostics, SourceFile};

/// What the choice depends on besides the lock.
#[derive(Debug)]
pub struct Target<'a> {
    /// The interpreter.
    pub interpreter: &'a Interpreter,
    /// The platform, for messages.
    pub platform: &'a str,
    /// Packages that are built from source even where a wheel fits.
    pub from_source: &'a std::collections::BTreeSet<PackageName>,
    /// What of the lock is installed.
    pub selection: &'a Selection,
    /// Where the paths in the lock begin.
    pub anchor: Anchor<'a>,
}

/// The files to install, sorted by package name; or every package that has none.
pub fn choose<'a>(
    file: &'a SourceFile,
    lock: &'a Lock,
    target: &'a Target<'_>,
) -> Result<Vec<Pick>, Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let environment = target.interpreter.markers().map_err(Diagnostic::error)?;
    let mut chooser = Chooser {
        file,
        target,
        locate: Locate {
            file,
            anchor: target.anchor,
        },
        tags: Tags::of(target.interpreter),
        environment,
        selection: with_default(target.selection, lock),
        markers: BTreeMap::new(),
        requires: BTreeSet::new(),
    };
    chooser
        .requires_python(lock.requires_python.as_ref())
        .unwrap_or_else(|d| mistakes.push(d));
    let mut picks = BTreeMap::<PackageName, Pick>::new();
    for package in &lock.packages {
        match chooser.package(package) {
            Ok(Some(pick)) => match picks.entry(pick.name.clone()) {
                Entry::Occupied(other) => mistakes.push(
                    Diagnostic::error(format!(
                        "the lock has two versions of `{}` for {}: {} and {}",
                        pick.name,
                        target.platform,
                        other.get().version,
                        pick.version
                    ))
                    .at(file, span(&package.name)),
                ),
                Entry::Vacant(free) => {
                    free.insert(pick);
                }
            },
            Ok(None) => {}
            Err(diagnostic) => mistakes.push(diagnostic),
        }
    }
    let picks = picks.into_values().collect();
    mistakes.finish(Some(picks)).map(|(picks, _)| picks)
}

/// A selection that names no groups takes those that the lock was made with.
fn with_default(selection: &Selection, lock: &Lock) -> Selection {
    let default = lock.default_groups.iter().filter_map(|name| name.parse().ok());
    Selection {
        groups: Some(selection.groups.clone().unwrap_or_else(|| default.collect())),
        ..selection.clone()
    }
}

struct Chooser<'a> {
    file: &'a SourceFile,
    target: &'a Target<'a>,
    locate: Locate<'a>,
    tags: Tags,
    environment: MarkerEnvironment,
    selection: Selection,
    /// What markers say: many packages have the same.
    markers: BTreeMap<&'a str, bool>,
    /// Python versions that the interpreter is among.
    requires: BTreeSet<&'a str>,
}

impl<'a> Chooser<'a> {
    fn package(&mut self, package: &'a Package) -> Result<Option<Pick>, Diagnostic> {
        if !self.wanted(package)? {
            return Ok(None);
        }
        self.requires_python(package.requires_python.as_ref())?;
        let name = package.name.get_ref();
        let parsed: PackageName = name
            .parse()
            .map_err(|error: String| Diagnostic::error(error).at(self.file, span(&package.name)))?;
        let artifact = self.artifact(&parsed, package)?;
        Ok(Some(Pick {
            name: parsed,
            version: package.version.clone().unwrap_or_default(),
            artifact,
        }))
    }

    fn wanted(&mut self, package: &'a Package) -> Result<bool, Diagnostic> {
        let Some(marker) = &package.marker else {
            return Ok(true);
        };
        if let Some(holds) = self.markers.get(marker.get_ref().as_str()) {
            return Ok(*holds);
        }
        let holds = marker::holds(marker.get_ref(), &self.environment, &self.selection).map_err(|error| {
            Diagnostic::error(format!(
                "marker of `{}` cannot be read: {error}",
                package.name.get_ref()
            ))
            .at(self.file, span(marker))
        })?;
        self.markers.insert(marker.get_ref(), holds);
        Ok(holds)
    }

    fn requires_python(&mut self, specifiers: Option<&'a Spanned<String>>) -> Result<(), Diagnostic> {
        let Some(text) = specifiers.filter(|text| !self.requires.contains(text.get_ref().as_str())) else {
            return Ok(());
        };
        let wrong = |message: String| Diagnostic::error(message).at(self.file, span(text));
        let specifiers: VersionSpecifiers = text.get_ref().parse().map_err(|e| wrong(format!("{e}")))?;
        let interpreter = self.target.interpreter;
        if interpreter
            .is_in(&specifiers)
            .map_err(|e| wrong(format!("{e}")))?
        {
            self.requires.insert(text.get_ref());
            return Ok(());
        }
        Err(wrong(format!(
            "Python {} of the base image is not in `{}`",
            interpreter.version,
            text.get_ref()
        ))
        .help("make the lock again for this Python, or use another base image"))
    }

    fn artifact(&self, name: &PackageName, package: &Package) -> Result<Artifact, Diagnostic> {
        let place = span(&package.name);
        if let Some(artifact) = self.locate.direct(name, package) {
            return artifact;
        }
        let from_source = self.target.from_source.contains(name);
        if let (false, Some(wheel)) = (from_source, self.best_wheel(package)) {
            return self.locate.file(wheel, span(&package.name)).map(Artifact::Wheel);
        }
        match &package.sdist {
            Some(sdist) => self.locate.file(sdist, span(&package.name)).map(Artifact::Source),
            None if from_source => Err(Diagnostic::error(format!(
                "`{name}` has no source distribution in the lock"
            ))
            .at(self.file, place)
            .help("remove `source: true`, or make the lock with source distributions")),
            None => Err(self.no_wheel(name, package)),
        }
    }

    fn best_wheel<'p>(&self, package: &'p Package) -> Option<&'p File> {
        package
            .wheels
            .iter()
            .filter_map(|file| {
                let name = WheelName::parse(file.filename()).ok()?;
                let rank = self.tags.rank(&name)?;
                Some(((rank, std::cmp::Reverse(name.build)), file))
            })
            .min_by(|a, b| a.0.cmp(&b.0))
            .map(|(_, file)| file)
    }

    fn no_wheel(&self, name: &PackageName, package: &Package) -> Diagnostic {
        let version = package.version.as_deref().unwrap_or_default();
        let names = package
            .wheels
            .iter()
            .filter_map(|file| WheelName::parse(file.filename()).ok());
        let exist = names.map(|wheel| wheel.tag_text()).collect::<Vec<_>>();
        let exist = if exist.is_empty() {
            "no wheels".to_owned()
        } else {
            exist.join(", ")
        };
        Diagnostic::error(format!(
            "`{name} {version}` has no wheel for {} and no source",
            self.target.platform
        ))
        .at(self.file, span(&package.name))
        .help(format!(
            "wanted: {} ({})",
            self.tags.summary(),
            self.target.interpreter.libc
        ))
        .help(format!("in the lock: {exist}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
lock-version = "1.0"
[[packages]]
name = "numpy"
version = "2.0.0"
sdist = { url = "https://files.example/numpy-2.0.0.tar.gz", hashes = { sha256 = "1111111111111111111111111111111111111111111111111111111111111111" } }
wheels = [
  { url = "https://files.example/numpy-2.0.0-cp311-cp311-manylinux_2_17_aarch64.whl", hashes = { sha256 = "2222222222222222222222222222222222222222222222222222222222222222" } },
  { url = "https://files.example/numpy-2.0.0-cp311-cp311-manylinux_2_17_x86_64.whl", size = 7, hashes = { sha256 = "3333333333333333333333333333333333333333333333333333333333333333" } },
]
[[packages]]
name = "colorama"
version = "1"
marker = "sys_platform == 'win32'"
wheels = []
[[packages]]
name = "odd"
version = "1"
wheels = [{ url = "https://files.example/odd-1-cp312-cp312-win_amd64.whl", hashes = { sha256 = "2222222222222222222222222222222222222222222222222222222222222222" } }]
"#;

    fn pick(lock: &str, architecture: &str, from_source: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let file = SourceFile::new("pylock.toml", lock);
        let interpreter = Interpreter::assumed("3.11".parse().unwrap(), architecture);
        let from_source = from_source.iter().map(|name| name.parse().unwrap()).collect();
        let platform = format!("linux/{architecture}");
        let target = Target {
            interpreter: &interpreter,
            platform: &platform,
            from_source: &from_source,
            selection: &Selection::default(),
            anchor: Anchor::beside("pylock.toml"),
        };
        let lock = super::super::pylock::parse(&file).map_err(|d| vec![d.summary()])?;
        choose(&file, &lock, &target)
            .map(|picks| {
                picks
                    .into_iter()
                    .map(|pick| pick.artifact.file().unwrap().filename.clone())
                    .collect()
            })
            .map_err(|mistakes| {
                mistakes
                    .iter()
                    .map(|d| format!("{} | {}", d.summary(), d.help.join(" | ")))
                    .collect()
            })
    }

    #[test]
    fn the_best_wheel_of_the_platform_is_taken() {
        let lock = LOCK.split("[[packages]]\nname = \"odd\"").next().unwrap();
        assert_eq!(
            pick(lock, "amd64", &[]).unwrap(),
            ["numpy-2.0.0-cp311-cp311-manylinux_2_17_x86_64.whl"]
        );
        assert_eq!(
            pick(lock, "arm64", &[]).unwrap(),
            ["numpy-2.0.0-cp311-cp311-manylinux_2_17_aarch64.whl"]
        );
        assert_eq!(pick(lock, "amd64", &["numpy"]).unwrap(), ["numpy-2.0.0.tar.gz"]);
        assert_eq!(pick(lock, "s390x", &[]).unwrap(), ["numpy-2.0.0.tar.gz"]);
    }

    #[test]
    fn a_missing_wheel_says_what_was_wanted_and_what_exists() {
        let mistakes = pick(LOCK, "amd64", &[]).unwrap_err();
        insta::assert_snapshot!(mistakes.join("\n"), @"pylock.toml:17:8: `odd 1` has no wheel for linux/amd64 and no source | wanted: cp311-cp311, cp311-abi3 or py3-none on manylinux_2_36_x86_64 or older, or any (glibc 2.36) | in the lock: cp312-cp312-win_amd64");
    }

    #[test]
    fn newer_locks_and_nonsense_are_named() {
        assert_eq!(
            pick("lock-version = \"2.0\"", "amd64", &[]).unwrap_err()[0],
            "pylock.toml:1:16: lock version `2.0` is newer than this version reads"
        );
        assert!(pick("lock-version = ", "amd64", &[]).unwrap_err()[0].starts_with("pylock.toml:1:"));
    }
}
