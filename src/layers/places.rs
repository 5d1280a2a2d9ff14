//! Which layer each of a service's wheels belongs to: alone, or in a group of those that the same services use.
//!
//! Every decision is taken so that all services which have a wheel take it alike; a layer is then equal, byte for
//! byte, in every image that has it.
//!
//! - A wheel is alone when *every* service that uses it has it among its largest.
//! - Light wheels are split by the exact set of services that use the file. Each service divides its groups among its
//!   sets; a set gets the smallest share that one of its services gives it. A set that gets none is not shared: each
//!   of its services counts those wheels to its own.
//! - Inside a set the hash of the name decides, so a new version stays in its group.
//!
//! A service that shares nothing with another changes nothing of it, and a new version of a package, taken by all that
//! use it, changes one layer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::Budget;
use super::census::{Census, Used};
use crate::python::PackageName;

/// A set of services.
pub(super) type Sharers = BTreeSet<String>;

/// Where a wheel goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Alone, because the manifest says so.
    Own(PackageName),
    /// Alone, because it is heavy.
    Heavy(PackageName),
    /// In a group of the wheels that these services use.
    Light {
        /// The set.
        sharers: Sharers,
        /// Number of the group.
        group: u32,
        /// How many groups the set has.
        of: u32,
    },
}

/// The places of one service's wheels.
#[derive(Debug)]
pub(super) struct Places {
    /// By package, with those that use the very same file.
    known: BTreeMap<PackageName, (Place, Sharers)>,
    service: String,
    own_groups: u32,
}

impl Places {
    /// Decides for one service.
    pub(super) fn of(service: &str, census: &Census, budget: &Budget) -> Self {
        let sharing = Sharing::new(census, budget);
        let own = Sharers::from([service.to_owned()]);
        let own_groups = sharing.groups_of(service, &own).max(1);
        let known = census.used(service).map(|(name, used)| {
            let sharers = sharing.sharers(used).clone();
            let place = if budget.own.contains(name) {
                Place::Own(name.clone())
            } else if sharing.is_heavy(used) {
                Place::Heavy(name.clone())
            } else {
                let (sharers, of) = match sharing.agreed(&sharers) {
                    0 => (own.clone(), own_groups),
                    of => (sharers.clone(), of),
                };
                let group = hash(name) % of;
                Place::Light { sharers, group, of }
            };
            (name.clone(), (place, sharers))
        });
        Self {
            known: known.collect(),
            service: service.to_owned(),
            own_groups,
        }
    }

    /// Where a package goes and who else has it there. One that the census did not see, since the base is not as
    /// assumed, goes to the service's own groups.
    pub(super) fn place(&self, name: &PackageName) -> (Place, Sharers) {
        self.known.get(name).cloned().unwrap_or_else(|| {
            let sharers = Sharers::from([self.service.clone()]);
            let place = Place::Light {
                sharers: sharers.clone(),
                group: hash(name) % self.own_groups,
                of: self.own_groups,
            };
            (place, sharers)
        })
    }
}

/// What all services agree on.
struct Sharing<'a> {
    census: &'a Census,
    budget: &'a Budget,
    sharers: BTreeMap<&'a (String, String), Sharers>,
    /// Largest wheels of each service.
    largest: BTreeMap<&'a str, BTreeSet<&'a (String, String)>>,
    /// How each service divides its groups among the sets that its light wheels belong to.
    groups: BTreeMap<&'a str, BTreeMap<Sharers, u32>>,
}

impl<'a> Sharing<'a> {
    fn new(census: &'a Census, budget: &'a Budget) -> Self {
        let mut sharers: BTreeMap<_, Sharers> = BTreeMap::new();
        for service in census.services() {
            for (_, used) in census.used(service) {
                sharers.entry(&used.file).or_default().insert(service.to_owned());
            }
        }
        let largest = census
            .services()
            .map(|service| (service, largest(census, service, budget)));
        let mut sharing = Self {
            largest: largest.collect(),
            groups: BTreeMap::new(),
            census,
            budget,
            sharers,
        };
        let groups = census
            .services()
            .map(|service| (service, sharing.divided(service)));
        sharing.groups = groups.collect();
        sharing
    }

    fn sharers(&self, used: &Used) -> &Sharers {
        &self.sharers[&used.file]
    }

    fn is_heavy(&self, used: &Used) -> bool {
        let among = |service: &String| {
            self.largest
                .get(service.as_str())
                .is_some_and(|files| files.contains(&used.file))
        };
        self.sharers(used).iter().all(among)
    }

    /// How many groups the services of a set give it, all of them alike; none when one of them has no room for it.
    fn agreed(&self, sharers: &Sharers) -> u32 {
        let shares = sharers.iter().map(|service| self.groups_of(service, sharers));
        shares.min().unwrap_or(0)
    }

    fn groups_of(&self, service: &str, sharers: &Sharers) -> u32 {
        let groups = self.groups.get(service);
        groups
            .and_then(|groups| groups.get(sharers).copied())
            .unwrap_or(0)
    }

    fn divided(&self, service: &str) -> BTreeMap<Sharers, u32> {
        let mut counts: BTreeMap<&Sharers, usize> = BTreeMap::new();
        let light = self
            .census
            .used(service)
            .filter(|(name, used)| !self.budget.own.contains(*name) && !self.is_heavy(used));
        for (_, used) in light {
            *counts.entry(self.sharers(used)).or_default() += 1;
        }
        divide(service, counts, self.budget.groups)
    }
}

/// The largest wheels of a service, as many as may be alone. Sizes are compared by magnitude, so that a new version
/// that is a bit larger moves no other.
fn largest<'a>(census: &'a Census, service: &str, budget: &Budget) -> BTreeSet<&'a (String, String)> {
    let (own, others): (Vec<_>, Vec<_>) = census
        .used(service)
        .partition(|(name, _)| budget.own.contains(*name));
    let mut heavy = others
        .into_iter()
        .filter(|(_, used)| used.size >= budget.heavy_bytes)
        .collect::<Vec<_>>();
    heavy.sort_by_key(|(name, used)| (Reverse(used.size.checked_ilog2()), *name));
    heavy.truncate(budget.heavy.saturating_sub(own.len()));
    heavy.into_iter().map(|(_, used)| &used.file).collect()
}

/// Sizes of sets in groups. Coarse steps, so that one package more seldom changes anything.
const STEPS: [u32; 9] = [1, 2, 3, 4, 6, 8, 12, 16, 24];

/// The largest such number up to a limit.
pub(super) fn step(limit: u32) -> u32 {
    STEPS.into_iter().rfind(|step| *step <= limit).unwrap_or(1)
}

/// Divides `groups` among sets by how many wheels they hold. When there are too many sets, the smallest count to the
/// service's own.
fn divide(service: &str, counts: BTreeMap<&Sharers, usize>, groups: u32) -> BTreeMap<Sharers, u32> {
    let own = Sharers::from([service.to_owned()]);
    let mut sets = counts.into_iter().collect::<Vec<_>>();
    sets.sort_by_key(|(set, count)| (Reverse(*count), *set));
    let room = usize::try_from(groups).unwrap_or(usize::MAX);
    if sets.len() > room {
        let (mine, mut others): (Vec<_>, Vec<_>) = sets.into_iter().partition(|(set, _)| **set == own);
        let rest = others.split_off(room - 1);
        let count = mine.iter().chain(&rest).map(|(_, count)| count).sum();
        others.push((&own, count));
        sets = others;
    }
    let mut steps = vec![0; sets.len()];
    let mut left = groups - u32::try_from(sets.len()).unwrap_or(groups);
    loop {
        let next = (0..sets.len())
            .filter(|index| steps[*index] + 1 < STEPS.len())
            .filter(|index| STEPS[steps[*index] + 1] - STEPS[steps[*index]] <= left)
            .max_by_key(|index| {
                // Most wheels a group, in thousandths; the first of equals.
                let each = sets[*index].1 * 1000 / STEPS[steps[*index]] as usize;
                (each, Reverse(*index))
            });
        let Some(index) = next else { break };
        left -= STEPS[steps[index] + 1] - STEPS[steps[index]];
        steps[index] += 1;
    }
    sets.into_iter()
        .zip(steps)
        .map(|((set, _), step)| (set.clone(), STEPS[step]))
        .collect()
}

fn hash(name: &PackageName) -> u32 {
    let digest = Sha256::digest(name.as_str().as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
