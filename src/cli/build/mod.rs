//! `wheelwright build`: services to images.

mod args;
mod fill;
mod layers;
mod metadata;
mod outputs;
mod request;
mod services;
mod tools;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub use self::args::BuildArgs;
pub(in crate::cli) use self::fill::{fill, needs, records};
pub(in crate::cli) use self::request::Shared;
pub(in crate::cli) use self::request::secrets;
use super::Failure;
use super::interrupt::cancelled_by_signals;
use crate::bridge::{Bridge, GrpcBridge};
use crate::cli::project::Opened;
use crate::client::spec::{Dest, Output};
use crate::client::{Building, Work, WorkError};
use crate::diag::Diagnostics;
use crate::report::{Printer, Progress};
use crate::run::receipt::{Draft, Receipts};
use crate::run::{self, Job};
use crate::{diag, frontend};

/// Builds the services asked for, one after the other or side by side.
pub(super) async fn run(args: &BuildArgs) -> Result<(), Failure> {
    let opened = args.project.open()?;
    if args.progress != Progress::Json {
        warn(args, &opened);
    }
    let services = services::asked(args, &opened)?;
    let outputs = outputs::Wanted::new(args, services.len())?;
    let shared = Shared::new(args)?;
    if args.progress != Progress::Json {
        for folder in shared.absent_caches(&services) {
            Printer::new().note(&format!(
                "warning: no cache is read from `{folder}`: it does not hold one"
            ));
        }
    }
    let cancel = cancelled_by_signals();
    let engine = tokio::select! {
        engine = args.engine.connect() => engine?,
        () = cancel.cancelled() => return Err(Failure::Interrupted),
    };
    if outputs.stays_in_cache(engine.info()) && args.progress != Progress::Json {
        Printer::new()
            .note("note: the result stays in the engine's cache; `--push`, `--load` or `-o` take it out");
    }
    let gathered = fill::gathered(args, &opened.manifest)?;
    let layers = layers::Layers::new(args, &opened.manifest, &engine, gathered.clone());
    // What fills the store looks at every build. Without a cache nothing is known of the last one.
    let receipts = args
        .cache
        .open()
        .ok()
        .filter(|_| gathered.is_none())
        .map(Receipts::new);
    let jobs = services.iter().map(|service| {
        let outputs = outputs.of(service, engine.info());
        let (mut request, options) = shared.request(args, service, outputs.clone());
        let (tools, origin) = (Shared::tools(), shared.origin());
        let (of_build, places) = (layers.of_one_build(outputs::packing(&outputs)), layers.order());
        let draft = receipts
            .as_ref()
            .and_then(|receipts| receipts.draft(&engine, &request, &origin, places));
        request.layers = of_build.listed();
        let watched = draft.clone();
        Job {
            service: service.as_str().into(),
            request,
            files: outputs::files(&outputs),
            work: Box::new(move |building| work(building, options, tools, origin, of_build, watched)),
            draft,
        }
    });
    let options = run::Options {
        jobs: args.jobs,
        fail_fast: args.fail_fast,
    };
    let ran = run::run(
        &engine,
        jobs.collect(),
        options,
        args.progress.reporter(),
        &cancel,
    )
    .await;
    let filled = match gathered {
        Some(gather) => fill::after(args, &opened.manifest, &shared, (&engine, &gather), &ran, &cancel).await,
        None => Ok(()),
    };
    engine.close().await;
    layers.prune();
    if let Some(path) = &args.metadata_file {
        metadata::write(path, &ran)?;
    }
    Failure::of_run(&ran).map_or(filled, Err)
}

/// What is true of the whole project, once for all services. Mistakes are told by the services that make them.
fn warn(args: &BuildArgs, opened: &Opened) {
    let unused = opened.unused(&args.project).unwrap_or_default();
    let warnings = opened.warnings.iter().chain(unused.iter()).cloned();
    let warnings = warnings.collect::<Diagnostics>();
    if !warnings.is_empty() {
        Printer::new().note(&diag::render_all(&warnings, true));
    }
}

/// Exports the files of one target into a directory.
pub(super) async fn export(args: &BuildArgs, target: &str, folder: &Path) -> Result<(), Failure> {
    let shared = Shared::new(args)?;
    let cancel = cancelled_by_signals();
    let engine = tokio::select! {
        engine = args.engine.connect() => engine?,
        () = cancel.cancelled() => return Err(Failure::Interrupted),
    };
    let output = Output {
        exporter: "local".to_owned(),
        attributes: BTreeMap::new(),
        dest: Some(Dest::Directory(folder.to_owned())),
    };
    let (request, options) = shared.request(args, target, vec![output]);
    let (tools, origin) = (Shared::tools(), shared.origin());
    let job = Job {
        service: target.split(':').next().unwrap_or(target).into(),
        request,
        files: Vec::new(),
        // What is exported so holds no wheel layers.
        work: Box::new(move |building| {
            work(
                building,
                options,
                tools,
                origin,
                layers::OfOneBuild::default(),
                None,
            )
        }),
        draft: None,
    };
    let options = run::Options {
        jobs: 1,
        fail_fast: true,
    };
    let ran = run::run(&engine, vec![job], options, args.progress.reporter(), &cancel).await;
    engine.close().await;
    Failure::of_run(&ran).map_or(Ok(()), Err)
}

/// The frontend, in this process, on the build's gateway; watched where the build leaves a receipt.
fn work(
    building: Building,
    mut options: request::Opts,
    tools: frontend::Tools,
    origin: frontend::Origin,
    layers: layers::OfOneBuild,
    draft: Option<Draft>,
) -> Work {
    Box::pin(async move {
        options.extend(
            building
                .cache_imports
                .map(|imports| ("cache-imports".to_owned(), imports)),
        );
        let layers = layers.providers(building.updates);
        let bridge = GrpcBridge::control(building.channel, &building.build_ref)
            .map_err(|error| WorkError::Other(error.to_string()))?;
        let bridge: Arc<dyn Bridge> = match draft {
            Some(draft) => Arc::new(draft.watch(Arc::new(bridge))),
            None => Arc::new(bridge),
        };
        let request = frontend::Request {
            opts: options,
            session: building.session_id,
            tools,
            origin,
            layers,
        };
        let ended = frontend::run(bridge, request).await;
        ended.map_err(|failure| match failure {
            frontend::Failure::Mistakes(_) => WorkError::Manifest(failure.to_string()),
            other => WorkError::Other(other.to_string()),
        })
    })
}
