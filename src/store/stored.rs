//! A layer's image as a store has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::layers::oci::{ImageConfig, KEY, Wheel};
use crate::layers::{Format, LayerKey};
use crate::registry::Manifest;

/// Annotation with the layer's wheels.
const WHEELS: &str = "io.wheelwright.layer.wheels";
/// Annotation with the size of the tar.
const UNPACKED: &str = "io.wheelwright.layer.unpacked";
/// Annotation with the interpreter's minor version.
const PYTHON: &str = "io.wheelwright.layer.python";
/// Annotation with the names of the wheels.
const TITLE: &str = "org.opencontainers.image.title";

/// A layer in a store, as its manifest tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// Its tag.
    pub tag: String,
    /// How it is packed.
    pub format: Format,
    /// What it is made of.
    pub key: LayerKey,
    /// Its wheels, in a few words.
    pub title: String,
    /// The interpreter's minor version.
    pub python: String,
    /// Its wheels.
    pub wheels: Vec<Wheel>,
    /// Digest of the manifest.
    pub manifest: String,
    /// Digest of the config.
    pub config: String,
    /// Digest of the layer.
    pub layer: String,
    /// Packed bytes.
    pub size: u64,
    /// Bytes of the tar.
    pub unpacked: u64,
    /// The manifest's bytes.
    #[serde(skip)]
    pub(super) bytes: Vec<u8>,
}

/// Something that is wrong with a layer of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tag} ({title}): {reason}")]
pub struct Damage {
    /// Its tag.
    pub tag: String,
    /// Its wheels, as far as they are known.
    pub title: String,
    /// What is wrong.
    pub reason: String,
}

#[derive(Deserialize)]
struct Document {
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
}

/// The layer that a tag names, if it does.
pub(super) fn named(tag: &str) -> Option<(Format, LayerKey)> {
    let (format, key) = tag.split_once('-')?;
    Some((format.parse().ok()?, key.parse().ok()?))
}

impl Stored {
    /// Reads a manifest that is stored under a layer's tag.
    pub(super) fn read(tag: &str, manifest: &Manifest) -> Result<Self, Damage> {
        let damage = |reason: String| Damage {
            tag: tag.to_owned(),
            title: "unknown".to_owned(),
            reason,
        };
        let (format, key) = named(tag).ok_or_else(|| damage("not the tag of a layer".to_owned()))?;
        let document: Document = serde_json::from_slice(&manifest.bytes)
            .map_err(|error| damage(format!("not the manifest of an image: {error}")))?;
        let mut annotations = document.annotations;
        let mut take = |name: &str| annotations.remove(name).unwrap_or_default();
        let layers = <[Descriptor; 1]>::try_from(document.layers);
        let [layer] =
            layers.map_err(|layers| damage(format!("expected one layer, found {}", layers.len())))?;
        if take(KEY) != key.as_str() {
            return Err(damage("it holds another layer than its tag says".to_owned()));
        }
        Ok(Self {
            tag: tag.to_owned(),
            format,
            key,
            title: take(TITLE),
            python: take(PYTHON),
            wheels: serde_json::from_str(&take(WHEELS)).unwrap_or_default(),
            manifest: manifest.digest.clone(),
            config: document.config.digest,
            layer: layer.digest,
            size: layer.size,
            unpacked: take(UNPACKED).parse().unwrap_or_default(),
            bytes: manifest.bytes.clone(),
        })
    }

    /// The manifest's bytes.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Something that is wrong with it.
    pub(super) fn damage(&self, reason: String) -> Damage {
        Damage {
            tag: self.tag.clone(),
            title: self.title.clone(),
            reason,
        }
    }

    /// Whether a config is this layer's; the digest of its tar.
    pub(super) fn check_config(&self, config: &[u8]) -> Result<String, Damage> {
        let config = ImageConfig::read(config).map_err(|reason| self.damage(reason))?;
        let diff_id = config.of_layer(&self.key).map_err(|reason| self.damage(reason))?;
        Ok(diff_id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::oci::{self, Contents};
    use crate::layers::{Kind, LayerRecord, oci::MANIFEST};

    fn image() -> (String, Manifest, Vec<u8>) {
        let record = LayerRecord {
            key: LayerKey::new(["a"], "/opt/venv", "3.11"),
            format: Format::Gzip,
            digest: "sha256:1".to_owned(),
            diff_id: "sha256:2".to_owned(),
            size: 10,
            unpacked: 20,
            toc_digest: None,
            facts: None,
            licenses: BTreeMap::new(),
        };
        let contents = Contents {
            kind: Kind::Wheels,
            wheels: vec![Wheel {
                name: "a".to_owned(),
                version: "1".to_owned(),
                sha256: "a".to_owned(),
                license: None,
            }],
            venv: "/opt/venv".to_owned(),
            python: "3.11".to_owned(),
        };
        let image = oci::image(&record, &contents);
        let manifest = Manifest {
            media_type: MANIFEST.to_owned(),
            digest: image.manifest.digest,
            bytes: image.manifest.bytes,
        };
        (oci::tag(record.format, &record.key), manifest, image.config.bytes)
    }

    #[test]
    fn what_is_pushed_is_listed() {
        let (tag, manifest, config) = image();
        let stored = Stored::read(&tag, &manifest).unwrap();
        assert_eq!(
            (stored.title.as_str(), stored.size, stored.unpacked),
            ("a 1", 10, 20)
        );
        assert_eq!(stored.wheels.len(), 1);
        assert_eq!(stored.check_config(&config).unwrap(), "sha256:2");
    }

    #[test]
    fn images_of_something_else_are_damage() {
        let (tag, manifest, _) = image();
        let other = oci::tag(Format::Gzip, &LayerKey::new(["b"], "/opt/venv", "3.11"));
        let said = |tag: &str, bytes: &[u8]| {
            let manifest = Manifest {
                bytes: bytes.to_vec(),
                ..manifest.clone()
            };
            Stored::read(tag, &manifest).unwrap_err().reason
        };
        assert_eq!(
            said(&other, &manifest.bytes),
            "it holds another layer than its tag says"
        );
        assert!(said(&tag, b"{}").starts_with("not the manifest of an image"));
        let two = br#"{"config":{"digest":"c","size":1},"layers":[{"digest":"a","size":1},{"digest":"b","size":1}]}"#;
        assert_eq!(said(&tag, two), "expected one layer, found 2");
    }
}
