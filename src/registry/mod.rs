//! Registries, as the OCI distribution specification has them: what the wheel store's commands need and no more.
//!
//! A thin client of our own over `reqwest`: the ready-made one cannot go on with an upload that broke off, delete, or
//! tell a full registry from a broken one. Whatever is read is verified against its digest before anybody sees it;
//! requests are tried again when the registry is busy or the connection breaks; uploads go on where they stopped.
//!
//! - [`dockerconfig`]: credentials as Docker keeps them
//! - `auth`: what a registry wants to see of them
//! - `http`: one request, tried as often as it makes sense
//! - `remote`: manifests, tags and blobs of a repository
//! - `upload`: blobs on their way
//! - `taken`: whether anybody takes what is sent

mod auth;
pub mod dockerconfig;
mod error;
mod http;
mod remote;
mod taken;
#[cfg(test)]
mod tests;
mod upload;

pub use error::{Cause, Error};
pub use http::Registry;
pub use remote::{Manifest, Remote};
pub use upload::Content;
