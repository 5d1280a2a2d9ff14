//! The command line: one file a command.

pub mod check;
pub mod frontend;
pub mod plan;
pub mod project;
pub mod schema;
