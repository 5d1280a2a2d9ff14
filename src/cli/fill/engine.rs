//! Trees out of an engine, as files of this machine.

use std::collections::BTreeMap;
use std::path::Path;

use buildkit_proto::pb;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use crate::bridge::{Bridge as _, CacheImport, GrpcBridge, Outcome, Refs};
use crate::cli::Failure;
use crate::client::spec::{Dest, Output};
use crate::client::{BuildRequest, Building, Engine, Error, WorkError, build};

/// The engine and what builds share with it.
pub(in crate::cli) struct Exports<'a> {
    pub(in crate::cli) engine: &'a Engine,
    /// Secrets, credentials and caches of the builds; their outputs do not count.
    pub(in crate::cli) request: BuildRequest,
    pub(in crate::cli) cancel: &'a CancellationToken,
}

impl Exports<'_> {
    /// Writes what a graph makes into a folder.
    pub(in crate::cli) async fn take(&self, graph: &pb::Definition, folder: &Path) -> Result<(), Failure> {
        fs_err::create_dir_all(folder).map_err(|error| Failure::Local(error.to_string()))?;
        let output = Output {
            exporter: "local".to_owned(),
            attributes: BTreeMap::new(),
            dest: Some(Dest::Directory(folder.to_owned())),
        };
        let request = BuildRequest {
            outputs: vec![output],
            cache_exports: Vec::new(),
            layers: None,
            ..self.request.clone()
        };
        // The build that made it has told of its steps.
        let (updates, _untold) = unbounded_channel();
        let graph = graph.clone();
        let built = build(self.engine, request, updates, self.cancel, |building| {
            solve(building, graph)
        });
        match built.await {
            Ok(_) => Ok(()),
            Err(Error::Cancelled) => Err(Failure::Interrupted),
            Err(error) => Err(Failure::Local(error.to_string())),
        }
    }
}

async fn solve(building: Building, graph: pb::Definition) -> Result<(), WorkError> {
    let failed = |text: String| WorkError::Other(text);
    let bridge = GrpcBridge::control(building.channel, &building.build_ref)
        .map_err(|error| failed(error.to_string()))?;
    let imports = building.cache_imports.unwrap_or_else(|| "[]".to_owned());
    let imports: Vec<CacheImport> =
        serde_json::from_str(&imports).map_err(|error| failed(error.to_string()))?;
    let outcome = match bridge.solve(graph, &imports).await {
        Ok(result) => Ok(Outcome {
            refs: Refs::One(result),
            metadata: BTreeMap::new(),
        }),
        Err(error) => Err(error.status),
    };
    let ended = bridge.finish(outcome.clone()).await;
    if let Err(status) = outcome {
        return Err(failed(status.message));
    }
    ended.map_err(|error| failed(error.to_string()))
}
