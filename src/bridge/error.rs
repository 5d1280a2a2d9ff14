//! Errors of bridge calls. Details that BuildKit attached (the failing vertex, its place) travel on unchanged.

use buildkit_proto::errdefs::{self, Detail as _};
use buildkit_proto::rpc;
use prost::Message as _;

/// A failed call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", status.message)]
pub struct BridgeError {
    /// What the engine said, with all details.
    pub status: rpc::Status,
}

/// gRPC codes that are told apart.
const NOT_FOUND: i32 = 5;
const UNAVAILABLE: i32 = 14;

impl BridgeError {
    /// An error of our own: code 2, unknown.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            status: rpc::Status {
                code: 2,
                message: message.into(),
                details: Vec::new(),
            },
        }
    }

    /// Whether it says that a file is not there.
    pub fn is_not_found(&self) -> bool {
        self.status.code == NOT_FOUND
            || self.status.message.contains("no such file or directory")
            || self.status.message.contains("not found")
    }

    /// The digest of the operation that failed, if it was one.
    pub fn vertex(&self) -> Option<String> {
        let vertex = errdefs::Vertex::all(&self.status).pop();
        vertex.map(|vertex| vertex.digest)
    }

    /// Whether the engine is gone.
    pub fn is_unavailable(&self) -> bool {
        self.status.code == UNAVAILABLE
    }
}

impl From<tonic::Status> for BridgeError {
    fn from(status: tonic::Status) -> Self {
        let carried = rpc::Status::decode(status.details())
            .ok()
            .filter(|carried| carried.code != 0);
        let plain = || rpc::Status {
            code: status.code() as i32,
            message: status.message().to_owned(),
            details: Vec::new(),
        };
        Self {
            status: carried.unwrap_or_else(plain),
        }
    }
}
