//! Which wheels share a layer.
//!
//! An exec costs about 50 ms and each layer costs a little at every start, so not every wheel can be a layer of its
//! own. Heavy wheels are: they hold nine tenths of the bytes. Light ones go to a few groups; `places` says which.
//! Packages of the repository itself change more often than all others: each is alone, and they come last.

use std::collections::{BTreeMap, BTreeSet};

use super::census::Census;
use super::places::{Place, Places, step};
use super::{Kind, LayerKey, Reason, WheelLayer};
use crate::python::{PackageName, Pick};

/// How many layers there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// A wheel of at least this many bytes gets a layer of its own…
    pub heavy_bytes: u64,
    /// …as long as there are not more of them than this; the largest come first.
    pub heavy: usize,
    /// Groups for the light ones.
    pub groups: u32,
    /// Groups for bytecode.
    pub bytecode: u32,
    /// Wheels that get a layer of their own whatever they weigh; they count as heavy ones.
    pub own: BTreeSet<PackageName>,
}

/// Most layers that a service's wheels and their bytecode take: past these there is almost nothing left to win.
pub const MAX_LAYERS: u32 = 36;

impl Default for Budget {
    fn default() -> Self {
        Self::of(MAX_LAYERS, BTreeSet::new(), false)
    }
}

impl Budget {
    /// Divides so many layers: of 36, 20 for heavy wheels and 16 for groups of light ones; in a project with bytecode
    /// 16, 8 and 12 for groups of bytecode, which is larger than what light wheels hold.
    pub fn of(max: u32, own: BTreeSet<PackageName>, bytecode: bool) -> Self {
        let (groups, bytecode) = if bytecode {
            (step(max / 4), step(max / 3))
        } else {
            (step(max / 2), 0)
        };
        Self {
            heavy_bytes: 1 << 20,
            heavy: max.saturating_sub(groups + bytecode) as usize,
            groups,
            bytecode,
            own,
        }
    }

    /// Whether a wheel is to be set apart since it is built; where there is one group, it takes all.
    pub(super) fn sets_apart(&self, built: bool) -> bool {
        built && self.groups > 1
    }
}

/// Groups a service's packages (sorted by name, each with the line that stands for it in keys) into layers: single ones
/// first, largest first, then the groups.
pub fn group(
    service: &str,
    packages: (&[Pick], &[String]),
    place: (&str, &str),
    census: &Census,
    budget: &Budget,
) -> Vec<WheelLayer> {
    let all = BTreeSet::new();
    layers(Kind::Wheels, service, packages, place, (census, &all), budget)
}

/// Groups a service's packages into layers of their bytecode: all of them groups, since nobody knows from a lock how
/// much a package has. Services `without` bytecode have no part in it.
pub fn group_bytecode(
    service: &str,
    packages: (&[Pick], &[String]),
    place: (&str, &str),
    (census, without): (&Census, &BTreeSet<String>),
    budget: &Budget,
) -> Vec<WheelLayer> {
    let budget = Budget {
        heavy_bytes: u64::MAX,
        heavy: 0,
        groups: budget.bytecode,
        bytecode: 0,
        own: BTreeSet::new(),
    };
    layers(
        Kind::Bytecode,
        service,
        packages,
        place,
        (census, without),
        &budget,
    )
}

fn layers(
    kind: Kind,
    service: &str,
    (packages, identities): (&[Pick], &[String]),
    (venv, minor): (&str, &str),
    (census, without): (&Census, &BTreeSet<String>),
    budget: &Budget,
) -> Vec<WheelLayer> {
    let alone;
    let census = if census.knows(service) {
        census
    } else {
        alone = Census::of_one(service, minor, (packages, identities));
        &alone
    };
    let sharing = census.sharing(budget, without);
    let places = Places::of(service, census, &sharing, budget);
    let mut layers: BTreeMap<Place, (Vec<usize>, BTreeSet<usize>)> = BTreeMap::new();
    let pinned = |pick: &Pick| pick.artifact.is_pinned();
    for (index, pick) in packages.iter().enumerate().filter(|(_, pick)| pinned(pick)) {
        let (place, sharers) = places.place(pick);
        let (members, services) = layers.entry(place).or_default();
        members.push(index);
        services.extend(sharers.iter());
    }
    let layer = |members: Vec<usize>, reason, services: Vec<String>| {
        let wheels = members.iter().map(|index| identities[*index].as_str());
        WheelLayer {
            kind,
            key: LayerKey::of(kind, wheels, venv, minor),
            bytes: members.iter().map(|index| packages[*index].artifact.size()).sum(),
            packages: members,
            reason,
            services,
        }
    };
    let mut layers = layers
        .into_iter()
        .map(|(place, (members, services))| {
            let (reason, services) = match place {
                Place::Own(_) => (Reason::Own, places.names(services)),
                Place::Heavy(_) => (Reason::Heavy, places.names(services)),
                Place::Light { set, group, of } => {
                    let sharers = set.sharers.iter().copied();
                    (Reason::Light { group, of }, places.names(sharers))
                }
            };
            layer(members, reason, services)
        })
        .collect::<Vec<_>>();
    let local = (0..packages.len()).filter(|index| !pinned(&packages[*index]));
    let local: Vec<Vec<usize>> = match kind {
        Kind::Wheels => local.map(|index| vec![index]).collect(),
        // Compiling the repository's own is quick: one more layer is enough.
        Kind::Bytecode => vec![local.collect()],
    };
    let own = vec![service.to_owned()];
    let local = local.into_iter().filter(|members| !members.is_empty());
    layers.extend(local.map(|members| layer(members, Reason::Local, own.clone())));
    layers.sort_by_key(|layer| match layer.reason {
        Reason::Light { .. } => (1, 0),
        Reason::Own | Reason::Heavy => (0, u64::MAX - layer.bytes),
        Reason::Local => (2, 0),
    });
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::{Artifact, Locked, Origin};
    use proptest::prelude::*;

    /// A package by number; its name, size and digest follow from the number and its version.
    fn pick(number: u32, version: u32) -> Pick {
        let heavy = number.is_multiple_of(5);
        let size = if heavy { 2 << 20 } else { 9_000 } + u64::from(number + version);
        let artifact = if number % 7 == 3 {
            Artifact::Source
        } else {
            Artifact::Wheel
        };
        Pick {
            name: format!("p{number:03}").parse().unwrap(),
            version: version.to_string(),
            artifact: artifact(Locked {
                filename: format!("p{number:03}-{version}-py3-none-any.whl"),
                origin: Origin::Url(format!("https://files.example/p{number:03}")),
                sha256: format!("{number:032x}{version:032x}").parse().unwrap(),
                size,
            }),
        }
    }

    fn identities(packages: &[Pick]) -> Vec<String> {
        packages.iter().map(|pick| pick.artifact.identity()).collect()
    }

    /// Services by what they install.
    type Project = BTreeMap<String, BTreeMap<u32, u32>>;

    fn picks(packages: &BTreeMap<u32, u32>) -> Vec<Pick> {
        packages
            .iter()
            .map(|(number, version)| pick(*number, *version))
            .collect()
    }

    fn layers(project: &Project, service: &str) -> Vec<WheelLayer> {
        let mut census = Census::default();
        for (name, packages) in project {
            let packages = picks(packages);
            census.add(name, "3.11", (&packages, &identities(&packages)));
        }
        let packages = picks(&project[service]);
        group(
            service,
            (&packages, &identities(&packages)),
            ("/opt/venv", "3.11"),
            &census,
            &Budget::default(),
        )
    }

    fn keys(project: &Project, service: &str) -> BTreeSet<String> {
        let layers = layers(project, service);
        layers.into_iter().map(|layer| layer.key.to_string()).collect()
    }

    fn project() -> impl Strategy<Value = Project> {
        let packages = proptest::collection::btree_map(0u32..60, 1u32..3, 0..40);
        proptest::collection::btree_map("[a-e]", packages, 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_wheel_is_in_one_layer_and_the_budget_holds(project in project()) {
            for (service, packages) in &project {
                let layers = layers(&project, service);
                let mut all = layers.iter().flat_map(|layer| layer.packages.clone()).collect::<Vec<_>>();
                all.sort_unstable();
                prop_assert_eq!(all, (0..packages.len()).collect::<Vec<_>>());
                prop_assert!(layers.len() <= MAX_LAYERS as usize);
            }
        }

        #[test]
        fn what_is_built_shares_no_layer_with_what_is_there(project in project()) {
            for (service, packages) in &project {
                let packages = picks(packages);
                for layer in layers(&project, service) {
                    let mut built = layer.packages.iter().map(|index| packages[*index].artifact.is_built());
                    let first = built.next();
                    prop_assert!(built.all(|other| Some(other) == first));
                }
            }
        }

        #[test]
        fn a_layer_is_equal_in_every_service_that_it_says_has_it(project in project()) {
            for service in project.keys() {
                for layer in layers(&project, service) {
                    for other in &layer.services {
                        prop_assert!(keys(&project, other).contains(layer.key.as_str()), "{} {}", service, other);
                    }
                }
            }
        }

        #[test]
        fn a_new_version_taken_by_all_changes_one_layer(project in project(), number in 0u32..60) {
            let mut bumped = project.clone();
            for version in bumped.values_mut().filter_map(|packages| packages.get_mut(&number)) {
                *version += 10;
            }
            for (service, packages) in &project {
                let gone = keys(&project, service).difference(&keys(&bumped, service)).count();
                prop_assert_eq!(gone, usize::from(packages.contains_key(&number)), "{}", service);
            }
        }

        #[test]
        fn a_service_that_shares_nothing_changes_nothing(project in project(), more in 1u32..40) {
            let mut grown = project.clone();
            grown.insert("new".to_owned(), (100..100 + more).map(|number| (number, 1)).collect());
            for service in project.keys() {
                prop_assert_eq!(layers(&project, service), layers(&grown, service));
            }
        }
    }

    fn named(services: &[(&str, std::ops::Range<u32>)]) -> Project {
        services
            .iter()
            .map(|(name, numbers)| {
                (
                    (*name).to_owned(),
                    numbers.clone().map(|number| (number, 1)).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn what_two_services_share_is_in_layers_that_both_have() {
        let project = named(&[("a", 0..40), ("b", 20..60)]);
        let both = keys(&project, "a").intersection(&keys(&project, "b")).count();
        let shared = layers(&project, "a")
            .into_iter()
            .filter(|layer| layer.services.len() == 2);
        let (count, wheels) = shared.fold((0, 0), |(count, wheels), layer| {
            (count + 1, wheels + layer.packages.len())
        });
        assert_eq!(
            (both, wheels),
            (count, 20),
            "every wheel that both have is in a layer that both have"
        );
    }

    #[test]
    fn named_wheels_are_alone_and_the_largest_come_first() {
        let project = named(&[("a", 0..200)]);
        let mut census = Census::default();
        let packages = picks(&project["a"]);
        let packages = (&packages[..], &identities(&packages)[..]);
        census.add("a", "3.11", packages);
        let budget = Budget::of(10, BTreeSet::from(["p001".parse().unwrap()]), false);
        let layers = group("a", packages, ("/opt/venv", "3.11"), &census, &budget);
        assert_eq!(layers.len(), 10);
        assert_eq!(
            layers
                .iter()
                .filter(|layer| layer.reason == Reason::Heavy)
                .count(),
            5
        );
        let own = layers.iter().find(|layer| layer.reason == Reason::Own).unwrap();
        assert_eq!(own.packages, [1]);
        assert!(layers[0].bytes > layers[5].bytes);
    }

    #[test]
    fn a_service_without_a_lock_is_grouped_by_itself() {
        let packages = picks(&named(&[("a", 0..40)])["a"]);
        let layers = group(
            "a",
            (&packages, &identities(&packages)),
            ("/opt/venv", "3.11"),
            &Census::default(),
            &Budget::default(),
        );
        assert!(layers.iter().all(|layer| layer.services == ["a"]));
        assert_eq!(layers.iter().map(|layer| layer.packages.len()).sum::<usize>(), 40);
    }
}
