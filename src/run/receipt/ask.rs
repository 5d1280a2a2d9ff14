//! What a receipt cannot know by itself: where tags lead now.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use buildkit_llb::{ResolveMode, normalize_reference};
use futures_util::future::{join_all, try_join_all};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Mutex, OnceCell, oneshot};
use tokio_util::sync::CancellationToken;

use super::notes::LookedUp;
use crate::bridge::{Bridge as _, GrpcBridge, ImageQuery, Outcome, Place};
use crate::client::{BuildRequest, BuildResult, Building, Engine, WorkError, build};
use crate::registry::Registry;
use crate::registry::dockerconfig::DockerConfig;

/// How long a registry may take to say where a tag leads. Building takes longer than that where it is far away, and a registry
/// that only the engine can reach is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the builds of a run ask together: services mostly stand on one base.
#[derive(Debug, Default)]
pub(super) struct Asked {
    images: Mutex<BTreeMap<Vec<LookedUp>, Arc<OnceCell<bool>>>>,
    registry: OnceLock<Registry>,
}

impl Asked {
    /// Whether the engine finds the same images. It is asked as a build asks it: it may have mirrors and policies of its own.
    pub(super) async fn images(
        &self,
        engine: &Engine,
        config: &Arc<DockerConfig>,
        images: &[LookedUp],
        cancel: &CancellationToken,
    ) -> bool {
        if images.is_empty() {
            return true;
        }
        let cell = self
            .images
            .lock()
            .await
            .entry(images.to_vec())
            .or_default()
            .clone();
        *cell
            .get_or_init(|| async { found_again(engine, config, images, cancel).await == Some(true) })
            .await
    }

    /// Whether the image is in its registry under all its names.
    pub(super) async fn pushed(&self, request: &BuildRequest, result: &BuildResult) -> bool {
        let (Some(digest), [output]) = (result.digest(), request.outputs.as_slice()) else {
            return false;
        };
        let Some(names) = output.attributes.get("name") else {
            return false;
        };
        let names = names.split(',').map(tagged).collect::<Option<Vec<_>>>();
        let Some(names) = names else { return false };
        let registry = || Registry::new(request.docker_config.clone(), []);
        let registry = self.registry.get_or_init(registry);
        let there = names.iter().map(async |(repository, tag)| {
            let Ok(repository) = repository.parse() else {
                return false;
            };
            let found = registry.repository(&repository).has_manifest(tag).await;
            matches!(found, Ok(Some(found)) if found == digest)
        });
        let there = tokio::time::timeout(PATIENCE, join_all(there)).await;
        there.is_ok_and(|there| there.into_iter().all(|there| there))
    }
}

/// A name's repository and tag.
fn tagged(name: &str) -> Option<(String, String)> {
    let full = normalize_reference(name.trim()).ok()?;
    let (repository, tag) = full.rsplit_once(':')?;
    let plain = !tag.contains('/') && !repository.contains('@');
    plain.then(|| (repository.to_owned(), tag.to_owned()))
}

/// A build that looks the images up and ends there.
async fn found_again(
    engine: &Engine,
    config: &Arc<DockerConfig>,
    images: &[LookedUp],
    cancel: &CancellationToken,
) -> Option<bool> {
    let queries = images.iter().map(query).collect::<Option<Vec<_>>>()?;
    let (answer, answered) = oneshot::channel();
    let look = move |building: Building| async move {
        let other = |error: crate::bridge::BridgeError| WorkError::Other(error.to_string());
        let bridge = GrpcBridge::control(building.channel, &building.build_ref).map_err(other)?;
        bridge.ping().await.map_err(other)?;
        let found = try_join_all(queries.iter().map(|query| bridge.resolve_image(query))).await;
        let outcome = found.as_ref().map(|_| Outcome::default());
        let outcome = outcome.map_err(|error| error.status.clone());
        // Before the end of the build, which ends this as well. Whoever asked may have been interrupted.
        drop(answer.send(found));
        bridge.finish(outcome).await.map_err(other)
    };
    let request = BuildRequest {
        docker_config: config.clone(),
        internal: true,
        ..BuildRequest::default()
    };
    let (updates, _) = unbounded_channel();
    build(engine, request, updates, cancel, look).await.ok()?;
    let found = answered.await.ok()?.ok()?;
    let mut both = images.iter().zip(&found);
    Some(both.all(|(before, now)| before.found == now.reference))
}

fn query(image: &LookedUp) -> Option<ImageQuery> {
    Some(ImageQuery {
        reference: image.reference.clone(),
        platform: image.platform.parse().ok()?,
        mode: ResolveMode::named(&image.mode),
        place: Place::Registry,
        log_name: None,
        keyed: false,
    })
}
