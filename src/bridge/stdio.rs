//! The frontend's transport: HTTP/2 over standard input and output, with BuildKit as the server.

use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};
use tonic::transport::{Channel, Endpoint};

use super::{BridgeError, GrpcBridge, MAX_HEADER_LIST};

/// Connects to the BuildKit that started this process. Nothing else may read or write the standard streams.
pub async fn stdio() -> Result<GrpcBridge, BridgeError> {
    let failed =
        |error: &dyn std::fmt::Display| BridgeError::new(format!("failed to reach BuildKit: {error}"));
    let mut streams = Some(Streams::open().map_err(|error| failed(&error))?);
    let connector = tower::service_fn(move |_| {
        let streams = streams.take().map(TokioIo::new);
        async move { streams.ok_or_else(|| io::Error::other("the standard streams are used up")) }
    });
    let channel: Channel = Endpoint::from_static("http://localhost")
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .connect_with_connector(connector)
        .await
        .map_err(|error| failed(&error))?;
    Ok(GrpcBridge::frontend(channel))
}

/// Standard input and output as one stream.
struct Streams {
    input: Receiver,
    output: Sender,
}

impl Streams {
    /// BuildKit gives pipes. Used as such, not through blocking threads, which would hold frames back.
    fn open() -> io::Result<Self> {
        let input = Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let output = Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
        Ok(Self { input, output })
    }
}

impl AsyncRead for Streams {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_read(cx, buf)
    }
}

impl AsyncWrite for Streams {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.output).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_shutdown(cx)
    }
}
