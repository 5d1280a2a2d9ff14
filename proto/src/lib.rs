//! BuildKit's wire API: the messages and services that a frontend and a client use.
//!
//! Generated from the `.proto` files of this package, which hold what is used here with every field of the messages
//! that are: a message that passes through keeps all it had. The wire format of BuildKit 0.32; older daemons know less
//! and ignore the rest. Every map is a `BTreeMap`.
//!
//! Graph operations have to be encoded as Go encodes them and not as `prost` does; that is the `buildkit-llb` package.

pub mod errdefs;
pub mod raw;

#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::use_self
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tree.rs"));
}

/// The daemon's control API: builds, progress, session, cache, history.
pub mod control {
    pub use crate::generated::moby::buildkit::v1::*;
}

/// The gateway: what a frontend asks of the daemon.
pub mod gateway {
    pub use crate::generated::moby::buildkit::v1::frontend::*;
}

/// Graph operations and definitions.
pub mod pb {
    pub use crate::generated::pb::*;
}

/// Capabilities.
pub mod apicaps {
    pub use crate::generated::moby::buildkit::v1::apicaps::*;
}

/// Workers, garbage collection policies, versions.
pub mod types {
    pub use crate::generated::moby::buildkit::v1::types::*;
}

/// Source policies.
pub mod sourcepolicy {
    pub use crate::generated::moby::buildkit::v1::sourcepolicy::*;
}

/// Session service: file trees to the daemon, results back.
///
/// `FileSend` with [`BytesMessage`](filesync::BytesMessage) serves tar-like exporters only; the daemon uses the same
/// method with [`fsutil::Packet`] for the local exporter. [`raw::FileSend`] serves both.
pub mod filesync {
    pub use crate::generated::moby::filesync::v1::{
        BytesMessage, file_send_client, file_send_server, file_sync_client, file_sync_server,
    };
}

/// The packets of a file tree transfer.
pub mod fsutil {
    pub use crate::generated::fsutil::types::*;
}

/// Session service: registry credentials.
pub mod auth {
    pub use crate::generated::moby::filesync::v1::{
        CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
        GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
        VerifyTokenAuthorityResponse, auth_client, auth_server,
    };
}

/// Session service: exporters of a finished build.
pub mod exporter {
    pub use crate::generated::moby::exporter::v1::*;
}

/// Session service: secret values.
pub mod secrets {
    pub use crate::generated::moby::buildkit::secrets::v1::*;
}

/// Session service: SSH agents.
pub mod ssh {
    pub use crate::generated::moby::sshforward::v1::*;
}

/// Session service: one uploaded stream.
pub mod upload {
    pub use crate::generated::moby::upload::v1::*;
}

/// The health service that every session has to serve.
pub mod health {
    pub use crate::generated::grpc::health::v1::*;
}

/// containerd's content store: OCI layouts and the local cache over a session, history blobs from the daemon.
pub mod content {
    pub use crate::generated::containerd::services::content::v1::*;
}

/// The status of a failed call, with its details.
pub mod rpc {
    pub use crate::generated::google::rpc::*;
}
