//! Names and versions of distributions, in the one spelling they are compared in.

use std::path::Path;

use crate::error::Problem;

/// The parts of a wheel's file name that say which distribution it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Normalised name, as by [`normalize`].
    pub name: String,
    /// Version as spelled in the file name.
    pub version: String,
}

impl WheelName {
    /// Reads the file name of a wheel:
    /// <https://packaging.python.org/specifications/binary-distribution-format/#file-name-convention>.
    pub fn parse(path: &Path) -> Result<Self, Problem> {
        let bad = |what: &str| Problem::FileName(what.to_owned());
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| bad("it is not UTF-8"))?;
        let stem = file
            .strip_suffix(".whl")
            .ok_or_else(|| bad("it does not end in `.whl`"))?;
        let parts: Vec<&str> = stem.split('-').collect();
        if !(5..=6).contains(&parts.len()) {
            return Err(bad(&format!("it has {} parts instead of 5 or 6", parts.len())));
        }
        if parts.iter().any(|part| part.is_empty()) {
            return Err(bad("one of its parts is empty"));
        }
        if parts.len() == 6 && !parts[2].starts_with(|c: char| c.is_ascii_digit()) {
            return Err(bad(&format!(
                "build tag `{}` does not start with a digit",
                parts[2].escape_debug()
            )));
        }
        let name = normalize(parts[0]);
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(bad(&format!(
                "`{}` is not a distribution name",
                parts[0].escape_debug()
            )));
        }
        Ok(Self {
            name,
            version: parts[1].to_owned(),
        })
    }

    /// Says whether a version is the one of the file name. One without the local part counts as equal, since
    /// local builds are sometimes only marked in the file name.
    pub(crate) fn has_version(&self, version: &str) -> bool {
        let own = canonical_version(&self.version);
        let other = canonical_version(version);
        own == other || own.split_once('+').is_some_and(|(public, _)| public == other)
    }
}

/// Normalises a distribution name: lower case, runs of `-`, `_` and `.` become one `-`.
pub fn normalize(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.trim().chars() {
        match character {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            character => normal.push(character.to_ascii_lowercase()),
        }
    }
    normal
}

/// Brings a version into a form in which equal versions are equal strings:
/// <https://packaging.python.org/specifications/version-specifiers/#normalization>, with trailing zeros of the
/// release dropped. What is no version stays as it is.
pub(crate) fn canonical_version(version: &str) -> String {
    let lower = version.trim().to_ascii_lowercase();
    let text = lower.strip_prefix('v').unwrap_or(&lower);
    let (public, local) = text
        .split_once('+')
        .map_or((text, None), |(public, local)| (public, Some(local)));
    let (epoch, rest) = public.split_once('!').unwrap_or(("0", public));
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (release, suffix) = rest.split_at(end);
    let mut numbers: Vec<&str> = release.trim_end_matches('.').split('.').map(number).collect();
    while numbers.len() > 1 && numbers.last() == Some(&"0") {
        numbers.pop();
    }
    let mut canonical = format!("{}!{}", number(epoch), numbers.join("."));
    push_suffix(&mut canonical, suffix);
    if let Some(local) = local {
        canonical.push('+');
        let segments: Vec<&str> = local.split(['.', '-', '_']).map(number).collect();
        canonical.push_str(&segments.join("."));
    }
    canonical
}

/// Appends pre-, post- and development release markers under their canonical names.
fn push_suffix(canonical: &mut String, mut suffix: &str) {
    while !suffix.is_empty() {
        let separated = suffix.trim_start_matches(['.', '-', '_']);
        let letters = separated
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(separated.len());
        let (marker, rest) = separated.split_at(letters);
        let rest = rest.trim_start_matches(['.', '-', '_']);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if letters == 0 && digits == 0 {
            canonical.push_str(suffix);
            return;
        }
        canonical.push_str(match marker {
            "alpha" => "a",
            "beta" => "b",
            "c" | "pre" | "preview" => "rc",
            "" | "r" | "rev" => "post",
            marker => marker,
        });
        canonical.push_str(number(&rest[..digits]));
        suffix = &rest[digits..];
    }
}

/// Drops leading zeros of a number; an absent number is zero. Anything else is returned as it is.
fn number(text: &str) -> &str {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let trimmed = text.trim_start_matches('0');
        if trimmed.is_empty() { "0" } else { trimmed }
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names() {
        let parse = |name: &str| WheelName::parse(Path::new(name));
        let name = parse("/w/Foo_Bar.baz-1.0+cpu-1-cp311-cp311-linux_x86_64.whl").unwrap();
        assert_eq!(
            name,
            WheelName {
                name: "foo-bar-baz".to_owned(),
                version: "1.0+cpu".to_owned()
            }
        );
        assert!(parse("a-1-py3-none-any.whl").is_ok());
        for (bad, why) in [
            ("a-1-py3-none-any.zip", "end in"),
            ("a-1.whl", "2 parts"),
            ("a-1-x-py3-none-any.whl", "build tag"),
            ("a--py3-none-any.whl", "empty"),
            ("a b-1-py3-none-any.whl", "distribution name"),
        ] {
            let message = parse(bad).unwrap_err().to_string();
            assert!(message.contains(why), "{bad}: {message}");
        }
    }

    #[test]
    fn equal_versions() {
        for (a, b) in [
            ("1.0", "1"),
            ("1.0.0", "v1"),
            ("0!1.2", "1.2"),
            ("1.0-alpha.1", "1a1"),
            ("1.0c1", "1.0.rc1"),
            ("1.0preview", "1rc0"),
            ("1.0-1", "1.0.post1"),
            ("1.0.rev3", "1.post3"),
            ("1.0a1.dev", "1a1dev0"),
            ("1.0+Ubuntu_01", "1+ubuntu.1"),
            ("2024.01.05", "2024.1.5"),
        ] {
            assert_eq!(canonical_version(a), canonical_version(b), "{a} {b}");
        }
    }

    #[test]
    fn different_versions() {
        for (a, b) in [
            ("1.0", "1.1"),
            ("1a1", "1b1"),
            ("1", "1.post0"),
            ("1!1", "1"),
            ("1+a", "1+b"),
            ("1", "1.dev0"),
        ] {
            assert_ne!(canonical_version(a), canonical_version(b), "{a} {b}");
        }
    }

    #[test]
    fn local_part_may_be_missing_in_metadata() {
        let name = WheelName {
            name: "torch".to_owned(),
            version: "2.1.0+cpu".to_owned(),
        };
        assert!(name.has_version("2.1.0+cpu") && name.has_version("2.1"));
        assert!(!name.has_version("2.1.0+cu121") && !name.has_version("2.1.1"));
    }
}
