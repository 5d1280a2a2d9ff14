//! Where the parts of a wheel go in a POSIX virtual environment.
//!
//! Paths are strings relative to the root of the target file system, with forward slashes and no leading one, as
//! they stand in a tar archive.

use std::fmt;
use std::str::FromStr;

/// The minor version of the interpreter, which is all of it that a wheel's files depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonVersion {
    /// Always 3 today.
    pub major: u8,
    /// For example 11.
    pub minor: u8,
}

impl FromStr for PythonVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let plain = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().ok() } else { None }
        };
        match text
            .split_once('.')
            .map(|(major, minor)| (number(major), number(minor)))
        {
            Some((Some(major @ 3..), Some(minor))) => Ok(Self { major, minor }),
            _ => Err(format!(
                "python version `{}` is not like `3.11`",
                text.escape_debug()
            )),
        }
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The install scheme of one virtual environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    venv: String,
    python: PythonVersion,
}

impl Layout {
    /// Lays out a virtual environment at an absolute path, as seen by the programs that will run in it.
    pub fn new(venv: &str, python: PythonVersion) -> Result<Self, String> {
        let shown = venv.escape_debug();
        let Some(relative) = venv.strip_prefix('/') else {
            return Err(format!("venv path `{shown}` is not absolute"));
        };
        let relative = relative.trim_end_matches('/');
        if relative.is_empty() {
            return Err("venv path `/` is the root; expected a directory such as `/opt/venv`".to_owned());
        }
        if relative
            .split('/')
            .any(|component| matches!(component, "" | "." | ".."))
        {
            return Err(format!("venv path `{shown}` has an empty, `.` or `..` component"));
        }
        if relative.chars().any(char::is_control) {
            return Err(format!("venv path `{shown}` has a control character"));
        }
        Ok(Self {
            venv: relative.to_owned(),
            python,
        })
    }

    /// The interpreter's minor version.
    pub fn python(&self) -> PythonVersion {
        self.python
    }

    /// The virtual environment itself, the target of the `data` scheme.
    pub fn venv(&self) -> &str {
        &self.venv
    }

    /// Where modules go: `purelib` and `platlib` are one directory on POSIX.
    pub fn site_packages(&self) -> String {
        format!("{}/lib/python{}/site-packages", self.venv, self.python)
    }

    /// Where scripts go.
    pub fn scripts(&self) -> String {
        format!("{}/bin", self.venv)
    }

    /// Where a distribution's C headers go; the name is the normalised one.
    pub fn headers(&self, name: &str) -> String {
        format!("{}/include/site/python{}/{name}", self.venv, self.python)
    }

    /// The absolute path that scripts name in their first line.
    pub fn interpreter(&self) -> String {
        format!("/{}/bin/python", self.venv)
    }

    /// Spells a path as `RECORD` does: relative to `site-packages`.
    pub(crate) fn record_path(&self, path: &str) -> String {
        let base = self.site_packages();
        let base: Vec<&str> = base.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        let common = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
        let mut parts = vec![".."; base.len() - common];
        parts.extend(&path[common..]);
        parts.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(venv: &str) -> Layout {
        Layout::new(venv, PythonVersion { major: 3, minor: 11 }).unwrap()
    }

    #[test]
    fn scheme() {
        let layout = layout("/opt/venv/");
        assert_eq!(layout.venv(), "opt/venv");
        assert_eq!(layout.site_packages(), "opt/venv/lib/python3.11/site-packages");
        assert_eq!(layout.scripts(), "opt/venv/bin");
        assert_eq!(
            layout.headers("greenlet"),
            "opt/venv/include/site/python3.11/greenlet"
        );
        assert_eq!(layout.interpreter(), "/opt/venv/bin/python");
    }

    #[test]
    fn record_paths() {
        let layout = layout("/opt/venv");
        for (path, expected) in [
            ("opt/venv/lib/python3.11/site-packages/a/b.py", "a/b.py"),
            ("opt/venv/bin/x", "../../../bin/x"),
            ("opt/venv/lib/python3.11/x", "../x"),
            ("opt/venv/share/man/x.1", "../../../share/man/x.1"),
        ] {
            assert_eq!(layout.record_path(path), expected);
        }
    }

    #[test]
    fn versions() {
        assert_eq!("3.11".parse(), Ok(PythonVersion { major: 3, minor: 11 }));
        for bad in [
            "3",
            "3.11.2",
            "3.011",
            "2.7",
            "3.13t",
            "",
            "3.",
            "+3.1",
            "python3.11",
        ] {
            assert!(bad.parse::<PythonVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bad_venvs() {
        for bad in [
            "opt/venv",
            "/",
            "",
            "/opt/../venv",
            "/opt//venv",
            "/opt/./venv",
            "/opt/ve\nnv",
        ] {
            assert!(
                Layout::new(bad, PythonVersion { major: 3, minor: 11 }).is_err(),
                "{bad}"
            );
        }
    }
}
