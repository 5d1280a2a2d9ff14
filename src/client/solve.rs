//! One build, from the request to what came of it.
//!
//! Three calls run side by side: `Solve`, which stays open as long as the build lasts, `Status`, which tells about
//! it, and the work that makes the graph through the gateway. `Solve` has the last word: what the work returns to the
//! gateway is what `Solve` answers. Cancelling drops it, upon which the engine gives the build up and ends its
//! containers; the end of the status stream says that it has heard.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use buildkit_proto::control::{CacheOptions, CacheOptionsEntry, SolveRequest, StatusRequest};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::cache::{Caches, imports_option};
use super::connect::Engine;
use super::error::{Error, Failure, FailureKind, is_transport, reason};
use super::outputs::{self, Outputs};
use super::refused::advised;
use super::session::{Listed, Services, Session, Source, Store};
use super::spec::{Cache, Output, SecretSource, Ssh};
use super::status::{Update, updates};
use crate::registry::dockerconfig::DockerConfig;

/// How long the other side of a failed half may take to say why.
const SECOND_OPINION: Duration = Duration::from_secs(5);
/// Progress is waited for as long as it comes, and this long when it does not.
const QUIET: Duration = Duration::from_secs(5);

/// What is to be built and what for.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// Local sources by name.
    pub sources: BTreeMap<String, Source>,
    /// What to export the result as; nothing means that it is only built.
    pub outputs: Vec<Output>,
    /// Caches to take results from.
    pub cache_imports: Vec<Cache>,
    /// Caches to put results into.
    pub cache_exports: Vec<Cache>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, SecretSource>,
    /// ssh agents.
    pub ssh: Vec<Ssh>,
    /// What the build may do beyond the usual: `network.host`, `security.insecure`.
    pub entitlements: Vec<String>,
    /// Options to be recorded with the build, as a frontend would have got them.
    pub options: BTreeMap<String, String>,
    /// The project, for the engine's copy of local sources.
    pub shared_key: String,
    /// Registry credentials.
    pub docker_config: Arc<DockerConfig>,
    /// Wheel layers for the engine, in the session's store [`LAYERS`].
    pub layers: Option<Arc<Listed>>,
    /// Nothing is built, something is asked: it does not belong into the engine's history.
    pub internal: bool,
}

/// The name of the session's store with wheel layers.
pub const LAYERS: &str = "wheelwright-layers";

/// What the work needs to reach the build's gateway.
#[derive(Debug, Clone)]
pub struct Building {
    /// The connection; raise the message limits to [`super::connect::LIMIT`].
    pub channel: Channel,
    /// Goes into every gateway call as the header `buildkit-controlapi-buildid`.
    pub build_ref: String,
    /// The session that local sources and secrets come from.
    pub session_id: String,
    /// The `cache-imports` option, to be sent with every solve; None without imports.
    pub cache_imports: Option<String>,
    /// Takes steps of the work that are not the engine's.
    pub updates: UnboundedSender<Update>,
}

/// Why the work failed. The gateway has been told as well, if it could be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The manifest or a lock is wrong.
    #[error("{0}")]
    Manifest(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What came of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildResult {
    /// The build's id, under which the engine keeps its history.
    pub build_ref: String,
    /// What exporters, caches and the frontend answered, by BuildKit's keys.
    pub response: BTreeMap<String, String>,
}

impl BuildResult {
    /// The digest of the image's manifest or index, if an image was made.
    pub fn digest(&self) -> Option<&str> {
        self.response.get("containerimage.digest").map(String::as_str)
    }

    /// The digest of the image's configuration, which dockerd without the containerd store calls its id.
    pub fn config_digest(&self) -> Option<&str> {
        self.response
            .get("containerimage.config.digest")
            .map(String::as_str)
    }

    /// The names the image got.
    pub fn names(&self) -> Vec<&str> {
        let names = self.response.get("image.name").map(|names| names.split(','));
        names
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// Builds. `updates` gets the progress; `cancel` ends the build in order; `work` makes the graph, see [`Building`].
pub async fn build<W, F>(
    engine: &Engine,
    request: BuildRequest,
    updates: UnboundedSender<Update>,
    cancel: &CancellationToken,
    work: W,
) -> Result<BuildResult, Error>
where
    W: FnOnce(Building) -> F,
    F: Future<Output = Result<(), WorkError>>,
{
    let local = |error: std::io::Error| Error::Local(error.to_string());
    let Outputs {
        exporters,
        files,
        push_after,
    } = outputs::adapt(&request.outputs, engine.info())?;
    let caches = Caches::prepare(&request.cache_imports, &request.cache_exports).map_err(local)?;
    let mut stores: BTreeMap<_, _> = caches
        .stores
        .iter()
        .map(|(id, dir)| (id.clone(), Store::Directory(dir.clone())))
        .collect();
    if let Some(listed) = request.layers {
        stores.insert(format!("oci:{LAYERS}"), Store::Listed(listed));
    }
    let services = Services {
        sources: request.sources,
        outputs: files,
        secrets: request.secrets,
        ssh: request.ssh,
        stores,
        docker_config: request.docker_config.clone(),
    };
    let session = tokio::select! {
        session = Session::open(engine, services, &request.shared_key) => session?,
        () = cancel.cancelled() => return Err(Error::Cancelled),
    };
    let building = Building {
        channel: engine.channel(),
        build_ref: super::random_id(),
        session_id: session.id().to_owned(),
        cache_imports: (!caches.imports.is_empty()).then(|| imports_option(&caches.imports)),
        updates: updates.clone(),
    };
    let build_ref = building.build_ref.clone();
    let solve = SolveRequest {
        r#ref: build_ref.clone(),
        session: building.session_id.clone(),
        // Engines before 0.13 know the first exporter alone.
        exporter_deprecated: exporters
            .first()
            .map(|first| first.r#type.clone())
            .unwrap_or_default(),
        exporter_attrs_deprecated: exporters
            .first()
            .map(|first| first.attrs.clone())
            .unwrap_or_default(),
        exporters,
        cache: Some(cache_options(&caches)),
        entitlements: request.entitlements,
        frontend_attrs: request.options,
        internal: request.internal,
        ..SolveRequest::default()
    };
    let solved = CancellationToken::new();
    let status = tokio::spawn(follow(engine.clone(), build_ref.clone(), updates, solved.clone()));
    let outcome = race(engine, solve, work(building), cancel).await;
    solved.cancel();
    drop(status.await);
    drop(session);
    let response = match outcome {
        Ok(response) => response,
        Err(error) => return Err(advised(error, &request.docker_config).await),
    };
    if let Some(manifest) = response.get("cache.manifest") {
        caches
            .finish(manifest)
            .map_err(|error| Error::Local(format!("failed to index the cache: {error}")))?;
    }
    if let Err(error) = outputs::push(&push_after).await {
        return Err(advised(error, &request.docker_config).await);
    }
    Ok(BuildResult { build_ref, response })
}

/// Runs the call and the work until the call ends, or the work failed and the call does not see it.
async fn race(
    engine: &Engine,
    solve: SolveRequest,
    work: impl Future<Output = Result<(), WorkError>>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, String>, Error> {
    let mut control = engine.control();
    let mut solve = Box::pin(control.solve(solve));
    let mut work = Box::pin(work);
    let mut worked: Option<Result<(), WorkError>> = None;
    let mut deadline = Instant::now();
    let answer = loop {
        tokio::select! {
            () = cancel.cancelled() => return Err(Error::Cancelled),
            answer = &mut solve => break Some(answer),
            result = &mut work, if worked.is_none() => {
                deadline = Instant::now() + SECOND_OPINION;
                worked = Some(result);
            }
            () = tokio::time::sleep_until(deadline), if matches!(worked, Some(Err(_))) => break None,
        }
    };
    let status = match answer {
        Some(Ok(response)) => return Ok(response.into_inner().exporter_response.into_iter().collect()),
        Some(Err(status)) => Some(status),
        None => None,
    };
    if worked.is_none() && status.as_ref().is_some_and(|status| !is_transport(status)) {
        worked = tokio::time::timeout(SECOND_OPINION, &mut work).await.ok();
    }
    Err(explain(engine, status, worked.and_then(Result::err)))
}

fn explain(engine: &Engine, status: Option<tonic::Status>, worked: Option<WorkError>) -> Error {
    let gone = |reason: String| {
        let reason = engine
            .said()
            .map_or(reason.clone(), |said| format!("{reason} ({said})"));
        Error::Gone {
            address: engine.address().to_owned(),
            reason,
        }
    };
    let answered = status.is_some();
    let mut failure = match status {
        Some(status) if is_transport(&status) => return gone(reason(&status)),
        Some(status) => Failure::from_status(&status),
        None => Failure {
            message: "the engine gave no answer".to_owned(),
            ..Failure::default()
        },
    };
    match worked {
        // A base image that a registry does not give out is told with its place in the manifest, too.
        Some(WorkError::Manifest(_)) if answered && failure.kind == FailureKind::Registry => {}
        Some(WorkError::Manifest(_)) if answered => failure.kind = FailureKind::Manifest,
        Some(WorkError::Manifest(text)) => {
            failure = Failure {
                kind: FailureKind::Manifest,
                message: text,
                ..Failure::default()
            };
        }
        Some(WorkError::Other(text)) if failure.sources.is_empty() && failure.step.is_none() => {
            failure.message = text;
        }
        _ => {}
    }
    Error::Failed(Box::new(failure))
}

fn cache_options(caches: &Caches) -> CacheOptions {
    let entry = |cache: &Cache| CacheOptionsEntry {
        r#type: cache.kind.clone(),
        attrs: cache.attributes.clone().into_iter().collect(),
    };
    CacheOptions {
        exports: caches.exports.iter().map(entry).collect(),
        imports: caches.imports.iter().map(entry).collect(),
        ..CacheOptions::default()
    }
}

/// Passes progress on until the engine has no more, or is quiet for long after the build was `solved`.
async fn follow(
    engine: Engine,
    build_ref: String,
    sender: UnboundedSender<Update>,
    solved: CancellationToken,
) {
    let mut control = engine.control();
    // Progress is a courtesy: what matters of a failure comes with the build's own answer.
    let Ok(stream) = control.status(StatusRequest { r#ref: build_ref }).await else {
        return;
    };
    let mut stream = stream.into_inner();
    loop {
        let quiet = async {
            solved.cancelled().await;
            tokio::time::sleep(QUIET).await;
        };
        let response = tokio::select! {
            response = stream.message() => response,
            () = quiet => return,
        };
        let Ok(Some(response)) = response else { return };
        for update in updates(response) {
            drop(sender.send(update));
        }
    }
}

impl fmt::Display for BuildResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digest().or(self.config_digest()).unwrap_or("no image"))
    }
}

/// A future as the work of a build, for those who cannot name its type.
pub type Work = Pin<Box<dyn Future<Output = Result<(), WorkError>> + Send>>;
