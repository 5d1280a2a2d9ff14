//! What a store knows of bases: images without a layer whose labels say it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Damage, Pushed, Store};
use crate::layers::oci::{self, BASE_FACTS, BASE_IMAGE, BASE_KEY, BASE_PLATFORM, ImageConfig, MANIFEST};
use crate::layers::{KnownBase, LayerKey};
use crate::registry::{Content, Error, Manifest};

/// What is known of one base, as its manifest tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredBase {
    /// Which base, and what was asked of it.
    pub key: LayerKey,
    /// Digest of the base's image.
    pub image: String,
    /// Platform of the image.
    pub platform: String,
    /// Digest of the manifest.
    pub manifest: String,
    /// Digest of the config.
    pub config: String,
    #[serde(skip)]
    bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Document {
    config: Descriptor,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl StoredBase {
    /// Its tag.
    pub fn tag(&self) -> String {
        oci::base_tag(&self.key)
    }

    /// A few words for messages.
    pub fn title(&self) -> String {
        let digest = self.image.get(.."sha256:".len() + 12).unwrap_or(&self.image);
        format!("what is known of {digest} on {}", self.platform)
    }

    /// The manifest's bytes.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn read(tag: &str, manifest: Manifest) -> Result<Self, Damage> {
        let damage = |reason: String| damage(tag, reason);
        let key = oci::base_named(tag).ok_or_else(|| damage("not the tag of a base".to_owned()))?;
        let document: Document = serde_json::from_slice(&manifest.bytes)
            .map_err(|error| damage(format!("not the manifest of an image: {error}")))?;
        let mut annotations = document.annotations;
        let mut take = |name: &str| annotations.remove(name).unwrap_or_default();
        if take(BASE_KEY) != key.as_str() {
            return Err(damage("it tells of another base than its tag says".to_owned()));
        }
        Ok(Self {
            key,
            image: take(BASE_IMAGE),
            platform: take(BASE_PLATFORM),
            manifest: manifest.digest,
            config: document.config.digest,
            bytes: manifest.bytes,
        })
    }
}

fn damage(tag: &str, reason: String) -> Damage {
    Damage {
        tag: tag.to_owned(),
        title: "a base".to_owned(),
        reason,
    }
}

impl Store {
    /// Whether it knows of a base; the digest of the image that says it.
    pub async fn has_base(&self, key: &LayerKey) -> Result<Option<String>, Error> {
        self.remote.has_manifest(&oci::base_tag(key)).await
    }

    /// Stores what is known of a base; the digest of the image that says it.
    pub async fn push_base(&self, base: &KnownBase) -> Result<Pushed, Error> {
        let [config, manifest] = oci::base_image(base);
        let sent = self.put_base(&base.key, (config.digest, config.bytes), &manifest.bytes);
        Ok(Pushed {
            sent: sent.await?,
            manifest: manifest.digest,
        })
    }

    /// What a tag says of a base; none when it went away.
    pub async fn stored_base(&self, tag: &str) -> Result<Option<Result<StoredBase, Damage>>, Error> {
        let manifest = self.remote.manifest(tag).await?;
        Ok(manifest.map(|manifest| StoredBase::read(tag, manifest)))
    }

    /// What is known of a base, as JSON.
    pub async fn facts(&self, base: &StoredBase) -> Result<Result<String, Damage>, Error> {
        let config = match self.remote.blob(&base.config).await {
            Ok(config) => config,
            Err(error) => return super::damaged(error).map(|reason| Err(damage(&base.tag(), reason))),
        };
        let damage = |reason| damage(&base.tag(), reason);
        Ok(ImageConfig::read(&config).map_err(damage).and_then(|mut config| {
            match config.labels.get(BASE_KEY) {
                Some(key) if key == base.key.as_str() => {}
                _ => return Err(damage("its config tells of another base".to_owned())),
            }
            let facts = config.labels.remove(BASE_FACTS);
            facts.ok_or_else(|| damage(format!("no label `{BASE_FACTS}`")))
        }))
    }

    /// Copies what is known of a base to another store; the bytes that were sent.
    pub async fn copy_base(&self, base: &StoredBase, to: &Self) -> Result<u64, Error> {
        let config = self.remote.blob(&base.config).await?;
        to.put_base(&base.key, (base.config.clone(), config), &base.bytes)
            .await
    }

    /// Removes what is known of a base.
    pub async fn remove_base(&self, base: &StoredBase) -> Result<bool, Error> {
        self.remote.delete(&base.manifest).await
    }

    async fn put_base(
        &self,
        key: &LayerKey,
        (digest, config): (String, Vec<u8>),
        manifest: &[u8],
    ) -> Result<u64, Error> {
        let size = config.len() as u64;
        let sent = self
            .remote
            .upload(&digest, size, &Content::Bytes(config.into()))
            .await?;
        self.remote
            .put_manifest(&oci::base_tag(key), MANIFEST, manifest)
            .await?;
        Ok(sent)
    }
}
