//! The wheel store as the pipeline asks it: through the engine, which has the credentials and the way to the registry.
//!
//! A layer is an image of one layer under a tag made of its key, so finding it is looking up an image; all are looked up
//! side by side. With a record in the lock it is looked up by the digest that is recorded: an engine that has seen it
//! asks nobody, and a registry cannot serve anything else. A store that cannot be asked is no reason not to build.
//!
//! A store may also be a folder that the client hands over, `--build-context wheels=oci-layout://DIR`: its catalog, an
//! image whose labels name the layers, is the only thing that is looked up.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use buildkit_llb::{Platform, ResolveMode};
use futures_util::future::join_all;

use super::options::WheelsLayout;
use super::{Failure, Options};
use crate::bridge::{Bridge, BridgeError, ImageQuery, Place, ResolvedImage};
use crate::diag::Diagnostic;
use crate::layers::oci::{self, FACTS, ImageConfig};
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
    /// Whether what it does not have is put into it after the build.
    pub(super) is_filled: bool,
    /// Why it is not asked any more.
    pub(super) silent: OnceLock<String>,
}

/// The stores that a build asks.
#[derive(Debug, Default)]
pub(super) struct Stores<'a> {
    /// Whether there is one, be it asked or not.
    pub(super) named: bool,
    /// A folder of the client.
    pub(super) layout: Option<LayoutStore<'a>>,
    /// The registry's.
    pub(super) registry: Option<RegistryStore<'a>>,
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

    /// Its repository.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// How its layers are packed.
    pub(super) fn format(&self) -> Format {
        self.format
    }
}

/// How one look-up ended.
#[derive(Debug)]
enum Looked {
    Here(Found),
    /// It has no name that others know it by.
    Nameless,
    Absent,
    /// It is not there by the digest that a lock records.
    Unrecorded,
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
        let notes = missed(&self.store.repository, &looked, self.is_filled);
        let found = looked.into_iter().map(|one| match one {
            Looked::Here(found) => Some(found),
            _ => None,
        });
        Ok(Answer {
            found: found.collect(),
            notes,
        })
    }
}

impl RegistryStore<'_> {
    /// Looks an image of the store up; none when it is not there, else why nobody can say.
    pub(super) async fn ask(&self, query: &ImageQuery) -> Result<Option<ResolvedImage>, String> {
        if let Some(reason) = self.silent.get() {
            return Err(reason.clone());
        }
        match tokio::time::timeout(PATIENCE, self.bridge.resolve_image(query)).await {
            Err(_) => {
                let reason = format!("no answer within {} s", PATIENCE.as_secs());
                Err(self.silent.get_or_init(|| reason).clone())
            }
            Ok(Err(error)) if error.is_not_found() => Ok(None),
            Ok(Err(error)) => Err(reason(&error)),
            Ok(Ok(image)) => Ok(Some(image)),
        }
    }

    async fn look(&self, wanted: &Wanted<'_>) -> Result<Looked, Mismatch> {
        if !wanted.is_keyed() {
            return Ok(Looked::Nameless);
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
            keyed: true,
        };
        let image = match self.ask(&query).await {
            Ok(Some(image)) => image,
            Ok(None) if record.is_some() => return Ok(Looked::Unrecorded),
            Ok(None) => return Ok(Looked::Absent),
            Err(reason) => return Ok(Looked::Failed(reason)),
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

/// Why layers are made that could have come from the store, a line for each reason. Who fills it knows what is not there yet.
fn missed(repository: &Repository, looked: &[Looked], is_filled: bool) -> Vec<String> {
    let all = looked.len();
    let count = |is: fn(&Looked) -> bool| looked.iter().filter(|one| is(one)).count();
    let absent = count(|one| matches!(one, Looked::Absent));
    let unrecorded = count(|one| matches!(one, Looked::Unrecorded));
    // The same cause has another address for each layer; the first stands for all.
    let mut failed: BTreeMap<Vec<&str>, (usize, &str)> = BTreeMap::new();
    for one in looked {
        if let Looked::Failed(reason) = one {
            let cause = reason.split_whitespace().filter(|word| !word.contains('/'));
            failed.entry(cause.collect()).or_insert((0, reason)).0 += 1;
        }
    }
    let mut notes = Vec::new();
    if absent > 0 && !is_filled {
        notes.push(format!(
            "the wheel store {repository} does not have {absent} of {all} layers, they are made instead"
        ));
    }
    if unrecorded > 0 && !is_filled {
        notes.push(format!(
            "the wheel store {repository} does not have {unrecorded} of {all} layers by the digests that the lock records, they are \
             made instead"
        ));
    }
    notes.extend(failed.values().map(|(count, reason)| {
        format!(
            "the wheel store {repository} could not be asked for {count} of {all} layers, they are made instead: {reason}"
        )
    }));
    notes
}

/// The last part of the engine's chain of reasons, in one line.
fn reason(error: &BridgeError) -> String {
    error.status.message.lines().next().unwrap_or_default().to_owned()
}

/// Whether a config is that of the layer: one layer, the key, and what the lock says of it. What it says of its wheels.
fn check(config: &[u8], key: &LayerKey, record: Option<&Recorded>) -> Result<Option<String>, String> {
    let mut config = ImageConfig::read(config)?;
    let diff_id = config.of_layer(key)?;
    match record {
        Some(record) if record.diff_id != *diff_id => {
            Err(format!("the lock says {}, found {diff_id}", record.diff_id))
        }
        _ => Ok(config.labels.remove(FACTS)),
    }
}

/// A store in a folder of the client.
#[derive(Debug)]
pub(super) struct LayoutStore<'a> {
    pub(super) bridge: &'a dyn Bridge,
    pub(super) layout: &'a WheelsLayout,
    /// What the lock says of layers.
    pub(super) records: &'a Records,
    pub(super) session: &'a str,
    pub(super) platform: &'a Platform,
}

#[async_trait]
impl Provider for LayoutStore<'_> {
    fn name(&self) -> &'static str {
        "local wheel store"
    }

    async fn find(&self, wanted: &[Wanted<'_>]) -> Result<Answer, LayerError> {
        let labels = match self.catalog().await {
            Ok(labels) => labels,
            Err(reason) => {
                return Ok(Answer {
                    found: vec![None; wanted.len()],
                    notes: vec![format!(
                        "the local wheel store cannot be read, layers are made instead: {reason}"
                    )],
                });
            }
        };
        let mut found = Vec::new();
        for layer in wanted {
            let key = &layer.layer.key;
            let known = |format: &Format| Some((*format, labels.get(&oci::catalog_label(*format, key))?));
            let Some((format, digest)) = Format::ALL.iter().find_map(known) else {
                found.push(None);
                continue;
            };
            let record = self.records.get(key, format);
            if let Some(record) = record.filter(|record| record.manifest != *digest) {
                return Err(LayerError::Mismatch(Mismatch {
                    provider: self.name(),
                    layer: layer.title(),
                    reason: format!("the lock says {}, found {digest}", record.manifest),
                }));
            }
            found.push(Some(Found::Layout {
                reference: Self::reference(digest),
                store: self.layout.store.clone(),
                facts: None,
            }));
        }
        Ok(Answer {
            found,
            notes: Vec::new(),
        })
    }
}

impl LayoutStore<'_> {
    /// What is in the folder, by label.
    pub(super) async fn catalog(&self) -> Result<BTreeMap<String, String>, String> {
        let query = ImageQuery {
            reference: Self::reference(&self.layout.digest),
            platform: self.platform.clone(),
            mode: ResolveMode::Default,
            place: self.place(),
            log_name: Some("[internal] local wheel store".to_owned()),
            keyed: true,
        };
        let catalog = self.bridge.resolve_image(&query).await;
        let labels = ImageConfig::read(&catalog.map_err(|error| reason(&error))?.config)?.labels;
        if labels.is_empty() {
            return Err("it is not a catalog of wheel layers".to_owned());
        }
        Ok(labels)
    }

    /// An image of the folder.
    pub(super) fn reference(digest: &str) -> String {
        format!("{LAYOUT_NAME}@{digest}")
    }

    /// Where the engine looks for it.
    pub(super) fn place(&self) -> Place {
        Place::Layout {
            session: self.session.to_owned(),
            store: self.layout.store.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_with_its_layers() {
        let repository = "r.example/wheels".parse().unwrap();
        let failed = |reason: &str| Looked::Failed(reason.to_owned());
        let looked = [
            Looked::Absent,
            Looked::Nameless,
            failed("HEAD http://r.example/v2/wheels/manifests/gzip-1: 401 Unauthorized"),
            Looked::Absent,
            failed("no answer within 10 s"),
            Looked::Unrecorded,
            failed("HEAD http://r.example/v2/wheels/manifests/gzip-2: 401 Unauthorized"),
        ];
        insta::assert_snapshot!(missed(&repository, &looked, false).join("\n"), @"
        the wheel store r.example/wheels does not have 2 of 7 layers, they are made instead
        the wheel store r.example/wheels does not have 1 of 7 layers by the digests that the lock records, they are made instead
        the wheel store r.example/wheels could not be asked for 2 of 7 layers, they are made instead: HEAD http://r.example/v2/wheels/manifests/gzip-1: 401 Unauthorized
        the wheel store r.example/wheels could not be asked for 1 of 7 layers, they are made instead: no answer within 10 s
        ");
        assert_eq!(missed(&repository, &looked, true).len(), 2);
    }

    #[test]
    fn what_the_lock_says_counts() {
        let key = LayerKey::new(["a"], "/opt/venv", "3.11");
        let record = Recorded {
            key: key.clone(),
            format: Format::Gzip,
            manifest: String::new(),
            digest: String::new(),
            diff_id: "sha256:2".to_owned(),
            size: 0,
        };
        let config = format!(
            r#"{{"config":{{"Labels":{{"{}":"{key}"}}}},"rootfs":{{"diff_ids":["sha256:1"]}}}}"#,
            oci::KEY
        );
        check(config.as_bytes(), &key, None).unwrap();
        assert_eq!(
            check(config.as_bytes(), &key, Some(&record)).unwrap_err(),
            "the lock says sha256:2, found sha256:1"
        );
    }
}
