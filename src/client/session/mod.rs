//! The session: what the engine may ask of this machine while it builds, one protocol a file.
//!
//! A session is an HTTP/2 connection inside of a gRPC stream (or of an upgraded HTTP connection), with the roles
//! swapped: the engine calls, this process serves. It announces every method it serves; the engine asks for
//! nothing else. Each build has a session of its own, so that exporters, credentials and failures do not mix.
//!
//! Served: file trees ([`crate::tree`]) to the engine, results back, registry credentials
//! ([`crate::registry::dockerconfig`]), secrets, ssh agents, OCI layouts for local caches, wheel layers that were made
//! here, health. Not served: uploads of a single stream, which only contexts on standard input need, and registry tokens
//! made on this side; the engine then makes them from the credentials.

mod auth;
mod content;
mod filesend;
mod filesync;
mod health;
mod listed;
mod secrets;
mod serve;
mod ssh;
mod tunnel;
mod unpack;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;

pub use self::content::Store;
pub use self::listed::Listed;
use super::Error;
use super::connect::Engine;
use super::spec::{Dest, SecretSource, Ssh};
use crate::registry::dockerconfig::DockerConfig;

/// What a session offers.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// Local sources by name.
    pub sources: BTreeMap<String, Source>,
    /// Where the files of exporters go, by the exporter's place in the request.
    pub outputs: BTreeMap<usize, Dest>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, SecretSource>,
    /// ssh agents.
    pub ssh: Vec<Ssh>,
    /// Content by the id of its store, as the engine asks for it.
    pub stores: BTreeMap<String, Store>,
    /// Registry credentials.
    pub docker_config: Arc<DockerConfig>,
}

/// A local source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory.
    Directory(PathBuf),
    /// Executables under names of their own, nothing else of the directories they are in. Mode 0755 and a fixed
    /// time, so that equal bytes are equal to the engine wherever they lie.
    Executables(BTreeMap<String, PathBuf>),
}

/// An open session. Dropping it closes it at once: when a build has ended, however it did, nothing in it is
/// under way any more.
#[derive(Debug)]
pub struct Session {
    id: String,
    task: JoinHandle<()>,
}

impl Session {
    /// Opens a session. `shared_key` names the project: the engine keeps what it received of a local source under it
    /// and is only sent what changed.
    pub async fn open(engine: &Engine, services: Services, shared_key: &str) -> Result<Self, Error> {
        let id = super::random_id();
        let (routes, methods) = serve::routes(services);
        let headers = headers(&id, shared_key, &methods);
        let gone = |reason: String| Error::Gone {
            address: engine.address().to_owned(),
            reason,
        };
        let io = if engine.takes_sessions_by_http() {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            engine
                .http_session(&headers)
                .await
                .map_err(|error| gone(error.to_string()))?
        } else {
            tunnel::open(engine, &headers)
                .await
                .map_err(|status| gone(super::error::reason(&status)))?
        };
        let task = tokio::spawn(serve::serve(io, routes));
        Ok(Self { id, task })
    }

    /// The id that builds refer to.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn headers(id: &str, shared_key: &str, methods: &[&str]) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("x-docker-expose-session-uuid", id.to_owned()),
        ("x-docker-expose-session-name", "wheelwright".to_owned()),
        ("x-docker-expose-session-sharedkey", shared_key.to_owned()),
    ];
    headers.extend(
        methods
            .iter()
            .map(|method| ("x-docker-expose-session-grpc-method", (*method).to_owned())),
    );
    headers
}
