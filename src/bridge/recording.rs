//! A bridge that records what it is asked and answers from a script; for tests of pure logic only.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use buildkit_llb::Platform;
use buildkit_proto::{pb, rpc};

use super::{
    Bridge, BridgeError, CacheImport, Engine, ImageQuery, Outcome, Ref, ResolvedImage, Stat, Warning,
};

/// Capabilities of BuildKit 0.32 that graphs here may use.
const CAPS: [&str; 36] = [
    "constraints",
    "diffop",
    "exec.cgroup",
    "exec.meta.base",
    "exec.meta.network",
    "exec.meta.proxyenv",
    "exec.meta.setsdefaultpath",
    "exec.mount.bind",
    "exec.mount.bind.readwrite-nooutput",
    "exec.mount.cache",
    "exec.mount.cache.sharing",
    "exec.mount.selector",
    "exec.mount.tmpfs",
    "exec.mount.tmpfs.size",
    "file.base",
    "file.copy.includeexcludepatterns",
    "file.symlink.create",
    "mergeop",
    "meta.description",
    "meta.exportcache",
    "meta.ignorecache",
    "platform",
    "source.git",
    "source.git.fullurl",
    "source.http",
    "source.http.checksum",
    "source.http.perm",
    "source.image",
    "source.image.resolvemode",
    "source.local",
    "source.local.differ",
    "source.local.excludepatterns",
    "source.local.followpaths",
    "source.local.includepatterns",
    "source.local.sessionid",
    "source.local.sharedkeyhint",
];

/// Answers from a script and keeps what was asked.
#[derive(Debug, Default)]
pub struct Recording {
    /// What the engine says of itself.
    pub engine: Engine,
    /// Config of every image; its digest stands for the image's.
    pub image_config: Vec<u8>,
    /// Files that every result holds, by path with a leading `/`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Folders with something special about them, the same way.
    pub folders: BTreeMap<String, Stat>,
    log: Mutex<Log>,
}

#[derive(Debug, Default, Clone)]
struct Log {
    solved: Vec<(pb::Definition, Vec<CacheImport>)>,
    warnings: Vec<Warning>,
    outcome: Option<Result<Outcome, rpc::Status>>,
}

impl Recording {
    /// An engine on linux/amd64 that can do what BuildKit 0.32 can.
    pub fn capable() -> Self {
        let engine = Engine {
            llb_caps: CAPS.map(str::to_owned).into(),
            platforms: vec![Platform::new("linux", "amd64")],
        };
        Self {
            engine,
            ..Self::default()
        }
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The graphs that were handed over, with their cache imports.
    pub fn solved(&self) -> Vec<(pb::Definition, Vec<CacheImport>)> {
        self.log().solved.clone()
    }

    /// The warnings that were shown.
    pub fn warnings(&self) -> Vec<Warning> {
        self.log().warnings.clone()
    }

    /// How the build ended, once it has.
    pub fn outcome(&self) -> Option<Result<Outcome, rpc::Status>> {
        self.log().outcome.clone()
    }
}

#[async_trait]
impl Bridge for Recording {
    async fn ping(&self) -> Result<Engine, BridgeError> {
        Ok(self.engine.clone())
    }

    async fn resolve_image(&self, query: &ImageQuery) -> Result<ResolvedImage, BridgeError> {
        let reference = format!(
            "{}@{}",
            query.reference,
            buildkit_llb::digest_of(&self.image_config)
        );
        Ok(ResolvedImage {
            reference,
            config: self.image_config.clone(),
        })
    }

    async fn solve(&self, definition: pb::Definition, caches: &[CacheImport]) -> Result<Ref, BridgeError> {
        let mut log = self.log();
        log.solved.push((definition, caches.to_vec()));
        Ok(Ref {
            id: format!("ref-{}", log.solved.len()),
        })
    }

    async fn evaluate(&self, _: &Ref) -> Result<(), BridgeError> {
        Ok(())
    }

    async fn read_file(&self, _: &Ref, path: &str) -> Result<Vec<u8>, BridgeError> {
        let path = format!("/{}", path.trim_start_matches('/'));
        self.files
            .get(&path)
            .cloned()
            .ok_or_else(|| BridgeError::new(format!("open {path}: no such file or directory")))
    }

    async fn stat(&self, _: &Ref, path: &str) -> Result<Option<Stat>, BridgeError> {
        let path = format!("/{}", path.trim_start_matches('/'));
        if let Some(folder) = self.folders.get(&path) {
            return Ok(Some(*folder));
        }
        let below = format!("{path}/");
        let mut known = self.files.keys();
        let found = known.find(|known| **known == path || known.starts_with(&below));
        Ok(found.map(|known| Stat {
            folder: *known != path,
            mode: if *known == path { 0o644 } else { 0o755 },
            uid: 0,
            gid: 0,
        }))
    }

    async fn inputs(&self) -> Result<BTreeMap<String, pb::Definition>, BridgeError> {
        Ok(BTreeMap::new())
    }

    async fn warn(&self, warning: Warning) -> Result<(), BridgeError> {
        self.log().warnings.push(warning);
        Ok(())
    }

    async fn finish(&self, outcome: Result<Outcome, rpc::Status>) -> Result<(), BridgeError> {
        self.log().outcome = Some(outcome);
        Ok(())
    }
}
