//! Wheel layers: which wheels share a layer, the key of each layer, and who already has it.
//!
//! A layer's key is made of its wheels' digests, the venv's path, the interpreter's minor version and the layout
//! version, and of nothing else, so a patched base image or a new release rebuilds none. Only wheels that are built have
//! no digest beforehand: for them stands what they are built from and on (`plan::Building`).

mod census;
mod gathered;
mod group;
mod key;
#[cfg(feature = "command")]
pub mod local;
pub mod oci;
mod places;
mod provider;
mod record;
pub mod sidecar;
mod wanted;
mod wheels_from;

pub use crate::manifest::LayerFormat as Format;
pub use census::Census;
pub use gathered::{Gathered, KnownBase, Made, Need, Needs};
pub use group::{Budget, MAX_LAYERS, group, group_bytecode};
pub(crate) use key::hex;
pub use key::{BYTECODE, LAYOUT, LayerKey};
pub use oci::LayerRecord;
pub use provider::{Answer, Broken, Found, Founds, GraphProvider, LayerError, Mismatch, Provider, find};
pub use record::{Recorded, RecordedBase, Records, with_records, with_records_of};
pub use wanted::Wanted;
pub use wheels_from::WheelsFrom;

use serde::Serialize;

/// What of its wheels a layer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The wheels as installed.
    #[default]
    Wheels,
    /// Their bytecode alone, for the tree that has them.
    Bytecode,
}

impl Kind {
    /// Its name in progress and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wheels => "wheels",
            Self::Bytecode => "bytecode",
        }
    }
}

/// One layer of wheels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WheelLayer {
    /// What it is made of.
    pub key: LayerKey,
    /// What of its wheels it holds.
    pub kind: Kind,
    /// Why these wheels are together, for people.
    pub reason: Reason,
    /// Indices into the plan's packages, ascending.
    pub packages: Vec<usize>,
    /// Bytes of the files it is made from; zero where the lock does not say.
    pub bytes: u64,
    /// Services of the project that have this very layer, as far as their locks say.
    pub services: Vec<String>,
}

/// Why wheels are in one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The manifest wants it alone.
    Own,
    /// Large enough to be a layer of its own.
    Heavy,
    /// Light: with others that the same services use, by a hash of the name.
    Light {
        /// Number of the group…
        group: u32,
        /// …of so many that these services have in common.
        of: u32,
    },
    /// A package of the repository itself. Its key does not tell its content, so nobody but the graph has it.
    Local,
}
