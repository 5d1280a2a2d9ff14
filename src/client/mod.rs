//! The command's side of a build: it finds an engine, shares with it what it may use, asks for the build and
//! receives what comes of it.
//!
//! A build is a `Control.Solve` without a graph: this process is its own frontend and makes the graph through the
//! gateway on the same connection, as the frontend image does through its standard input and output. What makes
//! the graph is handed to [`build`] as a closure; this module knows nothing of services and wheels.
//!
//! - [`address`], [`connect`]: where engines are and how to talk to them
//! - [`session`]: what the engine may ask of this machine
//! - [`solve`]: one build from request to result
//! - [`status`]: its progress
//! - [`SessionLayers`]: wheel layers made here
//! - [`spec`], [`cache`]: outputs, caches, secrets as the user writes them
//! - [`error`]: what went wrong, sorted by who can act

pub mod address;
pub mod cache;
pub mod connect;
pub mod error;
mod layers;
mod outputs;
mod refused;
pub mod session;
pub mod solve;
pub mod spec;
pub mod status;

pub use self::address::Address;
pub use self::connect::{Engine, EngineInfo, Wanted, discover, running};
pub use self::error::{Error, Failure, FailureKind, Place, Snippet};
pub use self::layers::SessionLayers;
pub use self::session::{Listed, Source};
pub use self::solve::{BuildRequest, BuildResult, Building, LAYERS, Work, WorkError, build};
pub use self::status::{Update, What};

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// An id that no other build or session has: 25 characters, as BuildKit's own.
pub(crate) fn random_id() -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut bytes = [0; 25];
    // The kernel's generator does not fail once it is seeded, which it is long before builds run.
    while rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {}
    bytes
        .iter()
        .map(|byte| char::from(DIGITS[usize::from(byte % 32)]))
        .collect()
}
