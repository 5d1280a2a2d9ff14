//! `wheelwright wheels push`: layers that locks name, from the index into the store.

use std::time::{Duration, Instant};

use buildkit_llb::Platform;
use clap::Args;
use futures_util::{StreamExt as _, stream};

use super::asked::Asked;
use super::recorded;
use super::store::StoreArgs;
use crate::cli::cache::CachePlace;
use crate::cli::project::Opened;
use crate::cli::{EXIT_CODES, Failure, build, network};
use crate::layers::local::{Layer, Maker};
use crate::layers::oci::Contents;
use crate::layers::{Format, Kind, Recorded, Wanted};
use crate::registry::Content;
use crate::report::{Printer, bytes, plural, seconds};
use crate::store::Store;

const EXAMPLES: &str = "\
Examples:
  wheelwright wheels push                  the layers of every service that has a lock
  wheelwright wheels push api worker       those of two services
  wheelwright wheels push --record         and write their digests into the locks
  wheelwright wheels push --platform linux/amd64,linux/arm64 --wheel-store registry.example/wheels";

/// Make wheel layers from the index and store them
///
/// Downloads the wheels that the services' locks name, verified against the locks' digests, makes layers of them and stores
/// those that the store does not have. No engine is needed. Stopped in the middle, it goes on where it was. Layers of packages
/// that have to be built, and of bytecode, are not stored.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct PushArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Services whose layers are stored; all when none is named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Platforms to store layers for; the manifest's when none is named
    #[arg(long = "platform", value_name = "OS/ARCH", value_delimiter = ',')]
    platforms: Vec<Platform>,
    /// How layers are packed: gzip, zstd or estargz; the manifest's when not said
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write what was stored into the locks, as `[tool.wheelwright.layers]`: builds then accept nothing else
    #[arg(long)]
    record: bool,
    /// Layers that are made and stored at a time
    #[arg(short, long, value_name = "N", default_value_t = 6)]
    jobs: usize,
    /// Secret that an index's `auth` or `ca_certificates` names: `id=ID,src=FILE` or `id=ID,env=NAME`
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    #[command(flatten)]
    cache: CachePlace,
}

/// What became of a layer.
struct Done {
    sent: Option<u64>,
    recorded: Option<Recorded>,
}

pub(super) async fn run(args: &PushArgs) -> Result<(), Failure> {
    let opened = args.store.project.open()?;
    let store = args.store.store(Some(&opened))?;
    let format = args.format.unwrap_or_else(|| StoreArgs::format(&opened));
    let asked = Asked::new(&args.store.project, &opened, &args.services, &args.platforms)?;
    let printer = Printer::new();
    for service in &asked.unlocked {
        printer.note(&format!(
            "note: `{service}` has no lock, its packages are known only in a build; `wheelwright lock` makes one"
        ));
    }
    let (layers, others): (Vec<_>, Vec<_>) = asked.layers().into_iter().partition(can_store);
    let built = others.iter().filter(|wanted| wanted.layer.kind == Kind::Wheels);
    let built = built.map(Wanted::title).collect::<Vec<_>>();
    if !built.is_empty() {
        let (what, names) = (plural(built.len(), "layer"), built.join(", "));
        printer.note(&format!(
            "note: {what} not stored, an engine has to build what is in them: {names}"
        ));
    }
    let push = Push {
        store: &store,
        maker: &maker(args, &opened)?,
        format,
        record: args.record,
    };
    let begun = Instant::now();
    let mut ended = stream::iter(&layers)
        .map(async |wanted| (wanted, push.one(wanted).await))
        .buffer_unordered(args.jobs.max(1));
    let (mut stored, mut sent, mut failure) = (0, 0, None);
    let mut records = Vec::new();
    while let Some((wanted, outcome)) = ended.next().await {
        match outcome {
            Ok(done) => {
                let words = match done.sent {
                    Some(bytes_sent) => {
                        stored += 1;
                        sent += bytes_sent;
                        format!("stored, {}", bytes(bytes_sent))
                    }
                    None => "is there".to_owned(),
                };
                printer.note(&format!("{}  {words}", wanted.title()));
                records.extend(done.recorded);
            }
            // What a registry says no to once it says no to again; what is wrong with a wheel is that wheel's.
            Err(Failure::Registry(reason)) => {
                failure = Some(Failure::Registry(reason));
                break;
            }
            Err(other) => {
                let reason = other.text().unwrap_or_default();
                printer.note(&format!("{}  failed\n{reason}", wanted.title()));
                failure = failure.or(Some(Failure::Build));
            }
        }
    }
    summary(printer, &store, layers.len(), stored, sent, begun.elapsed());
    drop(ended);
    if args.record && failure.is_none() {
        recorded::write(&args.store.project, &asked, &records)?;
    }
    failure.map_or(Ok(()), Err)
}

fn maker(args: &PushArgs, opened: &Opened) -> Result<Maker, Failure> {
    let secrets = build::secrets(&args.secrets)?;
    let fetch = network::fetch(&opened.manifest, "", &secrets).map_err(Failure::Local)?;
    Ok(Maker::new(args.cache.open()?, fetch))
}

/// Bytecode is compiled in builds, and what has to be built is built there, too.
fn can_store(wanted: &Wanted<'_>) -> bool {
    wanted.is_of_wheels() && Maker::can_make(wanted)
}

fn summary(printer: Printer, store: &Store, all: usize, stored: usize, sent: u64, took: Duration) {
    printer.note(&format!(
        "{} of {}: {stored} stored, {} sent to {} in {}",
        plural(all, "layer"),
        "the locks",
        bytes(sent),
        store.remote().repository(),
        seconds(took)
    ));
}

struct Push<'a> {
    store: &'a Store,
    maker: &'a Maker,
    format: Format,
    record: bool,
}

impl Push<'_> {
    async fn one(&self, wanted: &Wanted<'_>) -> Result<Done, Failure> {
        let key = &wanted.layer.key;
        if let Some(digest) = self.store.has(self.format, key).await? {
            let recorded = if self.record {
                Some(recorded::read(self.store, self.format, key, &digest).await?)
            } else {
                None
            };
            return Ok(Done { sent: None, recorded });
        }
        let Layer { record, blob, .. } = self
            .maker
            .layer(wanted, self.format, &|_| {})
            .await
            .map_err(|error| Failure::Local(error.to_string()))?;
        let content = Content::File(blob.path().to_owned());
        let pushed = self.store.push(&record, &Contents::of(wanted), &content).await?;
        Ok(Done {
            sent: Some(pushed.sent),
            recorded: Some(Recorded::new(&record, &pushed.manifest)),
        })
    }
}
