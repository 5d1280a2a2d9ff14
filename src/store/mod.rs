//! The wheel store as commands see it: layers go in, are listed, checked and removed. Builds ask it through their
//! engine instead, see `frontend::store`.
//!
//! A layer's image is its blob, then its config, then its manifest under the layer's tag: whoever is stopped in the middle
//! leaves blobs that nobody refers to, and whoever begins again sends only what is missing. Two who push one layer at a
//! time send equal bytes, so it does not matter who is last.

mod base;
mod stored;

pub use base::StoredBase;
pub use stored::{Damage, Stored};

use bytes::Bytes;

use crate::layers::oci::{self, Contents, LayerImage, MANIFEST};
use crate::layers::{Format, LayerKey, LayerRecord};
use crate::registry::{Cause, Content, Error, Remote};

/// A wheel store in a registry.
#[derive(Debug, Clone)]
pub struct Store {
    remote: Remote,
}

/// A layer that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Digest of its image's manifest.
    pub manifest: String,
    /// Bytes that were sent.
    pub sent: u64,
}

impl Store {
    /// The store in a repository.
    pub fn new(remote: Remote) -> Self {
        Self { remote }
    }

    /// Its repository.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Whether a layer is there; the digest of its image.
    pub async fn has(&self, format: Format, key: &LayerKey) -> Result<Option<String>, Error> {
        self.remote.has_manifest(&oci::tag(format, key)).await
    }

    /// Stores a layer.
    pub async fn push(
        &self,
        record: &LayerRecord,
        contents: &Contents,
        content: &Content,
    ) -> Result<Pushed, Error> {
        let LayerImage { config, manifest } = oci::image(record, contents);
        let mut sent = self.remote.upload(&record.digest, record.size, content).await?;
        let size = config.bytes.len() as u64;
        let bytes = Content::Bytes(Bytes::from(config.bytes));
        sent += self.remote.upload(&config.digest, size, &bytes).await?;
        let tag = oci::tag(record.format, &record.key);
        self.remote.put_manifest(&tag, MANIFEST, &manifest.bytes).await?;
        Ok(Pushed {
            manifest: manifest.digest,
            sent,
        })
    }

    /// The tags that name layers, and those that name bases.
    pub async fn tags(&self) -> Result<(Vec<String>, Vec<String>), Error> {
        let tags = self.remote.tags().await?;
        let (layers, others): (Vec<_>, Vec<_>) =
            tags.into_iter().partition(|tag| stored::named(tag).is_some());
        let bases = others.into_iter().filter(|tag| oci::base_named(tag).is_some());
        Ok((layers, bases.collect()))
    }

    /// What a tag holds; none when it went away.
    pub async fn stored(&self, tag: &str) -> Result<Option<Result<Stored, Damage>>, Error> {
        let manifest = self.remote.manifest(tag).await?;
        Ok(manifest.map(|manifest| Stored::read(tag, &manifest)))
    }

    /// The digest of a layer's tar, as its config has it.
    pub async fn diff_id(&self, stored: &Stored) -> Result<Result<String, Damage>, Error> {
        let config = self.remote.blob(&stored.config).await?;
        Ok(stored.check_config(&config))
    }

    /// Reads a layer's blobs to their end and checks them; what is wrong, or nothing.
    pub async fn verify(&self, stored: &Stored) -> Result<Option<Damage>, Error> {
        let config = match self.remote.blob(&stored.config).await {
            Ok(config) => config,
            Err(error) => return damage(stored, error),
        };
        if let Err(damage) = stored.check_config(&config) {
            return Ok(Some(damage));
        }
        match self.remote.verify_blob(&stored.layer).await {
            Ok(size) if size == stored.size => Ok(None),
            Ok(size) => Ok(Some(stored.damage(format!(
                "its layer has {size} bytes, the manifest says {}",
                stored.size
            )))),
            Err(error) => damage(stored, error),
        }
    }

    /// Copies a layer's image to another store; the bytes that were sent.
    pub async fn copy(&self, stored: &Stored, to: &Self) -> Result<u64, Error> {
        let from = Content::Remote(self.remote.clone());
        let mut sent = to.remote.upload(&stored.layer, stored.size, &from).await?;
        let config = self.remote.blob(&stored.config).await?;
        let size = config.len() as u64;
        sent += to
            .remote
            .upload(&stored.config, size, &Content::Bytes(config.into()))
            .await?;
        to.remote
            .put_manifest(&stored.tag, MANIFEST, &stored.bytes)
            .await?;
        Ok(sent)
    }

    /// Removes a layer's image; its blobs go when the registry collects its garbage.
    pub async fn remove(&self, stored: &Stored) -> Result<bool, Error> {
        self.remote.delete(&stored.manifest).await
    }
}

/// A blob that is wrong or gone is damage; a registry that does not answer is not.
fn damage(stored: &Stored, error: Error) -> Result<Option<Damage>, Error> {
    Ok(Some(stored.damage(damaged(error)?)))
}

/// What is wrong with a blob that was asked for, if it is the blob.
fn damaged(error: Error) -> Result<String, Error> {
    match &error.cause {
        Cause::Corrupt(_) | Cause::NotFound => Ok(error.to_string()),
        _ => Err(error),
    }
}
