//! What Python packaging says: names, requirement files, markers, tags, locks, and which file to install.
//!
//! Pure: nothing here reads a disk or asks a network. Sources: PEP 425, 440, 503, 508, 600, 656 and 751.

pub mod artifact;
pub mod choose;
pub mod dependencies;
pub mod foreign;
pub mod interpreter;
mod known;
pub mod locate;
pub mod lock_text;
pub mod marker;
pub mod metadata;
pub mod name;
pub mod own_files;
pub mod pylock;
pub mod pyproject;
pub mod requirement;
pub mod requirements;
pub mod selection;
pub mod stamp;
pub mod tags;
pub mod text;
pub mod together;
pub mod uv_lock;
pub mod wheel_name;

pub use artifact::{Artifact, Locked, Origin, Pick};
pub use interpreter::{Interpreter, Libc};
pub use locate::Anchor;
pub use metadata::{Metadata, RequiresDist};
pub use name::PackageName;
pub use pylock::Lock;
pub use selection::Selection;
pub use stamp::Stamp;
