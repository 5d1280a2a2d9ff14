//! Layers made on this machine, without an engine: wheels come from their index, layers are made of them, and a
//! cache keeps both.
//!
//! | file | what |
//! |---|---|
//! | `fetch`, `credentials`, `fetch_error` | a file from an index, exactly the one that the lock names |
//! | `cache` | wheels and layers in a directory that several processes share |
//! | `metadata` | what wheels say of themselves, without a build |
//! | `maker` | a layer that is wanted: found in the cache, or made |
//!
//! The bytes of a layer depend on its wheels and its format alone, so they are the same wherever it is made.

pub mod cache;
mod credentials;
mod fetch;
mod fetch_error;
mod maker;
mod metadata;

pub use cache::{Cache, Held};
pub use credentials::{Credentials, NetrcFile, basic};
pub use fetch::{Fetch, Remote};
pub use fetch_error::{Cause, FetchError};
pub use maker::{Layer, MakeError, Maker, News};
pub use metadata::{Known, MetadataFinder};

#[cfg(test)]
mod tests;
