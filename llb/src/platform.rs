//! Platforms, parsed, normalised and written as containerd does it, because they are part of digests and of the names
//! under which the parts of a multi-platform result are known.

use buildkit_proto::pb;
use std::fmt;
use std::str::FromStr;

/// An operating system and a processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// Go's name of the operating system, such as `linux`.
    pub os: String,
    /// Go's name of the architecture, such as `arm64`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7`; often empty.
    pub variant: String,
    /// The version of the operating system; Windows only.
    pub os_version: String,
    /// Features of the operating system; Windows only.
    pub os_features: Vec<String>,
}

/// A text that names no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// It has a character or a form that platforms do not have.
    #[error(
        "`{0}` is not a platform; expected `os/architecture` or `os/architecture/variant`, such as `linux/amd64`"
    )]
    Form(String),
    /// It has no slash. containerd would add the machine's own system or architecture; a build must not depend on that.
    #[error("`{found}` leaves out the operating system or the architecture; did you mean `{suggestion}`?")]
    Incomplete {
        /// What was found.
        found: String,
        /// What was probably meant.
        suggestion: String,
    },
}

impl Platform {
    /// A platform without a variant, normalised.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self {
            os: os.into(),
            architecture: architecture.into(),
            ..Self::default()
        }
        .normalized()
    }

    /// The canonical form: lower case, one name for each architecture, no variant where it is the default one. A 32-bit
    /// ARM without a variant becomes `v7`.
    pub fn normalized(mut self) -> Self {
        self.os = normalize_os(&self.os);
        (self.architecture, self.variant) = normalize_architecture(&self.architecture, &self.variant);
        self.os_features.sort();
        self.os_features.dedup();
        self
    }

    /// `os/architecture[/variant]`, without the version and features of the system; `unknown` without a system.
    pub fn format_short(&self) -> String {
        if self.os.is_empty() {
            "unknown".to_owned()
        } else {
            self.join(&self.os)
        }
    }

    fn join(&self, os: &str) -> String {
        let parts = [os, &self.architecture, &self.variant];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// containerd's `FormatAll`: with version and features of the system in parentheses.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.os.is_empty() || (self.os_version.is_empty() && self.os_features.is_empty()) {
            return f.write_str(&self.format_short());
        }
        let mut features: Vec<String> = self
            .os_features
            .iter()
            .filter(|f| !f.is_empty())
            .map(|f| escape(f))
            .collect();
        features.sort();
        features.dedup();
        let mut options = escape(&self.os_version);
        for feature in &features {
            options.push('+');
            options.push_str(feature);
        }
        let os = if options.is_empty() {
            self.os.clone()
        } else {
            format!("{}({options})", self.os)
        };
        f.write_str(&self.join(&os))
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || PlatformError::Form(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let (os, options) = split_options(parts[0]).ok_or_else(form)?;
        let words_ok = parts[1..].iter().all(|part| is_word(part));
        if !is_word(os) || !words_ok {
            return Err(form());
        }
        let mut platform = Self {
            os: normalize_os(os),
            ..Self::default()
        };
        (platform.os_version, platform.os_features) = parse_options(options).ok_or_else(form)?;
        match parts[1..] {
            [] => return Err(incomplete(text)),
            [architecture] => {
                let (architecture, variant) = normalize_architecture(architecture, "");
                // What containerd leaves out when nobody wrote it.
                platform.variant = if architecture == "arm" && variant == "v7" {
                    String::new()
                } else {
                    variant
                };
                platform.architecture = architecture;
            }
            [architecture, variant] => {
                (platform.architecture, platform.variant) = normalize_architecture(architecture, variant);
                if platform.architecture == "arm64" && platform.variant.is_empty() {
                    "v8".clone_into(&mut platform.variant);
                }
            }
            _ => return Err(form()),
        }
        Ok(platform)
    }
}

impl From<&Platform> for pb::Platform {
    fn from(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
            os_version: platform.os_version.clone(),
            os_features: platform.os_features.clone(),
        }
    }
}

impl From<&pb::Platform> for Platform {
    fn from(platform: &pb::Platform) -> Self {
        Self {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
            os_version: platform.os_version.clone(),
            os_features: platform.os_features.clone(),
        }
    }
}

fn normalize_os(os: &str) -> String {
    let os = os.to_lowercase();
    if os == "macos" { "darwin".to_owned() } else { os }
}

fn normalize_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_lowercase(), variant.to_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        (architecture, variant) => (architecture, variant),
    };
    (architecture.to_owned(), variant.to_owned())
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// `windows(10.0+win32k)` as `windows` and what is in the parentheses.
fn split_options(text: &str) -> Option<(&str, &str)> {
    match text.split_once('(') {
        None => Some((text, "")),
        Some((os, rest)) => rest.strip_suffix(')').map(|options| (os, options)),
    }
}

fn parse_options(options: &str) -> Option<(String, Vec<String>)> {
    let mut parts = options.split('+');
    let version = unescape(parts.next().unwrap_or_default())?;
    let mut features = Vec::new();
    for feature in parts {
        if feature.is_empty() {
            return None;
        }
        features.push(unescape(feature)?);
    }
    Some((version, features))
}

fn incomplete(text: &str) -> PlatformError {
    let known_os = matches!(
        normalize_os(text).as_str(),
        "linux" | "windows" | "darwin" | "freebsd"
    );
    let suggestion = if known_os {
        format!("{}/amd64", normalize_os(text))
    } else {
        format!("linux/{}", normalize_architecture(text, "").0)
    };
    PlatformError::Incomplete {
        found: text.to_owned(),
        suggestion,
    }
}

/// Hides the characters that have a meaning in the written form.
fn escape(text: &str) -> String {
    // The percent sign first, so that it is not escaped twice.
    [
        ("%", "%25"),
        ("+", "%2B"),
        ("(", "%28"),
        (")", "%29"),
        ("/", "%2F"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let code = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&code).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::{Platform, PlatformError};

    /// Text, as parsed, and as parsed and normalised; the pairs are containerd's.
    #[test]
    fn parses_and_normalises_as_containerd() {
        for (text, parsed, normalised) in [
            ("linux/amd64", "linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64", "linux/amd64"),
            ("linux/x86_64/v1", "linux/amd64", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/9", "linux/arm64/v9", "linux/arm64/v9"),
            ("linux/armhf", "linux/arm", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6", "linux/arm/v6"),
            ("linux/arm", "linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6", "linux/arm/v6"),
            ("linux/i386", "linux/386", "linux/386"),
            ("macos/arm64", "darwin/arm64", "darwin/arm64"),
            (
                "windows(10.0.17763+win32k)/amd64",
                "windows(10.0.17763+win32k)/amd64",
                "windows(10.0.17763+win32k)/amd64",
            ),
            (
                "windows(10%2B1)/amd64",
                "windows(10%2B1)/amd64",
                "windows(10%2B1)/amd64",
            ),
        ] {
            let platform: Platform = text.parse().unwrap();
            assert_eq!(platform.to_string(), parsed, "{text}");
            assert_eq!(platform.normalized().to_string(), normalised, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text: &str| text.parse::<Platform>().unwrap_err().to_string();
        assert!(
            error("arm64").ends_with("did you mean `linux/arm64`?"),
            "{}",
            error("arm64")
        );
        assert!(error("linux").ends_with("did you mean `linux/amd64`?"));
        for text in [
            "",
            "*",
            "linux/",
            "/amd64",
            "linux/a/b/c",
            "win(1/amd64",
            "linux/a m",
        ] {
            assert_eq!(
                text.parse::<Platform>().unwrap_err(),
                PlatformError::Form(text.to_owned()),
                "{text}"
            );
        }
    }
}
