//! Wheelwright: a native BuildKit frontend for Python services.
//!
//! A manifest becomes an LLB graph and BuildKit builds it; no Dockerfile is written, read or generated. Data
//! flows one way, and each module knows only those above it:
//!
//! | module | from | to |
//! |---|---|---|
//! | [`diag`] | mistakes with places | terminal text, BuildKit sources |
//! | [`http`] | addresses | answers: the one HTTP client |
//! | [`tree`] | folders of this machine | their files as transfers send them |
//! | [`manifest`] | `wheelwright.yaml` | typed, spanned, validated values |
//! | [`python`] | requirement files, locks, tags | the files to install |
//! | [`plan`] | a service's part of all that | its steps, printable |
//! | [`layers`] | packages | wheel layers: grouping, keys, who has them |
//! | [`registry`] | references | manifests and blobs of registries, verified |
//! | [`store`] | wheel layers | one-layer images in a registry |
//! | [`lower`] | a plan | an LLB graph (the only place that sees both) |
//! | [`bridge`] | graphs | results: LLBBridge behind one trait, two transports |
//! | [`frontend`] | what BuildKit asks | the pipeline of the above |
//! | [`client`] | a command line | connection, session, solve, progress |
//! | [`run`] | many services | bounded parallel builds |
//! | [`report`] | events | terminal, plain, JSON |
//! | [`cli`] | arguments | one file a command |
//!
//! The graph itself is package `buildkit-llb`, the wire format `buildkit-proto`, and what runs inside builds to
//! lay wheels down is `unwheel`.
//!
//! Feature `command` (on by default) holds what the frontend image does without: the command line, the client, and what speaks
//! HTTP. The frontend has no network.
//!
//! Files: reads the manifest, `.dockerignore`, requirement files, locks and the listed code; writes nothing into
//! the repository.

pub mod bridge;
#[cfg(feature = "command")]
pub mod cli;
#[cfg(feature = "command")]
pub mod client;
pub mod diag;
pub mod frontend;
#[cfg(feature = "command")]
pub mod http;
pub mod layers;
pub mod lower;
pub mod manifest;
pub mod plan;
pub mod python;
#[cfg(feature = "command")]
pub mod registry;
#[cfg(feature = "command")]
pub mod report;
#[cfg(feature = "command")]
pub mod run;
#[cfg(feature = "command")]
pub mod store;
pub mod tree;

/// A build is small texts that come and go, and locks that are read on several threads: with the system's allocator that takes a
/// quarter longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
