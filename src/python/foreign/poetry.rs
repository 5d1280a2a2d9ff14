//! `poetry.lock`: a requirement file in which everything is pinned.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pep508_rs::{ExtraName, MarkerTree};
use serde::Deserialize;
use toml::Spanned;

use super::asked;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::python::pylock::span;
use crate::python::selection::Selection;

#[derive(Deserialize)]
pub(super) struct Poetry {
    #[serde(default)]
    pub(super) package: Vec<PoetryPackage>,
    pub(super) metadata: PoetryMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PoetryMetadata {
    lock_version: Spanned<String>,
    pub(super) python_versions: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PoetryPackage {
    pub(super) name: Spanned<String>,
    pub(super) version: String,
    pub(super) python_versions: Option<Spanned<String>>,
    #[serde(default)]
    groups: Vec<String>,
    markers: Option<PoetryMarkers>,
    #[serde(default)]
    files: Vec<PoetryFile>,
    source: Option<PoetrySource>,
    #[serde(default)]
    pub(super) dependencies: BTreeMap<String, Spanned<Dependencies>>,
    #[serde(default)]
    pub(super) extras: BTreeMap<String, Vec<Spanned<String>>>,
}

/// One requirement, or one for each kind of target.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Dependencies {
    One(Dependency),
    Several(Vec<Dependency>),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Dependency {
    Versions(String),
    Table {
        version: Option<String>,
        markers: Option<String>,
        #[serde(default)]
        extras: Vec<String>,
        #[serde(default)]
        optional: bool,
    },
}

/// One marker for all groups, or one a group.
#[derive(Deserialize)]
#[serde(untagged)]
enum PoetryMarkers {
    All(String),
    ByGroup(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct PoetryFile {
    hash: String,
}

#[derive(Deserialize)]
struct PoetrySource {
    r#type: String,
    url: String,
    resolved_reference: Option<String>,
    subdirectory: Option<String>,
}

/// What a Poetry lock installs, as a requirement file.
pub fn poetry(file: &SourceFile, selection: &Selection) -> Result<String, Diagnostics> {
    let lock = read(file)?;
    let mut mistakes = Diagnostics::default();
    let mut lines = String::new();
    for package in &lock.package {
        match poetry_line(file, package, selection) {
            Ok(line) => lines.push_str(&line.unwrap_or_default()),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    mistakes.finish(Some(lines)).map(|(lines, _)| lines)
}

/// Reads a lock's text.
pub(super) fn read(file: &SourceFile) -> Result<Poetry, Diagnostic> {
    let lock: Poetry = toml::from_str(file.text()).map_err(|error| {
        let place = error
            .span()
            .map_or(Span::default(), |range| Span::new(range.start, range.end));
        Diagnostic::error(format!("not a valid poetry.lock: {}", error.message())).at(file, place)
    })?;
    let version = &lock.metadata.lock_version;
    let parts = version
        .get_ref()
        .split('.')
        .map(str::parse::<u32>)
        .collect::<Vec<_>>();
    match parts.as_slice() {
        [Ok(2), Ok(minor), ..] if *minor >= 1 => {}
        [Ok(major), ..] if *major > 2 => {
            let message = format!(
                "lock version `{}` is newer than this version reads",
                version.get_ref()
            );
            return Err(Diagnostic::error(message).at(file, span(version)));
        }
        _ => {
            let message = format!(
                "lock version `{}` does not say which groups need a package",
                version.get_ref()
            );
            let help = "make it again with Poetry 2 (`poetry lock`), or export it: `poetry export -o requirements.txt`";
            return Err(Diagnostic::error(message).at(file, span(version)).help(help));
        }
    }
    Ok(lock)
}

/// The extras that are asked for.
pub(super) fn chosen(selection: &Selection) -> Vec<ExtraName> {
    let extras = selection.extras.iter();
    extras
        .filter_map(|name| ExtraName::new(name.to_string()).ok())
        .collect()
}

/// When a package is installed; none where nobody asks for it.
pub(super) fn wanted(
    file: &SourceFile,
    package: &PoetryPackage,
    selection: &Selection,
) -> Result<Option<MarkerTree>, Diagnostic> {
    let groups = package
        .groups
        .iter()
        .filter(|group| asked(group, "main", selection))
        .collect::<Vec<_>>();
    let name = package.name.get_ref();
    let markers = match &package.markers {
        _ if groups.is_empty() => return Ok(None),
        None => vec![None],
        Some(PoetryMarkers::All(marker)) => vec![Some(marker)],
        Some(PoetryMarkers::ByGroup(by_group)) => groups.iter().map(|group| by_group.get(*group)).collect(),
    };
    let mut wanted = MarkerTree::FALSE;
    for marker in markers {
        let tree = marker.map_or(Ok(MarkerTree::TRUE), |text| text.parse::<MarkerTree>());
        wanted.or(tree.map_err(|error| {
            Diagnostic::error(format!("marker of `{name}` cannot be read: {error}"))
                .at(file, span(&package.name))
        })?);
    }
    Ok(Some(wanted).filter(|tree| tree.evaluate_optional_environment(None, &chosen(selection))))
}

fn poetry_line(
    file: &SourceFile,
    package: &PoetryPackage,
    selection: &Selection,
) -> Result<Option<String>, Diagnostic> {
    let name = package.name.get_ref();
    let wrong = |message: String| Diagnostic::error(message).at(file, span(&package.name));
    let Some(wanted) = wanted(file, package, selection)? else {
        return Ok(None);
    };
    let mut line = match package.source.as_ref().filter(|source| source.r#type != "legacy") {
        Some(source) => {
            let place = source.place();
            let place = place.ok_or_else(|| {
                wrong(format!(
                    "`{name}` comes from `{}`, which cannot be built",
                    source.r#type
                ))
            })?;
            format!("{name} @ {place}")
        }
        None => format!("{name}=={}", package.version),
    };
    let _ = wanted
        .simplify_extras(&chosen(selection))
        .try_to_string()
        .map(|marker| write!(line, " ; {marker}"));
    let hashes = package
        .files
        .iter()
        .filter(|file| file.hash.starts_with("sha256:"));
    line.extend(hashes.flat_map(|file| [" --hash=", file.hash.as_str()]));
    line.push('\n');
    Ok(Some(line))
}

impl PoetrySource {
    /// The place in words of a requirement; none for what nobody here builds.
    fn place(&self) -> Option<String> {
        let url = &self.url;
        match self.r#type.as_str() {
            "url" => Some(url.clone()),
            "directory" | "file" if url.starts_with('.') => Some(url.clone()),
            "directory" | "file" => Some(format!("./{url}")),
            "git" => {
                let commit = self.resolved_reference.as_deref()?;
                let folder = self
                    .subdirectory
                    .iter()
                    .map(|folder| format!("#subdirectory={folder}"));
                Some(format!("git+{url}@{commit}{}", folder.collect::<String>()))
            }
            _ => None,
        }
    }
}
