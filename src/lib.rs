//! Wheelwright: a native BuildKit frontend for Python services.

pub mod client;
pub mod report;
