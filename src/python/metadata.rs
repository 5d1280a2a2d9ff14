//! What is said of a package: its version and what it needs, as core metadata has them, by itself or by a lock.

use std::borrow::Cow;

use pep440_rs::VersionSpecifiers;
use unwheel::Facts;

use super::name::PackageName;
use crate::diag::Span;

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// Its name.
    pub name: PackageName,
    /// Its version; empty where only a build can tell.
    pub version: Cow<'a, str>,
    /// What it needs.
    pub requires: Vec<RequiresDist<'a>>,
}

/// Something that a package needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiresDist<'a> {
    /// In words of PEP 508, read when it is first asked for: most are of extras that nobody wants.
    pub text: Cow<'a, str>,
    /// The versions, any of these, where they are not in the text: one range cannot say all that locks can.
    pub any_of: Vec<VersionSpecifiers>,
    /// Where a lock says it.
    pub at: Option<Span>,
}

impl<'a> Metadata<'a> {
    /// What a wheel says of itself; none where its name is no name.
    pub fn of_wheel(facts: &'a Facts) -> Option<Self> {
        let requires = facts.requires.iter().map(|text| RequiresDist {
            text: Cow::Borrowed(text),
            any_of: Vec::new(),
            at: None,
        });
        Some(Self {
            name: facts.name.parse().ok()?,
            version: Cow::Borrowed(&facts.version),
            requires: requires.collect(),
        })
    }
}

impl RequiresDist<'static> {
    /// What a lock says at a place.
    pub fn locked(text: String, at: Span) -> Self {
        Self {
            text: Cow::Owned(text),
            any_of: Vec::new(),
            at: Some(at),
        }
    }
}
