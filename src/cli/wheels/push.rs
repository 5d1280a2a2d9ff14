//! `wheelwright wheels push`: layers that locks name, from the index and an engine into the store.

use std::collections::BTreeSet;

use buildkit_llb::Platform;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::asked::{self, Asked};
use super::store::StoreArgs;
use crate::cli::build::{self, BuildArgs, Shared};
use crate::cli::cache::CachePlace;
use crate::cli::engine::EngineArgs;
use crate::cli::fill::{Exports, recorded};
use crate::cli::project::Opened;
use crate::cli::{EXIT_CODES, Failure};
use crate::client::Engine;
use crate::layers::oci;
use crate::layers::{Format, Kind, Made, Need, Needs, Wanted, WheelsFrom};
use crate::manifest::Repository;
use crate::report::{Printer, Progress, plural};

const EXAMPLES: &str = "\
Examples:
  wheelwright wheels push                  the layers of every service that has a lock
  wheelwright wheels push api worker       those of two services
  wheelwright wheels push --no-engine      those of the index's wheels alone
  wheelwright wheels push --record         and write their digests into the locks
  wheelwright wheels push --platform linux/amd64,linux/arm64 --wheel-store registry.example/wheels";

/// Make wheel layers and store them
///
/// Downloads the wheels that the services' locks name, verified against the locks' digests, makes layers of them and stores
/// those that the store does not have. An engine builds the packages that have no wheel, compiles bytecode, and tells what a
/// build asks of the base; where no engine is found, these are left out. Stopped in the middle, it goes on where it was.
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
    /// Secret that an index's `auth` or `ca_certificates` names: `id=ID,src=FILE` or `id=ID,env=NAME`
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    #[command(flatten)]
    cache: CachePlace,
    /// Look for no engine: only layers of wheels are stored
    #[arg(long, help_heading = "Engine")]
    no_engine: bool,
    #[command(flatten)]
    engine: EngineArgs,
    /// How the engine's progress is shown
    #[arg(
        long,
        value_enum,
        env = "BUILDKIT_PROGRESS",
        default_value_t,
        help_heading = "Engine"
    )]
    progress: Progress,
}

pub(super) async fn run(args: &PushArgs, cancel: &CancellationToken) -> Result<(), Failure> {
    let opened = args.store.project.open()?;
    let store = args.store.store(Some(&opened))?;
    let repository = store.remote().repository().clone();
    let format = args.format.unwrap_or_else(|| StoreArgs::format(&opened));
    let (locked, unlocked) = asked::locked(&args.store.project, &opened, &args.services)?;
    for service in &unlocked {
        Printer::new().note(&format!(
            "note: `{service}` has no lock, its packages are known only in a build; `wheelwright lock` makes one"
        ));
    }
    let build = args.build(&repository, locked.clone());
    let (mut needs, filled);
    if let Some(engine) = args.engine(&locked).await? {
        let done = args.with_engine(&build, &opened, (&engine, cancel), (&repository, format));
        let done = done.await;
        engine.close().await;
        (needs, filled) = done?;
    } else {
        let asked = Asked::new(&args.store.project, &opened, &locked, &args.platforms)?;
        for service in &asked.pinned {
            Printer::new().note(&format!(
                "note: the lock of `{service}` names no files, its packages are known only in a build"
            ));
        }
        needs = without_engine(&asked, (&repository, format));
        left_out(&needs);
        for one in &mut needs {
            one.layers.retain(|need| !need.needs_engine());
        }
        filled = build::fill(&build, &opened.manifest, None, &needs, args.record).await?;
    }
    if args.record {
        let partial = !args.services.is_empty() || !args.platforms.is_empty();
        recorded::write(&args.store.project, &needs, &filled, partial)?;
    }
    filled.outcome()
}

impl PushArgs {
    /// An engine, unless there is nothing to ask one or none is wanted. One that is named has to answer.
    async fn engine(&self, locked: &[String]) -> Result<Option<Engine>, Failure> {
        if self.no_engine || locked.is_empty() {
            return Ok(None);
        }
        self.engine.connect_if_any().await
    }

    async fn with_engine(
        &self,
        build: &BuildArgs,
        opened: &Opened,
        (engine, cancel): (&Engine, &CancellationToken),
        store: (&Repository, Format),
    ) -> Result<(Vec<Needs>, crate::cli::fill::Filled), Failure> {
        let shared = Shared::new(build)?;
        let mut needs = build::needs(build, opened, &shared, (engine, cancel)).await?;
        for one in &mut needs {
            one.store = Some((store.0.clone(), store.1));
        }
        let exports = Exports {
            engine,
            request: shared.exports(),
            cancel,
        };
        let filled = build::fill(build, &opened.manifest, Some(&exports), &needs, self.record).await?;
        Ok((needs, filled))
    }

    /// The same as options of a build; one that asks nobody for layers, since it makes none.
    fn build(&self, repository: &Repository, services: Vec<String>) -> BuildArgs {
        BuildArgs {
            services,
            project: self.store.project.clone(),
            platforms: self.platforms.iter().map(ToString::to_string).collect(),
            arguments: vec![format!("WHEELWRIGHT_WHEEL_STORE={repository}")],
            secrets: self.secrets.clone(),
            wheels_from: vec![WheelsFrom::Graph],
            cache: self.cache.clone(),
            insecure: self.store.insecure.clone(),
            engine: self.engine.clone(),
            progress: self.progress,
            jobs: 4,
            ..BuildArgs::default()
        }
    }
}

/// What the locks say of layers; bytecode and packages to be built are for an engine.
fn without_engine(asked: &Asked, (repository, format): (&Repository, Format)) -> Vec<Needs> {
    let plans = asked.plans.iter();
    let needs = plans.map(|(records, plan)| {
        let wanted = plan.wanted().into_iter().filter(Wanted::is_keyed);
        let layers = wanted.map(|wanted| {
            let made = match wanted.layer.kind {
                Kind::Wheels => Made::Wheels(Vec::new()),
                Kind::Bytecode => Made::Tree(buildkit_proto::pb::Definition::default()),
            };
            Need::new(&wanted, false, made)
        });
        Needs {
            service: plan.service.clone(),
            store: Some((repository.clone(), format)),
            records: Some(records.clone()),
            base: None,
            layers: layers.collect(),
        }
    });
    needs.collect()
}

/// Says once what takes an engine.
fn left_out(needs: &[Needs]) {
    if needs.iter().any(|one| !one.layers.is_empty()) {
        Printer::new().note(
            "note: no engine is asked: the bases' Python is taken to be that of the manifest, with glibc 2.36 or musl 1.2",
        );
    }
    let layers = needs.iter().flat_map(|one| &one.layers);
    let titles = layers.filter(|need| need.needs_engine());
    let titles = titles.map(|need| oci::title_of(&need.wanted()));
    let titles = titles.collect::<BTreeSet<_>>();
    if !titles.is_empty() {
        let what = plural(titles.len(), "layer");
        Printer::new().note(&format!(
            "note: {what} that only an engine makes not stored: {}",
            titles.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
}
