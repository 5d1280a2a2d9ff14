//! `wheelwright wheels prune`: layers that nothing needs any more.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::asked::Asked;
use super::store::{StoreArgs, all};
use super::table::{short, table};
use crate::cli::Failure;
use crate::layers::LayerKey;
use crate::registry::Registry;
use crate::report::{Printer, bytes, plural};
use crate::store::Stored;

/// Remove layers that no lock and no image needs
///
/// Kept is what the locks of the manifest's services need, on all platforms of the manifest; what other locks named with
/// `--lock` could need, by the digests of their wheels; and what images named with `--image` are made of. Shows what would
/// go; `--yes` removes it. Images that were built keep their layers: the registry frees bytes only when nobody refers to
/// them, and when it collects its garbage.
#[derive(Debug, Clone, Args)]
pub(super) struct PruneArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Another lock whose layers are kept
    #[arg(long = "lock", value_name = "FILE")]
    locks: Vec<PathBuf>,
    /// An image whose layers are kept, as `registry/repository:tag`
    #[arg(long = "image", value_name = "IMAGE")]
    images: Vec<String>,
    /// Remove what is shown
    #[arg(short, long)]
    yes: bool,
}

/// What is kept.
#[derive(Debug, Default)]
struct Kept {
    keys: BTreeSet<LayerKey>,
    locks: Vec<String>,
    layers: BTreeSet<String>,
}

impl Kept {
    fn keeps(&self, layer: &Stored) -> bool {
        // A lock that names all wheels of a layer may be that of another project, with other groups: better one too many.
        let named = |lock: &String| {
            !layer.wheels.is_empty() && layer.wheels.iter().all(|wheel| lock.contains(&wheel.sha256))
        };
        self.keys.contains(&layer.key) || self.layers.contains(&layer.layer) || self.locks.iter().any(named)
    }
}

pub(super) async fn run(args: &PruneArgs) -> Result<String, Failure> {
    let opened = args.store.open()?;
    let store = args.store.store(opened.as_ref())?;
    let printer = Printer::new();
    let mut kept = Kept::default();
    let mut known = !args.locks.is_empty() || !args.images.is_empty();
    if let Some(opened) = &opened {
        let asked = Asked::new(&args.store.project, opened, &[], &[])?;
        known |= !asked.plans.is_empty();
        kept.keys
            .extend(asked.layers().into_iter().map(|wanted| wanted.layer.key.clone()));
        for lock in asked.by_lock().keys() {
            kept.locks
                .push(read(&args.store.project.context.join(lock.as_str()))?);
        }
        for service in &asked.unlocked {
            printer.note(&format!(
                "warning: `{service}` has no lock: what only it needs is not kept unless `--image` names its image"
            ));
        }
    }
    if !known {
        return Err(Failure::Usage(
            "nothing says what is needed: there is no lock here, name some with `--lock` or `--image`"
                .to_owned(),
        ));
    }
    for lock in &args.locks {
        kept.locks.push(read(lock)?);
    }
    let registry = args.store.registry()?;
    for image in &args.images {
        kept.layers.extend(layers_of(&registry, image).await?);
    }
    let (layers, damages) = all(&store).await?;
    for damage in &damages {
        printer.note(&format!("warning: {damage}"));
    }
    let (stay, go): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| kept.keeps(layer));
    let sum = go.iter().map(|layer| layer.size).sum();
    if args.yes {
        for layer in &go {
            store.remove(layer).await?;
        }
    }
    printer.note(&format!(
        "{} of {} {}, {}; {} kept{}",
        plural(go.len(), "layer"),
        store.remote().repository(),
        if args.yes { "removed" } else { "would be removed" },
        bytes(sum),
        stay.len(),
        if args.yes || go.is_empty() {
            ""
        } else {
            "; `--yes` removes them"
        },
    ));
    let rows = go
        .iter()
        .map(|layer| vec![short(&layer.title, 60), bytes(layer.size), layer.tag.clone()]);
    Ok(table(&rows.collect::<Vec<_>>()))
}

fn read(path: &std::path::Path) -> Result<String, Failure> {
    fs_err::read_to_string(path).map_err(|error| Failure::Local(error.to_string()))
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    layers: Vec<Part>,
    #[serde(default)]
    manifests: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    digest: String,
}

/// The digests of an image's layers, on all its platforms.
async fn layers_of(registry: &Registry, image: &str) -> Result<BTreeSet<String>, Failure> {
    let wrong = |reason: String| Failure::Usage(format!("`{image}` is not an image reference: {reason}"));
    let full = buildkit_llb::normalize_reference(image).map_err(|error| wrong(error.to_string()))?;
    let (name, digest) = full
        .split_once('@')
        .map_or((full.as_str(), None), |(name, digest)| (name, Some(digest)));
    let slash = name.rfind('/').unwrap_or_default();
    let (name, tag) = match name[slash..].find(':') {
        Some(at) => (&name[..slash + at], Some(&name[slash + at + 1..])),
        None => (name, None),
    };
    let remote = registry.repository(&name.parse().map_err(wrong)?);
    let mut wanted = vec![digest.or(tag).unwrap_or("latest").to_owned()];
    let mut layers = BTreeSet::new();
    while let Some(reference) = wanted.pop() {
        let manifest = remote.manifest(&reference).await?;
        let manifest = manifest.ok_or_else(|| {
            Failure::Registry(format!(
                "there is no image {reference} in {}",
                remote.repository()
            ))
        })?;
        let parsed: Image = serde_json::from_slice(&manifest.bytes)
            .map_err(|error| Failure::Registry(format!("{image} is not an image: {error}")))?;
        layers.extend(parsed.layers.into_iter().map(|part| part.digest));
        wanted.extend(parsed.manifests.into_iter().map(|part| part.digest));
    }
    Ok(layers)
}
