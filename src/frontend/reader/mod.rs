//! Reading a project's files: the manifest, the ignore file, requirement files and locks, and whether code is there.
//!
//! One trait, two ways. [`ByEngine`] has the engine fetch files from its client, as a frontend image must. [`ByDisk`]
//! takes them from this machine's disk, for a command that is itself the engine's client: a transfer costs some twenty
//! milliseconds, and reading a file costs none. What is found is the same in both, and so are the messages.

mod disk;
mod engine;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use buildkit_llb::{Differ, Source, State};

pub(super) use self::disk::ByDisk;
pub use self::disk::Read;
pub(super) use self::engine::{ByEngine, Inputs};
use super::{Failure, Options, Request};
use crate::lower::LocalContext;
use crate::manifest::ProjectPath;

/// Where the project's files are.
#[derive(Debug, Clone, Default)]
pub enum Origin {
    /// With the engine's client.
    #[default]
    Engine,
    /// On this machine, in the folders that the session serves to the engine.
    Disk {
        /// The repository.
        context: PathBuf,
        /// The folder of the manifest.
        manifest: PathBuf,
        /// Takes note of what is read.
        read: Arc<Mutex<Read>>,
    },
}

/// At the root of a repository.
const IGNORE_FILE: &str = ".dockerignore";

/// The manifest's own, which comes before it.
fn own_ignore_file(manifest: &str) -> String {
    format!("{manifest}{IGNORE_FILE}")
}

/// What is at a path, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Folder,
    File,
}

/// Reads files. None stands for one that is not there.
#[async_trait]
pub(super) trait Reader: Debug + Send + Sync {
    /// The manifest.
    async fn manifest(&self) -> Result<Option<Vec<u8>>, Failure>;

    /// What says which files to leave out, and its name: a file of the manifest's name with `.dockerignore` behind it, in
    /// the manifest's folder, else [`IGNORE_FILE`] of the repository.
    async fn ignore_file(&self, context: &LocalContext) -> Result<Option<(String, Vec<u8>)>, Failure>;

    /// Files of the repository, in the order asked. Those that .dockerignore leaves out are not there.
    async fn read(
        &self,
        context: &LocalContext,
        paths: &[ProjectPath],
    ) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// What some paths are, in the order asked. `source` is the repository narrowed to them.
    async fn shapes(
        &self,
        context: &LocalContext,
        source: &State,
        paths: &[ProjectPath],
    ) -> Result<Vec<Option<Shape>>, Failure>;

    /// What else is in the folder of a path that is not there, for near misses; nothing where looking costs a transfer.
    fn beside(&self, path: &ProjectPath) -> Vec<ProjectPath>;
}

/// The folder of the manifest as a local source. Warnings are shown with it, whether or not it is transferred.
pub(super) fn manifest_source(request: &Request, options: &Options) -> State {
    let (name, local) = (&options.filename, &options.manifest_local);
    Source::local(local)
        .session_id(session(request, options, local))
        .follow_paths([name.clone(), own_ignore_file(name)])
        .shared_key_hint(format!("{name}{}", shared_key(options, local)))
        .differ(Differ::None)
        .name(format!("[internal] load build definition from {name}"))
        .build()
}

/// The session that serves a local source.
pub(super) fn session(request: &Request, options: &Options, local: &str) -> String {
    options
        .local_sessions
        .get(local)
        .unwrap_or(&request.session)
        .clone()
}

/// The client's hint that keeps snapshots of different folders apart, as a suffix.
pub(super) fn shared_key(options: &Options, local: &str) -> String {
    options
        .shared_keys
        .get(local)
        .map(|key| format!("-{key}"))
        .unwrap_or_default()
}
