//! The seam between the pipeline and BuildKit: the calls of LLBBridge behind one trait.
//!
//! BuildKit lets a client act as its own frontend, so the same calls go over a frontend's standard streams
//! ([`stdio`]) and over a client's control connection ([`GrpcBridge::control`]). [`Recording`] answers from a script,
//! for tests of pure logic.

mod error;
mod grpc;
mod recording;
mod stdio;

pub use error::BridgeError;
pub use grpc::{GrpcBridge, MAX_HEADER_LIST, MAX_MESSAGE};
pub use recording::Recording;
pub use stdio::stdio;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use buildkit_llb::{Platform, ResolveMode};
use buildkit_proto::{pb, rpc};

/// What an engine says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engine {
    /// Capabilities of graphs that are listed and enabled.
    pub llb_caps: BTreeSet<String>,
    /// Platforms of the first worker; the first is its own.
    pub platforms: Vec<Platform>,
}

impl Engine {
    /// Whether graphs may use a capability.
    pub fn has(&self, cap: &str) -> bool {
        self.llb_caps.contains(cap)
    }
}

/// An image to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageQuery {
    /// Reference, as `docker.io/library/python:3.11-slim`.
    pub reference: String,
    /// For which platform.
    pub platform: Platform,
    /// Whether what the engine has will do.
    pub mode: ResolveMode,
    /// Where to look.
    pub place: Place,
    /// The step's name in the progress; a name made of the reference when there is none.
    pub log_name: Option<String>,
    /// The tag is a key of what it names: whatever comes of the look-up, the build's result is the same.
    pub keyed: bool,
}

/// Where images are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// In the registry that the reference names.
    #[default]
    Registry,
    /// In an OCI layout that a client serves; the reference needs a digest.
    Layout {
        /// The client's session; any that has the store when empty.
        session: String,
        /// The client's name for the layout.
        store: String,
    },
}

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The reference, with its digest where the engine knows one.
    pub reference: String,
    /// The image's config as JSON.
    pub config: Vec<u8>,
}

/// A result that stays on the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ref {
    /// The engine's name for it; empty for an empty tree.
    pub id: String,
}

/// What is at a path of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Whether it is a folder.
    pub folder: bool,
    /// Permissions as `chmod` takes them.
    pub mode: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// A cache to import, as `cache-imports` has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CacheImport {
    /// registry, local, gha, …
    pub r#type: String,
    /// Its attributes.
    #[serde(default)]
    pub attrs: BTreeMap<String, String>,
}

/// Something a user should know, shown by the client.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// Digest of the vertex it is shown with.
    pub digest: String,
    /// One line.
    pub short: String,
    /// More lines.
    pub detail: Vec<String>,
    /// The file.
    pub info: Option<pb::SourceInfo>,
    /// Places in the file.
    pub ranges: Vec<pb::Range>,
}

/// What a frontend returns: trees by platform and what belongs to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One tree without a platform, or trees by platform id.
    pub refs: Refs,
    /// Metadata, such as image configs.
    pub metadata: BTreeMap<String, Vec<u8>>,
}

/// The trees of an outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Refs {
    /// None: the answer to a subrequest.
    #[default]
    None,
    /// One platform.
    One(Ref),
    /// Several, by platform id such as linux/amd64.
    Many(BTreeMap<String, Ref>),
}

/// What the pipeline asks of BuildKit.
#[async_trait]
pub trait Bridge: Send + Sync + Debug {
    /// What the engine can do.
    async fn ping(&self) -> Result<Engine, BridgeError>;

    /// Looks up an image's digest and config.
    async fn resolve_image(&self, query: &ImageQuery) -> Result<ResolvedImage, BridgeError>;

    /// Hands over a graph. Nothing runs until the result is read, evaluated or exported.
    async fn solve(&self, definition: pb::Definition, caches: &[CacheImport]) -> Result<Ref, BridgeError>;

    /// Makes a result, so that its errors appear.
    async fn evaluate(&self, result: &Ref) -> Result<(), BridgeError>;

    /// Reads a file of a result; makes the result first.
    async fn read_file(&self, result: &Ref, path: &str) -> Result<Vec<u8>, BridgeError>;

    /// What is at a path of a result; none when nothing is.
    async fn stat(&self, result: &Ref, path: &str) -> Result<Option<Stat>, BridgeError>;

    /// Graphs that the client handed over in place of local folders.
    async fn inputs(&self) -> Result<BTreeMap<String, pb::Definition>, BridgeError>;

    /// Shows a warning; engines that cannot do that show nothing.
    async fn warn(&self, warning: Warning) -> Result<(), BridgeError>;

    /// Ends the build, well or not. Once.
    async fn finish(&self, outcome: Result<Outcome, rpc::Status>) -> Result<(), BridgeError>;
}
