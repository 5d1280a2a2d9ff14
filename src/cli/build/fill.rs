//! What builds of a run needed, and filling the store with it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::request::Shared;
use super::{BuildArgs, layers, services, work};
use crate::cli::Failure;
use crate::cli::fill::{Exports, Fill, Filled};
use crate::cli::project::Opened;
use crate::client::Engine;
use crate::frontend::Gather;
use crate::layers::local::Maker;
use crate::layers::{Format, Gathered, Needs};
use crate::manifest::Manifest;
use crate::registry::Registry;
use crate::registry::dockerconfig::DockerConfig;
use crate::run::{self, Job, Ran};

/// The build argument that names the store in place of the manifest.
const STORE: &str = "WHEELWRIGHT_WHEEL_STORE=";

/// Who is told what builds need, where the store is to be filled.
pub(super) fn gathered(args: &BuildArgs, manifest: &Manifest) -> Result<Option<Gather>, Failure> {
    if !args.fill_store {
        return Ok(None);
    }
    let named = args.arguments.iter().any(|argument| argument.starts_with(STORE));
    if manifest.wheel_store.is_none() && !named {
        return Err(Failure::Usage(
            "there is no wheel store to fill: name one as `wheel_store:` in the manifest".to_owned(),
        ));
    }
    Ok(Some(Gather {
        into: Arc::new(Gathered::default()),
        only: false,
    }))
}

/// Fills the store with what the builds that went well needed.
pub(super) async fn after(
    args: &BuildArgs,
    manifest: &Manifest,
    shared: &Shared,
    (engine, gather): (&Engine, &Gather),
    ran: &[Ran],
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut needs = gather.into.take();
    let went_well = |service: &str| {
        ran.iter()
            .any(|ran| &*ran.service == service && matches!(ran.outcome, Some(Ok(_))))
    };
    needs.retain(|one| went_well(&one.service));
    let exports = Exports {
        engine,
        request: shared.exports(),
        cancel,
    };
    fill(args, manifest, Some(&exports), &needs, false)
        .await?
        .outcome()
}

/// Fills the store; with an engine also with what only an engine makes.
pub(in crate::cli) async fn fill(
    args: &BuildArgs,
    manifest: &Manifest,
    exports: Option<&Exports<'_>>,
    needs: &[Needs],
    record: bool,
) -> Result<Filled, Failure> {
    let maker = layers::maker(args, manifest).map_err(Failure::Local)?;
    work_of(args, &maker, exports, record)?.run(needs).await
}

/// The records of all layers that are needed; nothing is stored.
pub(in crate::cli) async fn records(
    args: &BuildArgs,
    manifest: &Manifest,
    exports: &Exports<'_>,
    needs: &[Needs],
) -> Result<Filled, Failure> {
    let maker = layers::maker(args, manifest).map_err(Failure::Local)?;
    work_of(args, &maker, Some(exports), true)?.records(needs).await
}

fn work_of<'a>(
    args: &'a BuildArgs,
    maker: &'a Maker,
    exports: Option<&'a Exports<'a>>,
    record: bool,
) -> Result<Fill<'a>, Failure> {
    let config = DockerConfig::load().map_err(|error| Failure::Local(error.to_string()))?;
    let registry = Registry::new(Arc::new(config), args.insecure.iter().cloned());
    Ok(Fill {
        registry,
        maker,
        exports,
        context: &args.project.context,
        record,
    })
}

/// What the services asked for need, as an engine finds out without building them.
pub(in crate::cli) async fn needs(
    args: &BuildArgs,
    opened: &Opened,
    shared: &Shared,
    (engine, cancel): (&Engine, &CancellationToken),
) -> Result<Vec<Needs>, Failure> {
    let gather = Gather {
        into: Arc::new(Gathered::default()),
        only: true,
    };
    let layers = layers::Layers::new(args, &opened.manifest, engine, Some(gather.clone()));
    let jobs = services::asked(args, opened)?.into_iter().map(|service| {
        let (request, options) = shared.request(args, &service, Vec::new());
        let (tools, origin) = (Shared::tools(), shared.origin());
        let layers = layers.of_one_build(Format::default());
        Job {
            service: service.as_str().into(),
            request,
            files: Vec::new(),
            work: Box::new(move |building| work(building, options, tools, origin, layers, None)),
            draft: None,
        }
    });
    let options = run::Options {
        jobs: args.jobs,
        fail_fast: false,
    };
    let ran = run::run(engine, jobs.collect(), options, args.progress.reporter(), cancel).await;
    Failure::of_run(&ran).map_or(Ok(()), Err)?;
    Ok(gather.into.take())
}
