//! The interpreter a service will run on: what markers and tags are decided by.

use std::fmt;
use std::str::FromStr;

use pep440_rs::{Version, VersionParseError, VersionSpecifiers};
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};
use serde::Serialize;

use crate::manifest::PythonMinor;

/// The C library of an image and its version; wheels are built for one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Libc {
    /// GNU libc, such as 2.36: manylinux wheels (PEP 600).
    Glibc(u32, u32),
    /// musl, such as 1.2: musllinux wheels (PEP 656).
    Musl(u32, u32),
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glibc(major, minor) => write!(f, "glibc {major}.{minor}"),
            Self::Musl(major, minor) => write!(f, "musl {major}.{minor}"),
        }
    }
}

impl FromStr for Libc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a C library and its version");
        let (name, version) = text.split_once(' ').ok_or_else(wrong)?;
        let (major, minor) = version.split_once('.').ok_or_else(wrong)?;
        let minor = minor.split('.').next().unwrap_or(minor);
        let (major, minor) = (
            major.parse().map_err(|_| wrong())?,
            minor.parse().map_err(|_| wrong())?,
        );
        match name {
            "glibc" => Ok(Self::Glibc(major, minor)),
            "musl" => Ok(Self::Musl(major, minor)),
            _ => Err(wrong()),
        }
    }
}

/// No minor version of CPython had more patch releases than this.
const PATCHES: u64 = 40;

/// A Python interpreter in a base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interpreter {
    /// Full version, such as 3.11.7.
    pub version: String,
    /// Whether no image was looked at: the patch of the version is then a guess.
    #[serde(skip)]
    pub assumed: bool,
    /// Its minor version.
    #[serde(skip)]
    pub minor: PythonMinor,
    /// Absolute path in the image.
    pub executable: String,
    /// The C library beside it.
    pub libc: Libc,
    /// The machine as `uname -m` has it, such as x86_64 or aarch64.
    pub machine: String,
}

impl Interpreter {
    /// The usual one where no image has been looked at: the newest patch is not known, so markers that ask for it
    /// may be decided otherwise in the build.
    pub fn assumed(minor: PythonMinor, architecture: &str) -> Self {
        Self {
            version: format!("{minor}.0"),
            assumed: true,
            minor,
            executable: format!("/usr/local/bin/python{minor}"),
            libc: Libc::Glibc(2, 36),
            machine: machine(architecture).to_owned(),
        }
    }

    /// The same as far as an image's name tells: Alpine has musl.
    pub fn assumed_in(image: &str, minor: PythonMinor, architecture: &str) -> Self {
        let mut assumed = Self::assumed(minor, architecture);
        if image.contains("alpine") {
            assumed.libc = Libc::Musl(1, 2);
        }
        assumed
    }

    /// Whether `Requires-Python` takes it (core metadata). Where the patch is a guess, any patch that is taken will do:
    /// the build, which knows it, decides again.
    pub fn is_in(&self, specifiers: &VersionSpecifiers) -> Result<bool, VersionParseError> {
        let version = self.version.parse::<Version>()?;
        let [major, minor, ..] = *version.release() else {
            return Ok(specifiers.contains(&version));
        };
        let mut patches = (0..=PATCHES).map(|patch| Version::new([major, minor, patch]));
        Ok(specifiers.contains(&version)
            || self.assumed && patches.any(|version| specifiers.contains(&version)))
    }

    /// What markers see on it (PEP 508).
    pub fn markers(&self) -> Result<MarkerEnvironment, String> {
        MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: &self.version,
            os_name: "posix",
            platform_machine: &self.machine,
            platform_python_implementation: "CPython",
            platform_release: "",
            platform_system: "Linux",
            platform_version: "",
            python_full_version: &self.version,
            python_version: &self.minor.to_string(),
            sys_platform: "linux",
        })
        .map_err(|error| error.to_string())
    }
}

/// The machine name of an OCI architecture.
pub fn machine(architecture: &str) -> &str {
    match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i686",
        "arm" => "armv7l",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guessed_patch_refuses_nothing_that_another_patch_would_do() {
        let assumed = Interpreter::assumed("3.11".parse().unwrap(), "amd64");
        let known = Interpreter {
            assumed: false,
            ..assumed.clone()
        };
        let is_in =
            |interpreter: &Interpreter, text: &str| interpreter.is_in(&text.parse().unwrap()).unwrap();
        assert!(is_in(&assumed, ">=3.11.2") && !is_in(&known, ">=3.11.2"));
        assert!(is_in(&assumed, ">=3.11,<3.12") && is_in(&known, ">=3.11,<3.12"));
        assert!(!is_in(&assumed, ">=3.12") && !is_in(&assumed, "<3.11"));
    }
}
