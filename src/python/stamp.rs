//! What a lock says of where it came from, in `[tool.wheelwright]`: enough to see without an engine that it is stale,
//! and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Value;

use super::pylock;
use crate::diag::SourceFile;

/// The inputs of a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stamp {
    /// Minor version of the interpreter that it was made on.
    pub python: String,
    /// Platforms that it holds.
    pub platforms: Vec<String>,
    /// What else was asked for, by key of the manifest.
    #[serde(default)]
    pub settings: BTreeMap<String, Vec<String>>,
    /// Digests of the files that were read, by path.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Document {
    tool: Option<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    wheelwright: Option<Stamp>,
}

impl Stamp {
    /// The stamp of a lock; none when something else wrote it, or when it cannot be read.
    pub fn of(lock: &SourceFile) -> Option<Self> {
        let document: Document = toml::from_str(pylock::tools(lock)).ok()?;
        document.tool?.wheelwright
    }

    /// Records a file. Comments and blank lines make no difference.
    pub fn file(&mut self, path: &str, text: &str) {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let told = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let digest = told.fold(Sha256::new(), |digest, line| {
            digest.chain_update(line).chain_update("\n")
        });
        let hex = digest
            .finalize()
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        self.files.insert(path.to_owned(), format!("sha256:{hex}"));
    }

    /// Records a setting; one that says nothing is not written.
    pub fn setting(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        let values = values.into_iter().collect::<Vec<_>>();
        if !values.is_empty() {
            self.settings.insert(key.to_owned(), values);
        }
    }

    /// Why a lock with this stamp does not do for what is asked for now; nothing when it does.
    pub fn stale(&self, now: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        for path in union(&self.files, &now.files) {
            match (self.files.get(path), now.files.get(path)) {
                (Some(then), Some(now)) if then == now => {}
                (Some(_), Some(_)) => reasons.push(format!("`{path}` has changed")),
                (Some(_), None) => reasons.push(format!("`{path}` is no longer used")),
                (None, _) => reasons.push(format!("`{path}` was not used")),
            }
        }
        for key in union(&self.settings, &now.settings) {
            let (then, now) = (self.settings.get(key), now.settings.get(key));
            if then != now {
                reasons.push(format!("`{key}` was {}, is {}", said(then), said(now)));
            }
        }
        if !now.python.is_empty() && self.python != now.python {
            reasons.push(format!("it is for Python {}, not {}", self.python, now.python));
        }
        let missing = now
            .platforms
            .iter()
            .filter(|platform| !self.platforms.contains(platform));
        reasons.extend(
            missing.map(|platform| {
                format!("it is not for {platform}; locks are for the manifest's `platforms`")
            }),
        );
        reasons
    }

    /// The stamp as it stands in a lock.
    pub(super) fn text(&self) -> String {
        let mut text = "\n[tool.wheelwright]\n".to_owned();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "python = {}", Value::from(self.python.as_str()));
        let _ = writeln!(text, "platforms = {}", Value::from(self.platforms.clone()));
        if !self.settings.is_empty() {
            text.push_str("\n[tool.wheelwright.settings]\n");
        }
        for (key, values) in &self.settings {
            let _ = writeln!(text, "{key} = {}", Value::from(values.clone()));
        }
        if !self.files.is_empty() {
            text.push_str("\n[tool.wheelwright.files]\n");
        }
        for (path, digest) in &self.files {
            let _ = writeln!(
                text,
                "{} = {}",
                Value::from(path.as_str()),
                Value::from(digest.as_str())
            );
        }
        text
    }
}

fn union<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> BTreeSet<&'a String> {
    a.keys().chain(b.keys()).collect()
}

fn said(values: Option<&Vec<String>>) -> String {
    match values {
        Some(values) => format!("`{}`", values.join(", ")),
        None => "not set".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(files: &[(&str, &str)]) -> Stamp {
        let mut stamp = Stamp {
            python: "3.11".to_owned(),
            platforms: vec!["linux/amd64".to_owned()],
            ..Stamp::default()
        };
        for (path, text) in files {
            stamp.file(path, text);
        }
        stamp.setting("torch", ["cpu".to_owned()]);
        stamp.setting("exclude_newer", []);
        stamp
    }

    #[test]
    fn what_is_written_is_read() {
        let stamp = stamp(&[("a \"b\".txt", "numpy\n")]);
        let text = format!("lock-version = \"1.0\"\n{}", stamp.text());
        let of = |text: &str| Stamp::of(&SourceFile::new("pylock.toml", text));
        assert_eq!(of(&text), Some(stamp.clone()));
        let not_plain = format!("lock-version = \"1.\\u0030\"\n{}", stamp.text());
        assert_eq!(of(&not_plain), Some(stamp));
        assert_eq!(of("lock-version = \"1.0\""), None);
    }

    #[test]
    fn every_reason_is_named() {
        let then = stamp(&[("a.txt", "numpy\n"), ("b.txt", "x")]);
        let mut now = stamp(&[("a.txt", "# words\n\nnumpy \n"), ("b.txt", "x")]);
        assert_eq!(then.stale(&now), Vec::<String>::new());
        now.files.remove("b.txt");
        now.file("a.txt", "numpy<2");
        now.file("c.txt", "");
        now.setting("torch", ["cu128".to_owned()]);
        now.setting("exclude_newer", ["2026-01-01".to_owned()]);
        now.platforms.push("linux/arm64".to_owned());
        now.python = "3.12".to_owned();
        insta::assert_snapshot!(then.stale(&now).join("\n"), @r"
        `a.txt` has changed
        `b.txt` is no longer used
        `c.txt` was not used
        `exclude_newer` was not set, is `2026-01-01`
        `torch` was `cpu`, is `cu128`
        it is for Python 3.11, not 3.12
        it is not for linux/arm64; locks are for the manifest's `platforms`
        ");
    }
}
