//! What is known of a base before the engine is asked: asking an engine with nothing in it makes it unpack the image.
//!
//! The wheel store holds the answers under a key made of the image's digest, the platform and the questions. With records
//! in the lock only the answers that it names count, since a registry could otherwise say what it likes of users. A base
//! with system packages of its own is not known by its image, and is asked.

use buildkit_llb::{Platform, ResolveMode};

use super::base::{Facts, Wanted};
use super::store::{LayoutStore, RegistryStore, Stores};
use crate::bridge::{ImageQuery, Place, ResolvedImage};
use crate::layers::oci::{self, BASE_FACTS, BASE_KEY, ImageConfig};
use crate::layers::{LayerError, LayerKey, Mismatch};
use crate::plan::BasePlan;

/// Whose layers they are, in messages.
const NAME: &str = "wheel store";

/// The key of what a build asks of a base; none where the image alone does not decide the answers.
pub(super) fn key(
    stand: &BasePlan,
    image: &str,
    platform: &Platform,
    python: &str,
    wanted: &Wanted,
) -> Option<LayerKey> {
    let digest = digest(image)?;
    if !stand.packages.is_empty() || !stand.service_packages.is_empty() {
        return None;
    }
    let mut questions = vec![format!("python {python}"), format!("users {}", wanted.accounts)];
    questions.extend(wanted.folders.iter().map(|folder| format!("folder {folder}")));
    let questions = questions.iter().map(String::as_str);
    Some(oci::base_key(digest, &platform.to_string(), questions))
}

/// The digest of an image's reference.
pub(super) fn digest(image: &str) -> Option<&str> {
    image.rsplit_once('@').map(|(_, digest)| digest)
}

impl Stores<'_> {
    /// What any of them knows of a base.
    pub(super) async fn base(&self, key: &LayerKey) -> Result<Option<Facts>, LayerError> {
        if let Some(layout) = &self.layout
            && let Some(facts) = layout.base(key).await?
        {
            return Ok(Some(facts));
        }
        match &self.registry {
            Some(registry) => Ok(registry.base(key).await?),
            None => Ok(None),
        }
    }
}

impl RegistryStore<'_> {
    /// What the store knows of a base. A store that does not answer is not asked again: layers would wait as long.
    async fn base(&self, key: &LayerKey) -> Result<Option<Facts>, Mismatch> {
        let repository = self.store.repository();
        let reference = if self.records.is_empty() {
            repository.tagged(&oci::base_tag(key))
        } else {
            let Some(digest) = self.records.base(key) else {
                return Ok(None);
            };
            repository.at(digest)
        };
        match self.ask(&query(reference, self.platform, Place::Registry)).await {
            Ok(Some(image)) => read(&image, key).map(Some),
            Ok(None) | Err(_) => Ok(None),
        }
    }
}

impl LayoutStore<'_> {
    /// The same of a folder that the client hands over.
    async fn base(&self, key: &LayerKey) -> Result<Option<Facts>, Mismatch> {
        let Ok(labels) = self.catalog().await else {
            return Ok(None);
        };
        let Some(digest) = labels.get(&oci::base_catalog_label(key)) else {
            return Ok(None);
        };
        let recorded = self.records.is_empty() || self.records.base(key) == Some(digest);
        if !recorded {
            return Ok(None);
        }
        let query = query(LayoutStore::reference(digest), self.platform, self.place());
        match self.bridge.resolve_image(&query).await {
            Ok(image) => read(&image, key).map(Some),
            Err(_) => Ok(None),
        }
    }
}

fn query(reference: String, platform: &Platform, place: Place) -> ImageQuery {
    ImageQuery {
        reference,
        platform: platform.clone(),
        mode: ResolveMode::Default,
        place,
        log_name: Some("[internal] wheel store: what is known of the base".to_owned()),
        keyed: true,
    }
}

fn read(image: &ResolvedImage, key: &LayerKey) -> Result<Facts, Mismatch> {
    let mismatch = |reason: String| Mismatch {
        provider: NAME,
        layer: "the base's facts".to_owned(),
        reason: format!("{}: {reason}", image.reference),
    };
    let config = ImageConfig::read(&image.config).map_err(mismatch)?;
    match config.labels.get(BASE_KEY) {
        Some(found) if found == key.as_str() => {}
        Some(found) => return Err(mismatch(format!("expected key {key}, found {found}"))),
        None => return Err(mismatch(format!("no label `{BASE_KEY}`"))),
    }
    let facts = config.labels.get(BASE_FACTS).map_or("", String::as_str);
    serde_json::from_str(facts).map_err(|error| mismatch(format!("it cannot be read: {error}")))
}
