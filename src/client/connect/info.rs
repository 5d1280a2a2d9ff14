//! What an engine says about itself.

use std::collections::BTreeMap;

use buildkit_proto::control::ListWorkersResponse;
use buildkit_proto::types::BuildkitVersion;

/// Version and workers of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// BuildKit's version, such as `v0.32.2`; engines before 0.11 do not say.
    pub version: Option<String>,
    /// Its workers, the default one first. There is always one in a working engine.
    pub workers: Vec<Worker>,
}

/// What runs the steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its id.
    pub id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it can build for, its own platform first, as `os/arch[/variant]`.
    pub platforms: Vec<String>,
}

/// Only dockerd's worker has it, from Docker 24 on.
const DOCKER_LABEL: &str = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";
/// Every buildkitd's worker has it, and none of dockerd's graph driver.
const EXECUTOR_LABEL: &str = "org.mobyproject.buildkit.worker.executor";
const SNAPSHOTTER_LABEL: &str = "org.mobyproject.buildkit.worker.snapshotter";

impl EngineInfo {
    pub(super) fn new(workers: ListWorkersResponse, version: Option<BuildkitVersion>) -> Self {
        let workers = workers.record.into_iter().map(|record| Worker {
            id: record.id,
            labels: record.labels.into_iter().collect(),
            platforms: record.platforms.iter().map(platform).collect(),
        });
        Self {
            version: version.map(|version| version.version),
            workers: workers.collect(),
        }
    }

    /// True for dockerd: it has the `moby` exporter, which puts images where `docker run` finds them.
    pub fn is_docker(&self) -> bool {
        self.label(DOCKER_LABEL).is_some() || self.label(EXECUTOR_LABEL).is_none()
    }

    /// True for dockerd without the containerd image store: no merge, no push by the build, no image files.
    pub fn is_graph_driver(&self) -> bool {
        self.is_docker() && self.label(SNAPSHOTTER_LABEL).is_none()
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.workers
            .iter()
            .find_map(|worker| worker.labels.get(name))
            .map(String::as_str)
    }
}

fn platform(platform: &buildkit_proto::pb::Platform) -> String {
    let base = format!("{}/{}", platform.os, platform.architecture);
    if platform.variant.is_empty() {
        base
    } else {
        format!("{base}/{}", platform.variant)
    }
}
