use super::*;
use crate::python::{Anchor, Interpreter, Selection, pyproject};

/// A workspace of two services and a library, with extras, groups, forks, a conflict and every kind of source.
const LOCK: &str = include_str!("fixture.lock");

fn selection(root: &str, extras: &[&str], groups: &[&str]) -> Selection {
    Selection {
        root: Some(root.parse().unwrap()),
        extras: extras.iter().map(|name| name.parse().unwrap()).collect(),
        groups: Some(groups.iter().map(|name| name.parse().unwrap()).collect()),
    }
}

/// Names with versions or places, or the mistakes.
fn installed(text: &str, python: &str, selection: &Selection) -> Vec<String> {
    let file = SourceFile::new("uv.lock", text);
    let environment = Interpreter::assumed(python.parse().unwrap(), "amd64")
        .markers()
        .unwrap();
    let lock = match parse(&file) {
        Ok(lock) => lock,
        Err(mistake) => return vec![mistake.summary()],
    };
    match locked(&file, &lock, selection, Anchor::beside("uv.lock"), &environment) {
        Ok(lock) => lock.packages.iter().map(describe).collect(),
        Err(mistakes) => mistakes
            .iter()
            .map(|d| format!("{} | {}", d.summary(), d.help.join(" | ")))
            .collect(),
    }
}

fn describe(package: &crate::python::pylock::Package) -> String {
    let name = package.name.get_ref();
    if let Some(directory) = &package.directory {
        let without = &directory.get_ref().without;
        return format!("{name} in {} without {without:?}", directory.get_ref().path);
    }
    if let Some(vcs) = &package.vcs {
        let vcs = vcs.get_ref();
        return format!("{name} at {:?} {:?}", vcs.url, vcs.subdirectory);
    }
    if let Some(archive) = &package.archive {
        return format!("{name} from {}", archive.get_ref().file.filename());
    }
    format!("{name} {}", package.version.as_deref().unwrap_or_default())
}

#[test]
fn a_member_takes_its_own_closure() {
    insta::assert_debug_snapshot!(installed(LOCK, "3.11", &selection("services/api", &[], &[])));
    insta::assert_debug_snapshot!(installed(LOCK, "3.11", &selection("services/worker", &[], &[])));
}

#[test]
fn extras_groups_and_forks_are_followed() {
    insta::assert_debug_snapshot!(installed(
        LOCK,
        "3.11",
        &selection("services/api", &["gpu"], &["prod"])
    ));
    insta::assert_debug_snapshot!(installed(LOCK, "3.12", &selection("services/api", &["cpu"], &[])));
}

#[test]
fn what_is_not_there_is_named() {
    insta::assert_debug_snapshot!(installed(LOCK, "3.11", &selection("services/wroker", &[], &[])));
    insta::assert_debug_snapshot!(installed(
        LOCK,
        "3.11",
        &selection("services/api", &["gpus"], &["test"])
    ));
    insta::assert_debug_snapshot!(installed("version = 2", "3.11", &selection(".", &[], &[])));
    insta::assert_debug_snapshot!(installed(
        "version = 1\n[[package]]\n",
        "3.11",
        &selection(".", &[], &[])
    ));
    assert!(installed("versio", "3.11", &selection(".", &[], &[]))[0].starts_with("uv.lock:1:"));
}

#[test]
fn a_lock_that_is_older_than_its_members_is_told() {
    let file = SourceFile::new("uv.lock", LOCK);
    let lock = parse(&file).unwrap();
    let member = "services/api".parse().unwrap();
    let stale = |text: &str| {
        let about = SourceFile::new("services/api/pyproject.toml", text);
        let project = pyproject::parse(&about).unwrap();
        let found = stale(
            &lock,
            (&file, Anchor::beside("uv.lock")),
            &member,
            &about,
            &project,
        );
        found
            .iter()
            .map(crate::diag::Diagnostic::summary)
            .collect::<Vec<_>>()
    };
    let project = include_str!("fixture.toml");
    assert_eq!(stale(project), Vec::<String>::new());
    insta::assert_debug_snapshot!(stale(&project.replace("\"click>=8,<9\"", "\"click>=9\"")));
    insta::assert_debug_snapshot!(stale(&project.replace("\"click>=8,<9\",", "")));
    insta::assert_debug_snapshot!(stale(
        &project.replace("\"gunicorn\"", "\"gunicorn\", \"gevent\"")
    ));
    assert_eq!(
        stale(&project.replace("\"click>=8,<9\"", "\"Click <9, >= 8\"")),
        Vec::<String>::new()
    );
}

/// What members need and the lock does not have, with its place.
fn conflicts(text: &str, selection: &Selection) -> Vec<String> {
    use crate::python::together::{Conflict, unmet};
    let file = SourceFile::new("uv.lock", text);
    let environment = Interpreter::assumed("3.11".parse().unwrap(), "amd64")
        .markers()
        .unwrap();
    let lock = parse(&file).unwrap();
    let anchor = Anchor::beside("uv.lock");
    let whole = locked(&file, &lock, selection, anchor, &environment).unwrap();
    let versions = whole.packages.iter().map(|package| {
        let version = package.version.clone().unwrap_or_default();
        (package.name.get_ref().parse().unwrap(), version)
    });
    let versions = versions.collect::<std::collections::BTreeMap<_, _>>();
    let known = said(
        &lock,
        selection,
        anchor,
        |name| versions.contains_key(name),
        &environment,
    );
    let found = unmet(&known, &versions, &environment).into_iter();
    let told = found.filter_map(|conflict| match conflict {
        Conflict::Need {
            package,
            needs,
            installed,
            at,
            ..
        } => {
            let at = file.position(at?.start);
            Some(format!(
                "{}:{} {package} needs {needs}, has {installed:?}",
                at.line, at.column
            ))
        }
        Conflict::Path { .. } => None,
    });
    told.collect()
}

#[test]
fn what_members_need_is_held_against_what_is_locked() {
    let chosen = selection("services/api", &["gpu"], &["prod"]);
    assert_eq!(conflicts(LOCK, &chosen), [""; 0]);
    let edited = LOCK
        .replace("specifier = \">=8,<9\"", "specifier = \">=80\"")
        .replace("specifier = \">=0.20\"", "specifier = \">=99\"")
        .replace("specifier = \">=2\" }", "specifier = \">=200\" }");
    insta::assert_debug_snapshot!(conflicts(&edited, &chosen));
    // The extra that takes numpy is not asked for, nor is the one of the library by the worker.
    insta::assert_debug_snapshot!(conflicts(&edited, &selection("services/worker", &[], &[])));
    let with = LOCK.replace(
        "[manifest]\n",
        "[manifest]\noverrides = [{ name = \"Click\", specifier = \"==1\" }]\n",
    );
    let lock = parse(&SourceFile::new("uv.lock", with)).unwrap();
    assert_eq!(
        overrides(&lock)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["click"]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics_the_reader(text in "\\PC*", at in 0usize..4000, with in "[\\[\\]{}=\"a-z0-9\\n#,. -]{0,12}") {
        installed(&text, "3.11", &selection(".", &[], &[]));
        let at = LOCK.floor_char_boundary(at.min(LOCK.len()));
        let cut = format!("{}{with}{}", &LOCK[..at], LOCK.get(at + with.len()..).unwrap_or_default());
        installed(&cut, "3.11", &selection("services/api", &["gpu"], &["prod"]));
    }
}
