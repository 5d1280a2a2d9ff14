//! LLBBridge over gRPC, whichever way the connection came about.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use buildkit_llb::Platform;
use buildkit_proto::gateway::llb_bridge_client::LlbBridgeClient;
use buildkit_proto::{apicaps, gateway, pb, rpc};
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::{
    Bridge, BridgeError, CacheImport, Engine, ImageQuery, Outcome, Place, Ref, Refs, ResolvedImage, Stat,
    Warning,
};
use crate::tree::filemode;

/// Largest message and header list, in bytes, in both directions: BuildKit's own limit.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The same as HTTP/2 settings take it.
pub const MAX_HEADER_LIST: u32 = 16 << 20;

/// How long a ping may take: BuildKit registers a client's build a moment after `Solve` begins.
const PING_ATTEMPTS: u32 = 24;
const PING_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);
const PING_LONGEST: std::time::Duration = std::time::Duration::from_millis(100);

/// A bridge over a gRPC channel.
#[derive(Debug, Clone)]
pub struct GrpcBridge {
    client: LlbBridgeClient<InterceptedService<Channel, BuildId>>,
}

/// Names the build that a call belongs to, on a control connection.
#[derive(Debug, Clone)]
struct BuildId(Option<AsciiMetadataValue>);

impl Interceptor for BuildId {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, tonic::Status> {
        if let Some(id) = &self.0 {
            request
                .metadata_mut()
                .insert("buildkit-controlapi-buildid", id.clone());
        }
        Ok(request)
    }
}

impl GrpcBridge {
    /// Over the connection of a frontend, which belongs to one build.
    pub fn frontend(channel: Channel) -> Self {
        Self::new(channel, BuildId(None))
    }

    /// Over a client's control connection, for the build with this reference.
    pub fn control(channel: Channel, build: &str) -> Result<Self, BridgeError> {
        let id = build
            .parse()
            .map_err(|_| BridgeError::new(format!("`{build}` cannot name a build")))?;
        Ok(Self::new(channel, BuildId(Some(id))))
    }

    fn new(channel: Channel, id: BuildId) -> Self {
        let client = LlbBridgeClient::with_interceptor(channel, id)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Self { client }
    }

    async fn pong(&self) -> Result<gateway::PongResponse, BridgeError> {
        let (mut attempt, mut pause) = (0, PING_PAUSE);
        loop {
            match self.client.clone().ping(gateway::PingRequest {}).await {
                Ok(pong) => return Ok(pong.into_inner()),
                Err(status) if attempt < PING_ATTEMPTS && status.message().contains("no such build") => {
                    attempt += 1;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PING_LONGEST);
                }
                Err(status) => return Err(status.into()),
            }
        }
    }

    async fn resolve_source(&self, query: &ImageQuery) -> Result<ResolvedImage, BridgeError> {
        let request = gateway::ResolveSourceMetaRequest {
            source: Some(source(query)),
            platform: Some((&query.platform).into()),
            log_name: log_name(query),
            resolve_mode: query.mode.name().to_owned(),
            ..Default::default()
        };
        let response = self
            .client
            .clone()
            .resolve_source_meta(request)
            .await?
            .into_inner();
        let identifier = response
            .source
            .map(|source| source.identifier)
            .unwrap_or_default();
        let Some(image) = response.image else {
            // A source policy may have put something else in its place.
            return Err(BridgeError::new(format!(
                "`{}` was replaced by `{identifier}`, which is not an image",
                query.reference
            )));
        };
        let reference = identifier
            .split_once("://")
            .map_or(query.reference.as_str(), |(_, reference)| reference);
        Ok(ResolvedImage {
            reference: pinned(reference, &image.digest),
            config: image.config,
        })
    }

    /// Engines before 0.13 have only this.
    async fn resolve_config(&self, query: &ImageQuery) -> Result<ResolvedImage, BridgeError> {
        let (session, store) = match &query.place {
            Place::Registry => ("", ""),
            Place::Layout { session, store } => (session.as_str(), store.as_str()),
        };
        let request = gateway::ResolveImageConfigRequest {
            r#ref: query.reference.clone(),
            platform: Some((&query.platform).into()),
            resolve_mode: query.mode.name().to_owned(),
            log_name: log_name(query),
            resolver_type: i32::from(query.place != Place::Registry),
            session_id: session.to_owned(),
            store_id: store.to_owned(),
            ..Default::default()
        };
        let response = self
            .client
            .clone()
            .resolve_image_config(request)
            .await?
            .into_inner();
        let reference = if response.r#ref.is_empty() {
            &query.reference
        } else {
            &response.r#ref
        };
        Ok(ResolvedImage {
            reference: pinned(reference, &response.digest),
            config: response.config,
        })
    }
}

fn source(query: &ImageQuery) -> pb::SourceOp {
    let (scheme, attrs) = match &query.place {
        Place::Registry => ("docker-image", BTreeMap::new()),
        Place::Layout { session, store } => {
            let attrs = [("oci.session", session), ("oci.store", store)];
            let given = attrs.into_iter().filter(|(_, value)| !value.is_empty());
            let owned = given.map(|(name, value)| (name.to_owned(), value.clone()));
            ("oci-layout", owned.collect())
        }
    };
    pb::SourceOp {
        identifier: format!("{scheme}://{}", query.reference),
        attrs,
    }
}

fn log_name(query: &ImageQuery) -> String {
    let made = || format!("[internal] load metadata for {}", query.reference);
    query.log_name.clone().unwrap_or_else(made)
}

/// A reference with its digest. The digest is empty where dockerd found the image in its own store.
fn pinned(reference: &str, digest: &str) -> String {
    match digest {
        "" => reference.to_owned(),
        _ if reference.contains('@') => reference.to_owned(),
        digest => format!("{reference}@{digest}"),
    }
}

/// Ids that are listed and enabled; a listed one may be switched off.
fn enabled(caps: Vec<apicaps::ApiCap>) -> BTreeSet<String> {
    caps.into_iter()
        .filter(|cap| cap.enabled)
        .map(|cap| cap.id)
        .collect()
}

#[async_trait]
impl Bridge for GrpcBridge {
    async fn ping(&self) -> Result<Engine, BridgeError> {
        let pong = self.pong().await?;
        let platforms = pong
            .workers
            .first()
            .map(|worker| worker.platforms.as_slice())
            .unwrap_or_default();
        Ok(Engine {
            llb_caps: enabled(pong.llb_caps),
            platforms: platforms.iter().map(Platform::from).collect(),
        })
    }

    async fn resolve_image(&self, query: &ImageQuery) -> Result<ResolvedImage, BridgeError> {
        match self.resolve_source(query).await {
            Err(error) if error.status.code == tonic::Code::Unimplemented as i32 => {
                self.resolve_config(query).await
            }
            other => other,
        }
    }

    async fn solve(&self, definition: pb::Definition, caches: &[CacheImport]) -> Result<Ref, BridgeError> {
        let request = gateway::SolveRequest {
            definition: Some(definition),
            allow_result_return: true,
            allow_result_array_ref: true,
            // The daemon does not add these by itself; without them an imported cache is never used.
            cache_imports: caches
                .iter()
                .map(|cache| gateway::CacheOptionsEntry {
                    r#type: cache.r#type.clone(),
                    attrs: cache.attrs.clone(),
                })
                .collect(),
            ..Default::default()
        };
        let response = self.client.clone().solve(request).await?.into_inner();
        match response.result.and_then(|result| result.result) {
            Some(gateway::result::Result::Ref(result)) => Ok(Ref { id: result.id }),
            None => Ok(Ref::default()),
            Some(other) => Err(BridgeError::new(format!("expected one result, found {other:?}"))),
        }
    }

    async fn evaluate(&self, result: &Ref) -> Result<(), BridgeError> {
        let request = gateway::EvaluateRequest {
            r#ref: result.id.clone(),
        };
        match self.client.clone().evaluate(request).await {
            Err(status) if status.code() == tonic::Code::Unimplemented => {
                self.stat(result, ".").await.map(|_| ())
            }
            other => other.map(|_| ()).map_err(Into::into),
        }
    }

    async fn read_file(&self, result: &Ref, path: &str) -> Result<Vec<u8>, BridgeError> {
        let request = gateway::ReadFileRequest {
            r#ref: result.id.clone(),
            file_path: path.to_owned(),
            ..Default::default()
        };
        Ok(self.client.clone().read_file(request).await?.into_inner().data)
    }

    async fn stat(&self, result: &Ref, path: &str) -> Result<Option<Stat>, BridgeError> {
        let request = gateway::StatFileRequest {
            r#ref: result.id.clone(),
            path: path.to_owned(),
            ..Default::default()
        };
        match self
            .client
            .clone()
            .stat_file(request)
            .await
            .map_err(BridgeError::from)
        {
            Ok(response) => Ok(Some(found(&response.into_inner().stat.unwrap_or_default()))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn inputs(&self) -> Result<BTreeMap<String, pb::Definition>, BridgeError> {
        Ok(self
            .client
            .clone()
            .inputs(gateway::InputsRequest {})
            .await?
            .into_inner()
            .definitions)
    }

    async fn warn(&self, warning: Warning) -> Result<(), BridgeError> {
        let request = gateway::WarnRequest {
            digest: warning.digest,
            level: 1,
            short: warning.short.into_bytes(),
            detail: warning.detail.into_iter().map(String::into_bytes).collect(),
            url: String::new(),
            info: warning.info,
            ranges: warning.ranges,
        };
        match self.client.clone().warn(request).await {
            Err(status) if status.code() == tonic::Code::Unimplemented => Ok(()),
            other => other.map(|_| ()).map_err(Into::into),
        }
    }

    async fn finish(&self, outcome: Result<Outcome, rpc::Status>) -> Result<(), BridgeError> {
        let request = match outcome {
            Ok(outcome) => gateway::ReturnRequest {
                result: Some(result(outcome)),
                error: None,
            },
            Err(status) => gateway::ReturnRequest {
                result: None,
                error: Some(status),
            },
        };
        self.client.clone().r#return(request).await?;
        Ok(())
    }
}

fn found(stat: &buildkit_proto::fsutil::Stat) -> Stat {
    Stat {
        folder: filemode::kind(stat.mode) == filemode::Kind::Dir,
        mode: filemode::permissions(stat.mode),
        uid: stat.uid,
        gid: stat.gid,
    }
}

fn result(outcome: Outcome) -> gateway::Result {
    let wire = |result: Ref| gateway::Ref {
        id: result.id,
        def: None,
    };
    let refs = match outcome.refs {
        Refs::None => None,
        Refs::One(one) => Some(gateway::result::Result::Ref(wire(one))),
        Refs::Many(many) => Some(gateway::result::Result::Refs(gateway::RefMap {
            refs: many
                .into_iter()
                .map(|(platform, result)| (platform, wire(result)))
                .collect(),
        })),
    };
    gateway::Result {
        result: refs,
        metadata: outcome.metadata,
        attestations: BTreeMap::new(),
    }
}
