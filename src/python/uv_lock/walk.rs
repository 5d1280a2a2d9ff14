//! From a member over the edges that hold on a target to the packages that are installed.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::{ExtraName, MarkerEnvironment, MarkerTree};

use super::convert::package;
use super::{Edge, Package, UvLock};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, did_you_mean};
use crate::manifest::ProjectPath;
use crate::python::locate::Anchor;
use crate::python::pylock::{Lock, span};
use crate::python::selection::Selection;

/// What is installed on a target for a selection, as a lock without markers.
pub fn locked(
    file: &SourceFile,
    lock: &UvLock,
    selection: &Selection,
    anchor: Anchor<'_>,
    environment: &MarkerEnvironment,
) -> Result<Lock, Diagnostics> {
    let mut walk = Walk {
        file,
        lock,
        environment,
        index: index(lock),
        markers: BTreeMap::new(),
        active: BTreeSet::new(),
        mistakes: Diagnostics::default(),
    };
    let root = walk.root(selection, anchor)?;
    let starts = walk.starts(root, selection);
    // Where extras conflict, markers ask which are active, and walking may activate more: until none is new.
    let reached = loop {
        let known = walk.active.len();
        let reached = walk.from(&starts);
        if walk.active.len() == known || lock.conflicts.is_empty() {
            break reached;
        }
    };
    let folders = folders(lock, anchor);
    let packages = reached
        .into_iter()
        .map(|at| package(file, &lock.package[at], anchor, &folders));
    let mut found = Vec::new();
    for package in packages {
        match package {
            Ok(package) => found.extend(package),
            Err(mistake) => walk.mistakes.push(mistake),
        }
    }
    let whole = Lock {
        lock_version: toml::Spanned::new(0..0, "1.0".to_owned()),
        requires_python: lock.requires_python.clone(),
        default_groups: Vec::new(),
        packages: found,
        tools_at: 0,
    };
    walk.mistakes.finish(Some(whole)).map(|(lock, _)| lock)
}

/// A package, alone or with one of its extras or groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Itself(usize),
    Extra(usize, String),
    Group(usize, String),
}

struct Walk<'a> {
    file: &'a SourceFile,
    lock: &'a UvLock,
    environment: &'a MarkerEnvironment,
    index: BTreeMap<&'a str, Vec<usize>>,
    /// Markers by their text; a lock repeats few.
    markers: BTreeMap<&'a str, Option<MarkerTree>>,
    /// Extras and groups as uv writes them into the markers of locks with conflicts.
    active: BTreeSet<String>,
    mistakes: Diagnostics,
}

impl<'a> Walk<'a> {
    /// The member that the selection means.
    fn root(&self, selection: &Selection, anchor: Anchor<'_>) -> Result<usize, Diagnostic> {
        let members = self.lock.package.iter().enumerate().filter_map(|(at, package)| {
            let path = anchor.path(package.source.folder()?).ok()?;
            Some((at, path))
        });
        let members = members.collect::<Vec<_>>();
        let own = anchor.path(".").unwrap_or_else(|_| ProjectPath::root());
        let wanted = selection.root.as_ref().unwrap_or(&own);
        if let Some((at, _)) = members.iter().find(|(_, path)| path == wanted) {
            return Ok(*at);
        }
        let known = members.iter().map(|(_, path)| path.as_str()).collect::<Vec<_>>();
        Err(
            Diagnostic::error(format!("`{wanted}` is not a project of `{}`", self.file.name()))
                .at(self.file, Span::default())
                .maybe_help(did_you_mean(wanted.as_str(), known.iter().copied()))
                .help(format!("its projects: {}", known.join(", ")))
                .help("a new member is not in the lock until `uv lock` has run"),
        )
    }

    fn starts(&mut self, root: usize, selection: &Selection) -> Vec<Part> {
        let package = &self.lock.package[root];
        let name = package.name.get_ref();
        self.active.insert(encode("project", name, None));
        let mut starts = vec![Part::Itself(root)];
        let chosen = [
            (
                "extra",
                "extra",
                Some(&selection.extras),
                keys(&package.optional_dependencies, provided(package)),
            ),
            (
                "group",
                "dependency group",
                selection.groups.as_ref(),
                keys(&package.dev_dependencies, declared(package)),
            ),
        ];
        for (kind, words, asked, known) in chosen {
            for asked in asked.into_iter().flatten() {
                if !known.contains(asked.as_str()) {
                    let listed = known.iter().copied().collect::<Vec<_>>();
                    let help = if listed.is_empty() {
                        "it has none; is the lock older than its pyproject.toml? `uv lock` makes it again"
                            .to_owned()
                    } else {
                        format!("it has: {}", listed.join(", "))
                    };
                    self.mistakes.push(
                        Diagnostic::error(format!("`{name}` has no {words} `{asked}` in the lock"))
                            .at(self.file, span(&package.name))
                            .maybe_help(did_you_mean(asked.as_str(), listed.iter().copied()))
                            .help(help),
                    );
                    continue;
                }
                self.active.insert(encode(kind, name, Some(asked.as_str())));
                starts.push(match kind {
                    "extra" => Part::Extra(root, asked.to_string()),
                    _ => Part::Group(root, asked.to_string()),
                });
            }
        }
        starts
    }

    /// All packages that are reached, in the order of the lock.
    fn from(&mut self, starts: &[Part]) -> BTreeSet<usize> {
        let mut seen = starts.iter().cloned().collect::<BTreeSet<_>>();
        let mut queue = starts.to_vec();
        while let Some(part) = queue.pop() {
            for edge in self.edges(&part) {
                let more = edge
                    .extra
                    .iter()
                    .map(|extra| encode("extra", &edge.name, Some(extra)));
                let more = more.collect::<Vec<_>>();
                if !self.holds(edge, &more) {
                    continue;
                }
                let Some(to) = self.target(edge) else { continue };
                self.active.extend(more);
                let extras = edge.extra.iter().map(|extra| Part::Extra(to, extra.clone()));
                for next in std::iter::once(Part::Itself(to)).chain(extras) {
                    if seen.insert(next.clone()) {
                        queue.push(next);
                    }
                }
            }
        }
        let itself = |part: Part| match part {
            Part::Itself(at) => Some(at),
            Part::Extra(..) | Part::Group(..) => None,
        };
        seen.into_iter().filter_map(itself).collect()
    }

    fn edges(&self, part: &Part) -> &'a [Edge] {
        let package = |at: &usize| &self.lock.package[*at];
        let named = |table: &'a BTreeMap<String, Vec<Edge>>, name: &str| {
            table.get(name).map_or(&[][..], Vec::as_slice)
        };
        match part {
            Part::Itself(at) => &package(at).dependencies,
            Part::Extra(at, extra) => named(&package(at).optional_dependencies, extra),
            Part::Group(at, group) => named(&package(at).dev_dependencies, group),
        }
    }

    /// Whether an edge's marker holds, once the extras it asks for are active.
    fn holds(&mut self, edge: &'a Edge, more: &[String]) -> bool {
        let Some(marker) = &edge.marker else { return true };
        let text = marker.get_ref().as_str();
        let tree = if let Some(known) = self.markers.get(text) {
            known.clone()
        } else {
            let parsed = text.parse::<MarkerTree>();
            if let Err(error) = &parsed {
                let message = format!("marker of `{}` cannot be read: {error}", edge.name);
                self.mistakes
                    .push(Diagnostic::error(message).at(self.file, span(marker)));
            }
            let tree = parsed.ok();
            self.markers.insert(text, tree.clone());
            tree
        };
        let active = self.active.iter().chain(more);
        let extras = active.filter_map(|name| ExtraName::new(name.clone()).ok());
        tree.is_none_or(|tree| tree.evaluate(self.environment, &extras.collect::<Vec<_>>()))
    }

    /// The package an edge leads to; version and source are given where the name alone is not enough.
    fn target(&mut self, edge: &Edge) -> Option<usize> {
        let candidates = self.index.get(edge.name.as_str()).into_iter().flatten();
        let fits = |at: &&usize| {
            let package = &self.lock.package[**at];
            edge.version
                .as_ref()
                .is_none_or(|version| package.version.as_ref() == Some(version))
                && edge
                    .source
                    .as_ref()
                    .is_none_or(|source| *source == package.source)
        };
        let found = candidates.copied().filter(|at| fits(&at)).collect::<Vec<_>>();
        if let [only] = found.as_slice() {
            return Some(*only);
        }
        let what = if found.is_empty() {
            "is not in the lock"
        } else {
            "is in the lock several times"
        };
        self.mistakes.push(
            Diagnostic::error(format!("`{}`, which others need, {what}", edge.name))
                .at(self.file, Span::default())
                .help("make the lock again with `uv lock`"),
        );
        None
    }
}

/// An extra, group or project as uv writes it into markers: with the length of the name, so that none is ambiguous.
fn encode(kind: &str, package: &str, name: Option<&str>) -> String {
    let name = name.map(|name| format!("-{name}")).unwrap_or_default();
    format!("{kind}-{}-{package}{name}", package.len())
}

fn index(lock: &UvLock) -> BTreeMap<&str, Vec<usize>> {
    let mut index = BTreeMap::<&str, Vec<usize>>::new();
    for (at, package) in lock.package.iter().enumerate() {
        index.entry(package.name.get_ref()).or_default().push(at);
    }
    index
}

/// Names with edges, and names that were declared without any.
fn keys<'a>(table: &'a BTreeMap<String, Vec<Edge>>, declared: Vec<&'a str>) -> BTreeSet<&'a str> {
    table.keys().map(String::as_str).chain(declared).collect()
}

fn provided(package: &Package) -> Vec<&str> {
    let metadata = package.metadata.iter();
    metadata
        .flat_map(|metadata| metadata.provides_extras.iter().map(String::as_str))
        .collect()
}

fn declared(package: &Package) -> Vec<&str> {
    let metadata = package.metadata.iter();
    metadata
        .flat_map(|metadata| metadata.requires_dev.keys().map(String::as_str))
        .collect()
}

/// The folders of all members and path dependencies.
fn folders(lock: &UvLock, anchor: Anchor<'_>) -> Vec<ProjectPath> {
    let folders = lock.package.iter().filter_map(|package| package.source.folder());
    folders.filter_map(|folder| anchor.path(folder).ok()).collect()
}
