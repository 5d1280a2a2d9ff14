//! `wheelwright wheels prune`: layers that nothing needs any more.

mod image;
mod kept;

use std::path::PathBuf;

use clap::Args;

use self::kept::Kept;
use super::asked::Asked;
use super::store::{Held, StoreArgs};
use super::table::{short, table};
use crate::cli::Failure;
use crate::cli::project::Opened;
use crate::registry::Registry;
use crate::report::{Printer, bytes, plural};

/// Remove layers that no lock and no image needs
///
/// Kept is what the locks of the manifest's services need, on all platforms of the manifest; what other locks named with
/// `--lock` could need, by the digests of their wheels and of what is built; what is recorded in locks or beside them; and what
/// images named with `--image` are made of. What is known of bases is kept for the images that the manifest's bases are now.
/// Shows what would go; `--yes` removes it. Images that were built keep their layers: the registry frees bytes only when nobody refers to
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

pub(super) async fn run(args: &PruneArgs) -> Result<String, Failure> {
    let opened = args.store.open()?;
    let store = args.store.store(opened.as_ref())?;
    let registry = args.store.registry()?;
    let kept = args.kept(opened.as_ref(), &registry).await?;
    let held = Held::by(&store).await?;
    held.warn();
    let kept = args.with_bases(kept, opened.as_ref(), &registry, &held).await;
    let (stay, go): (Vec<_>, Vec<_>) = held.layers.iter().partition(|layer| kept.keeps(layer));
    let go_bases = held.bases.iter().filter(|base| !kept.keeps_base(base));
    let go_bases = go_bases.collect::<Vec<_>>();
    if args.yes {
        for layer in &go {
            store.remove(layer).await?;
        }
        for base in &go_bases {
            store.remove_base(base).await?;
        }
    }
    let bases = match go_bases.len() {
        0 => String::new(),
        n => format!(" and what is known of {}", plural(n, "base")),
    };
    let nothing = go.is_empty() && go_bases.is_empty();
    Printer::new().note(&format!(
        "{}{bases} of {} {}, {}; {} kept{}",
        plural(go.len(), "layer"),
        store.remote().repository(),
        if args.yes { "removed" } else { "would be removed" },
        bytes(go.iter().map(|layer| layer.size).sum()),
        stay.len(),
        if args.yes || nothing {
            ""
        } else {
            "; `--yes` removes them"
        },
    ));
    let layers = go
        .iter()
        .map(|layer| vec![short(&layer.title, 60), bytes(layer.size), layer.tag.clone()]);
    let bases = go_bases
        .iter()
        .map(|base| vec![short(&base.title(), 60), String::new(), base.tag()]);
    Ok(table(&layers.chain(bases).collect::<Vec<_>>()))
}

impl PruneArgs {
    /// What locks and images need.
    async fn kept(&self, opened: Option<&Opened>, registry: &Registry) -> Result<Kept, Failure> {
        let mut kept = Kept::default();
        let mut known = !self.locks.is_empty() || !self.images.is_empty();
        if let Some(opened) = opened {
            let asked = Asked::new(&self.store.project, opened, &[], &[])?;
            known |= !asked.locks.is_empty();
            kept.asked(&asked, &self.store.project.context)?;
            for service in &asked.unlocked {
                Printer::new().note(&format!(
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
        for lock in &self.locks {
            kept.lock(lock)?;
        }
        for image in &self.images {
            kept.layers.extend(image::layers_of(registry, image).await?);
        }
        Ok(kept)
    }

    /// The same with the bases, where the store knows of any. Without a manifest nobody can say which are in use.
    async fn with_bases(
        &self,
        mut kept: Kept,
        opened: Option<&Opened>,
        registry: &Registry,
        held: &Held,
    ) -> Kept {
        let Some(opened) = opened.filter(|_| !held.bases.is_empty()) else {
            return kept;
        };
        if let Err(reason) = kept.bases_of(opened, registry).await {
            Printer::new().note(&format!(
                "note: all that is known of bases is kept, since one cannot be looked up: {reason}"
            ));
        }
        kept
    }
}
