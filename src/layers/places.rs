//! Which layer each of a service's wheels belongs to: alone, or in a group of those that the same services use.
//!
//! Every decision is taken so that all services which have a wheel take it alike; a layer is then equal, byte for
//! byte, in every image that has it.
//!
//! - A wheel is alone when *every* service that uses it has it among its largest.
//! - Light wheels are split by the exact set of services that use the file, and those that are built apart from those
//!   that are there: anybody can lay down the latter, the former take an engine and are made anew with their builder.
//!   Each service divides its groups among its sets; a set gets the smallest share that one of its services gives it.
//!   A set that gets none is not shared: each of its services counts those wheels to its own.
//! - Inside a set the hash of the name decides, so a new version stays in its group.
//!
//! A service that shares nothing with another changes nothing of it, and a new version of a package, taken by all that
//! use it, changes one layer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Budget;
use super::census::{Census, Used};
use crate::python::{PackageName, Pick};

/// A set of services, each by its place among all of them; sorted.
pub(super) type Sharers = Arc<[usize]>;

/// Light wheels that belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set {
    /// Whether they are built, where that sets them apart.
    built: bool,
    /// The services that use them.
    pub(super) sharers: Sharers,
}

/// Where a wheel goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Alone, because the manifest says so.
    Own(PackageName),
    /// Alone, because it is heavy.
    Heavy(PackageName),
    /// In a group of a set.
    Light {
        /// The set.
        set: Set,
        /// Number of the group.
        group: u32,
        /// How many groups the set has.
        of: u32,
    },
}

/// The places of one service's wheels.
#[derive(Debug)]
pub(super) struct Places<'a> {
    sharing: &'a Sharing,
    budget: &'a Budget,
    used: Option<&'a BTreeMap<PackageName, Used>>,
    /// The service alone.
    own: Sharers,
}

impl<'a> Places<'a> {
    /// Those of one service, by what all agree on.
    pub(super) fn of(service: &str, census: &'a Census, sharing: &'a Sharing, budget: &'a Budget) -> Self {
        let place = sharing.services.iter().position(|name| name == service);
        let own = place.into_iter().collect::<Sharers>();
        Self {
            used: census.used(service),
            sharing,
            budget,
            own,
        }
    }

    /// Where a package goes and who else has it there. One that the census did not see, since the base is not as
    /// assumed, goes to the service's own groups.
    pub(super) fn place(&self, pick: &Pick) -> (Place, &Sharers) {
        let name = &pick.name;
        let own = || {
            let set = Set {
                built: self.budget.sets_apart(pick.artifact.is_built()),
                sharers: self.own.clone(),
            };
            let of = self.sharing.agreed(&set).max(1);
            light(name, set, of)
        };
        let Some(used) = self.used.and_then(|used| used.get(name)) else {
            return (own(), &self.own);
        };
        let set = &self.sharing.sets[used.file];
        let place = if self.budget.own.contains(name) {
            Place::Own(name.clone())
        } else if self.sharing.heavy[used.file] {
            Place::Heavy(name.clone())
        } else {
            match self.sharing.agreed(set) {
                0 => own(),
                of => light(name, set.clone(), of),
            }
        };
        (place, &set.sharers)
    }

    /// The names of some services.
    pub(super) fn names(&self, sharers: impl IntoIterator<Item = usize>) -> Vec<String> {
        let names = sharers
            .into_iter()
            .map(|place| self.sharing.services[place].clone());
        names.collect()
    }
}

fn light(name: &PackageName, set: Set, of: u32) -> Place {
    Place::Light {
        set,
        group: hash(name) % of,
        of,
    }
}

/// What all services agree on.
#[derive(Debug)]
pub(super) struct Sharing {
    /// Their names, sorted.
    services: Vec<String>,
    /// Who uses a file, and whether it is built.
    sets: Vec<Set>,
    /// Whether a file is among the largest of every service that uses it.
    heavy: Vec<bool>,
    /// How each service divides its groups among the sets that its light wheels belong to.
    groups: Vec<BTreeMap<Set, u32>>,
}

impl Sharing {
    /// Decides for all services of a census but some.
    pub(super) fn new(census: &Census, budget: &Budget, without: &BTreeSet<String>) -> Self {
        let services = || {
            census
                .services()
                .filter(|(name, _)| !without.contains(*name))
                .enumerate()
        };
        let mut sharers = vec![Vec::new(); census.files()];
        let mut built = vec![false; census.files()];
        for (place, (_, used)) in services() {
            for used in used.values() {
                let file = used.file;
                built[file] = budget.sets_apart(used.built);
                // Two packages of a service may come from one file.
                if sharers[file].last() != Some(&place) {
                    sharers[file].push(place);
                }
            }
        }
        let mut large = vec![0; census.files()];
        for (_, (_, used)) in services() {
            for file in largest(used, budget) {
                large[file] += 1;
            }
        }
        let heavy = large
            .iter()
            .zip(&sharers)
            .map(|(large, sharers)| *large == sharers.len());
        let heavy = heavy.collect::<Vec<_>>();
        let sets = sharers.into_iter().map(Sharers::from).zip(built);
        let sets = sets.map(|(sharers, built)| Set { built, sharers });
        let sets = sets.collect::<Vec<_>>();
        let groups = services().map(|(place, (_, used))| {
            let light = used
                .iter()
                .filter(|(name, used)| !budget.own.contains(*name) && !heavy[used.file]);
            let mut counts: BTreeMap<Set, usize> = BTreeMap::new();
            for (_, used) in light {
                *counts.entry(sets[used.file].clone()).or_default() += 1;
            }
            divide(&Sharers::from([place]), counts, budget.groups)
        });
        Self {
            services: services().map(|(_, (name, _))| name.to_owned()).collect(),
            groups: groups.collect(),
            sets,
            heavy,
        }
    }

    /// How many groups the services of a set give it, all of them alike; none when one of them has no room for it.
    fn agreed(&self, set: &Set) -> u32 {
        let services = set.sharers.iter();
        let shares = services.map(|place| self.groups[*place].get(set).copied());
        shares.min().flatten().unwrap_or(0)
    }
}

/// The largest wheels of a service, as many as may be alone. Sizes are compared by magnitude, so that a new version
/// that is a bit larger moves no other.
fn largest(used: &BTreeMap<PackageName, Used>, budget: &Budget) -> BTreeSet<usize> {
    let (own, others): (Vec<_>, Vec<_>) = used.iter().partition(|(name, _)| budget.own.contains(*name));
    let mut heavy = others
        .into_iter()
        .filter(|(_, used)| used.size >= budget.heavy_bytes)
        .collect::<Vec<_>>();
    heavy.sort_by_key(|(name, used)| (Reverse(used.size.checked_ilog2()), *name));
    heavy.truncate(budget.heavy.saturating_sub(own.len()));
    heavy.into_iter().map(|(_, used)| used.file).collect()
}

/// Sizes of sets in groups. Coarse steps, so that one package more seldom changes anything.
const STEPS: [u32; 9] = [1, 2, 3, 4, 6, 8, 12, 16, 24];

/// The largest such number up to a limit.
pub(super) fn step(limit: u32) -> u32 {
    STEPS.into_iter().rfind(|step| *step <= limit).unwrap_or(1)
}

/// Divides `groups` among sets by how many wheels they hold. When there are too many sets, the smallest count to the
/// service's own.
fn divide(own: &Sharers, counts: BTreeMap<Set, usize>, groups: u32) -> BTreeMap<Set, u32> {
    let mut sets = counts.into_iter().collect::<Vec<_>>();
    sets.sort_by(|(a, more), (b, fewer)| (fewer, a).cmp(&(more, b)));
    let room = usize::try_from(groups).unwrap_or(usize::MAX);
    if sets.len() > room {
        let kinds = sets.iter().map(|(set, _)| set.built).collect::<BTreeSet<_>>();
        let (mine, mut others): (Vec<_>, Vec<_>) = sets.into_iter().partition(|(set, _)| set.sharers == *own);
        let rest = others.split_off(room - kinds.len());
        for built in kinds {
            let same = mine.iter().chain(&rest).filter(|(set, _)| set.built == built);
            let count = same.map(|(_, count)| count).sum::<usize>();
            let sharers = own.clone();
            others.extend((count > 0).then_some((Set { built, sharers }, count)));
        }
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
        .map(|((set, _), step)| (set, STEPS[step]))
        .collect()
}

fn hash(name: &PackageName) -> u32 {
    let digest = Sha256::digest(name.as_str().as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
