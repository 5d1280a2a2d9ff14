//! One FileSend server for both message types: what it gets are the bytes that a typed client sent.

use buildkit_proto::filesync::BytesMessage;
use buildkit_proto::filesync::file_send_client::FileSendClient;
use buildkit_proto::fsutil::{Packet, Stat};
use buildkit_proto::raw::{FileSend, FileSendServer};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use std::pin::Pin;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// Sends every message back as it came.
struct Echo;

#[tonic::async_trait]
impl FileSend for Echo {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Vec<u8>>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }
}

#[tokio::test]
async fn serves_both_message_types() {
    let (client, server) = tokio::io::duplex(1 << 16);
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(server));
    tokio::spawn(
        Server::builder()
            .add_service(FileSendServer::new(Echo))
            .serve_with_incoming(incoming),
    );
    let mut client = Some(TokioIo::new(client));
    let connector = tower::service_fn(move |_| {
        let io = client
            .take()
            .ok_or_else(|| std::io::Error::other("connected twice"));
        async move { io }
    });
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
        .unwrap();

    let packet = Packet {
        stat: Some(Stat {
            path: "a/b".to_owned(),
            mode: 0o644,
            size: 3,
            ..Stat::default()
        }),
        ..Packet::default()
    };
    let bytes = BytesMessage {
        data: vec![7; 100_000],
    };
    let typed = FileSendClient::new(channel.clone())
        .diff_copy(tokio_stream::iter([bytes.clone()]))
        .await;
    let got = typed.unwrap().into_inner().next().await.unwrap().unwrap();
    assert_eq!(got, bytes);

    let raw = buildkit_proto::raw::FileSendClient::new(channel)
        .diff_copy(tokio_stream::iter([packet.encode_to_vec(), Vec::new()]))
        .await;
    let mut got = raw.unwrap().into_inner();
    assert_eq!(
        Packet::decode(got.next().await.unwrap().unwrap().as_slice()).unwrap(),
        packet
    );
    assert_eq!(got.next().await.unwrap().unwrap(), Vec::<u8>::new());
}
