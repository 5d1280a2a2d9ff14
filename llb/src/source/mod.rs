//! Where trees come from: registries, the client, URLs, repositories.

mod git;
mod http;
mod image;
mod local;

pub use git::GitSource;
pub use http::HttpSource;
pub use image::{ImageSource, OciLayoutSource, ResolveMode};
pub use local::{Differ, LocalSource};

use crate::caps::{Caps, cap};
use crate::marshal::Encoder;
use crate::meta::Meta;
use crate::platform::Platform;
use crate::state::{Op, State, Vertex};
use crate::wire::encode_source;
use buildkit_proto::pb;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Starts a source; each function gives a builder with the options of its kind.
#[derive(Clone, Copy, Debug)]
pub struct Source;

impl Source {
    /// An image of a registry. The reference is brought to its full form; one that is none is sent as it is, for the
    /// daemon to refuse (see [`normalize_reference`](crate::normalize_reference) to find out before).
    pub fn image(reference: impl AsRef<str>) -> ImageSource {
        ImageSource::new(reference.as_ref())
    }

    /// A directory that the client shares under this name.
    pub fn local(name: impl AsRef<str>) -> LocalSource {
        LocalSource::new(name.as_ref())
    }

    /// A file of a web server.
    pub fn http(url: impl Into<String>) -> HttpSource {
        HttpSource::new(url.into())
    }

    /// A Git repository at a branch, tag or commit; an empty reference is the default branch.
    pub fn git(remote: impl AsRef<str>, reference: impl Into<String>) -> GitSource {
        GitSource::new(remote.as_ref(), reference.into())
    }

    /// An image in an OCI layout that the client serves. The reference needs a digest.
    pub fn oci_layout(reference: impl AsRef<str>) -> OciLayoutSource {
        OciLayoutSource::new(reference.as_ref())
    }
}

/// A source as its operation has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceSpec {
    identifier: String,
    attrs: BTreeMap<&'static str, String>,
    caps: Caps,
}

impl SourceSpec {
    fn new(identifier: String, cap: &'static str) -> Self {
        let mut spec = Self {
            identifier,
            ..Self::default()
        };
        spec.caps.list(cap);
        spec
    }

    /// Sets an attribute; an empty value means that it is not there.
    fn set(&mut self, key: &'static str, value: impl Into<String>) {
        let value = value.into();
        if value.is_empty() {
            self.attrs.remove(key);
        } else {
            self.attrs.insert(key, value);
        }
    }

    /// Sets an attribute that needs a capability.
    fn set_with(&mut self, key: &'static str, value: impl Into<String>, cap: &'static str) {
        self.set(key, value);
        self.caps.list_if(self.attrs.contains_key(key), cap);
    }

    /// Images differ by platform, nothing else does.
    pub(crate) fn is_platform_specific(&self) -> bool {
        self.identifier.starts_with("docker-image://") || self.identifier.starts_with("oci-layout://")
    }

    fn build(self, meta: Meta, platform: Option<Platform>) -> State {
        let vertex = Vertex::new(Op::Source(self), meta, platform.clone());
        State::new(Arc::new(vertex), 0, platform)
    }
}

/// The bytes of the operation; `op` holds all of it but the source.
pub(crate) fn encode(spec: &SourceSpec, op: &pb::Op, to: &mut Encoder<'_>) -> Vec<u8> {
    to.caps = spec.caps.clone();
    if !spec.identifier.starts_with(local::SCHEME) || spec.attrs.contains_key(local::SESSION) {
        return encode_source(op, &spec.identifier, spec.attrs.iter());
    }
    to.caps.list(cap::SOURCE_LOCAL_UNIQUE);
    let mut attrs = spec.attrs.clone();
    let unique = attrs.entry(local::UNIQUE);
    unique.or_insert_with(|| to.options.local_unique_id.clone());
    encode_source(op, &spec.identifier, attrs.iter())
}
