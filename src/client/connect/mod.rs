//! Connections to an engine, found by address or by looking around.
//!
//! buildkitd speaks gRPC at once; dockerd before 29.2 wants to be asked for it (`POST /grpc`), and takes sessions on an
//! upgraded connection of their own (`POST /session`). Which one answers is tried, not configured.

mod discover;
mod info;
mod private;
mod tls;
mod transport;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use buildkit_proto::control::control_client::ControlClient;
use buildkit_proto::control::{InfoRequest, ListWorkersRequest};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

pub use self::discover::{Attempt, Wanted, discover, running};
pub use self::info::{EngineInfo, Worker};
pub use self::tls::{TlsError, TlsFiles};
pub(super) use self::transport::Io;
use self::transport::Transport;
use super::address::{Address, Speaks};
use super::error::reason;

/// Header lists and messages may be this large, in both directions, everywhere: a failed step's error carries the
/// manifest in a header, and exclude lists travel as headers.
pub const LIMIT: u32 = 16 << 20;

/// Flow control windows for one stream; local files and images come through one stream each.
const WINDOW: u32 = 4 << 20;

/// How long an engine may take to answer the first call. A program that leads there may have to log in first.
const ANSWER: Duration = Duration::from_secs(10);
const ANSWER_OF_PROGRAM: Duration = Duration::from_secs(40);

/// A connected engine. Clones share the connection.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    address: String,
    transport: Transport,
    /// The HTTP API of Docker answers here and has to be asked for gRPC.
    docker_api: bool,
    channel: Channel,
    info: EngineInfo,
    private: Option<private::Lease>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("address", &self.inner.address)
            .field("info", &self.inner.info)
            .finish()
    }
}

/// An engine that cannot be reached; the address is said by whoever asked for it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(String);

impl Engine {
    /// Connects to `address` and asks who is there. `tls` matters to `tcp://` only.
    pub async fn connect(address: &Address, tls: &TlsFiles) -> Result<Self, ConnectError> {
        let tls = match address {
            Address::Tcp { host, .. } => {
                tls::connector(tls, host).map_err(|error| ConnectError(error.to_string()))?
            }
            _ => None,
        };
        let transport = Transport::new(address, tls);
        if let Address::Command { speaks, .. } = address {
            let docker_api = *speaks == Speaks::Docker;
            return Self::greet(address, transport, docker_api, ANSWER_OF_PROGRAM).await;
        }
        // Someone has to listen, else the second attempt would only repeat the first one's error.
        transport
            .probe()
            .await
            .map_err(|error| ConnectError(error.to_string()))?;
        let direct = match Self::greet(address, transport.clone(), false, ANSWER).await {
            Ok(engine) => return Ok(engine),
            Err(error) => error,
        };
        Self::greet(address, transport, true, ANSWER)
            .await
            .map_err(|upgraded| {
                ConnectError(format!(
                    "neither buildkitd ({direct}) nor dockerd ({upgraded}) answers"
                ))
            })
    }

    async fn greet(
        address: &Address,
        transport: Transport,
        docker_api: bool,
        patience: Duration,
    ) -> Result<Self, ConnectError> {
        let greeting = async {
            let channel = channel(&transport, docker_api)
                .await
                .map_err(|error| reason(&error))?;
            let (mut workers, mut info) = (control(channel.clone()), control(channel.clone()));
            let (workers, info) = tokio::join!(
                workers.list_workers(ListWorkersRequest::default()),
                info.info(InfoRequest {}),
            );
            let workers = workers.map_err(|status| reason(&status))?.into_inner();
            let version = info.ok().and_then(|info| info.into_inner().buildkit_version);
            Ok((channel, EngineInfo::new(workers, version)))
        };
        let answer = tokio::time::timeout(patience, greeting).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())));
        let (channel, info) = answer.map_err(|error: String| match transport.said() {
            Some(said) => ConnectError(format!("{error} ({said})")),
            None => ConnectError(error),
        })?;
        let address = address.to_string();
        Ok(Self {
            inner: Arc::new(Inner {
                address,
                transport,
                docker_api,
                channel,
                info,
                private: None,
            }),
        })
    }

    fn with_lease(self, lease: private::Lease) -> Self {
        let inner = &self.inner;
        Self {
            inner: Arc::new(Inner {
                address: inner.address.clone(),
                transport: inner.transport.clone(),
                docker_api: inner.docker_api,
                channel: inner.channel.clone(),
                info: inner.info.clone(),
                private: Some(lease),
            }),
        }
    }

    /// Where it was found.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Whether it is on this machine for sure: behind a socket, or TCP that does not leave it.
    pub fn is_local(&self) -> bool {
        let local = ["unix://", "tcp://127.0.0.1:", "tcp://localhost:", "tcp://[::1]:"];
        local.iter().any(|prefix| self.address().starts_with(prefix))
    }

    /// What it said about itself.
    pub fn info(&self) -> &EngineInfo {
        &self.inner.info
    }

    /// The gRPC connection, for services that are not wrapped here. Raise the message limits to [`LIMIT`].
    pub fn channel(&self) -> Channel {
        self.inner.channel.clone()
    }

    /// What the program that carries the connection last said.
    pub(super) fn said(&self) -> Option<String> {
        self.inner.transport.said()
    }

    pub(super) fn control(&self) -> ControlClient<Channel> {
        control(self.channel())
    }

    /// True if sessions go over `POST /session`.
    pub(super) fn takes_sessions_by_http(&self) -> bool {
        self.inner.docker_api
    }

    /// A stream for a session of dockerd's.
    pub(super) async fn http_session(&self, headers: &[(&str, &str)]) -> std::io::Result<Io> {
        upgrade::upgrade(self.inner.transport.open(false).await?, "/session", headers).await
    }

    /// Ends a private buildkitd that this process started and nobody else uses. Other engines stay as they are.
    pub async fn close(self) {
        if let Some(lease) = &self.inner.private {
            lease.end().await;
        }
    }
}

fn control(channel: Channel) -> ControlClient<Channel> {
    ControlClient::new(channel)
        .max_decoding_message_size(LIMIT as usize)
        .max_encoding_message_size(LIMIT as usize)
}

async fn channel(transport: &Transport, docker_api: bool) -> Result<Channel, tonic::transport::Error> {
    let transport = transport.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let transport = transport.clone();
        async move {
            let io = transport.open(!docker_api).await?;
            let io = if docker_api {
                upgrade::upgrade(io, "/grpc", &[]).await?
            } else {
                io
            };
            Ok::<_, std::io::Error>(TokioIo::new(io))
        }
    });
    // The name is for the `:authority` header alone; the connector knows the way.
    Endpoint::from_static("http://localhost")
        .http2_max_header_list_size(LIMIT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 4)
        .connect_with_connector(connector)
        .await
}
