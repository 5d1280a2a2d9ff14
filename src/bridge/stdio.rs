//! The frontend's transport: HTTP/2 over standard input and output, with BuildKit as the server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Stdin, Stdout};
use tonic::transport::{Channel, Endpoint};

use super::{BridgeError, GrpcBridge, MAX_MESSAGE};

/// Connects to the BuildKit that started this process. Nothing else may read or write the standard streams.
pub async fn stdio() -> Result<GrpcBridge, BridgeError> {
    let failed = |error: &dyn std::fmt::Display| BridgeError::new(format!("failed to reach BuildKit: {error}"));
    let mut streams = Some(Streams { input: tokio::io::stdin(), output: tokio::io::stdout() });
    let connector = tower::service_fn(move |_| {
        let streams = streams.take().map(TokioIo::new);
        async move { streams.ok_or_else(|| io::Error::other("the standard streams are used up")) }
    });
    let channel: Channel = Endpoint::from_static("http://localhost")
        .http2_max_header_list_size(MAX_MESSAGE as u32)
        .connect_with_connector(connector)
        .await
        .map_err(|error| failed(&error))?;
    Ok(GrpcBridge::frontend(channel))
}

/// Standard input and output as one stream.
struct Streams {
    input: Stdin,
    output: Stdout,
}

impl AsyncRead for Streams {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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
