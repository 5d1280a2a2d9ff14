//! Files of web servers.

use super::SourceSpec;
use crate::caps::cap;
use crate::meta::{Meta, metadata_methods};
use crate::state::State;

/// See [`Source::http`](crate::Source::http).
#[derive(Clone, Debug)]
pub struct HttpSource {
    spec: SourceSpec,
    meta: Meta,
}

metadata_methods!(HttpSource);

impl HttpSource {
    pub(super) fn new(url: String) -> Self {
        Self {
            spec: SourceSpec::new(url, cap::SOURCE_HTTP),
            meta: Meta::default(),
        }
    }

    /// Fails unless the file has this digest, such as `sha256:…`. With it the cache needs no network, and the URL is no
    /// part of the key.
    pub fn checksum(mut self, digest: impl Into<String>) -> Self {
        self.spec
            .set_with("http.checksum", digest, cap::SOURCE_HTTP_CHECKSUM);
        self
    }

    /// The file's name in the tree; otherwise the server or the URL says it.
    pub fn filename(mut self, name: impl Into<String>) -> Self {
        self.spec.set("http.filename", name);
        self
    }

    /// Its permission bits; 0600 by default.
    pub fn perm(mut self, mode: u32) -> Self {
        let mode = mode & 0o777;
        let value = if mode == 0 {
            String::new()
        } else {
            format!("0{mode:o}")
        };
        self.spec.set_with("http.perm", value, cap::SOURCE_HTTP_PERM);
        self
    }

    /// Its owner, by number.
    pub fn uid(self, uid: u32) -> Self {
        self.id("http.uid", uid)
    }

    /// Its group, by number.
    pub fn gid(self, gid: u32) -> Self {
        self.id("http.gid", gid)
    }

    fn id(mut self, key: &'static str, id: u32) -> Self {
        let value = if id == 0 { String::new() } else { id.to_string() };
        self.spec.set_with(key, value, cap::SOURCE_HTTP_UID_GID);
        self
    }

    /// The secret that is the value of the `Authorization` header.
    pub fn auth_header_secret(mut self, id: impl Into<String>) -> Self {
        self.spec
            .set_with("http.authheadersecret", id, cap::SOURCE_HTTP_AUTH);
        self
    }

    /// The `Accept` header; part of the key.
    pub fn accept(mut self, value: impl Into<String>) -> Self {
        self.spec
            .set_with("http.header.accept", value, cap::SOURCE_HTTP_HEADER);
        self
    }

    /// The `User-Agent` header; part of the key.
    pub fn user_agent(mut self, value: impl Into<String>) -> Self {
        self.spec
            .set_with("http.header.user-agent", value, cap::SOURCE_HTTP_HEADER);
        self
    }

    /// A tree with the file.
    pub fn build(self) -> State {
        self.spec.build(self.meta, None)
    }
}
