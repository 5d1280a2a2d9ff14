//! `wheelwright wheels verify`: whether what is in the store is what it says.

use clap::Args;
use futures_util::{StreamExt as _, stream};

use super::asked::Asked;
use super::store::{Held, StoreArgs};
use crate::cli::Failure;
use crate::layers::Records;
use crate::report::{Printer, bytes, plural};
use crate::store::{Damage, Stored, StoredBase};

/// Layers that are read at a time.
const PARALLEL: usize = 6;

/// Read every layer of the store and check it
///
/// Compares manifests, configs and layers, and what is known of bases, with their digests, and with the records of the services' locks where there are
/// any. Ends with status 5 when something is wrong.
#[derive(Debug, Clone, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) async fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let opened = args.store.open()?;
    let store = args.store.store(opened.as_ref())?;
    let records = match &opened {
        Some(opened) => records(args, opened)?,
        None => Vec::new(),
    };
    let Held {
        layers,
        bases,
        mut damages,
    } = Held::by(&store).await?;
    let mut checks = stream::iter(&layers)
        .map(async |layer| store.verify(layer).await)
        .buffer_unordered(PARALLEL);
    while let Some(check) = checks.next().await {
        damages.extend(check?);
    }
    drop(checks);
    let mut checks = stream::iter(&bases)
        .map(async |base| store.facts(base).await)
        .buffer_unordered(PARALLEL);
    while let Some(check) = checks.next().await {
        damages.extend(check?.err());
    }
    damages.extend(layers.iter().filter_map(|layer| differs(layer, &records)));
    damages.extend(bases.iter().filter_map(|base| base_differs(base, &records)));
    damages.sort_by(|a, b| a.tag.cmp(&b.tag));
    let printer = Printer::new();
    for damage in &damages {
        printer.note(&format!("error: {damage}"));
    }
    let sum = layers.iter().map(|layer| layer.size).sum();
    printer.note(&format!(
        "{} of {} checked, {}: {} wrong",
        plural(layers.len(), "layer"),
        store.remote().repository(),
        bytes(sum),
        damages.len()
    ));
    if damages.is_empty() {
        Ok(())
    } else {
        Err(Failure::Registry(String::new()))
    }
}

fn records(args: &VerifyArgs, opened: &crate::cli::project::Opened) -> Result<Vec<Records>, Failure> {
    let project = &args.store.project;
    Asked::new(project, opened, &[], &[])?.recorded(project)
}

/// Whether a lock says something else of a base.
fn base_differs(base: &StoredBase, records: &[Records]) -> Option<Damage> {
    let manifest = records.iter().find_map(|records| records.base(&base.key))?;
    (manifest != base.manifest).then(|| Damage {
        tag: base.tag(),
        title: base.title(),
        reason: format!("the lock says {manifest}, the store has {}", base.manifest),
    })
}

/// Whether a lock says something else of a layer.
fn differs(layer: &Stored, records: &[Records]) -> Option<Damage> {
    let record = records
        .iter()
        .find_map(|records| records.get(&layer.key, layer.format))?;
    (record.digest != layer.layer || record.manifest != layer.manifest).then(|| Damage {
        tag: layer.tag.clone(),
        title: layer.title.clone(),
        reason: format!("the lock says {}, the store has {}", record.digest, layer.layer),
    })
}
