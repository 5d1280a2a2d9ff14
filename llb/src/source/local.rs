//! Directories of the client.

use super::SourceSpec;
use crate::caps::cap;
use crate::meta::{Meta, metadata_methods};
use crate::state::State;

pub(super) const SCHEME: &str = "local://";
pub(super) const SESSION: &str = "local.session";
pub(super) const UNIQUE: &str = "local.unique";

/// How the daemon finds out which files have changed since the last transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differ {
    /// Not at all: it asks for every file.
    None,
    /// By size, time, mode, owner and the like.
    Metadata,
}

/// See [`Source::local`](crate::Source::local).
#[derive(Clone, Debug)]
pub struct LocalSource {
    spec: SourceSpec,
    meta: Meta,
}

metadata_methods!(LocalSource);

impl LocalSource {
    pub(super) fn new(name: &str) -> Self {
        Self {
            spec: SourceSpec::new(format!("{SCHEME}{name}"), cap::SOURCE_LOCAL),
            meta: Meta::default(),
        }
    }

    /// The session that shares the directory; otherwise any session of the build may.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.spec.set_with(SESSION, id, cap::SOURCE_LOCAL_SESSION_ID);
        self
    }

    /// Stands for the session if none is given; otherwise the marshalling's does.
    pub fn unique_id(mut self, id: impl Into<String>) -> Self {
        self.spec.set(UNIQUE, id);
        self
    }

    /// Takes only what matches one of these patterns.
    pub fn include_patterns(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.set_with(
            "local.includepattern",
            json(patterns),
            cap::SOURCE_LOCAL_INCLUDE_PATTERNS,
        );
        self
    }

    /// Leaves out what matches one of these patterns; a later one wins, `!` takes back.
    pub fn exclude_patterns(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.set_with(
            "local.excludepatterns",
            json(patterns),
            cap::SOURCE_LOCAL_EXCLUDE_PATTERNS,
        );
        self
    }

    /// Takes only these paths and what symbolic links on them lead to.
    pub fn follow_paths(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec
            .set_with("local.followpaths", json(paths), cap::SOURCE_LOCAL_FOLLOW_PATHS);
        self
    }

    /// The transfer that this one builds upon. Give each set of filters its own, or each transfer undoes the last one.
    pub fn shared_key_hint(mut self, hint: impl Into<String>) -> Self {
        self.spec
            .set_with("local.sharedkeyhint", hint, cap::SOURCE_LOCAL_SHARED_KEY_HINT);
        self
    }

    /// How changes are found; a daemon that does not know the option compares metadata.
    pub fn differ(mut self, differ: Differ) -> Self {
        let value = match differ {
            Differ::None => "none",
            Differ::Metadata => "metadata",
        };
        self.spec.set("local.differ", value);
        self
    }

    /// Transfers names and metadata but no content, except of these paths.
    pub fn metadata_only(mut self, exceptions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.set_with(
            "local.metadatatransfer",
            "true",
            cap::SOURCE_LOCAL_METADATA_TRANSFER,
        );
        self.spec.set("local.metadatatransferexclude", json(exceptions));
        self
    }

    /// The directory's tree.
    pub fn build(self) -> State {
        self.spec.build(self.meta, None)
    }
}

/// A list as Go writes it in JSON, with what HTML knows escaped; empty for an empty one.
fn json(list: impl IntoIterator<Item = impl Into<String>>) -> String {
    let list: Vec<serde_json::Value> = list
        .into_iter()
        .map(|item| serde_json::Value::String(item.into()))
        .collect();
    if list.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    for c in serde_json::Value::Array(list).to_string().chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}
