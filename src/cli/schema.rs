//! `wheelwright schema`: the manifest's JSON Schema.

use clap::Args;

use crate::manifest::schema;

/// Print the JSON Schema of the manifest
///
/// For editors: put `# yaml-language-server: $schema=FILE` into the manifest.
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {}

/// The text to print.
pub fn run(_: &SchemaArgs) -> String {
    schema::text()
}
