//! Python wheels as installed files, without Python and without a network.
//!
//! A wheel goes through three stages, each in files of its own:
//!
//! - **read**: `archive` opens the zip under a strict policy (`entry_name`), `body` streams and checks contents;
//! - **plan**: `wheel` turns one archive into a sorted list of files to install (`metadata`, `record`,
//!   `layout`, `entry_points`, `launcher`, `names`); `plan` joins several wheels and settles who owns a path;
//! - **write**: a [`Sink`] takes directories and files in sorted order. [`Directory`] is the one that writes to
//!   a file system, [`write_layer`] uses one that makes an image layer and passes the wheels' deflate streams on.
//!
//! [`Pieces`] finds the metadata of a wheel that is far away.
//!
//! [`Facts`] are what others have to know of a wheel without having it.
//!
//! What is installed equals, byte for byte, what `uv pip install` leaves in a virtual environment at the same
//! path, apart from the `INSTALLER` file and its line in `RECORD`.
//!
//! Not supported: Windows and framework layouts, free-threaded interpreters, `wheel` versions other than 1,
//! compression methods other than stored and deflate, compiling bytecode.

mod archive;
mod body;
mod directory;
mod entry_name;
mod entry_points;
mod error;
mod facts;
mod install;
mod launcher;
mod layer;
mod layout;
mod metadata;
mod names;
mod pieces;
mod plan;
mod record;
mod sink;
mod wheel;

pub use body::{Body, Raw, RawMethod};
pub use directory::Directory;
pub use error::{Error, ErrorKind, Problem};
pub use facts::Facts;
pub use install::{InstalledWheel, Options, Report, install, wheels_in};
pub use layer::{Layer, LayerFormat, write_layer, write_tree};
pub use layout::{Layout, PythonVersion};
pub use names::{WheelName, normalize};
pub use pieces::{Look, Pieces};
pub use plan::Plan;
pub use sink::Sink;
pub use wheel::{PlannedFile, Wheel};

/// The time stamp of everything installed, in seconds since the Unix epoch: 1980-01-01T00:00:00Z, the
/// earliest moment a zip archive can express, so that zipping an installed tree stays possible.
pub const EPOCH: u64 = 315_532_800;

/// What the `INSTALLER` file of every installed distribution says.
pub const INSTALLER: &str = "wheelwright";
