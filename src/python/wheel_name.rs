//! Wheel file names: `name-version(-build)?-python-abi-platform.whl` (binary distribution format).

use super::name::PackageName;

/// The parts of a wheel's file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Package.
    pub name: PackageName,
    /// Version as written.
    pub version: String,
    /// Build number and the rest of the build tag, for ties.
    pub build: (u64, String),
    /// Python tags, such as cp311 or py3.
    pub python: Vec<String>,
    /// ABI tags, such as cp311, abi3 or none.
    pub abi: Vec<String>,
    /// Platform tags, such as manylinux_2_17_x86_64 or any.
    pub platform: Vec<String>,
}

impl WheelName {
    /// Takes a file name apart.
    pub fn parse(filename: &str) -> Result<Self, String> {
        let stem = filename
            .strip_suffix(".whl")
            .ok_or_else(|| format!("`{filename}` does not end in `.whl`"))?;
        let parts = stem.split('-').collect::<Vec<_>>();
        let (name, version, build, tags) = match parts.as_slice() {
            [name, version, tags @ ..] if tags.len() == 3 => (name, version, "", tags),
            [name, version, build, tags @ ..] if tags.len() == 3 => (name, version, *build, tags),
            _ => return Err(format!("`{filename}` is not the name of a wheel")),
        };
        let digits = build.len() - build.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let split = |tag: &str| tag.split('.').map(str::to_owned).collect();
        Ok(Self {
            name: name.parse()?,
            version: (*version).to_owned(),
            build: (build[..digits].parse().unwrap_or(0), build[digits..].to_owned()),
            python: split(tags[0]),
            abi: split(tags[1]),
            platform: split(tags[2]),
        })
    }

    /// All tags the name stands for (compressed tag sets are expanded, PEP 425).
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.python.iter().flat_map(move |python| {
            self.abi.iter().flat_map(move |abi| {
                self.platform
                    .iter()
                    .map(move |platform| (python.as_str(), abi.as_str(), platform.as_str()))
            })
        })
    }

    /// The tags as the file name has them.
    pub fn tag_text(&self) -> String {
        format!(
            "{}-{}-{}",
            self.python.join("."),
            self.abi.join("."),
            self.platform.join(".")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let wheel =
            WheelName::parse("PyNaCl-1.5.0-2x-cp36-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
                .unwrap();
        assert_eq!(wheel.name.as_str(), "pynacl");
        assert_eq!(wheel.build, (2, "x".to_owned()));
        assert_eq!(wheel.tags().count(), 2);
        assert!(WheelName::parse("a-1.tar.gz").is_err());
        assert!(WheelName::parse("a-1-py3.whl").is_err());
    }
}
