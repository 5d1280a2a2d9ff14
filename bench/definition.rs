//! The graph of a service as `wheelwright build` hands it over, written down for whoever solves it without making it: that is
//! the engine's own part of a build.
//!
//! `cargo bench --bench definition -- CONTEXT SERVICE UNWHEEL FOLDER` asks the engine of BUILDKIT_HOST what a build asks of it, writes
//! `definition.pb` and `config.json` into FOLDER, and builds nothing. The graph names no session: any one that shares its
//! sources will do.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use buildkit_proto::{pb, rpc};
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use wheelwright::bridge::{
    Bridge, BridgeError, CacheImport, Engine, GrpcBridge, ImageQuery, Outcome, Ref, Refs, ResolvedImage,
    Stat, Warning,
};
use wheelwright::client::{self, BuildRequest, Building, Source, WorkError};
use wheelwright::frontend::{self, Layers, Origin, Request, Tools};
use wheelwright::layers::WheelsFrom;

const TOOLS: &str = "wheelwright-tools";

/// Keeps the graphs that go by, and how it ended.
#[derive(Debug)]
struct Kept {
    bridge: GrpcBridge,
    graphs: Mutex<BTreeMap<String, pb::Definition>>,
    outcome: Mutex<Option<Outcome>>,
}

#[async_trait]
impl Bridge for Kept {
    async fn ping(&self) -> Result<Engine, BridgeError> {
        self.bridge.ping().await
    }

    async fn resolve_image(&self, query: &ImageQuery) -> Result<ResolvedImage, BridgeError> {
        self.bridge.resolve_image(query).await
    }

    async fn solve(&self, definition: pb::Definition, caches: &[CacheImport]) -> Result<Ref, BridgeError> {
        let result = self.bridge.solve(definition.clone(), caches).await?;
        self.graphs
            .lock()
            .expect("graphs")
            .insert(result.id.clone(), definition);
        Ok(result)
    }

    async fn evaluate(&self, result: &Ref) -> Result<(), BridgeError> {
        self.bridge.evaluate(result).await
    }

    async fn read_file(&self, result: &Ref, path: &str) -> Result<Vec<u8>, BridgeError> {
        self.bridge.read_file(result, path).await
    }

    async fn stat(&self, result: &Ref, path: &str) -> Result<Option<Stat>, BridgeError> {
        self.bridge.stat(result, path).await
    }

    async fn inputs(&self) -> Result<BTreeMap<String, pb::Definition>, BridgeError> {
        self.bridge.inputs().await
    }

    async fn warn(&self, warning: Warning) -> Result<(), BridgeError> {
        self.bridge.warn(warning).await
    }

    async fn finish(&self, outcome: Result<Outcome, rpc::Status>) -> Result<(), BridgeError> {
        *self.outcome.lock().expect("the outcome") = outcome.as_ref().ok().cloned();
        self.bridge.finish(outcome).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let [context, service, unwheel, folder] = words
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "expected CONTEXT SERVICE UNWHEEL FOLDER")?;
    let context = PathBuf::from(context).canonicalize()?;
    let address = std::env::var("BUILDKIT_HOST")?.parse()?;
    let engine = client::Engine::connect(&address, &client::connect::TlsFiles::default()).await?;
    let unwheel = BTreeMap::from([("unwheel".to_owned(), unwheel.into())]);
    let sources = BTreeMap::from([
        ("context".to_owned(), Source::Directory(context.clone())),
        (TOOLS.to_owned(), Source::Executables(unwheel)),
    ]);
    let request = BuildRequest {
        sources,
        internal: true,
        ..BuildRequest::default()
    };
    let kept = Arc::new(Mutex::new(None));
    let work = {
        let kept = kept.clone();
        move |building: Building| make(building, context, service, kept)
    };
    let (updates, _) = tokio::sync::mpsc::unbounded_channel();
    client::build(&engine, request, updates, &CancellationToken::new(), work).await?;
    let kept: Option<Arc<Kept>> = kept.lock().expect("what was kept").take();
    let kept = kept.ok_or("nothing was made")?;
    write(&kept, Path::new(&folder))
}

/// The pipeline, as the command runs it.
async fn make(
    building: Building,
    context: PathBuf,
    service: String,
    kept: Arc<Mutex<Option<Arc<Kept>>>>,
) -> Result<(), WorkError> {
    let other = |error: &dyn Error| WorkError::Other(error.to_string());
    let bridge = GrpcBridge::control(building.channel, &building.build_ref).map_err(|error| other(&error))?;
    let bridge = Arc::new(Kept {
        bridge,
        graphs: Mutex::default(),
        outcome: Mutex::default(),
    });
    *kept.lock().expect("the place") = Some(bridge.clone());
    let request = Request {
        opts: BTreeMap::from([("target".to_owned(), service)]),
        session: String::new(),
        tools: Tools::Local(TOOLS.to_owned()),
        origin: Origin::Disk {
            manifest: context.clone(),
            context,
            read: Arc::default(),
        },
        layers: Layers {
            order: vec![WheelsFrom::Graph],
            ..Layers::default()
        },
    };
    let ended = frontend::run(bridge, request).await;
    ended.map_err(|failure| other(&failure))
}

/// The image's graph and config.
fn write(kept: &Kept, folder: &Path) -> Result<(), Box<dyn Error>> {
    let outcome = kept.outcome.lock().expect("the outcome").clone();
    let outcome = outcome.ok_or("the build did not end")?;
    let Refs::One(result) = &outcome.refs else {
        return Err("expected an image of one platform".into());
    };
    let graphs = kept.graphs.lock().expect("graphs");
    let definition = graphs.get(&result.id).ok_or("the result is of no graph")?;
    let config = outcome.metadata.get("containerimage.config").ok_or("no config")?;
    std::fs::write(folder.join("definition.pb"), definition.encode_to_vec())?;
    std::fs::write(folder.join("config.json"), config)?;
    Ok(())
}
