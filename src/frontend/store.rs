//! The wheel store as the pipeline asks it: through the engine, which has the credentials and the way to the registry.
//!
//! A layer is an image of one layer under a tag made of its key, so finding it is looking up an image; all are looked up
//! side by side. With a record in the lock it is looked up by the digest that is recorded: an engine that has seen it
//! asks nobody, and a registry cannot serve anything else. A store that cannot be asked is no reason not to build.
//!
//! A store may also be a folder that the client hands over, `--build-context wheels=oci-layout://DIR`: its catalog, an
//! image whose labels name the layers, is the only thing that is looked up.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use buildkit_llb::{Platform, ResolveMode};
use futures_util::future::join_all;
use serde::Deserialize;

use super::options::WheelsLayout;
use super::{Failure, Options};
use crate::bridge::{Bridge, BridgeError, ImageQuery, Place};
use crate::diag::Diagnostic;
use crate::layers::oci::{self, FACTS, KEY};
use crate::layers::{
    Answer, Format, Found, LayerError, LayerKey, Mismatch, Provider, Recorded, Records, Wanted,
};
use crate::manifest::{Manifest, Repository, WheelStore};

/// The build argument that names another store than the manifest's.
const ARGUMENT: &str = "WHEELWRIGHT_WHEEL_STORE";

/// How long the store may take to answer; layers that are made take longer than this, builds that wait for a registry
/// that is not there forever.
const PATIENCE: Duration = Duration::from_secs(10);

/// What images of a layout are called in messages; the engine finds them by digest.
const LAYOUT_NAME: &str = "localhost/wheels";

/// A store in a registry.
#[derive(Debug)]
pub(super) struct RegistryStore<'a> {
    pub(super) bridge: &'a dyn Bridge,
    pub(super) store: &'a Chosen,
    /// What the lock says of layers.
    pub(super) records: &'a Records,
    pub(super) platform: &'a Platform,
}

/// The store that a build uses.
#[derive(Debug)]
pub(super) struct Chosen {
    repository: Repository,
    format: Format,
}

impl Chosen {
    /// The manifest's, unless the build argument `WHEELWRIGHT_WHEEL_STORE` names another one, or `none`.
    pub(super) fn new(manifest: &Manifest, options: &Options) -> Result<Option<Self>, Failure> {
        let named = manifest.wheel_store.as_ref();
        let format = named.map(WheelStore::format).unwrap_or_default();
        let repository = match options.build_arg(ARGUMENT) {
            Some("none") => return Ok(None),
            Some(text) => Some(text.parse().map_err(|reason: String| {
                Diagnostic::error(format!("`{text}` in `{ARGUMENT}` is not a repository")).help(reason)
            })?),
            None => named.map(|store| store.repository().value.clone()),
        };
        Ok(repository.map(|repository| Self { repository, format }))
    }
}

/// How one look-up ended.
enum Looked {
    Here(Found),
    Absent,
    Failed(String),
}

#[async_trait]
impl Provider for RegistryStore<'_> {
    fn name(&self) -> &'static str {
        "wheel store"
    }

    async fn find(&self, wanted: &[Wanted<'_>]) -> Result<Answer, LayerError> {
        let looked = join_all(wanted.iter().map(|layer| self.look(layer))).await;
        let looked = looked.into_iter().collect::<Result<Vec<_>, _>>()?;
        let failed = looked
            .iter()
            .filter(|one| matches!(one, Looked::Failed(_)))
            .count();
        let first = looked.iter().find_map(|one| match one {
            Looked::Failed(reason) => Some(reason),
            _ => None,
        });
        let note = first.map(|reason| {
            format!(
                "the wheel store {} could not be asked for {failed} of {} layers, they are made instead: {reason}",
                self.store.repository,
                wanted.len()
            )
        });
        let found = looked.into_iter().map(|one| match one {
            Looked::Here(found) => Some(found),
            Looked::Absent | Looked::Failed(_) => None,
        });
        Ok(Answer {
            found: found.collect(),
            notes: note.into_iter().collect(),
        })
    }
}

impl RegistryStore<'_> {
    async fn look(&self, wanted: &Wanted<'_>) -> Result<Looked, Mismatch> {
        // What is built or compiled is not stored yet.
        if !wanted.is_of_wheels() {
            return Ok(Looked::Absent);
        }
        let key = &wanted.layer.key;
        let Chosen { repository, format } = self.store;
        let record = self.records.get(key, *format);
        let query = ImageQuery {
            reference: match record {
                Some(record) => repository.at(&record.manifest),
                None => repository.tagged(&oci::tag(*format, key)),
            },
            platform: self.platform.clone(),
            mode: ResolveMode::Default,
            place: Place::Registry,
            log_name: Some(format!("[internal] wheel store: {}", wanted.title())),
        };
        let image = match tokio::time::timeout(PATIENCE, self.bridge.resolve_image(&query)).await {
            Err(_) => {
                return Ok(Looked::Failed(format!(
                    "no answer within {} s",
                    PATIENCE.as_secs()
                )));
            }
            Ok(Err(error)) if error.is_not_found() => return Ok(Looked::Absent),
            Ok(Err(error)) => return Ok(Looked::Failed(reason(&error))),
            Ok(Ok(image)) => image,
        };
        let mismatch = |reason| Mismatch {
            provider: self.name(),
            layer: wanted.title(),
            reason: format!("{}: {reason}", query.reference),
        };
        let facts = check(&image.config, key, record).map_err(mismatch)?;
        let (_, digest) = image
            .reference
            .rsplit_once('@')
            .ok_or_else(|| mismatch("the engine does not know its digest".to_owned()))?;
        Ok(Looked::Here(Found::Image {
            reference: repository.at(digest),
            facts,
        }))
    }
}

/// The last part of the engine's chain of reasons, in one line.
fn reason(error: &BridgeError) -> String {
    error.status.message.lines().next().unwrap_or_default().to_owned()
}

/// What is read of a layer image's config.
#[derive(Deserialize)]
struct Config {
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
    diff_ids: Vec<String>,
}

/// Whether a config is that of the layer: one layer, the key, and what the lock says of it. What it says of its wheels.
fn check(config: &[u8], key: &LayerKey, record: Option<&Recorded>) -> Result<Option<String>, String> {
    let config: Config =
        serde_json::from_slice(config).map_err(|error| format!("its config cannot be read: {error}"))?;
    let [diff_id] = config.rootfs.diff_ids.as_slice() else {
        return Err(format!(
            "expected one layer, found {}",
            config.rootfs.diff_ids.len()
        ));
    };
    let mut labels = config.config.labels.unwrap_or_default();
    match labels.get(KEY) {
        Some(found) if found == key.as_str() => {}
        Some(found) => return Err(format!("expected key {key}, found {found}")),
        None => return Err(format!("it is not a wheel layer: no label `{KEY}`")),
    }
    match record {
        Some(record) if record.diff_id != *diff_id => {
            Err(format!("the lock says {}, found {diff_id}", record.diff_id))
        }
        _ => Ok(labels.remove(FACTS)),
    }
}

/// A store in a folder of the client.
#[derive(Debug)]
pub(super) struct LayoutStore<'a> {
    pub(super) bridge: &'a dyn Bridge,
    pub(super) layout: &'a WheelsLayout,
    pub(super) session: &'a str,
    pub(super) platform: &'a Platform,
}

#[async_trait]
impl Provider for LayoutStore<'_> {
    fn name(&self) -> &'static str {
        "local wheel store"
    }

    async fn find(&self, wanted: &[Wanted<'_>]) -> Result<Answer, LayerError> {
        let WheelsLayout { store, digest } = self.layout;
        let query = ImageQuery {
            reference: format!("{LAYOUT_NAME}@{digest}"),
            platform: self.platform.clone(),
            mode: ResolveMode::Default,
            place: Place::Layout {
                session: self.session.to_owned(),
                store: store.clone(),
            },
            log_name: Some("[internal] local wheel store".to_owned()),
        };
        let failed = |reason| Answer {
            found: vec![None; wanted.len()],
            notes: vec![format!(
                "the local wheel store cannot be read, layers are made instead: {reason}"
            )],
        };
        let catalog = match self.bridge.resolve_image(&query).await {
            Ok(image) => image,
            Err(error) => return Ok(failed(reason(&error))),
        };
        let Some(labels) = labels(&catalog.config) else {
            return Ok(failed("it is not a catalog of wheel layers".to_owned()));
        };
        let found = wanted.iter().map(|layer| {
            let label = |format: &Format| labels.get(&oci::catalog_label(*format, &layer.layer.key));
            let digest = Format::ALL.iter().find_map(label)?;
            Some(Found::Layout {
                reference: format!("{LAYOUT_NAME}@{digest}"),
                store: store.clone(),
                facts: None,
            })
        });
        Ok(Answer {
            found: found.collect(),
            notes: Vec::new(),
        })
    }
}

fn labels(config: &[u8]) -> Option<BTreeMap<String, String>> {
    serde_json::from_slice::<Config>(config).ok()?.config.labels
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
        let said =
            |config: &str, record: Option<&Recorded>| check(config.as_bytes(), &key, record).unwrap_err();
        check(config(key.as_str(), r#""sha256:1""#).as_bytes(), &key, None).unwrap();
        assert_eq!(
            said(&config(key.as_str(), r#""a","b""#), None),
            "expected one layer, found 2"
        );
        assert_eq!(
            said(&config("k", r#""a""#), None),
            format!("expected key {key}, found k")
        );
        assert!(said(r#"{"rootfs":{"diff_ids":["a"]}}"#, None).starts_with("it is not a wheel layer"));
        assert!(said("[]", None).starts_with("its config cannot be read"));
        let record = Recorded {
            key: key.clone(),
            format: Format::Gzip,
            manifest: String::new(),
            digest: String::new(),
            diff_id: "sha256:2".to_owned(),
            size: 0,
        };
        assert_eq!(
            said(&config(key.as_str(), r#""sha256:1""#), Some(&record)),
            "the lock says sha256:2, found sha256:1"
        );
    }
}
