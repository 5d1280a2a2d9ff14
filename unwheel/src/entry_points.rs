//! `entry_points.txt`: which commands a distribution wants to have.
//!
//! Format: <https://packaging.python.org/specifications/entry-points/>. Only the groups `console_scripts` and
//! `gui_scripts` concern an installer; on POSIX both make the same kind of wrapper. The file is read as Python's
//! `configparser` does with `=` as its only delimiter: case counts, comments have lines of their own, deeper
//! lines continue a value, nothing may be said twice.

use std::collections::BTreeMap;

use crate::error::Problem;
use crate::layout::PythonVersion;

/// What one command calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) module: String,
    /// A dotted path inside the module.
    pub(crate) attribute: String,
}

/// Reads all commands, by name. Those of `gui_scripts` win over `console_scripts`.
pub(crate) fn parse(text: &str, python: PythonVersion) -> Result<BTreeMap<String, Target>, Problem> {
    let groups = groups(text)?;
    let mut console = targets(&groups, "console_scripts")?;
    name_pip_after(python, &mut console);
    console.extend(targets(&groups, "gui_scripts")?);
    Ok(console)
}

type Group = BTreeMap<String, String>;

/// Reads the INI file.
fn groups(text: &str) -> Result<BTreeMap<String, Group>, Problem> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut section: Option<String> = None;
    let mut option: Option<String> = None;
    let mut indent = 0;
    for (number, raw) in (1..).zip(text.lines()) {
        let bad = |what: &str| Problem::EntryPoint(format!("line {number}: {what}"));
        let line = raw.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let own_indent = raw.len() - raw.trim_start().len();
        if let (Some(section), Some(option)) = (&section, &option)
            && own_indent > indent
        {
            if let Some(value) = groups.get_mut(section).and_then(|group| group.get_mut(option)) {
                value.push('\n');
                value.push_str(line);
            }
            continue;
        }
        indent = own_indent;
        if let Some(name) = section_name(line) {
            if groups.insert(name.to_owned(), Group::new()).is_some() {
                return Err(bad(&format!("section [{}] occurs twice", name.escape_debug())));
            }
            (section, option) = (Some(name.to_owned()), None);
            continue;
        }
        let Some(group) = section.as_ref().and_then(|section| groups.get_mut(section)) else {
            return Err(bad("expected a section header before anything else"));
        };
        let Some((key, value)) = line.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(bad(&format!(
                "`{}` is neither `name = value` nor a section",
                line.escape_debug()
            )));
        };
        let key = key.trim_end().to_owned();
        if group.insert(key.clone(), value.trim().to_owned()).is_some() {
            return Err(bad(&format!("`{}` occurs twice", key.escape_debug())));
        }
        option = Some(key);
    }
    Ok(groups)
}

/// Returns what is between the first bracket, which starts the line, and the last.
fn section_name(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

fn targets(groups: &BTreeMap<String, Group>, group: &str) -> Result<BTreeMap<String, Target>, Problem> {
    let Some(entries) = groups.get(group) else {
        return Ok(BTreeMap::new());
    };
    let mut targets = BTreeMap::new();
    for (name, value) in entries {
        let target = target(value).ok_or_else(|| {
            Problem::EntryPoint(format!(
                "`{}` in [{group}] is `{}`, expected `module:attribute`",
                name.escape_debug(),
                value.escape_debug()
            ))
        })?;
        check_name(name)?;
        targets.insert(name.clone(), target);
    }
    Ok(targets)
}

/// Reads `module:attribute [extras]`. Extras say when a command is of use, not whether it is installed.
fn target(value: &str) -> Option<Target> {
    let value = match value.trim_end().strip_suffix(']') {
        Some(rest) => {
            let (target, extras) = rest.split_once('[')?;
            if extras.is_empty() || extras.starts_with(',') || extras.contains(",,") {
                return None;
            }
            target
        }
        None => value,
    };
    let (module, attribute) = value.split_once(':')?;
    let (module, attribute) = (module.trim_end(), attribute.trim());
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    (plain(module) && plain(attribute)).then(|| Target {
        module: module.to_owned(),
        attribute: attribute.to_owned(),
    })
}

/// A command's name is a file name in `bin`, nothing else.
fn check_name(name: &str) -> Result<(), Problem> {
    if matches!(name, "." | "..") || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        return Err(Problem::EntryPoint(format!(
            "`{}` is not a file name for a script",
            name.escape_debug()
        )));
    }
    if is_reserved(name) {
        return Err(Problem::Reserved(format!("bin/{name}")));
    }
    Ok(())
}

/// Says whether a name in `bin` is one of the interpreter's own. Compared as on the strictest of systems, so
/// that a wheel is good everywhere or nowhere.
pub(crate) fn is_reserved(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let lower = lower.strip_suffix(".py").unwrap_or(&lower);
    let minor = |text: &str| text.parse::<u8>().is_ok();
    matches!(
        lower,
        "python" | "pythonw" | "python3" | "graalpy" | "pypy" | "pypy2" | "pypy3"
    ) || lower
        .strip_prefix("python3.")
        .is_some_and(|rest| minor(rest.strip_suffix('t').unwrap_or(rest)))
        || lower
            .strip_prefix("pythonw3.")
            .and_then(|rest| rest.strip_suffix('t'))
            .is_some_and(minor)
}

/// pip's own wheel may carry a `pip3.N` for the interpreter it was built on; what users expect is one for theirs.
fn name_pip_after(python: PythonVersion, console: &mut BTreeMap<String, Target>) {
    console.retain(|name, _| {
        name.strip_prefix("pip3.")
            .is_none_or(|minor| minor.parse::<u8>().is_err())
    });
    if let Some(target) = console.get("pip3").cloned() {
        console.insert(format!("pip3.{}", python.minor), target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: PythonVersion = PythonVersion { major: 3, minor: 11 };

    fn names(text: &str) -> Vec<String> {
        parse(text, PYTHON).unwrap().into_keys().collect()
    }

    #[test]
    fn reads_both_groups_and_ignores_others() {
        let text = "\
            # comment\n[console_scripts] ; more\nfoo = foomod:main\n ; comment\nBar=foomod : sub.main [extra, more] \n\
            [gui_scripts]\ngui = g:main[x]\n[pytest11]\nplugin = something odd\n\n  in two lines\n";
        let scripts = parse(text, PYTHON).unwrap();
        let target = |module: &str, attribute: &str| Target {
            module: module.to_owned(),
            attribute: attribute.to_owned(),
        };
        assert_eq!(scripts.len(), 3);
        assert_eq!(scripts["foo"], target("foomod", "main"));
        assert_eq!(scripts["Bar"], target("foomod", "sub.main"));
        assert_eq!(scripts["gui"], target("g", "main"));
    }

    #[test]
    fn malformed_targets_are_refused() {
        for value in [
            "",
            ":main",
            "mod",
            "mod:",
            "mod:main [x",
            "mod:a b",
            "mod:a()",
            "a b:c",
            "mod:main []",
            "m:a:b",
        ] {
            let text = format!("[console_scripts]\nx = {value}\n");
            assert!(parse(&text, PYTHON).is_err(), "{value}");
        }
        assert!(parse("[console_scripts]\nx: a.b\n", PYTHON).is_err());
        for text in [
            "[console_scripts\n",
            "[]\n",
            "x = a:b\n",
            "[a]\nx\n",
            "[a]\nx=1\nx=2\n",
            "[a]\n[a]\n",
        ] {
            assert!(parse(text, PYTHON).is_err(), "{text}");
        }
        assert!(names("[ console_scripts ]\nx = a:b\n").is_empty(), "spaces count");
        assert!(parse("[console_scripts]\n= a:b\n", PYTHON).is_err());
    }

    #[test]
    fn names_stay_in_bin() {
        for name in [
            "../x",
            "a/b",
            "..",
            "a\\b",
            "python",
            "Python3",
            "python3.11",
            "python3.13t",
            "python3.py",
        ] {
            let text = format!("[console_scripts]\n{name} = a:b\n");
            assert!(parse(&text, PYTHON).is_err(), "{name}");
        }
        assert_eq!(
            names("[console_scripts]\npython3.x = a:b\npythonic = a:b\n"),
            ["python3.x", "pythonic"]
        );
    }

    #[test]
    fn pip_is_named_after_the_target() {
        let text = "[console_scripts]\npip = a:b\npip3 = a:b\npip3.9 = a:b\nmemray3.9 = a:b\n";
        assert_eq!(names(text), ["memray3.9", "pip", "pip3", "pip3.11"]);
    }
}
