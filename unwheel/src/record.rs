//! `RECORD`: the list of a distribution's files with hashes and sizes, as CSV.
//!
//! Format: <https://packaging.python.org/specifications/recording-installed-packages/>. Reading accepts what
//! Python's `csv` module writes; writing sorts and quotes as uv does, with bare line feeds.

use std::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Sha256, Sha384, Sha512};

use crate::error::Problem;

/// Two blocks of SHA-256.
const NEAR: usize = 128;

/// One line. Sorts by path, then hash, then size, which is the order of an installed `RECORD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    /// Path relative to `site-packages`, spelled as it was found.
    pub(crate) path: String,
    /// `ALGORITHM=HASH`, spelled as it was found; absent for `RECORD` itself.
    pub(crate) hash: Option<String>,
    /// Size in bytes.
    pub(crate) size: Option<u64>,
}

/// The hash algorithms `RECORD` may use: SHA-256 or better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

/// A hash from `RECORD`, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// Computes a [`Digest`].
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        use sha2::Digest as _;
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        use sha2::Digest as _;
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Takes bytes that another digest takes as well. A round of SHA-256 waits for the one before it, so a processor
    /// has time for a second digest in between, as long as both are near enough for it to see.
    pub(crate) fn update_with(&mut self, other: &mut Sha256, bytes: &[u8]) {
        use sha2::Digest as _;
        for piece in bytes.chunks(NEAR) {
            self.update(piece);
            other.update(piece);
        }
    }

    pub(crate) fn finish(self) -> Digest {
        use sha2::Digest as _;
        match self {
            Self::Sha256(hasher) => Digest {
                algorithm: Algorithm::Sha256,
                bytes: hasher.finalize().to_vec(),
            },
            Self::Sha384(hasher) => Digest {
                algorithm: Algorithm::Sha384,
                bytes: hasher.finalize().to_vec(),
            },
            Self::Sha512(hasher) => Digest {
                algorithm: Algorithm::Sha512,
                bytes: hasher.finalize().to_vec(),
            },
        }
    }
}

impl Digest {
    /// Hashes bytes in memory with SHA-256, the algorithm of every line we add.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Its first bytes in hex.
    pub(crate) fn beginning(&self, bytes: usize) -> String {
        let mut text = String::with_capacity(2 * bytes);
        for byte in self.bytes.iter().take(bytes) {
            write!(text, "{byte:02x}").expect("strings take any text");
        }
        text
    }

    /// Reads `ALGORITHM=HASH`. Weak and unknown algorithms are refused.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let Some((name, hash)) = text.split_once('=') else {
            return Err(Problem::Record(format!(
                "hash `{}` in RECORD is not `ALGORITHM=HASH`",
                text.escape_debug()
            )));
        };
        let (algorithm, length) = match name.to_ascii_lowercase().as_str() {
            "sha256" => (Algorithm::Sha256, 32),
            "sha384" => (Algorithm::Sha384, 48),
            "sha512" => (Algorithm::Sha512, 64),
            _ => {
                return Err(Problem::Record(format!(
                    "hash algorithm `{}` in RECORD is weak or unknown; expected sha256, sha384 or sha512",
                    name.escape_debug()
                )));
            }
        };
        match URL_SAFE_NO_PAD.decode(hash.trim_end_matches('=')) {
            Ok(bytes) if bytes.len() == length => Ok(Self { algorithm, bytes }),
            _ => Err(Problem::Record(format!(
                "hash `{}` in RECORD is not {length} bytes of urlsafe base64",
                text.escape_debug()
            ))),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        };
        write!(f, "{name}={}", URL_SAFE_NO_PAD.encode(&self.bytes))
    }
}

/// Reads a `RECORD`. Blank lines are skipped; leading slashes of paths are dropped, since some wheels have them.
pub(crate) fn parse(text: &str) -> Result<Vec<Line>, Problem> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (fields, tail) = csv_record(rest)?;
        rest = tail;
        let [path, hash, size] = match <[String; 3]>::try_from(fields) {
            Ok(fields) => fields,
            Err(fields) if fields.iter().all(String::is_empty) && fields.len() == 1 => continue,
            Err(fields) => {
                return Err(Problem::Record(format!(
                    "line `{}` of RECORD has {} fields, expected `path,hash,size`",
                    fields.join(",").escape_debug(),
                    fields.len()
                )));
            }
        };
        let size = match size.as_str() {
            "" => None,
            digits => Some(digits.parse().map_err(|_| {
                Problem::Record(format!(
                    "size `{}` in RECORD is not a number",
                    digits.escape_debug()
                ))
            })?),
        };
        let hash = Some(hash).filter(|hash| !hash.is_empty());
        lines.push(Line {
            path: path.trim_start_matches('/').to_owned(),
            hash,
            size,
        });
    }
    Ok(lines)
}

/// Takes one CSV record off the text and returns its fields and what follows.
fn csv_record(text: &str) -> Result<(Vec<String>, &str), Problem> {
    let mut fields = vec![String::new()];
    let mut characters = text.char_indices().peekable();
    let mut quoted = false;
    while let Some((at, character)) = characters.next() {
        let field = fields.last_mut().expect("there is always a field");
        match character {
            '"' if quoted => {
                if characters.next_if(|&(_, next)| next == '"').is_some() {
                    field.push('"');
                } else {
                    quoted = false;
                }
            }
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(String::new()),
            '\n' if !quoted => return Ok((fields, &text[at + 1..])),
            '\r' if !quoted => {
                let end = if text[at + 1..].starts_with('\n') {
                    at + 2
                } else {
                    at + 1
                };
                return Ok((fields, &text[end..]));
            }
            character => field.push(character),
        }
    }
    if quoted {
        return Err(Problem::Record("RECORD ends inside a quoted field".to_owned()));
    }
    Ok((fields, ""))
}

/// Writes a `RECORD`, sorted.
pub(crate) fn write(mut lines: Vec<Line>) -> String {
    lines.sort();
    let mut text = String::new();
    for line in lines {
        push_field(&mut text, &line.path);
        text.push(',');
        push_field(&mut text, line.hash.as_deref().unwrap_or_default());
        text.push(',');
        if let Some(size) = line.size {
            text.push_str(&size.to_string());
        }
        text.push('\n');
    }
    text
}

fn push_field(text: &mut String, field: &str) {
    if field.contains([',', '"', '\r', '\n']) {
        text.push('"');
        text.push_str(&field.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, hash: Option<&str>, size: Option<u64>) -> Line {
        Line {
            path: path.to_owned(),
            hash: hash.map(str::to_owned),
            size,
        }
    }

    #[test]
    fn reads_quotes_line_ends_and_blank_lines() {
        let text = "a.py,sha256=x,3\r\n\r\n\"b,\"\"c\"\".py\",,\n/abs.py,sha256=y,\rlast/RECORD,,";
        assert_eq!(
            parse(text).unwrap(),
            [
                line("a.py", Some("sha256=x"), Some(3)),
                line("b,\"c\".py", None, None),
                line("abs.py", Some("sha256=y"), None),
                line("last/RECORD", None, None),
            ]
        );
    }

    #[test]
    fn refuses_other_shapes() {
        for (text, why) in [
            ("a.py", "1 fields"),
            ("a,b", "2 fields"),
            ("a,b,c,d", "4 fields"),
            ("a,,x", "not a number"),
            ("a,,-1", "not a number"),
            ("\"a,,", "quoted"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn writes_sorted_and_quoted() {
        let lines = vec![
            line("b.py", Some("sha256=x"), Some(0)),
            line("../../../bin/b", None, None),
            line("a,\"b\".py", None, Some(7)),
        ];
        assert_eq!(
            write(lines),
            "../../../bin/b,,\n\"a,\"\"b\"\".py\",,7\nb.py,sha256=x,0\n"
        );
    }

    #[test]
    fn round_trips() {
        let lines = vec![line("a b", Some("sha256=x"), Some(1)), line("c,\"", None, None)];
        assert_eq!(parse(&write(lines.clone())).unwrap(), lines);
    }

    #[test]
    fn digests_are_urlsafe_and_unpadded() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.to_string(),
            "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
        );
        assert_eq!(Digest::parse(&format!("{digest}=")).unwrap(), digest);
        let long = Digest::parse(&format!("sha512={}", URL_SAFE_NO_PAD.encode([7; 64]))).unwrap();
        assert_eq!(long.algorithm, Algorithm::Sha512);
    }

    #[test]
    fn two_digests_in_turns_are_those_of_each_alone() {
        use sha2::Digest as _;
        let bytes: Vec<u8> = (0..1000u16).map(|n| n.to_le_bytes()[0]).collect();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
            for (before, length) in [(0, 0), (0, 128), (0, 1000), (7, 129), (64, 300)] {
                let mut alone = Hasher::new(algorithm);
                alone.update(&bytes[..length]);
                let mut own = Hasher::new(algorithm);
                let mut other = Sha256::new_with_prefix(&bytes[..before]);
                own.update_with(&mut other, &bytes[..length]);
                assert_eq!(own.finish(), alone.finish());
                let all = Sha256::new_with_prefix(&bytes[..before]).chain_update(&bytes[..length]);
                assert_eq!(other.finalize(), all.finalize(), "{before} {length}");
            }
        }
    }

    #[test]
    fn weak_hashes_are_refused() {
        for (hash, why) in [
            ("md5=1B2M2Y8AsgTpgAmY7PhCfg", "weak"),
            ("sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk", "weak"),
            ("sha224=x", "weak"),
            ("47DEQpj8HBSa", "not `ALGORITHM=HASH`"),
            ("sha256=47DEQpj8", "32 bytes"),
            ("sha256=+/+/", "32 bytes"),
        ] {
            let message = Digest::parse(hash).unwrap_err().to_string();
            assert!(message.contains(why), "{hash}: {message}");
        }
    }
}
