//! `wheelwright wheels mirror`: a store's layers into another one.

use clap::Args;
use futures_util::{StreamExt as _, stream};

use super::store::{Held, StoreArgs};
use crate::cli::Failure;
use crate::manifest::Repository;
use crate::report::{Printer, bytes, plural};
use crate::store::Store;

/// Copy the store's layers to another repository
///
/// What is known of bases goes with them. What is there is left alone. In one registry they are mounted: no bytes travel. Between two they pass through
/// this machine and touch no disk.
#[derive(Debug, Clone, Args)]
pub(super) struct MirrorArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Where they go
    #[arg(value_name = "REPOSITORY")]
    to: Repository,
    /// Layers that are copied at a time
    #[arg(short, long, value_name = "N", default_value_t = 6)]
    jobs: usize,
}

pub(super) async fn run(args: &MirrorArgs) -> Result<(), Failure> {
    let opened = args.store.open()?;
    let from = args.store.store(opened.as_ref())?;
    let to = Store::new(args.store.registry()?.repository(&args.to));
    let printer = Printer::new();
    let held = Held::by(&from).await?;
    held.warn();
    let Held { layers, bases, .. } = &held;
    let mut copies = stream::iter(layers)
        .map(async |layer| -> Result<_, crate::registry::Error> {
            let there = to.has(layer.format, &layer.key).await?;
            if there.as_ref() == Some(&layer.manifest) {
                return Ok(None);
            }
            from.copy(layer, &to).await.map(Some)
        })
        .buffer_unordered(args.jobs.max(1));
    let (mut copied, mut sent) = (0, 0);
    while let Some(copy) = copies.next().await {
        if let Some(bytes) = copy? {
            copied += 1;
            sent += bytes;
        }
    }
    drop(copies);
    for base in bases {
        if to.has_base(&base.key).await?.as_ref() != Some(&base.manifest) {
            sent += from.copy_base(base, &to).await?;
        }
    }
    printer.note(&format!(
        "{} of {}: {copied} copied to {}, {} sent",
        plural(layers.len(), "layer"),
        from.remote().repository(),
        to.remote().repository(),
        bytes(sent)
    ));
    Ok(())
}
