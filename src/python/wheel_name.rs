//! Wheel file names: `name-version(-build)?-python-abi-platform.whl` (binary distribution format).

/// The parts of a wheel's file name, as written there: a lock names ten times more wheels than are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName<'a> {
    /// Package as written.
    pub name: &'a str,
    /// Version as written.
    pub version: &'a str,
    /// Build number and the rest of the build tag, for ties.
    pub build: (u64, &'a str),
    /// Python tags with dots between, such as cp311 or py2.py3.
    pub python: &'a str,
    /// ABI tags, such as cp311, abi3 or none.
    pub abi: &'a str,
    /// Platform tags, such as manylinux_2_17_x86_64 or any.
    pub platform: &'a str,
}

impl<'a> WheelName<'a> {
    /// Takes a file name apart.
    pub fn parse(filename: &'a str) -> Result<Self, String> {
        let stem = filename
            .strip_suffix(".whl")
            .ok_or_else(|| format!("`{filename}` does not end in `.whl`"))?;
        let mut parts = [""; 6];
        let mut count = 0;
        for part in stem.split(ONE_OF_DASH) {
            *parts.get_mut(count).ok_or_else(|| not_a_wheel(filename))? = part;
            count += 1;
        }
        let (build, [python, abi, platform]) = match count {
            5 => ("", [parts[2], parts[3], parts[4]]),
            6 => (parts[2], [parts[3], parts[4], parts[5]]),
            _ => return Err(not_a_wheel(filename)),
        };
        let digits = build.len() - build.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        Ok(Self {
            name: parts[0],
            version: parts[1],
            build: (build[..digits].parse().unwrap_or(0), &build[digits..]),
            python,
            abi,
            platform,
        })
    }

    /// All tags the name stands for (compressed tag sets are expanded, PEP 425).
    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let (python, abi, platform) = (self.python, self.abi, self.platform);
        split(python).flat_map(move |python| {
            split(abi).flat_map(move |abi| split(platform).map(move |platform| (python, abi, platform)))
        })
    }

    /// The tags as the file name has them.
    pub fn tag_text(&self) -> String {
        format!("{}-{}-{}", self.python, self.abi, self.platform)
    }
}

/// The tags of a compressed set.
pub(super) fn split(set: &str) -> impl Iterator<Item = &str> + Clone {
    set.split(ONE_OF_DOT)
}

// Sets of one: texts are short, and the standard library's search for a single character is made for long ones.
const ONE_OF_DASH: [char; 1] = ['-'];
const ONE_OF_DOT: [char; 1] = ['.'];

fn not_a_wheel(filename: &str) -> String {
    format!("`{filename}` is not the name of a wheel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let wheel =
            WheelName::parse("PyNaCl-1.5.0-2x-cp36-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
                .unwrap();
        assert_eq!(wheel.name, "PyNaCl");
        assert_eq!(wheel.build, (2, "x"));
        assert_eq!(wheel.tags().count(), 2);
        assert_eq!(
            wheel.tag_text(),
            "cp36-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"
        );
        assert!(WheelName::parse("a-1.tar.gz").is_err());
        assert!(WheelName::parse("a-1-2-3-4-5-6.whl").is_err());
        assert!(WheelName::parse("a-1-py3.whl").is_err());
    }
}
