//! What locking changed, for people: one line a lock.

use std::collections::BTreeMap;

use super::state::State;
use super::write::Written;
use crate::diag::SourceFile;
use crate::frontend::locked_versions;

/// Changes that are named in a line; the rest is counted.
const NAMED: usize = 6;

/// A line for each lock, and one for what else should be locked.
pub(super) fn told(state: &State, written: &[Written]) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, before) in state.locks() {
        let Some(new) = written.iter().find(|written| written.path == path) else {
            continue;
        };
        let after = locked_versions(&SourceFile::new(path, new.text.as_str()));
        let what = match before {
            None => format!("{} packages", after.len()),
            Some(text) if text.text() == new.text => "unchanged".to_owned(),
            Some(text) => changes(&map(locked_versions(text)), &map(after)),
        };
        lines.push(format!("{path}: {what}"));
    }
    if state.is_part() {
        lines.push("note: `wheelwright lock --check` says whether the other services still agree".to_owned());
    }
    lines
}

fn map(versions: Vec<(crate::python::PackageName, String)>) -> BTreeMap<String, String> {
    versions
        .into_iter()
        .map(|(name, version)| (name.to_string(), version))
        .collect()
}

fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let mut told = Vec::new();
    for (name, version) in after {
        match before.get(name) {
            Some(old) if old == version => {}
            Some(old) => told.push(format!("{name} {old} -> {version}")),
            None => told.push(format!("+ {name} {version}")),
        }
    }
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    told.extend(gone.map(|(name, version)| format!("- {name} {version}")));
    if told.is_empty() {
        return "written anew, same versions".to_owned();
    }
    let more = told.len().saturating_sub(NAMED);
    told.truncate(NAMED);
    let more = if more == 0 {
        String::new()
    } else {
        format!(", and {more} more")
    };
    format!("{}{more}", told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_named_up_to_a_few() {
        let map = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let before = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = map(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert_eq!(changes(&before, &after), "b 1 -> 2, + d 1, - c 1");
        assert_eq!(changes(&before, &before), "written anew, same versions");
    }
}
