//! What a lock says of layers: `[tool.wheelwright.layers]`, a line a layer.
//!
//! With it a build trusts nobody: the layer's digest, its tar's digest and the digest of its image in a store are known
//! before anything is asked. Layers are found by their key, so lines of layers that are no longer made say nothing.

use serde::Deserialize;

use super::{Format, LayerKey, LayerRecord, oci};

/// The table's header.
const HEADER: &str = "[tool.wheelwright.layers]";

/// One layer of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it is made of.
    pub key: LayerKey,
    /// How it is packed.
    pub format: Format,
    /// Digest of its one-layer image's manifest.
    pub manifest: String,
    /// Digest of the packed bytes.
    pub digest: String,
    /// Digest of the tar.
    pub diff_id: String,
    /// Packed bytes.
    pub size: u64,
}

/// All layers of a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    layers: Vec<Recorded>,
    bases: Vec<RecordedBase>,
}

/// What a lock says of what is known of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedBase {
    /// Which base, and what was asked of it.
    pub key: LayerKey,
    /// Digest of the manifest of the image that says it.
    pub manifest: String,
}

impl Records {
    /// The record of a layer.
    pub fn get(&self, key: &LayerKey, format: Format) -> Option<&Recorded> {
        self.layers
            .iter()
            .find(|record| record.key == *key && record.format == format)
    }

    /// The digest of the image that says what is known of a base.
    pub fn base(&self, key: &LayerKey) -> Option<&str> {
        let record = self.bases.iter().find(|record| record.key == *key)?;
        Some(&record.manifest)
    }

    /// All that is said of layers.
    pub fn layers(&self) -> &[Recorded] {
        &self.layers
    }

    /// All that is said of bases.
    pub fn bases(&self) -> &[RecordedBase] {
        &self.bases
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.bases.is_empty()
    }

    /// Reads the records of a lock's text; a lock without any has none. What is wrong is said in a line.
    pub fn parse(lock: &str) -> Result<Self, String> {
        // Locks of other tools need not even be TOML.
        if table(lock).is_none() {
            return Ok(Self::default());
        }
        let lock: Lock = toml::from_str(lock).map_err(|error| error.message().to_owned())?;
        let mut records = Self::default();
        for (tag, entry) in lock.tool.wheelwright.layers {
            let manifest = entry.manifest.parse::<Digest>()?.0;
            if let Some(key) = oci::base_named(&tag) {
                records.bases.push(RecordedBase { key, manifest });
                continue;
            }
            let (format, key) = tag.split_once('-').ok_or_else(|| {
                format!("`{tag}` in {HEADER} does not name a layer; expected a format, `-` and a key")
            })?;
            let missing = || format!("`{tag}` in {HEADER} needs `digest`, `diff-id` and `size`");
            records.layers.push(Recorded {
                key: key.parse()?,
                format: format.parse()?,
                manifest,
                digest: entry.digest.ok_or_else(missing)?.parse::<Digest>()?.0,
                diff_id: entry.diff_id.ok_or_else(missing)?.parse::<Digest>()?.0,
                size: entry.size.ok_or_else(missing)?,
            });
        }
        Ok(records)
    }
}

impl Recorded {
    /// The record of a layer that was made and the digest of its image's manifest.
    pub fn new(record: &LayerRecord, manifest: &str) -> Self {
        Self {
            key: record.key.clone(),
            format: record.format,
            manifest: manifest.to_owned(),
            digest: record.digest.clone(),
            diff_id: record.diff_id.clone(),
            size: record.size,
        }
    }
}

/// A lock's text with these records in place of those it has. The table is the last of the file and a line a layer, so
/// that a new version of a package changes one line.
pub fn with_records(lock: &str, records: &[Recorded], bases: &[RecordedBase]) -> String {
    let mut text = without_records(lock);
    if records.is_empty() && bases.is_empty() {
        return text;
    }
    let lines = records.iter().map(|record| {
        let tag = oci::tag(record.format, &record.key);
        let Recorded {
            manifest,
            digest,
            diff_id,
            size,
            ..
        } = record;
        format!(
            "{tag} = {{ manifest = \"{manifest}\", digest = \"{digest}\", diff-id = \"{diff_id}\", size = {size} }}\n"
        )
    });
    let of_bases = bases.iter().map(|RecordedBase { key, manifest }| {
        format!("{} = {{ manifest = \"{manifest}\" }}\n", oci::base_tag(key))
    });
    let mut lines = of_bases.chain(lines).collect::<Vec<_>>();
    lines.sort();
    lines.dedup();
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(HEADER);
    text.push('\n');
    text.extend(lines);
    text
}

/// A lock's text with the records of an older one, for whoever writes a lock anew: layers that it still has keep theirs,
/// since they are found by key.
pub fn with_records_of(old: &str, new: &str) -> String {
    match table(old) {
        Some((start, end)) => format!("{}\n{}\n", without_records(new), old[start..end].trim_end()),
        None => new.to_owned(),
    }
}

fn without_records(lock: &str) -> String {
    let text = match table(lock) {
        Some((start, end)) => format!("{}\n{}", lock[..start].trim_end(), &lock[end..]),
        None => lock.to_owned(),
    };
    match text.trim_end() {
        "" => String::new(),
        text => format!("{text}\n"),
    }
}

/// From the header to the next table's, or to the end.
fn table(lock: &str) -> Option<(usize, usize)> {
    let mut start = None;
    let mut at = 0;
    for line in lock.split_inclusive('\n') {
        match start {
            None if line.trim() == HEADER => start = Some(at),
            Some(start) if line.starts_with('[') => return Some((start, at)),
            _ => {}
        }
        at += line.len();
    }
    start.map(|start| (start, lock.len()))
}

struct Digest(String);

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let good = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
            .ok_or_else(|| format!("`{text}` in {HEADER} is not a sha256 digest"))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Lock {
    tool: Tool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    wheelwright: Table,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Table {
    layers: std::collections::BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    manifest: String,
    digest: Option<String>,
    diff_id: Option<String>,
    size: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "lock-version = \"1.0\"\n\n[[packages]]\nname = \"a\"\n";

    fn record(of: &str) -> Recorded {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        Recorded {
            key: LayerKey::new([of], "/opt/venv", "3.11"),
            format: Format::Gzip,
            manifest: digest("1"),
            digest: digest("2"),
            diff_id: digest("3"),
            size: 7,
        }
    }

    fn base() -> RecordedBase {
        RecordedBase {
            key: oci::base_key("sha256:1", "linux/amd64", ["python 3.11"]),
            manifest: format!("sha256:{}", "4".repeat(64)),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let lock = with_records(LOCK, &[record("b"), record("a")], &[base()]);
        assert!(lock.starts_with(LOCK));
        let read = Records::parse(&lock).unwrap();
        assert_eq!(read.get(&record("a").key, Format::Gzip), Some(&record("a")));
        assert_eq!(read.get(&record("b").key, Format::Gzip), Some(&record("b")));
        assert_eq!(read.get(&record("a").key, Format::Zstd), None);
        assert_eq!(read.base(&base().key), Some(base().manifest.as_str()));
        assert!(Records::parse(LOCK).unwrap().is_empty());
        assert!(Records::parse("{\"default\": {}}").unwrap().is_empty());
    }

    #[test]
    fn records_are_replaced_and_nothing_else_is() {
        let once = with_records(LOCK, &[record("a")], &[]);
        assert_eq!(with_records(&once, &[record("a")], &[]), once);
        assert_eq!(with_records(&once, &[], &[]), LOCK);
        let between = format!("{once}\n[tool.other]\nx = 1\n");
        let moved = with_records(&between, &[record("b")], &[]);
        assert!(
            moved.contains("[tool.other]\nx = 1\n") && moved.matches(HEADER).count() == 1,
            "{moved}"
        );
        assert_eq!(with_records_of(&once, LOCK), once);
        assert_eq!(with_records_of(&between, LOCK), once);
        assert_eq!(with_records_of(LOCK, LOCK), LOCK);
    }

    #[test]
    fn a_record_without_digests_is_an_error() {
        let lock = with_records(LOCK, &[record("a")], &[]).replace("diff-id", "x");
        let said = Records::parse(&lock).unwrap_err();
        assert!(said.ends_with("needs `digest`, `diff-id` and `size`"), "{said}");
    }

    #[test]
    fn a_record_that_is_no_digest_is_an_error() {
        let lock = with_records(LOCK, &[record("a")], &[]).replace(&"1".repeat(64), "1");
        assert_eq!(
            Records::parse(&lock).unwrap_err(),
            "`sha256:1` in [tool.wheelwright.layers] is not a sha256 digest"
        );
    }
}
