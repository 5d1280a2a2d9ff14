//! Filling the store with what builds needed: layers and what is known of bases, those that it does not have.
//!
//! Wheels come from the index, as for `wheels push`; what has to be built or compiled comes out of the engine's cache,
//! where the build has just left it. Either way this machine makes the bytes, so that they are the same wherever it is done.

mod engine;
pub(super) mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use buildkit_proto::pb;
use futures_util::{StreamExt as _, stream};
use tempfile::TempDir;

pub(super) use self::engine::Exports;
use super::Failure;
use crate::layers::local::{Layer, Maker};
use crate::layers::oci::{self, Contents};
use crate::layers::{Format, KnownBase, LayerKey, Made, Need, Needs, Recorded, RecordedBase};
use crate::manifest::Repository;
use crate::python::{Artifact, artifact::Origin};
use crate::registry::{Content, Registry};
use crate::report::{Printer, bytes, plural, seconds};
use crate::store::Store;

/// Layers that are made and stored at a time.
const JOBS: usize = 6;

/// What it takes to fill a store.
pub(super) struct Fill<'a> {
    /// The registries.
    pub(super) registry: Registry,
    /// Makes layers.
    pub(super) maker: &'a Maker,
    /// Gives out what only an engine makes.
    pub(super) exports: Option<&'a Exports<'a>>,
    /// The repository's root.
    pub(super) context: &'a Path,
    /// Whether layers that the store has are worth a look: somebody wants their records.
    pub(super) record: bool,
}

/// What is in the store now.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) layers: Vec<Recorded>,
    pub(super) bases: Vec<RecordedBase>,
    stored: usize,
    sent: u64,
    failed: Vec<String>,
}

/// Layers of one key in one store.
type Place = (Repository, Format, LayerKey);

impl Fill<'_> {
    /// Stores all that the builds needed and the store does not have. What cannot be made is said; what a registry refuses
    /// ends it.
    pub(super) async fn run(&self, needs: &[Needs]) -> Result<Filled, Failure> {
        let begun = Instant::now();
        let mut filled = Filled::default();
        let mut bases = BTreeMap::new();
        let mut layers = BTreeMap::<Place, &Need>::new();
        for one in needs {
            let Some((repository, format)) = &one.store else {
                continue;
            };
            if let Some(base) = &one.base {
                bases.insert((repository.clone(), base.key.clone()), base);
            }
            for need in &one.layers {
                let key = need.layer.key.clone();
                layers.insert((repository.clone(), *format, key), need);
            }
        }
        for ((repository, _), base) in &bases {
            self.base(repository, base, &mut filled).await?;
        }
        let wanted = layers.iter().filter(|(_, need)| self.record || !need.stored);
        let mut ended = stream::iter(wanted)
            .map(async |(place, need)| (need, self.layer(place, need).await))
            .buffer_unordered(JOBS);
        while let Some((need, outcome)) = ended.next().await {
            match outcome {
                Ok((recorded, sent)) => {
                    if let Some(sent) = sent {
                        let title = oci::title_of(&need.wanted());
                        Printer::new().note(&format!("{title}  stored, {}", bytes(sent)));
                    }
                    filled.layers.extend(recorded);
                    filled.sent += sent.unwrap_or_default();
                    filled.stored += usize::from(sent.is_some());
                }
                Err(Failure::Registry(reason)) => return Err(Failure::Registry(reason)),
                Err(other) => {
                    let reason = other.text().unwrap_or_default();
                    let title = oci::title_of(&need.wanted());
                    filled.failed.push(format!("{title}  not stored\n{reason}"));
                }
            }
        }
        drop(ended);
        filled.say(
            layers.keys().map(|(repository, ..)| repository),
            layers.len(),
            begun,
        );
        Ok(filled)
    }

    /// The records of all that the builds needed. Layers of wheels are made here, so that nobody has to be trusted with them;
    /// what an engine makes may come out otherwise elsewhere, so there the store's is taken where it has one.
    pub(super) async fn records(&self, needs: &[Needs]) -> Result<Filled, Failure> {
        let mut filled = Filled::default();
        let mut layers = BTreeMap::new();
        for one in needs {
            if let Some(base) = &one.base {
                let [_, manifest] = oci::base_image(base);
                filled.bases.push(RecordedBase {
                    key: base.key.clone(),
                    manifest: manifest.digest,
                });
            }
            let store = one.store.as_ref().map(|(repository, _)| repository);
            let format = one.store.as_ref().map(|(_, format)| *format).unwrap_or_default();
            layers.extend(
                one.layers
                    .iter()
                    .map(|need| (&need.layer.key, (need, store, format))),
            );
        }
        let mut ended = stream::iter(layers.into_values())
            .map(async |(need, store, format)| self.record(need, store, format).await)
            .buffer_unordered(JOBS);
        while let Some(recorded) = ended.next().await {
            filled.layers.push(recorded?);
        }
        Ok(filled)
    }

    async fn record(
        &self,
        need: &Need,
        repository: Option<&Repository>,
        format: Format,
    ) -> Result<Recorded, Failure> {
        let key = &need.layer.key;
        if let Some(repository) = repository.filter(|_| need.needs_engine()) {
            let store = self.store(repository);
            if let Some(digest) = store.has(format, key).await? {
                return recorded::read(&store, format, key, &digest).await;
            }
        }
        let Layer { record, .. } = self.made(need, format).await?;
        let image = oci::image(&record, &Contents::of(&need.wanted(), &record));
        Ok(Recorded::new(&record, &image.manifest.digest))
    }

    fn store(&self, repository: &Repository) -> Store {
        Store::new(self.registry.repository(repository))
    }

    async fn base(
        &self,
        repository: &Repository,
        base: &KnownBase,
        filled: &mut Filled,
    ) -> Result<(), Failure> {
        if base.stored && !self.record {
            return Ok(());
        }
        let store = self.store(repository);
        let there = store.has_base(&base.key).await?;
        let manifest = if let Some(digest) = there.filter(|digest| !digest.is_empty()) {
            digest
        } else {
            let pushed = store.push_base(base).await?;
            filled.sent += pushed.sent;
            pushed.manifest
        };
        filled.bases.push(RecordedBase {
            key: base.key.clone(),
            manifest,
        });
        Ok(())
    }

    /// One layer: its record, where it is wanted or at hand, and the bytes that were sent if it was not there.
    async fn layer(
        &self,
        (repository, format, key): &Place,
        need: &Need,
    ) -> Result<(Option<Recorded>, Option<u64>), Failure> {
        let store = self.store(repository);
        if let Some(digest) = store.has(*format, key).await? {
            if !self.record {
                return Ok((None, None));
            }
            let recorded = recorded::read(&store, *format, key, &digest).await?;
            return Ok((Some(recorded), None));
        }
        let wanted = need.wanted();
        let Layer { record, blob, .. } = self.made(need, *format).await?;
        let content = Content::File(blob.path().to_owned());
        let pushed = store
            .push(&record, &Contents::of(&wanted, &record), &content)
            .await?;
        Ok((Some(Recorded::new(&record, &pushed.manifest)), Some(pushed.sent)))
    }

    async fn made(&self, need: &Need, format: Format) -> Result<Layer, Failure> {
        let wanted = need.wanted();
        if let Some(known) = self.maker.known(&wanted, format) {
            return Ok(known);
        }
        let local = |error: std::io::Error| Failure::Local(error.to_string());
        let folder = TempDir::new().map_err(local)?;
        let made = match &need.made {
            Made::Tree(graph) => {
                self.export(graph, folder.path()).await?;
                self.maker.layer_of(&wanted, format, folder.path()).await
            }
            Made::Wheels(built) => {
                let mut at_hand = self.own_files(need);
                for (place, graph) in built {
                    let out = folder.path().join(place.to_string());
                    self.export(graph, &out).await?;
                    at_hand.insert(*place, wheel_in(&out).map_err(local)?);
                }
                self.maker.layer_with(&wanted, format, &at_hand, &|_| {}).await
            }
        };
        made.map_err(|error| Failure::Local(error.to_string()))
    }

    async fn export(&self, graph: &pb::Definition, to: &Path) -> Result<(), Failure> {
        match self.exports {
            Some(exports) => exports.take(graph, to).await,
            None => Err(Failure::Local("it takes an engine to make it".to_owned())),
        }
    }

    /// Wheels that the repository itself holds.
    fn own_files(&self, need: &Need) -> BTreeMap<usize, PathBuf> {
        let places = need.picks.iter().enumerate();
        let own = places.filter_map(|(place, pick)| match &pick.artifact {
            Artifact::Wheel(file) => match &file.origin {
                Origin::Path(path) => Some((place, self.context.join(path.as_str()))),
                Origin::Url(_) => None,
            },
            _ => None,
        });
        own.collect()
    }
}

impl Filled {
    /// What came of it, in a line a store, and what went wrong.
    fn say<'r>(&self, repositories: impl Iterator<Item = &'r Repository>, all: usize, begun: Instant) {
        let printer = Printer::new();
        for failed in &self.failed {
            printer.note(failed);
        }
        let names = repositories.map(ToString::to_string).collect::<BTreeSet<_>>();
        if !names.is_empty() {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            printer.note(&format!(
                "{} needed: {} stored, {} sent to {names} in {}",
                plural(all, "layer"),
                self.stored,
                bytes(self.sent),
                seconds(begun.elapsed())
            ));
        }
    }

    /// Whether all is stored.
    pub(super) fn outcome(&self) -> Result<(), Failure> {
        if self.failed.is_empty() {
            Ok(())
        } else {
            Err(Failure::Build)
        }
    }
}

/// The one wheel that a builder left in a folder, beside files of its own.
fn wheel_in(folder: &Path) -> std::io::Result<PathBuf> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    let text = format!("there is no wheel in `{}`", folder.display());
    Err(std::io::Error::other(text))
}
