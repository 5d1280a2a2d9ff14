//! The seam between what is to be installed and where it goes.

use crate::body::Body;
use crate::error::Problem;

/// Takes installed files: a directory tree, a tar archive, a list.
///
/// [`crate::Plan::emit`] calls it in the order of a walk: every directory right before all that is in it, siblings in
/// ascending byte order of their names, every path once. Paths are relative to the root, with forward slashes. All directories are 0755, all files 0755 or
/// 0644, owner and group 0, the time stamp is [`crate::EPOCH`].
pub trait Sink {
    /// Takes a directory.
    fn directory(&mut self, path: &str) -> Result<(), Problem>;

    /// Takes a file of `size` bytes. Its body must be streamed to the end, for only then is it verified.
    fn file(&mut self, path: &str, executable: bool, size: u64, body: Body<'_>) -> Result<(), Problem>;
}
