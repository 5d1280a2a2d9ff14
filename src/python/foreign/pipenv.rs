//! `Pipfile.lock`: a requirement file in which everything is pinned.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::asked;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::python::selection::Selection;

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
