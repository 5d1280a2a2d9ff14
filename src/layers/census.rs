//! Who uses which file: what the services of a project install on one platform, as far as their locks say.
//!
//! Light wheels are grouped by the set of services that use them, so one service's layers depend on what the others
//! install. Every build of the project, through whichever door, must take the same census, so it is taken with the
//! interpreter that a base is assumed to have: the others' bases are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::python::{PackageName, Pick};

/// What services install, by name of the service.
#[derive(Debug, Clone, Default)]
pub struct Census {
    services: BTreeMap<String, BTreeMap<PackageName, Used>>,
}

/// A file that a service installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    /// What makes its layer: what it is made from and the minor version it is laid down for.
    pub(super) file: (String, String),
    /// Bytes; zero where the lock does not say.
    pub(super) size: u64,
}

impl Census {
    /// Adds a service with the lines that stand for its packages in keys. One whose packages are known only in the build is not added: nobody groups by it. Nor are
    /// packages of the repository itself, each of which is alone anyway.
    pub fn add(&mut self, service: &str, minor: &str, (packages, identities): (&[Pick], &[String])) {
        let known = packages.iter().zip(identities);
        let pinned = known.filter(|(pick, _)| pick.artifact.is_pinned());
        let used = pinned.map(|(pick, identity)| {
            let used = Used {
                file: (identity.clone(), minor.to_owned()),
                size: pick.artifact.size(),
            };
            (pick.name.clone(), used)
        });
        self.services.insert(service.to_owned(), used.collect());
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

    /// The same without some services.
    #[must_use]
    pub fn without(mut self, services: &BTreeSet<String>) -> Self {
        self.services.retain(|name, _| !services.contains(name));
        self
    }

    /// What a service uses, by package.
    pub(super) fn used(&self, service: &str) -> impl Iterator<Item = (&PackageName, &Used)> {
        self.services.get(service).into_iter().flatten()
    }

    /// The services.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }
}
