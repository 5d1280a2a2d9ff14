//! Generates the messages and services from the `.proto` files, in Rust alone: no `protoc` is needed.

use std::path::Path;

/// The files that nothing else imports; the rest comes with them.
const ROOTS: [&str; 11] = [
    "github.com/moby/buildkit/api/services/control/control.proto",
    "github.com/moby/buildkit/frontend/gateway/pb/gateway.proto",
    "github.com/moby/buildkit/session/auth/auth.proto",
    "github.com/moby/buildkit/session/exporter/exporter.proto",
    "github.com/moby/buildkit/session/filesync/filesync.proto",
    "github.com/moby/buildkit/session/secrets/secrets.proto",
    "github.com/moby/buildkit/session/sshforward/ssh.proto",
    "github.com/moby/buildkit/session/upload/upload.proto",
    "github.com/containerd/containerd/api/services/content/v1/content.proto",
    "google/rpc/status.proto",
    "grpc/health/v1/health.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(ROOTS, ["proto"])?;
    tonic_prost_build::configure()
        .btree_map(".")
        .include_file("tree.rs")
        .compile_fds(files)?;
    raw_file_send()
}

/// FileSend once more, with undecoded messages: the daemon sends one of two message types under the same
/// method name, and which one depends on the exporter that the request's metadata names.
fn raw_file_send() -> Result<(), Box<dyn std::error::Error>> {
    let method = tonic_build::manual::Method::builder()
        .name("diff_copy")
        .route_name("DiffCopy")
        .input_type("Vec<u8>")
        .output_type("Vec<u8>")
        .codec_path("crate::raw::RawCodec")
        .client_streaming()
        .server_streaming()
        .build();
    let service = tonic_build::manual::Service::builder()
        .name("FileSend")
        .package("moby.filesync.v1")
        .method(method)
        .build();
    let out = std::env::var("OUT_DIR")?;
    let dir = Path::new(&out).join("raw");
    std::fs::create_dir_all(&dir)?;
    tonic_build::manual::Builder::new()
        .out_dir(dir)
        .compile(&[service]);
    Ok(())
}
