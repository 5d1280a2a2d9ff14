//! `wheelwright wheels verify`: whether what is in the store is what it says.

use clap::Args;
use futures_util::{StreamExt as _, stream};

use super::asked::Asked;
use super::store::{StoreArgs, all};
use crate::cli::Failure;
use crate::layers::Records;
use crate::report::{Printer, bytes, plural};
use crate::store::{Damage, Stored};

/// Layers that are read at a time.
const PARALLEL: usize = 6;

/// Read every layer of the store and check it
///
/// Compares manifests, configs and layers with their digests, and with the records of the services' locks where there are
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
    let (layers, mut damages) = all(&store).await?;
    let mut checks = stream::iter(&layers)
        .map(async |layer| store.verify(layer).await)
        .buffer_unordered(PARALLEL);
    while let Some(check) = checks.next().await {
        damages.extend(check?);
    }
    damages.extend(layers.iter().filter_map(|layer| differs(layer, &records)));
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
    let asked = Asked::new(project, opened, &[], &[])?;
    let locks = asked.by_lock();
    let read = locks.keys().map(|lock| {
        let text = fs_err::read_to_string(project.context.join(lock.as_str()))
            .map_err(|error| Failure::Local(error.to_string()))?;
        Records::parse(&text).map_err(|message| Failure::Manifest(format!("error: `{lock}`: {message}")))
    });
    read.collect()
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
