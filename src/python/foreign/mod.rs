//! `poetry.lock` and `Pipfile.lock`: versions and digests without addresses. They become a requirement file in which
//! everything is pinned; the resolver finds the addresses, and what it finds is held against the digests.
//!
//! Read: `poetry.lock` from format 2.1 (Poetry 2), which says of each package for which groups and on which targets it
//! is; `Pipfile.lock` format 6. Groups: `main` and `default` always, others as they are asked for. Extras of Poetry as
//! they are asked for. Sources: indexes, addresses, git commits, folders and files of the repository.

mod constraint;
mod pipenv;
mod poetry;
mod poetry_needs;
#[cfg(test)]
mod tests;

pub use pipenv::pipfile;
pub use poetry::poetry;
pub use poetry_needs::{Pinned, pinned};

use super::selection::Selection;

/// Whether a group is the one that is always installed, or was asked for.
fn asked(group: &str, always: &str, selection: &Selection) -> bool {
    let chosen = |name| {
        selection
            .groups
            .as_ref()
            .is_some_and(|groups| groups.contains(&name))
    };
    group == always || group.parse().is_ok_and(chosen)
}
