//! A folder of this machine as BuildKit's file transfer sees it: which of its files, in which order, described how.
//!
//! The session sends such trees to the engine, and the command reads projects out of them: what `.dockerignore`
//! leaves out is the same to both.

pub(crate) mod filemode;
pub(crate) mod follow;
#[cfg(feature = "command")]
pub mod part;
pub mod patterns;
pub mod walk;

#[cfg(feature = "command")]
pub use part::Part;
pub use patterns::{BadPattern, Patterns};
pub use walk::{Entry, Filter, WalkError, walk};
