//! What is known of a base, as an image without a layer: its labels say it.
//!
//! A build has to know some things of its base: its Python, its users, the owners of a few folders. They follow from the
//! image's digest, but asking an engine that has nothing makes it unpack the image. A store that holds them spares it that.

use sha2::{Digest as _, Sha256};

use super::{CONFIG, Document, MANIFEST, document};
use crate::layers::{KnownBase, LayerKey};

/// Version of what is asked of a base; part of every key.
const VERSION: u32 = 2;

/// Label and annotation with the key.
pub const BASE_KEY: &str = "io.wheelwright.base.key";
/// Label with what is known, as JSON.
pub const BASE_FACTS: &str = "io.wheelwright.base.facts";
/// Annotation with the digest of the base's image.
pub const BASE_IMAGE: &str = "io.wheelwright.base.image";
/// Annotation with the image's platform.
pub const BASE_PLATFORM: &str = "io.wheelwright.base.platform";
/// What stands before the key in tags.
const PREFIX: &str = "base-";

/// The key of what is known of a base: the digest of its image, a platform, and the questions, a line each.
pub fn base_key<'a>(digest: &str, platform: &str, questions: impl IntoIterator<Item = &'a str>) -> LayerKey {
    let mut hash = Sha256::new();
    hash.update(format!("base {VERSION}\nimage {digest}\nplatform {platform}\n"));
    for question in questions {
        hash.update(format!("{question}\n"));
    }
    LayerKey::from_digest(&hash.finalize())
}

/// The tag of what is known of a base.
pub fn base_tag(key: &LayerKey) -> String {
    format!("{PREFIX}{key}")
}

/// The key of what a tag names, if it is of a base.
pub fn base_named(tag: &str) -> Option<LayerKey> {
    tag.strip_prefix(PREFIX)?.parse().ok()
}

/// Label of a catalog that names what is known of a base.
pub fn base_catalog_label(key: &LayerKey) -> String {
    format!("io.wheelwright.catalog.{}", base_tag(key))
}

/// The config and the manifest of what is known of a base.
pub fn base_image(base: &KnownBase) -> [Document; 2] {
    let KnownBase {
        key,
        image,
        platform,
        facts,
        ..
    } = base;
    let config = serde_json::json!({
        "architecture": "unknown", "os": "unknown",
        "config": {"Labels": {BASE_FACTS: facts, BASE_KEY: key}},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = document(CONFIG, &config);
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.bytes.len()},
        "annotations": {BASE_IMAGE: image, BASE_KEY: key, BASE_PLATFORM: platform},
    });
    let manifest = document(MANIFEST, &manifest);
    [config, manifest]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::oci::ImageConfig;

    #[test]
    fn what_is_written_is_read() {
        let key = base_key("sha256:1", "linux/amd64", ["python 3.11"]);
        assert_ne!(key, base_key("sha256:1", "linux/amd64", ["python 3.12"]));
        assert_ne!(key, base_key("sha256:2", "linux/amd64", ["python 3.11"]));
        assert_eq!(base_named(&base_tag(&key)), Some(key.clone()));
        assert_eq!(base_named("gzip-0"), None);
        let [config, _] = base_image(&KnownBase {
            key: key.clone(),
            image: "sha256:1".to_owned(),
            platform: "linux/amd64".to_owned(),
            facts: "{\"a\":1}".to_owned(),
            stored: false,
        });
        let config = ImageConfig::read(&config.bytes).unwrap();
        assert_eq!(config.labels[BASE_FACTS], "{\"a\":1}");
        assert_eq!(config.labels[BASE_KEY], key.as_str());
    }
}
