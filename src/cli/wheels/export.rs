//! `wheelwright wheels export`: layers of the store as a folder, for builds that cannot reach it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::{StreamExt as _, stream};

use super::store::{Held, StoreArgs};
use crate::cli::{EXIT_CODES, Failure};
use crate::layers::oci::{self, Document};
use crate::report::{Printer, bytes, plural};
use crate::store::Stored;

const EXAMPLES: &str = "\
Examples:
  wheelwright wheels export wheels.store
  docker buildx build --build-context wheels=oci-layout://wheels.store --target api -f wheelwright.yaml .";

/// Write the store's layers into a folder
///
/// The folder is an OCI layout whose `latest` is a catalog of the layers in it, and of what is known of bases. Builds take layers from it when it is given
/// to them as the build context `wheels`, and need neither store nor index. What is in the folder already is kept.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct ExportArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The folder; made where there is none
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Layers that are read at a time
    #[arg(short, long, value_name = "N", default_value_t = 6)]
    jobs: usize,
}

pub(super) async fn run(args: &ExportArgs) -> Result<(), Failure> {
    let opened = args.store.open()?;
    let store = args.store.store(opened.as_ref())?;
    let printer = Printer::new();
    let held = Held::by(&store).await?;
    held.warn();
    let layers = &held.layers;
    let blobs = args.to.join("blobs/sha256");
    fs_err::create_dir_all(&blobs).map_err(local)?;
    let mut written = stream::iter(layers)
        .map(async |layer: &Stored| -> Result<u64, Failure> {
            let mut sum = 0;
            for digest in [&layer.layer, &layer.config] {
                sum += store.remote().save(digest, &place(&blobs, digest)).await?;
            }
            write(&place(&blobs, &layer.manifest), layer.manifest_bytes())?;
            Ok(sum)
        })
        .buffer_unordered(args.jobs.max(1));
    let mut sum = 0;
    while let Some(bytes) = written.next().await {
        sum += bytes?;
    }
    drop(written);
    for base in &held.bases {
        sum += store
            .remote()
            .save(&base.config, &place(&blobs, &base.config))
            .await?;
        write(&place(&blobs, &base.manifest), base.manifest_bytes())?;
    }
    catalog(&args.to, &blobs, &held)?;
    printer.note(&format!(
        "{} in {}, {} read from {}",
        plural(layers.len(), "layer"),
        args.to.display(),
        bytes(sum),
        store.remote().repository()
    ));
    Ok(())
}

/// The catalog last: a folder without one is no store.
fn catalog(to: &Path, blobs: &Path, held: &Held) -> Result<(), Failure> {
    let layers = held.layers.iter().map(|layer| {
        let label = oci::catalog_label(layer.format, &layer.key);
        (label, layer.manifest.clone())
    });
    let bases = held.bases.iter();
    let bases = bases.map(|base| (oci::base_catalog_label(&base.key), base.manifest.clone()));
    let (documents, index) = oci::catalog(&layers.chain(bases).collect::<BTreeMap<_, _>>());
    for Document { digest, bytes, .. } in &documents {
        write(&place(blobs, digest), bytes)?;
    }
    write(&to.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    write(&to.join("index.json"), &index)
}

fn place(blobs: &Path, digest: &str) -> PathBuf {
    blobs.join(digest.strip_prefix("sha256:").unwrap_or(digest))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs_err::write(path, bytes).map_err(local)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn local(error: std::io::Error) -> Failure {
    Failure::Local(error.to_string())
}
