//! The server at this end of a session.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tonic::service::Routes;

use buildkit_proto::auth::auth_server::AuthServer;
use buildkit_proto::content::content_server::ContentServer;
use buildkit_proto::filesync::file_sync_server::FileSyncServer;
use buildkit_proto::health::health_server::HealthServer;
use buildkit_proto::raw::FileSendServer;
use buildkit_proto::secrets::secrets_server::SecretsServer;
use buildkit_proto::ssh::ssh_server::SshServer;

use super::Services;
use crate::client::connect::{Io, LIMIT};

const WINDOW: u32 = 4 << 20;

/// The services that there is something to offer of, and the methods they answer.
pub(super) fn routes(services: Services) -> (Routes, Vec<&'static str>) {
    let limit = LIMIT as usize;
    let mut methods = vec!["/grpc.health.v1.Health/Check"];
    let mut routes = Routes::default().add_service(HealthServer::new(super::health::Alive));

    let auth = AuthServer::new(super::auth::Credentials::new(services.docker_config));
    routes = routes.add_service(auth);
    methods.push("/moby.filesync.v1.Auth/Credentials");
    if !services.sources.is_empty() {
        let sync = FileSyncServer::new(super::filesync::Sender::new(services.sources));
        routes = routes.add_service(
            sync.max_decoding_message_size(limit)
                .max_encoding_message_size(limit),
        );
        methods.push("/moby.filesync.v1.FileSync/DiffCopy");
    }
    if !services.outputs.is_empty() {
        let send = FileSendServer::new(super::filesend::Receiver::new(services.outputs));
        routes = routes.add_service(
            send.max_decoding_message_size(limit)
                .max_encoding_message_size(limit),
        );
        methods.push("/moby.filesync.v1.FileSend/DiffCopy");
    }
    if !services.secrets.is_empty() {
        routes = routes.add_service(SecretsServer::new(super::secrets::Values::new(services.secrets)));
        methods.push("/moby.buildkit.secrets.v1.Secrets/GetSecret");
    }
    if !services.ssh.is_empty() {
        let agents = SshServer::new(super::ssh::Agents::new(services.ssh));
        routes = routes.add_service(agents.max_decoding_message_size(limit));
        methods.extend([
            "/moby.sshforward.v1.SSH/CheckAgent",
            "/moby.sshforward.v1.SSH/ForwardAgent",
        ]);
    }
    if !services.stores.is_empty() {
        let content = ContentServer::new(super::content::Layouts::new(services.stores));
        routes = routes.add_service(
            content
                .max_decoding_message_size(limit)
                .max_encoding_message_size(limit),
        );
        methods.extend(super::content::METHODS);
    }
    (routes, methods)
}

/// Serves one connection until the other end closes it.
pub(super) async fn serve(io: Io, routes: Routes) {
    let mut server = auto::Builder::new(TokioExecutor::new()).http2_only();
    server
        .http2()
        .max_header_list_size(LIMIT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 4)
        // The engine transfers several trees at once, each with its own stream.
        .max_concurrent_streams(1000);
    let service = TowerToHyperService::new(routes.prepare());
    // How the connection ends is the engine's affair: a build that still needed it says so itself.
    drop(server.serve_connection(TokioIo::new(io), service).await);
}
