//! `pyproject.toml`: what a project needs, and what of it decides how it is locked and built.

use std::collections::BTreeMap;

use pep508_rs::{Requirement, VerbatimUrl};
use serde::Deserialize;
use toml::Spanned;

use super::pylock::span;
use super::requirement;
use crate::diag::{Diagnostic, SourceFile, Span};
use crate::tree::patterns::Patterns;

/// A project as written; keys that decide nothing here are left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pyproject {
    /// The standard table (PEP 621).
    pub project: Option<Project>,
    /// Dependency groups (PEP 735).
    #[serde(default)]
    pub dependency_groups: BTreeMap<String, Vec<Spanned<Group>>>,
    /// What tools add.
    #[serde(default)]
    pub tool: Tool,
}

/// The standard table.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Project {
    /// Name as written.
    pub name: Spanned<String>,
    /// What it needs (PEP 508).
    #[serde(default)]
    pub dependencies: Vec<Spanned<String>>,
    /// What its extras need.
    #[serde(default)]
    pub optional_dependencies: BTreeMap<String, Vec<Spanned<String>>>,
    /// Keys that only a build can tell.
    #[serde(default)]
    pub dynamic: Vec<String>,
}

/// An item of a dependency group.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Group {
    /// A requirement (PEP 508).
    Requirement(String),
    /// All of another group.
    Include {
        /// Its name.
        #[serde(rename = "include-group")]
        include_group: String,
    },
}

/// Tables of tools.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Tool {
    /// uv's own.
    #[serde(default)]
    pub uv: Uv,
    /// Poetry's own; its content is Poetry's business.
    pub poetry: Option<toml::Value>,
}

/// uv's own table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Uv {
    /// The group `dev` before groups were a standard.
    #[serde(default)]
    pub dev_dependencies: Vec<Spanned<String>>,
    /// Where packages come from, other than an index.
    #[serde(default)]
    pub sources: BTreeMap<String, toml::Value>,
    /// Which folders are locked together with this one.
    pub workspace: Option<Workspace>,
}

/// A workspace, from its root.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Workspace {
    /// Patterns of folders.
    #[serde(default)]
    members: Vec<String>,
    /// The same of those that are none.
    #[serde(default)]
    exclude: Vec<String>,
}

impl Workspace {
    /// Whether a folder, relative to the root, is a member.
    pub fn has(&self, folder: &str) -> bool {
        let among = |patterns: &[String]| patterns.iter().any(|pattern| covers(pattern, folder));
        among(&self.members) && !among(&self.exclude)
    }
}

/// Whether a pattern is for a folder itself, not for one above it.
fn covers(pattern: &str, folder: &str) -> bool {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    let depth = |path: &str| path.split('/').count();
    let deep = pattern.contains("**") || depth(pattern) == depth(folder);
    deep && Patterns::new([pattern]).is_ok_and(|patterns| patterns.matches(folder))
}

impl Uv {
    /// Folders and files that packages come from, relative to the project.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let sources = self.sources.values().flat_map(|value| match value {
            toml::Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        });
        sources.filter_map(|source| source.get("path")?.as_str())
    }
}

impl Pyproject {
    /// Whether name and dependencies can be read without building the project.
    pub fn is_static(&self) -> bool {
        let needed = [
            "version",
            "dependencies",
            "optional-dependencies",
            "requires-python",
        ];
        let project = self.project.as_ref();
        project.is_some_and(|project| !project.dynamic.iter().any(|key| needed.contains(&key.as_str())))
    }
}

/// Reads a project's text.
pub fn parse(file: &SourceFile) -> Result<Pyproject, Diagnostic> {
    toml::from_str(file.text()).map_err(|error| {
        let place = error
            .span()
            .map_or(Span::default(), |range| Span::new(range.start, range.end));
        Diagnostic::error(format!("not a valid pyproject.toml: {}", error.message())).at(file, place)
    })
}

/// A requirement of a project, with its place.
pub fn requirement(
    file: &SourceFile,
    text: &Spanned<String>,
) -> Result<Requirement<VerbatimUrl>, Diagnostic> {
    requirement::parse(text.get_ref()).map_err(|reason| {
        Diagnostic::error(format!("`{}` is not a requirement", text.get_ref()))
            .at(file, span(text))
            .help(reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_patterns() {
        let text = "[tool.uv.workspace]\nmembers = [\"packages/*\", \"apps/**/web\"]\nexclude = [\"packages/old\"]\n";
        let workspace = parse(&SourceFile::new("pyproject.toml", text)).unwrap();
        let workspace = workspace.tool.uv.workspace.unwrap();
        for (folder, member) in [
            ("packages/api", true),
            ("packages/api/deep", false),
            ("packages/old", false),
            ("packages", false),
            ("apps/a/b/web", true),
            ("other", false),
        ] {
            assert_eq!(workspace.has(folder), member, "{folder}");
        }
    }
}
