//! What runs in the frontend image. BuildKit starts it, talks over its standard streams, and hands over options in
//! environment variables.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use buildkit_proto::pb;
use prost::Message as _;

use super::{Failure, Request, Tools};
use crate::bridge;

/// The definition of the frontend's own image, mounted by BuildKit.
const OWN_IMAGE: &str = "/run/config/buildkit/metadata/frontend.bin";

/// A whole process that serves one build, for a binary that does nothing else.
pub fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return ExitCode::FAILURE;
    };
    let served = runtime.block_on(run());
    // Threads that read a pipe may never end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    if served.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether this process was started by BuildKit.
pub fn is_asked() -> bool {
    std::env::var_os("BUILDKIT_SESSION_ID").is_some() && std::env::var_os("BUILDKIT_WORKERS").is_some()
}

/// Serves one build. Once BuildKit has been told how it ended the process ends well, since BuildKit would report
/// its exit status in place of the error it was given.
pub async fn run() -> Result<(), bridge::BridgeError> {
    let bridge = Arc::new(bridge::stdio().await?);
    let request = request(std::env::vars());
    match super::run(bridge, request).await {
        Err(Failure::Engine(error)) if error.is_unavailable() => Err(error),
        _ => Ok(()),
    }
}

fn request(variables: impl Iterator<Item = (String, String)>) -> Request {
    let mut request = Request {
        tools: own_image(),
        ..Request::default()
    };
    for (name, value) in variables {
        if name.starts_with("BUILDKIT_FRONTEND_OPT_") {
            if let Some((key, value)) = value.split_once('=') {
                request.opts.insert(key.to_owned(), value.to_owned());
            }
        } else if name == "BUILDKIT_SESSION_ID" {
            request.session = value;
        }
    }
    request
}

fn own_image() -> Tools {
    let definition = fs_err::read(OWN_IMAGE)
        .ok()
        .and_then(|bytes| pb::Definition::decode(bytes.as_slice()).ok());
    definition.map_or(Tools::None, |definition| Tools::Image(Box::new(definition)))
}
