//! Requirements that cannot be met together: who asks for what, from the line of a requirement file to the package
//! in question, and how to set services apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Project;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};

/// At most this many packages are explained.
const EXPLAINED: usize = 3;

/// What the resolver says of a failed job.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Report {
    /// uv's words; none when all went well.
    pub(super) failed: Option<String>,
    /// What each service gets when nobody else is asked.
    pub(super) alone: BTreeMap<String, Alone>,
}

/// A service resolved for itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Alone {
    /// uv's annotated list of versions.
    text: Option<String>,
    /// uv's words.
    error: Option<String>,
}

/// The mistakes behind a failed job.
pub(super) fn explain(
    manifest: &SourceFile,
    services: &[(&str, &Project)],
    files: &[SourceFile],
    report: &Report,
) -> Diagnostics {
    let own = services.iter().filter_map(|(name, project)| {
        let error = report.alone.get(*name)?.error.as_deref()?;
        let wrong = Diagnostic::error(format!("the requirements of service `{name}` cannot be met"));
        Some(said(wrong.at(manifest, project.at), error))
    });
    let own = own.collect::<Diagnostics>();
    if !own.is_empty() {
        return own;
    }
    let failed = report.failed.as_deref().unwrap_or_default();
    let lists = services.iter().filter_map(|(name, _)| {
        let text = report.alone.get(*name)?.text.as_deref()?;
        Some((*name, entries(text)))
    });
    let lists = lists.collect::<Vec<_>>();
    let mut found = disputed(&lists, failed)
        .into_iter()
        .take(EXPLAINED)
        .map(|package| conflict(&package, &lists, files))
        .collect::<Vec<_>>();
    if let Some(last) = found.pop() {
        // uv's own derivation is said once, after the last.
        found.push(said(last, failed));
    } else {
        let names = services.iter().map(|(name, _)| format!("`{name}`"));
        let names = names.collect::<Vec<_>>().join(", ");
        let wrong = Diagnostic::error(format!("the requirements of {names} cannot be met together"));
        let at = services
            .first()
            .map_or(Span::default(), |(_, project)| project.at);
        found.push(said(wrong.at(manifest, at), failed).help(APART));
    }
    found.into_iter().collect()
}

const APART: &str =
    "services that need not have equal versions go to groups of their own: `lock_group: NAME` in one of them";

/// uv's words as advice, line by line.
fn said(diagnostic: Diagnostic, words: &str) -> Diagnostic {
    let lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.map(|line| line.trim_start_matches("cause: ").to_owned());
    lines
        .filter(|line| !line.starts_with("error: No solution"))
        .fold(diagnostic, Diagnostic::help)
}

/// One package of uv's annotated list.
#[derive(Debug, Clone)]
struct Entry {
    version: String,
    /// Packages, or `-r FILE`.
    via: Vec<String>,
}

fn entries(text: &str) -> BTreeMap<String, Entry> {
    let mut found = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if !line.starts_with([' ', '#', '-']) && !line.is_empty() {
            let (name, version) = line
                .split_once("==")
                .or_else(|| line.split_once(" @ "))
                .unwrap_or((line, ""));
            name.clone_into(&mut current);
            let entry = Entry {
                version: version.split(' ').next().unwrap_or_default().to_owned(),
                via: Vec::new(),
            };
            found.insert(current.clone(), entry);
            continue;
        }
        let note = line.trim().trim_start_matches('#').trim();
        let via = note.strip_prefix("via").map_or(note, str::trim);
        if let Some(entry) = found.get_mut(&current)
            && !via.is_empty()
            && !via.starts_with("from ")
        {
            entry.via.push(via.to_owned());
        }
    }
    found
}

type Lists<'a> = [(&'a str, BTreeMap<String, Entry>)];

/// Packages of which services want different versions, and that uv speaks of; those it speaks of last come first.
fn disputed(lists: &Lists<'_>, failed: &str) -> Vec<String> {
    let names = lists
        .iter()
        .flat_map(|(_, list)| list.keys())
        .collect::<BTreeSet<_>>();
    let differs = |name: &&String| {
        let versions = lists
            .iter()
            .filter_map(|(_, list)| list.get(*name))
            .map(|entry| &entry.version);
        versions.collect::<BTreeSet<_>>().len() > 1
    };
    let mut found = names
        .into_iter()
        .filter(differs)
        .filter_map(|name| Some((last_word(failed, name)?, name)));
    let mut sorted = found.by_ref().collect::<Vec<_>>();
    sorted.sort();
    sorted.into_iter().rev().map(|(_, name)| name.clone()).collect()
}

/// Where a package is named for the last time.
fn last_word(text: &str, name: &str) -> Option<usize> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let whole = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(|c| part(c) && c != '.')
    };
    text.match_indices(name).map(|(at, _)| at).filter(whole).last()
}

/// A package that two services want in different versions, with the chain of each.
fn conflict(package: &str, lists: &Lists<'_>, files: &[SourceFile]) -> Diagnostic {
    let wants = lists
        .iter()
        .filter_map(|(name, list)| Some((*name, list, list.get(package)?)));
    let mut by_version: BTreeMap<&str, (&str, &BTreeMap<String, Entry>)> = BTreeMap::new();
    for (name, list, entry) in wants {
        by_version.entry(&entry.version).or_insert((name, list));
    }
    let names = by_version
        .values()
        .map(|(name, _)| format!("`{name}`"))
        .collect::<Vec<_>>();
    let mut diagnostic = Diagnostic::error(format!(
        "services {} cannot have one version of `{package}`",
        names.join(" and ")
    ));
    for (version, (service, list)) in &by_version {
        let way = way(package, list, files);
        if diagnostic.place.is_none()
            && let Some((file, span)) = &way.place
        {
            diagnostic = diagnostic.at(file, *span);
        }
        diagnostic = diagnostic.help(format!("{service}: {} brings {package} {version}", way.text));
    }
    diagnostic.help(APART)
}

/// How a service comes to a package.
struct Way {
    text: String,
    place: Option<(SourceFile, Span)>,
}

/// The shortest way from a requirement file to a package.
fn way(package: &str, list: &BTreeMap<String, Entry>, files: &[SourceFile]) -> Way {
    let mut ways = vec![vec![package.to_owned()]];
    let mut seen = BTreeSet::from([package.to_owned()]);
    while !ways.is_empty() {
        let mut next = Vec::new();
        for way in ways {
            let Some(entry) = way.last().and_then(|name| list.get(name)) else {
                continue;
            };
            for via in &entry.via {
                if let Some(file) = via.strip_prefix("-r ") {
                    return told(&way, file, files);
                }
                if seen.insert(via.clone()) {
                    next.push([way.clone(), vec![via.clone()]].concat());
                }
            }
        }
        ways = next;
    }
    Way {
        text: package.to_owned(),
        place: None,
    }
}

fn told(way: &[String], file: &str, files: &[SourceFile]) -> Way {
    let first = way.last().map(String::as_str).unwrap_or_default();
    let place = files
        .iter()
        .find(|source| source.name() == file)
        .and_then(|source| {
            let line = source.text().lines().position(|line| names(line, first))?;
            Some((source.clone(), source.line_span(line + 1)))
        });
    let mut text = match &place {
        Some((source, span)) => {
            let line = source.text()[span.range()].trim();
            format!("{file}:{}: `{line}`", source.position(span.start).line)
        }
        None => format!("{file}: `{first}`"),
    };
    for name in way.iter().rev().skip(1) {
        text.push_str(" -> ");
        text.push_str(name);
    }
    Way { text, place }
}

/// Whether a line of a requirement file asks for a package.
fn names(line: &str, package: &str) -> bool {
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(line.len());
    line[..end]
        .parse::<crate::python::PackageName>()
        .is_ok_and(|name| name.as_str() == package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let alone = |text: &str| Alone {
            text: Some(text.to_owned()),
            error: None,
        };
        Report {
            failed: Some("error: No solution found when resolving dependencies\n  cause: Because old==1.0 depends on numpy<2 and you require old, we can conclude that numpy<2.\n".to_owned()),
            alone: BTreeMap::from([
                ("stt".to_owned(), alone("idna==3.1\n    # via -r b.txt\nnumpy==1.26.4\n    # via\n    #   old\nold==1.0\n    # via -r stt.txt\n")),
                ("flan".to_owned(), alone("idna==3.0\n    # via -r b.txt\nnumpy==2.1.0\n    # via -r flan.txt\n    # from https://packages.example/simple\n")),
            ]),
        }
    }

    #[test]
    fn both_chains_are_told() {
        let manifest = SourceFile::new("wheelwright.yaml", "x");
        let project = Project::default();
        let services = [("stt", &project), ("flan", &project)];
        let files = [
            SourceFile::new("stt.txt", "# words\nold\n"),
            SourceFile::new("flan.txt", "a\nNumPy>=2 # new\n"),
        ];
        let mistakes = explain(&manifest, &services, &files, &report());
        let told = mistakes
            .iter()
            .map(|d| format!("{}\n{}", d.summary(), d.help.join("\n")))
            .collect::<Vec<_>>();
        insta::assert_snapshot!(told.join("\n\n"));
    }

    #[test]
    fn a_service_that_cannot_be_met_alone_is_named() {
        let mut report = report();
        report.alone.insert(
            "stt".to_owned(),
            Alone {
                text: None,
                error: Some("error: x\n  cause: y\n".to_owned()),
            },
        );
        let manifest = SourceFile::new("wheelwright.yaml", "x");
        let project = Project::default();
        let mistakes = explain(&manifest, &[("stt", &project)], &[], &report);
        let all = mistakes.iter().map(Diagnostic::summary).collect::<Vec<_>>();
        assert_eq!(
            all,
            ["wheelwright.yaml:1:1: the requirements of service `stt` cannot be met"]
        );
    }
}
