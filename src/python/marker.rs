//! Markers of locks: PEP 508 and, after PEP 751, which extras and dependency groups were asked for.

use pep508_rs::{MarkerEnvironment, MarkerTree};

use super::name::PackageName;
use super::selection::Selection;

/// Whether a marker holds on a target for a selection.
pub fn holds(text: &str, environment: &MarkerEnvironment, selection: &Selection) -> Result<bool, String> {
    let tree: MarkerTree = if text.contains("extras") || text.contains("dependency_groups") {
        decided(text, selection).parse()
    } else {
        text.parse()
    }
    .map_err(|error| format!("{error}"))?;
    Ok(tree.evaluate(environment, &[]))
}

/// The marker with every `'name' in extras` and `'name' in dependency_groups` put into words that are always or never
/// true, which is all that PEP 508 knows of them.
fn decided(text: &str, selection: &Selection) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['\'', '"']) {
        let quote = &rest[open..=open];
        let Some(length) = rest[open + 1..].find(quote) else {
            break;
        };
        let (before, value) = (&rest[..open], &rest[open + 1..open + 1 + length]);
        let after = &rest[open + length + 2..];
        out.push_str(before);
        let Some((negated, set, tail)) = membership(after) else {
            out.push_str(&rest[open..open + length + 2]);
            rest = after;
            continue;
        };
        let chosen = value.parse::<PackageName>().is_ok_and(|name| match set {
            Set::Extras => selection.extras.contains(&name),
            Set::Groups => selection
                .groups
                .as_ref()
                .is_some_and(|groups| groups.contains(&name)),
        });
        out.push_str(if chosen == negated {
            "python_version < '0'"
        } else {
            "python_version >= '0'"
        });
        rest = tail;
    }
    out.push_str(rest);
    out
}

enum Set {
    Extras,
    Groups,
}

/// ` in extras` and what follows it.
fn membership(text: &str) -> Option<(bool, Set, &str)> {
    let text = text.trim_start();
    let (negated, text) = match text.strip_prefix("not ") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let text = text.strip_prefix("in ")?.trim_start();
    let ends = |rest: &&str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let extras = text
        .strip_prefix("extras")
        .filter(ends)
        .map(|rest| (negated, Set::Extras, rest));
    extras.or_else(|| {
        let rest = text.strip_prefix("dependency_groups").filter(ends)?;
        Some((negated, Set::Groups, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::Interpreter;

    #[test]
    fn extras_and_groups_are_asked_for_or_not() {
        let environment = Interpreter::assumed("3.11".parse().unwrap(), "amd64")
            .markers()
            .unwrap();
        let selection = Selection {
            root: None,
            extras: ["gpu".parse().unwrap()].into(),
            groups: Some(["dev".parse().unwrap()].into()),
        };
        let holds = |text: &str| holds(text, &environment, &selection);
        assert_eq!(holds("'GPU' in extras"), Ok(true));
        assert_eq!(holds("\"cpu\" in extras or 'dev' in dependency_groups"), Ok(true));
        assert_eq!(holds("'gpu' not in extras and python_version > '3'"), Ok(false));
        assert_eq!(holds("'test' in dependency_groups"), Ok(false));
        assert_eq!(holds("sys_platform == 'linux' and ('gpu' in extras)"), Ok(true));
        assert_eq!(holds("'x86' in platform_machine and 'gpu' in extras"), Ok(true));
        assert!(holds("'gpu' in").is_err());
        assert!(holds("'extras").is_err());
    }
}
