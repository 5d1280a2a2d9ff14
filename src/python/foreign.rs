//! `poetry.lock` and `Pipfile.lock`: versions and digests without addresses. They become a requirement file in which
//! everything is pinned; the resolver finds the addresses, and what it finds is held against the digests.
//!
//! Read: `poetry.lock` from format 2.1 (Poetry 2), which says of each package for which groups and on which targets it
//! is; `Pipfile.lock` format 6. Groups: `main` and `default` always, others as they are asked for. Extras of Poetry as
//! they are asked for. Sources: indexes, addresses, git commits, folders and files of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pep508_rs::{ExtraName, MarkerTree};
use serde::Deserialize;
use toml::Spanned;

use super::pylock::span;
use super::selection::Selection;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};

#[derive(Deserialize)]
struct Poetry {
    #[serde(default)]
    package: Vec<PoetryPackage>,
    metadata: PoetryMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PoetryMetadata {
    lock_version: Spanned<String>,
}

#[derive(Deserialize)]
struct PoetryPackage {
    name: Spanned<String>,
    version: String,
    #[serde(default)]
    groups: Vec<String>,
    markers: Option<PoetryMarkers>,
    #[serde(default)]
    files: Vec<PoetryFile>,
    source: Option<PoetrySource>,
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
            return Err(Diagnostic::error(message).at(file, span(version)).into());
        }
        _ => {
            let message = format!(
                "lock version `{}` does not say which groups need a package",
                version.get_ref()
            );
            let help = "make it again with Poetry 2 (`poetry lock`), or export it: `poetry export -o requirements.txt`";
            return Err(Diagnostic::error(message)
                .at(file, span(version))
                .help(help)
                .into());
        }
    }
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

fn poetry_line(
    file: &SourceFile,
    package: &PoetryPackage,
    selection: &Selection,
) -> Result<Option<String>, Diagnostic> {
    let groups = package
        .groups
        .iter()
        .filter(|group| asked(group, "main", selection))
        .collect::<Vec<_>>();
    let name = package.name.get_ref();
    let wrong = |message: String| Diagnostic::error(message).at(file, span(&package.name));
    let markers = match &package.markers {
        None => vec![None],
        Some(PoetryMarkers::All(marker)) => vec![Some(marker)],
        Some(PoetryMarkers::ByGroup(by_group)) => groups.iter().map(|group| by_group.get(*group)).collect(),
    };
    let mut wanted: Option<MarkerTree> = None;
    for marker in markers
        .into_iter()
        .take(if groups.is_empty() { 0 } else { usize::MAX })
    {
        let tree = marker.map_or(Ok(MarkerTree::TRUE), |text| text.parse::<MarkerTree>());
        let tree = tree.map_err(|error| wrong(format!("marker of `{name}` cannot be read: {error}")))?;
        match &mut wanted {
            Some(all) => all.or(tree),
            None => wanted = Some(tree),
        }
    }
    let chosen = selection
        .extras
        .iter()
        .filter_map(|name| ExtraName::new(name.to_string()).ok())
        .collect::<Vec<_>>();
    let Some(wanted) = wanted.filter(|tree| tree.evaluate_optional_environment(None, &chosen)) else {
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
        .simplify_extras(&chosen)
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

/// Whether a group is the one that is always installed, or was asked for.
fn asked(group: &str, always: &str, selection: &Selection) -> bool {
    let chosen = |name| {
        selection
            .groups
            .as_ref()
            .is_some_and(|groups| groups.contains(&name))
    };
    group == always || group.parse().is_ok_and(chosen)
}

#[derive(Deserialize)]
struct PipfileMeta {
    #[serde(rename = "pipfile-spec")]
    spec: Option<u32>,
}

#[derive(Deserialize)]
struct Pinned {
    version: Option<String>,
    #[serde(default)]
    extras: BTreeSet<String>,
    markers: Option<String>,
    #[serde(default)]
    hashes: Vec<String>,
    path: Option<String>,
    file: Option<String>,
    git: Option<String>,
    #[serde(rename = "ref")]
    commit: Option<String>,
    subdirectory: Option<String>,
}

/// What a Pipenv lock installs, as a requirement file.
pub fn pipfile(file: &SourceFile, selection: &Selection) -> Result<String, Diagnostics> {
    let wrong = |error: serde_json::Error| {
        let at = file.line_span(error.line());
        Diagnostics::from(Diagnostic::error(format!("not a valid Pipfile.lock: {error}")).at(file, at))
    };
    let whole: BTreeMap<String, serde_json::Value> = serde_json::from_str(file.text()).map_err(wrong)?;
    let mut lines = String::new();
    for (section, content) in whole {
        if section == "_meta" {
            let meta: PipfileMeta = serde_json::from_value(content).map_err(wrong)?;
            if meta.spec.is_some_and(|spec| spec > 6) {
                let message = "the format of this Pipfile.lock is newer than this version reads";
                return Err(Diagnostic::error(message).at(file, Span::default()).into());
            }
        } else if asked(&section, "default", selection) || section == "develop" && asked("dev", "", selection)
        {
            let packages: BTreeMap<String, Pinned> = serde_json::from_value(content).map_err(wrong)?;
            lines.extend(packages.iter().map(|(name, pinned)| pinned.line(name)));
        }
    }
    Ok(lines)
}

impl Pinned {
    fn line(&self, name: &str) -> String {
        let extras = self
            .extras
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(",");
        let extras = if extras.is_empty() {
            extras
        } else {
            format!("[{extras}]")
        };
        let folder = self
            .subdirectory
            .as_ref()
            .map(|folder| format!("#subdirectory={folder}"))
            .unwrap_or_default();
        let mut line = match (&self.git, self.path.as_ref().or(self.file.as_ref())) {
            (Some(url), _) => format!(
                "{name}{extras} @ git+{url}@{}{folder}",
                self.commit.as_deref().unwrap_or_default()
            ),
            (None, Some(place)) => format!("{name}{extras} @ {place}"),
            (None, None) => format!("{name}{extras}{}", self.version.as_deref().unwrap_or_default()),
        };
        line.extend(self.markers.iter().flat_map(|marker| [" ; ", marker.as_str()]));
        line.extend(self.hashes.iter().flat_map(|hash| [" --hash=", hash.as_str()]));
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POETRY: &str = r#"
[[package]]
name = "idna"
version = "3.10"
optional = false
groups = ["main", "dev"]
files = [{file = "idna-3.10-py3-none-any.whl", hash = "sha256:946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3"}]

[[package]]
name = "colorama"
version = "0.4.6"
groups = ["main", "dev"]
markers = {main = "platform_system == \"Windows\"", dev = "sys_platform == \"win32\""}
files = []

[[package]]
name = "psycopg"
version = "3.2"
optional = true
groups = ["main"]
markers = "python_version >= \"3.9\" and extra == \"pg\""
files = []

[[package]]
name = "pytest"
version = "8.0"
groups = ["dev"]
files = []

[[package]]
name = "tool"
version = "1"
groups = ["main"]
files = []
[package.source]
type = "git"
url = "https://git.example/tool.git"
reference = "HEAD"
resolved_reference = "14a6a329313d0e11978fabe84fb49e8ffc293657"

[[package]]
name = "lib"
version = "1"
groups = ["main"]
files = []
[package.source]
type = "directory"
url = "../lib"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "x"
"#;

    fn selection(extras: &[&str], groups: &[&str]) -> Selection {
        Selection {
            root: None,
            extras: extras.iter().map(|name| name.parse().unwrap()).collect(),
            groups: Some(groups.iter().map(|name| name.parse().unwrap()).collect()),
        }
    }

    #[test]
    fn poetry_locks_become_pinned_requirements() {
        let file = SourceFile::new("poetry.lock", POETRY);
        insta::assert_snapshot!("poetry", poetry(&file, &selection(&[], &[])).unwrap());
        insta::assert_snapshot!(
            "poetry_chosen",
            poetry(&file, &selection(&["pg"], &["dev"])).unwrap()
        );
        let mistake = |text: &str| {
            let found = poetry(&SourceFile::new("poetry.lock", text), &selection(&[], &[])).unwrap_err();
            found.iter().map(Diagnostic::summary).collect::<Vec<_>>()
        };
        assert_eq!(
            mistake(&POETRY.replace("2.1", "2.0")),
            ["poetry.lock:51:16: lock version `2.0` does not say which groups need a package"]
        );
        assert_eq!(
            mistake(&POETRY.replace("2.1", "3.0")),
            ["poetry.lock:51:16: lock version `3.0` is newer than this version reads"]
        );
        assert!(mistake("[metadata")[0].starts_with("poetry.lock:1:"));
    }

    #[test]
    fn pipenv_locks_become_pinned_requirements() {
        let text = r#"{"_meta": {"pipfile-spec": 6, "sources": []},
            "default": {"idna": {"hashes": ["sha256:946d"], "markers": "python_version >= '3.6'", "version": "==3.10"},
                        "requests": {"extras": ["socks"], "version": "==2.31.0"},
                        "tool": {"git": "https://git.example/tool.git", "ref": "14a6a329313d0e11978fabe84fb49e8ffc293657"}},
            "develop": {"pytest": {"version": "==8.0"}}}"#;
        let file = SourceFile::new("Pipfile.lock", text);
        insta::assert_snapshot!("pipfile", pipfile(&file, &selection(&[], &["dev"])).unwrap());
        assert_eq!(pipfile(&file, &selection(&[], &[])).unwrap().lines().count(), 3);
        let wrong = pipfile(
            &SourceFile::new("Pipfile.lock", "{\n\"default\": 1"),
            &selection(&[], &[]),
        )
        .unwrap_err();
        assert!(
            wrong
                .iter()
                .next()
                .unwrap()
                .summary()
                .starts_with("Pipfile.lock:2:1: not a valid")
        );
    }
}
