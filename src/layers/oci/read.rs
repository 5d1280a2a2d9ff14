//! The reader of configs: those of layer images, of a folder's catalog, of what is known of bases.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::KEY;
use crate::layers::LayerKey;

/// What is read of an image's config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Digests of its layers' tars.
    pub diff_ids: Vec<String>,
}

impl ImageConfig {
    /// Reads a config.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let config: Written =
            serde_json::from_slice(bytes).map_err(|error| format!("its config cannot be read: {error}"))?;
        Ok(Self {
            labels: config.config.labels.unwrap_or_default(),
            diff_ids: config.rootfs.diff_ids.unwrap_or_default(),
        })
    }

    /// The digest of the one layer's tar, if this is the config of the layer with this key.
    pub fn of_layer(&self, key: &LayerKey) -> Result<&str, String> {
        let [diff_id] = self.diff_ids.as_slice() else {
            return Err(format!("expected one layer, found {}", self.diff_ids.len()));
        };
        match self.labels.get(KEY) {
            Some(found) if found == key.as_str() => Ok(diff_id),
            Some(found) => Err(format!("expected key {key}, found {found}")),
            None => Err(format!("it is not a wheel layer: no label `{KEY}`")),
        }
    }
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    config: Settings,
    rootfs: Rootfs,
}

#[derive(Default, Deserialize)]
struct Settings {
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Rootfs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_of_something_else_is_named() {
        let key = LayerKey::new(["a"], "/opt/venv", "3.11");
        let config = |key: &str, diff_ids: &str| {
            format!(r#"{{"config":{{"Labels":{{"{KEY}":"{key}"}}}},"rootfs":{{"diff_ids":[{diff_ids}]}}}}"#)
        };
        let read = |config: &str| {
            let config = ImageConfig::read(config.as_bytes())?;
            config.of_layer(&key).map(str::to_owned)
        };
        assert_eq!(read(&config(key.as_str(), r#""sha256:1""#)).unwrap(), "sha256:1");
        assert_eq!(
            read(&config(key.as_str(), r#""a","b""#)).unwrap_err(),
            "expected one layer, found 2"
        );
        assert_eq!(
            read(&config("k", r#""a""#)).unwrap_err(),
            format!("expected key {key}, found k")
        );
        let bare = read(r#"{"rootfs":{"diff_ids":["a"]}}"#).unwrap_err();
        assert!(bare.starts_with("it is not a wheel layer"), "{bare}");
        assert!(read("[]").unwrap_err().starts_with("its config cannot be read"));
    }
}
