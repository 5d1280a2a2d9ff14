//! Who uses which file: what the services of a project install on one platform, as far as their locks say.
//!
//! Light wheels are grouped by the set of services that use them, so one service's layers depend on what the others
//! install. Every build of the project, through whichever door, must take the same census, so it is taken with the
//! interpreter that a base is assumed to have: the others' bases are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::Budget;
use super::places::Sharing;
use crate::python::{PackageName, Pick};

/// What services install, by name of the service.
#[derive(Debug, Default)]
pub struct Census {
    services: BTreeMap<String, BTreeMap<PackageName, Used>>,
    /// What makes a file's layer: what it is made from and the minor version it is laid down for. Each has a number.
    files: BTreeMap<(String, String), usize>,
    agreed: Agreed,
}

/// What was decided for all services; each of them asks for the same.
type Agreed = Mutex<Vec<((Budget, BTreeSet<String>), Arc<Sharing>)>>;

/// A file that a service installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    /// Its number.
    pub(super) file: usize,
    /// Bytes; zero where the lock does not say.
    pub(super) size: u64,
    /// Whether it is built first.
    pub(super) built: bool,
}

impl Census {
    /// Adds a service with the lines that stand for its packages in keys. One whose packages are known only in the build
    /// is not added: nobody groups by it. Nor are packages of the repository itself, each of which is alone anyway.
    pub fn add(&mut self, service: &str, minor: &str, (packages, identities): (&[Pick], &[String])) {
        let mut used = BTreeMap::new();
        let known = packages.iter().zip(identities);
        for (pick, identity) in known.filter(|(pick, _)| pick.artifact.is_pinned()) {
            let next = self.files.len();
            let made_from = (identity.clone(), minor.to_owned());
            let file = *self.files.entry(made_from).or_insert(next);
            let (size, built) = (pick.artifact.size(), pick.artifact.is_built());
            used.insert(pick.name.clone(), Used { file, size, built });
        }
        self.services.insert(service.to_owned(), used);
        self.agreed = Agreed::default();
    }

    /// One service by itself.
    pub(super) fn of_one(service: &str, minor: &str, packages: (&[Pick], &[String])) -> Self {
        let mut census = Self::default();
        census.add(service, minor, packages);
        census
    }

    /// Whether a service was added.
    pub fn knows(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }

    /// How many files there are.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// What a service uses, by package.
    pub(super) fn used(&self, service: &str) -> Option<&BTreeMap<PackageName, Used>> {
        self.services.get(service)
    }

    /// The services and what each uses, sorted by name.
    pub(super) fn services(&self) -> impl Iterator<Item = (&str, &BTreeMap<PackageName, Used>)> {
        self.services.iter().map(|(name, used)| (name.as_str(), used))
    }

    /// What the services agree on, apart from some that have no part in it.
    pub(super) fn sharing(&self, budget: &Budget, without: &BTreeSet<String>) -> Arc<Sharing> {
        let mut agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = agreed.iter().find(|((b, w), _)| b == budget && w == without);
        if let Some((_, sharing)) = known {
            return sharing.clone();
        }
        let sharing = Arc::new(Sharing::new(self, budget, without));
        agreed.push(((budget.clone(), without.clone()), sharing.clone()));
        sharing
    }
}
