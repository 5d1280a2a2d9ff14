//! The `dependencies` that a `pylock.toml` may record of its packages (PEP 751): which of its entries a package needs.
//!
//! They say nothing of versions that would do as well, and they are no part of what is installed; but an entry that is needed and
//! not there, or there in another version, was lost when the lock was edited or merged. Entries whose marker does not hold are
//! not installed on purpose.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::artifact::Pick;
use super::metadata::{Metadata, RequiresDist};
use super::name::PackageName;
use super::pylock::span;
use crate::diag::SourceFile;

/// The part of a lock that nothing else reads.
#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Option<String>,
    #[serde(default)]
    dependencies: Vec<Spanned<Dependency>>,
}

/// Whatever it takes to tell an entry from the others; what is not read here is taken to fit.
#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: Option<String>,
}

/// What installed packages need and the lock does not have, as far as it says.
pub fn lacking(file: &SourceFile, installed: &[Pick]) -> Vec<Metadata<'static>> {
    // Few tools record them.
    if !file.text().contains("dependencies") {
        return Vec::new();
    }
    let Ok(lock) = toml::from_str::<Lock>(file.text()) else {
        return Vec::new();
    };
    let mut entries = BTreeMap::<PackageName, Vec<Option<&str>>>::new();
    for package in &lock.packages {
        if let Ok(name) = package.name.parse() {
            entries.entry(name).or_default().push(package.version.as_deref());
        }
    }
    let packages = lock.packages.iter().filter_map(|package| {
        let name = package.name.parse::<PackageName>().ok()?;
        let version = package.version.as_deref().unwrap_or_default();
        let is_this = |pick: &&Pick| pick.name == name && pick.version == version;
        installed.iter().find(is_this)?;
        let dependencies = package.dependencies.iter();
        let requires = dependencies.filter_map(|needed| lost(needed, &entries, installed));
        Some(Metadata {
            requires: requires.collect(),
            version: version.to_owned().into(),
            name,
        })
    });
    packages.collect()
}

/// A dependency without its entry.
fn lost(
    dependency: &Spanned<Dependency>,
    entries: &BTreeMap<PackageName, Vec<Option<&str>>>,
    installed: &[Pick],
) -> Option<RequiresDist<'static>> {
    let Dependency { name, version } = dependency.get_ref();
    let name = name.parse::<PackageName>().ok()?;
    let text = match version {
        Some(version) => format!("{name}=={version}"),
        None => name.to_string(),
    };
    let Some(versions) = entries.get(&name) else {
        return Some(RequiresDist::locked(text, span(dependency)));
    };
    let fits = |there: Option<&str>| there.is_none() || version.is_none() || there == version.as_deref();
    let is_installed = installed.iter().any(|pick| pick.name == name);
    (!versions.iter().copied().any(fits) && is_installed)
        .then(|| RequiresDist::locked(text, span(dependency)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Sha256;
    use crate::python::artifact::{Artifact, Locked, Origin};

    const LOCK: &str = r#"lock-version = "1.0"
[[packages]]
name = "a"
version = "1"
dependencies = [{ name = "B" }, {name = "gone"}, { name = "c", version = "2" }, { name = "windows" }]
[[packages]]
name = "b"
version = "1"
dependencies = [{ name = "c", version = "1" }, { name = "c", vcs = {url = "x"} }]
[[packages]]
name = "c"
version = "1"
[[packages]]
name = "windows"
version = "1"
marker = "sys_platform == 'win32'"
dependencies = [{ name = "absent" }]
"#;

    fn pick(name: &str) -> Pick {
        let file = Locked {
            filename: String::new(),
            origin: Origin::Url(String::new()),
            sha256: "0".repeat(64).parse::<Sha256>().unwrap(),
            size: 0,
        };
        Pick {
            name: name.parse().unwrap(),
            version: "1".to_owned(),
            artifact: Artifact::Wheel(file),
        }
    }

    #[test]
    fn entries_that_were_lost_are_found() {
        let file = SourceFile::new("pylock.toml", LOCK);
        let found = lacking(&file, &["a", "b", "c"].map(pick));
        let found = found.iter().flat_map(|package| &package.requires);
        let found = found.map(|need| {
            let at = file.position(need.at.unwrap().start);
            format!("{}:{} {}", at.line, at.column, need.text)
        });
        assert_eq!(found.collect::<Vec<_>>(), ["5:33 gone", "5:50 c==2"]);
    }
}
