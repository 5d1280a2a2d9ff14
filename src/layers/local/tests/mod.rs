//! Tests against an index on this machine that behaves as it is told.

mod fetching;
mod making;
mod server;
mod sharing;
mod wheel;
