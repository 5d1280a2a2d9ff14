//! The frontend: from what BuildKit asks to a result, over whichever bridge.
//!
//! Both doors run [`run`]: the frontend image over its standard streams, the command over its control connection.
//! `build` is the pipeline; `load` and `reader` read the project, `base` asks the engine about the base, `requests` answers
//! subrequests.

mod base;
mod build;
pub(crate) mod census;
mod compiler;
mod conflict;
mod emulate;
mod facts;
mod failure;
mod gather;
pub(crate) mod judge;
pub(crate) mod listed;
mod load;
mod lock;
mod locking;
mod made;
mod needs;
mod options;
mod outcome;
pub mod process;
mod project;
mod providers;
mod reader;
mod requests;
mod shell;
mod store;
mod target;
mod together;
mod undelivered;
mod unused;
mod uv_project;
mod workspace;

pub use failure::Failure;
pub use gather::Gather;
#[cfg(feature = "command")]
pub(crate) use load::no_manifest;
#[cfg(feature = "command")]
pub(crate) use lock::picks as locked_picks;
#[cfg(feature = "command")]
pub(crate) use locking::theirs;
pub use made::{Made, lock_group, locked_versions};
pub use options::Options;
pub use project::{Missing, Project};
pub use reader::{Origin, Read};
pub use unused::unused;
pub use uv_project::{Locked, UvProject, lockable};

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use buildkit_proto::pb;
use futures_util::FutureExt as _;

use crate::bridge::{Bridge, BridgeError, Outcome};
use crate::layers::{Provider, WheelsFrom};

/// What BuildKit asks of a frontend.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Options by name, as clients send them.
    pub opts: BTreeMap<String, String>,
    /// The session of the caller.
    pub session: String,
    /// Where `unwheel` comes from.
    pub tools: Tools,
    /// Where the project is read.
    pub origin: Origin,
    /// Where wheel layers come from.
    pub layers: Layers,
}

/// Where wheel layers may come from. What is found nowhere is made in the graph.
#[derive(Clone)]
pub struct Layers {
    /// Who is asked, in this order.
    pub order: Vec<WheelsFrom>,
    /// Who makes layers in the caller's process; the frontend image has nobody.
    pub session: Option<Arc<dyn Provider>>,
    /// Who is told what the build needs.
    pub gather: Option<Gather>,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            order: WheelsFrom::ALL.to_vec(),
            session: None,
            gather: None,
        }
    }
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layers")
            .field("order", &self.order)
            .field("session", &self.session.is_some())
            .field("gather", &self.gather)
            .finish()
    }
}

/// Where the helper that execs mount comes from. Its content is hashed, so equal binaries share the cache.
#[derive(Debug, Clone, Default)]
pub enum Tools {
    /// The frontend's own image.
    Image(Box<pb::Definition>),
    /// A local source of the client, with `unwheel` at its root.
    Local(String),
    /// None: graphs that unpack wheels cannot be made.
    #[default]
    None,
}

/// Runs a request and ends the build on the bridge. A panic becomes an error that the user sees. The result says
/// whether the build ended well; the bridge knows already.
pub async fn run(bridge: Arc<dyn Bridge>, request: Request) -> Result<(), Failure> {
    let work = AssertUnwindSafe(answer(bridge.as_ref(), &request)).catch_unwind();
    let outcome = work
        .await
        .unwrap_or_else(|panic| Err(Failure::panicked(panic.as_ref())));
    let wire = outcome.clone().map_err(|failure| failure.status());
    let ended: Result<(), BridgeError> = bridge.finish(wire).await;
    outcome?;
    Ok(ended?)
}

async fn answer(bridge: &dyn Bridge, request: &Request) -> Result<Outcome, Failure> {
    let options = Options::parse(&request.opts)?;
    match &options.request {
        Some(name) => requests::answer(bridge, request, &options, name).await,
        None if options.target.as_deref().is_some_and(locking::is_asked) => {
            locking::lock(bridge, request, &options).await
        }
        None => build::build(bridge, request, &options).await,
    }
}
