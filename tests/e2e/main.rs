//! End-to-end tests.
mod client;
