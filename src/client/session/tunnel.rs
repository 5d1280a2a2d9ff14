//! A byte stream inside of `Control.Session`: each gRPC message is a piece of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buildkit_proto::control::BytesMessage;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::Stream as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::PollSender;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::{Request, Status, Streaming};

use crate::client::connect::{Engine, Io};

/// Messages under way to the engine.
const QUEUE: usize = 16;
/// The largest piece of one message.
const PIECE: usize = 1 << 20;

struct Tunnel {
    incoming: Streaming<BytesMessage>,
    /// What is left of the last message.
    unread: Vec<u8>,
    read: usize,
    outgoing: PollSender<BytesMessage>,
}

/// Opens the stream with the session's `headers`.
pub(super) async fn open(engine: &Engine, headers: &[(&'static str, String)]) -> Result<Io, Status> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut request = Request::new(ReceiverStream::new(receiver));
    for (name, value) in headers {
        let value = AsciiMetadataValue::try_from(value)
            .map_err(|_| Status::invalid_argument(format!("`{name}` holds what a header cannot")))?;
        request
            .metadata_mut()
            .append(AsciiMetadataKey::from_static(name), value);
    }
    let incoming = engine.control().session(request).await?.into_inner();
    Ok(Box::new(Tunnel {
        incoming,
        unread: Vec::new(),
        read: 0,
        outgoing: PollSender::new(sender),
    }))
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read == self.unread.len() {
            match ready!(Pin::new(&mut self.incoming).poll_next(cx)) {
                Some(Ok(message)) => (self.unread, self.read) = (message.data, 0),
                Some(Err(status)) => return Poll::Ready(Err(io::Error::other(status))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let rest = &self.unread[self.read..];
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.read += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.outgoing.poll_reserve(cx)).map_err(closed)?;
        let piece = &data[..data.len().min(PIECE)];
        self.outgoing
            .send_item(BytesMessage { data: piece.to_vec() })
            .map_err(closed)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection sends messages as they come.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}
