//! Small validated values. Each is checked once, here; nobody re-checks them inside.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// A path inside the repository, relative to its root, cleaned: no `.`, no `..`, no leading or trailing `/`.
/// The root itself is `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct ProjectPath(String);

impl ProjectPath {
    /// The path as text with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that holds it; the root's is the root.
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or(".", |(parent, _)| parent)
                .to_owned(),
        )
    }

    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The repository itself.
    pub fn root() -> Self {
        Self(".".to_owned())
    }

    /// Whether it is this folder or something in it.
    pub fn is_within(&self, folder: &Self) -> bool {
        let inside = |rest: &str| rest.is_empty() || rest.starts_with('/');
        folder.0 == "." || self.0.strip_prefix(&folder.0).is_some_and(inside)
    }

    /// The path as it is written in a folder of the repository.
    pub fn relative_to(&self, folder: &Self) -> String {
        let parts = |path: &Self| -> Vec<String> {
            let named = path.0.split('/').filter(|part| *part != ".");
            named.map(str::to_owned).collect()
        };
        let (own, from) = (parts(self), parts(folder));
        let shared = own.iter().zip(&from).take_while(|(a, b)| a == b).count();
        let up = std::iter::repeat_n("..", from.len() - shared);
        let words = up
            .chain(own[shared..].iter().map(String::as_str))
            .collect::<Vec<_>>();
        if words.is_empty() {
            ".".to_owned()
        } else {
            words.join("/")
        }
    }

    /// A path written relative to this folder.
    pub fn join(&self, relative: &str) -> Result<Self, String> {
        if self.0 == "." {
            relative.parse()
        } else {
            format!("{}/{relative}", self.0).parse()
        }
    }
}

impl FromStr for ProjectPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Err("paths are relative to the repository; remove the leading `/`".to_owned());
        }
        if text.contains(['\\', '\0']) {
            return Err("paths are written with `/`".to_owned());
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts
                        .pop()
                        .ok_or("the path leaves the repository; only what is inside it can be used")?;
                }
                part => parts.push(part),
            }
        }
        Ok(Self(if parts.is_empty() {
            ".".to_owned()
        } else {
            parts.join("/")
        }))
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ProjectPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A Python minor version such as `3.11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct PythonMinor {
    /// 3.
    pub major: u32,
    /// 11.
    pub minor: u32,
}

impl FromStr for PythonMinor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a minor version such as `\"3.11\"`".to_owned();
        let (major, rest) = text.split_once('.').ok_or_else(wrong)?;
        // A patch release is accepted where an interpreter reports one; the minor decides.
        let minor = rest.split('.').next().unwrap_or(rest);
        let parsed = Self {
            major: major.parse().map_err(|_| wrong())?,
            minor: minor.parse().map_err(|_| wrong())?,
        };
        if parsed.major != 3 || parsed.minor < 8 {
            return Err("Python 3.8 and newer are supported".to_owned());
        }
        Ok(parsed)
    }
}

impl fmt::Display for PythonMinor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for PythonMinor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A sha256 digest: 64 lowercase hex digits, written with or without `sha256:` in front.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// The 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(hex))
        } else {
            Err(format!(
                "expected 64 hexadecimal digits, found {} characters",
                hex.len()
            ))
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A port with its protocol, as image configs write it: `8001/tcp`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Port(String);

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains(':') {
            return Err(
                "expected the container's port alone; `docker run -p` and Compose publish it".to_owned(),
            );
        }
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let number: u16 = number
            .parse()
            .map_err(|_| "expected a port from 1 to 65535".to_owned())?;
        if number == 0 || !matches!(protocol, "tcp" | "udp" | "sctp") {
            return Err("expected a port such as `8001` or `8001/udp`".to_owned());
        }
        Ok(Self(format!("{number}/{protocol}")))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A duration as Compose and Go write it, such as `1m30s`; kept in nanoseconds, as image configs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Duration(pub i64);

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a duration such as `10s` or `1m30s`".to_owned();
        let mut rest = text;
        let mut total: i64 = 0;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(wrong)?;
            let number = &rest[..digits];
            rest = &rest[digits..];
            let unit_len = rest
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(rest.len());
            let unit = match &rest[..unit_len] {
                "ns" => 1,
                "us" | "µs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return Err(wrong()),
            };
            rest = &rest[unit_len..];
            total = times(number, unit)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(wrong)?;
        }
        if text.is_empty() {
            Err(wrong())
        } else {
            Ok(Self(total))
        }
    }
}

/// A decimal number of units, in nanoseconds; none when it is no number or too large.
fn times(number: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: i64 = whole.parse().ok()?;
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let part: i64 = fraction.parse().ok()?;
    let part = i128::from(part) * i128::from(unit) / i128::from(10_i64.pow(digits));
    whole.checked_mul(unit)?.checked_add(i64::try_from(part).ok()?)
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

/// File permissions in octal, such as `"0644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        match u32::from_str_radix(digits, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(Self(mode)),
            _ => Err("expected permissions in octal such as `\"0644\"`".to_owned()),
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

/// Whom a service runs as: a name (made when the base has none of it), or numbers.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub enum User {
    /// `app`: looked up in the base, else added without a login shell.
    Name(String),
    /// `1000` or `1000:1000`.
    Ids {
        /// User id.
        uid: u32,
        /// Group id; the user id when not given.
        gid: u32,
    },
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let (uid, gid) = text.split_once(':').unwrap_or((text, text));
            let number = |text: &str| text.parse().map_err(|_| "expected `UID` or `UID:GID`".to_owned());
            return Ok(Self::Ids {
                uid: number(uid)?,
                gid: number(gid)?,
            });
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if text.is_empty() || text.len() > 32 || !text.chars().all(allowed) || text.starts_with('-') {
            return Err(
                "expected a user name of lowercase letters, digits, `_` and `-`, or `UID:GID`".to_owned(),
            );
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ids { uid, gid } => write!(f, "{uid}:{gid}"),
        }
    }
}

impl Serialize for User {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_stay_inside() {
        let path = |text: &str| text.parse::<ProjectPath>().map(|p| p.to_string());
        assert_eq!(path("./a//b/../c/").as_deref(), Ok("a/c"));
        assert_eq!(path(".").as_deref(), Ok("."));
        assert!(path("../x").unwrap_err().contains("leaves the repository"));
        assert!(path("/x").is_err());
        let parent = "services/a/req.txt".parse::<ProjectPath>().unwrap().parent();
        assert_eq!(parent.join("../base.txt").unwrap().as_str(), "services/base.txt");
    }

    #[test]
    fn durations_add_up() {
        assert_eq!("1m30s".parse(), Ok(Duration(90_000_000_000)));
        assert_eq!("1.5s500ms".parse(), Ok(Duration(2_000_000_000)));
        assert!("1..5s".parse::<Duration>().is_err());
        assert!("10".parse::<Duration>().is_err());
        assert!("".parse::<Duration>().is_err());
    }

    #[test]
    fn users_are_names_or_numbers() {
        assert_eq!("1000".parse(), Ok(User::Ids { uid: 1000, gid: 1000 }));
        assert_eq!("app".parse(), Ok(User::Name("app".to_owned())));
        assert!("Bad Name".parse::<User>().is_err());
    }

    #[test]
    fn minor_versions_keep_their_zero() {
        assert_eq!("3.10".parse::<PythonMinor>().unwrap().to_string(), "3.10");
        assert!("3".parse::<PythonMinor>().is_err());
        assert!("2.7".parse::<PythonMinor>().is_err());
    }
}
