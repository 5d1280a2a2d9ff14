//! What of a project is installed: its root, extras and dependency groups.

use std::collections::BTreeSet;

use super::name::PackageName;
use crate::manifest::ProjectPath;

/// The part of a lock that a service asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection {
    /// Folder of the project, where the lock holds several; none takes the lock's own folder.
    pub root: Option<ProjectPath>,
    /// Extras, normalised.
    pub extras: BTreeSet<PackageName>,
    /// Dependency groups, normalised; none takes the lock's own default.
    pub groups: Option<BTreeSet<PackageName>>,
}
