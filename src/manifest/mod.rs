//! The manifest: `wheelwright.yaml` as typed, spanned, validated values.
//!
//! Text goes one way: [`yaml`] makes a tree that knows where everything stands, `decode` turns it into
//! [`types`], `inherit` applies `defaults` and `extends`, `validate` checks what spans several places. All
//! mistakes of a file are reported together.

mod advice;
mod conflicts;
mod decode;
mod fields;
mod indexes;
mod inherit;
mod scalar;
pub mod schema;
mod signal;
mod store;
pub mod types;
mod validate;
pub mod yaml;

pub use conflicts::Conflicts;
pub use indexes::{Auth, Index, Mirror, Moment, Torch};
pub use scalar::{Duration, Mode, Port, ProjectPath, PythonMinor, Sha256, User};
pub use signal::Signal;
pub use store::{LayerFormat, LongWheelStore, Repository, WheelStore};
pub use types::{
    Base, FileSource, FileSpec, HealthTest, Healthcheck, List, Manifest, Service, Table, WheelSettings,
};

use crate::diag::{Diagnostics, SourceFile};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "wheelwright.yaml";

/// Reads a manifest's text: the manifest and its warnings, or everything that is wrong with it.
pub fn parse(file: &SourceFile) -> Result<(Manifest, Diagnostics), Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let root = match yaml::parse(file, &mut diagnostics) {
        Ok(root) => root,
        Err(broken) => {
            diagnostics.push(broken);
            return Err(diagnostics);
        }
    };
    let manifest = decode::manifest(file, &root, &mut diagnostics).map(|mut manifest| {
        inherit::apply(file, &mut manifest, &mut diagnostics);
        validate::check(file, &manifest, &mut diagnostics);
        manifest
    });
    diagnostics.finish(manifest)
}

#[cfg(test)]
mod tests;
