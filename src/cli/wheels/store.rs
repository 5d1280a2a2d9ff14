//! Which store a command works on.

use std::sync::Arc;

use clap::Args;
use futures_util::{StreamExt as _, stream};

use crate::cli::Failure;
use crate::cli::project::{Opened, ProjectArgs};
use crate::manifest::{LayerFormat, Repository, WheelStore};
use crate::registry::dockerconfig::DockerConfig;
use crate::registry::{Error, Registry};
use crate::report::Printer;
use crate::store::{Damage, Store, Stored, StoredBase};

/// Requests at a time.
const PARALLEL: usize = 16;

/// The store and the way to it.
#[derive(Debug, Clone, Args)]
pub(super) struct StoreArgs {
    #[command(flatten)]
    pub(super) project: ProjectArgs,
    /// The store's repository, in place of the manifest's `wheel_store`
    #[arg(long = "wheel-store", value_name = "REPOSITORY")]
    pub(super) repository: Option<Repository>,
    /// Registry that speaks plain HTTP, as those of this machine do without being named
    #[arg(long = "insecure-registry", value_name = "HOST")]
    pub(super) insecure: Vec<String>,
}

impl StoreArgs {
    /// The manifest; none where there is none and the store was named.
    pub(super) fn open(&self) -> Result<Option<Opened>, Failure> {
        let there = self.project.context.join(&self.project.file).is_file();
        if !there && self.repository.is_some() {
            return Ok(None);
        }
        Ok(Some(self.project.open()?))
    }

    /// The store.
    pub(super) fn store(&self, opened: Option<&Opened>) -> Result<Store, Failure> {
        let named = opened.and_then(|opened| opened.manifest.wheel_store.as_ref());
        let repository = self
            .repository
            .clone()
            .or_else(|| named.map(|store| store.repository().value.clone()));
        let repository = repository.ok_or_else(|| {
            Failure::Usage(
                "there is no wheel store: name one as `wheel_store:` in the manifest, or with `--wheel-store`"
                    .to_owned(),
            )
        })?;
        Ok(Store::new(self.registry()?.repository(&repository)))
    }

    /// How the store's layers are packed where nothing else is said.
    pub(super) fn format(opened: &Opened) -> LayerFormat {
        let store = opened.manifest.wheel_store.as_ref();
        store.map(WheelStore::format).unwrap_or_default()
    }

    /// All registries, with the user's credentials.
    pub(super) fn registry(&self) -> Result<Registry, Failure> {
        let config = DockerConfig::load().map_err(|error| Failure::Local(error.to_string()))?;
        Ok(Registry::new(Arc::new(config), self.insecure.iter().cloned()))
    }
}

/// What is in a store.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Its layers, sorted by title.
    pub(super) layers: Vec<Stored>,
    /// What it knows of bases, sorted by tag.
    pub(super) bases: Vec<StoredBase>,
    /// Everything that is wrong with what cannot be read.
    pub(super) damages: Vec<Damage>,
}

impl Held {
    /// Reads what is in a store.
    pub(super) async fn by(store: &Store) -> Result<Self, Error> {
        let (layers, bases) = store.tags().await?;
        let mut held = Self::default();
        let mut read = stream::iter(layers)
            .map(async |tag| store.stored(&tag).await)
            .buffer_unordered(PARALLEL);
        while let Some(one) = read.next().await {
            held.take(one?, |held, stored| held.layers.push(stored));
        }
        drop(read);
        let mut read = stream::iter(bases)
            .map(async |tag| store.stored_base(&tag).await)
            .buffer_unordered(PARALLEL);
        while let Some(one) = read.next().await {
            held.take(one?, |held, base| held.bases.push(base));
        }
        drop(read);
        held.layers
            .sort_by(|a, b| (&a.title, &a.tag).cmp(&(&b.title, &b.tag)));
        held.bases.sort_by(|a, b| a.key.cmp(&b.key));
        held.damages.sort_by(|a, b| a.tag.cmp(&b.tag));
        Ok(held)
    }

    /// Takes one that is still there.
    fn take<T>(&mut self, one: Option<Result<T, Damage>>, put: impl Fn(&mut Self, T)) {
        match one {
            Some(Ok(one)) => put(self, one),
            Some(Err(damage)) => self.damages.push(damage),
            None => {}
        }
    }

    /// Says what is wrong, where it only matters in passing.
    pub(super) fn warn(&self) {
        for damage in &self.damages {
            Printer::new().note(&format!("warning: {damage}"));
        }
    }
}
