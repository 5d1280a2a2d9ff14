//! Images of registries and of OCI layouts.

use super::SourceSpec;
use crate::caps::cap;
use crate::meta::{Meta, metadata_methods};
use crate::platform::Platform;
use crate::reference::normalize_reference;
use crate::state::State;

/// Where the daemon looks for an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResolveMode {
    /// As the daemon is made: buildkitd asks the registry, dockerd without the containerd store looks at home first.
    #[default]
    Default,
    /// Always asks the registry.
    Pull,
    /// Takes what it has.
    Local,
}

impl ResolveMode {
    /// Its name in options and calls.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Pull => "pull",
            Self::Local => "local",
        }
    }

    /// The mode of a name; any other is the default.
    pub fn named(name: &str) -> Self {
        [Self::Pull, Self::Local]
            .into_iter()
            .find(|mode| mode.name() == name)
            .unwrap_or_default()
    }
}

/// See [`Source::image`](crate::Source::image).
#[derive(Clone, Debug)]
pub struct ImageSource {
    spec: SourceSpec,
    platform: Option<Platform>,
    meta: Meta,
}

metadata_methods!(ImageSource);

impl ImageSource {
    pub(super) fn new(reference: &str) -> Self {
        let full = normalize_reference(reference).unwrap_or_else(|_| reference.to_owned());
        let spec = SourceSpec::new(format!("docker-image://{full}"), cap::SOURCE_IMAGE);
        Self {
            spec,
            platform: None,
            meta: Meta::default(),
        }
    }

    /// The image's platform; otherwise that of the marshalling.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform.normalized());
        self
    }

    /// Where the daemon looks for it.
    pub fn resolve_mode(mut self, mode: ResolveMode) -> Self {
        let key = "image.resolvemode";
        match mode {
            ResolveMode::Default => self.spec.set(key, ""),
            ResolveMode::Pull => self.spec.set_with(key, "pull", cap::SOURCE_IMAGE_RESOLVE_MODE),
            ResolveMode::Local => self.spec.set(key, "local"),
        }
        self
    }

    /// How the daemon's cache listing names it, such as `internal`.
    pub fn record_type(mut self, kind: impl Into<String>) -> Self {
        self.spec.set("image.recordtype", kind);
        self
    }

    /// Takes the first layers only.
    pub fn layer_limit(mut self, layers: u32) -> Self {
        self.spec.set_with(
            "image.layerlimit",
            layers.to_string(),
            cap::SOURCE_IMAGE_LAYER_LIMIT,
        );
        self
    }

    /// Fails unless the manifest has this digest.
    pub fn checksum(mut self, digest: impl Into<String>) -> Self {
        self.spec
            .set_with("image.checksum", digest, cap::SOURCE_IMAGE_CHECKSUM);
        self
    }

    /// The image's tree.
    pub fn build(self) -> State {
        self.spec.build(self.meta, self.platform)
    }
}

/// See [`Source::oci_layout`](crate::Source::oci_layout).
#[derive(Clone, Debug)]
pub struct OciLayoutSource {
    spec: SourceSpec,
    platform: Option<Platform>,
    meta: Meta,
}

metadata_methods!(OciLayoutSource);

impl OciLayoutSource {
    pub(super) fn new(reference: &str) -> Self {
        let spec = SourceSpec::new(format!("oci-layout://{reference}"), cap::SOURCE_OCI_LAYOUT);
        Self {
            spec,
            platform: None,
            meta: Meta::default(),
        }
    }

    /// The session that serves the layout.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.spec.set("oci.session", id);
        self
    }

    /// The name under which the session serves it; otherwise the reference's.
    pub fn store_id(mut self, id: impl Into<String>) -> Self {
        self.spec.set("oci.store", id);
        self
    }

    /// Takes the first layers only.
    pub fn layer_limit(mut self, layers: u32) -> Self {
        self.spec.set("oci.layerlimit", layers.to_string());
        self
    }

    /// The image's platform; otherwise that of the marshalling.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform.normalized());
        self
    }

    /// The image's tree.
    pub fn build(self) -> State {
        self.spec.build(self.meta, self.platform)
    }
}
