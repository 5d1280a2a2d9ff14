//! Whether packages go together once they are installed: what `pip check` finds, and paths that two of them write.
//!
//! Goes by what the packages say of themselves, not by who chose their versions: resolvers can be overruled, and locks edited.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use pep508_rs::{ExtraName, MarkerEnvironment, Requirement, VerbatimUrl, VersionOrUrl};
use unwheel::Facts;

use super::metadata::{Metadata, RequiresDist};
use super::name::PackageName;
use super::requirement;
use crate::diag::Span;

/// Paths of a conflict that are named.
const NAMED: usize = 1;

/// Two packages that do not go together, or one that is alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// What a package needs is not installed, or not in a version that it takes.
    Need {
        /// The package, with the extra that needs it.
        package: String,
        /// Its version.
        version: String,
        /// The package whose needs these are.
        name: PackageName,
        /// What it needs, without markers.
        needs: String,
        /// Who that is.
        needed: PackageName,
        /// The version that is installed.
        installed: Option<String>,
        /// Where a lock says that it is needed.
        at: Option<Span>,
    },
    /// Packages have different files at one path.
    Path {
        /// Whose files are lost.
        losers: Vec<PackageName>,
        /// Whose file stays.
        winner: PackageName,
        /// The first path, relative to the virtual environment.
        path: String,
        /// How many more there are.
        more: usize,
    },
}

impl Conflict {
    /// Where a lock says that something is needed.
    pub fn at(&self) -> Option<Span> {
        match self {
            Self::Need { at, .. } => *at,
            Self::Path { .. } => None,
        }
    }

    /// Who is needed.
    pub fn needed(&self) -> Option<&PackageName> {
        match self {
            Self::Need { needed, .. } => Some(needed),
            Self::Path { .. } => None,
        }
    }
}

/// What packages need and do not get. `known` is what is said of them, as far as anybody does; `installed` is everything, with
/// versions.
pub fn unmet(
    known: &[Metadata<'_>],
    installed: &BTreeMap<PackageName, String>,
    environment: &MarkerEnvironment,
) -> Vec<Conflict> {
    Needs::new(known, installed, environment).all()
}

struct Needs<'a> {
    known: BTreeMap<&'a PackageName, &'a Metadata<'a>>,
    installed: &'a BTreeMap<PackageName, String>,
    environment: &'a MarkerEnvironment,
    /// Requirements by their text: packages repeat each other.
    parsed: BTreeMap<&'a str, Option<Requirement<VerbatimUrl>>>,
}

/// A requirement as it is said, and as it is meant.
type Need<'a> = (&'a RequiresDist<'a>, Requirement<VerbatimUrl>);

impl<'a> Needs<'a> {
    fn new(
        known: &'a [Metadata<'a>],
        installed: &'a BTreeMap<PackageName, String>,
        environment: &'a MarkerEnvironment,
    ) -> Self {
        Self {
            known: known.iter().map(|package| (&package.name, package)).collect(),
            installed,
            environment,
            parsed: BTreeMap::new(),
        }
    }

    /// Every package alone, and with each extra that another one asks for.
    fn all(mut self) -> Vec<Conflict> {
        let mut queue = self
            .known
            .keys()
            .map(|name| ((*name).clone(), None))
            .collect::<Vec<_>>();
        let mut seen = queue.iter().cloned().collect::<BTreeSet<_>>();
        let mut found = BTreeMap::new();
        while let Some((name, extra)) = queue.pop() {
            for need in self.of(&name, extra.as_ref()) {
                let Ok(needed) = need.1.name.as_ref().parse::<PackageName>() else {
                    continue;
                };
                for extra in &need.1.extras {
                    let asked = (needed.clone(), Some(extra.clone()));
                    if seen.insert(asked.clone()) {
                        queue.push(asked);
                    }
                }
                if let Some(conflict) = self.conflict(&name, extra.as_ref(), &need, needed) {
                    // An extra repeats what the package needs without it.
                    let text = need.1.to_string();
                    found.entry((name.clone(), text)).or_insert(conflict);
                }
            }
        }
        found.into_values().collect()
    }

    /// What a package needs on the target, with an extra or without any.
    fn of(&mut self, name: &PackageName, extra: Option<&ExtraName>) -> Vec<Need<'a>> {
        let Some(package) = self.known.get(name) else {
            return Vec::new();
        };
        let extras = extra.into_iter().cloned().collect::<Vec<_>>();
        let mut needs = Vec::new();
        for said in &package.requires {
            let text = said.text.as_ref();
            if extra.is_none() && text.contains("extra") && text.contains(';') && !text.contains(" or ") {
                continue;
            }
            let parsed = self
                .parsed
                .entry(text)
                .or_insert_with(|| requirement::parse(text).ok());
            let holds = |need: &&Requirement<VerbatimUrl>| need.evaluate_markers(self.environment, &extras);
            needs.extend(parsed.as_ref().filter(holds).cloned().map(|need| (said, need)));
        }
        needs
    }

    fn conflict(
        &self,
        name: &PackageName,
        extra: Option<&ExtraName>,
        (said, need): &Need<'_>,
        needed: PackageName,
    ) -> Option<Conflict> {
        let wanted = match &need.version_or_url {
            Some(VersionOrUrl::VersionSpecifier(wanted)) => std::slice::from_ref(wanted),
            // An address decides which one it is, not which version.
            Some(VersionOrUrl::Url(_)) | None => &said.any_of,
        };
        let installed = self.installed.get(&needed);
        let fits = installed.is_some_and(|installed| match installed.parse::<Version>() {
            Ok(version) => wanted.is_empty() || wanted.iter().any(|wanted| wanted.contains(&version)),
            Err(_) => true,
        });
        if fits {
            return None;
        }
        let package = extra.map_or_else(|| name.to_string(), |extra| format!("{name}[{extra}]"));
        let wanted = wanted.iter().map(|wanted| wanted.to_string().replace(' ', ""));
        let wanted = wanted.collect::<Vec<_>>().join(" or ");
        Some(Conflict::Need {
            package,
            version: self.known.get(name)?.version.clone().into_owned(),
            name: name.clone(),
            needs: format!("{needed}{wanted}"),
            needed,
            installed: installed.cloned(),
            at: said.at,
        })
    }
}

/// Paths that several packages write with different content: of the same packages the first path, and how many there are.
/// `facts` are in the order in which they are laid down.
pub fn overwritten(facts: &[Facts]) -> Vec<Conflict> {
    let mut first = BTreeMap::<&str, usize>::new();
    let mut several = BTreeMap::<&str, Vec<usize>>::new();
    for (at, wheel) in facts.iter().enumerate() {
        for path in wheel.files.keys() {
            let owner = *first.entry(path).or_insert(at);
            if owner != at {
                several.entry(path).or_insert_with(|| vec![owner]).push(at);
            }
        }
    }
    let differ = |path: &str, owners: &[usize]| {
        let digests = owners.iter().filter_map(|at| facts[*at].files.get(path));
        digests.collect::<BTreeSet<_>>().len() > 1
    };
    let mut groups = BTreeMap::<Vec<usize>, Vec<&str>>::new();
    for (path, owners) in several {
        if differ(path, &owners) {
            groups.entry(owners).or_default().push(path);
        }
    }
    let conflict = |(owners, paths): (Vec<usize>, Vec<&str>)| {
        let names = owners.iter().filter_map(|at| facts[*at].name.parse().ok());
        let mut losers = names.collect::<Vec<PackageName>>();
        Some(Conflict::Path {
            winner: losers.pop()?,
            losers,
            path: (*paths.first()?).to_owned(),
            more: paths.len() - NAMED,
        })
    };
    groups.into_iter().filter_map(conflict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::Interpreter;

    fn facts(name: &str, version: &str, requires: &[&str], files: &[(&str, &str)]) -> Facts {
        Facts {
            name: name.to_owned(),
            version: version.to_owned(),
            requires: requires.iter().map(|text| (*text).to_owned()).collect(),
            files: files
                .iter()
                .map(|(path, digest)| ((*path).to_owned(), (*digest).to_owned()))
                .collect(),
        }
    }

    fn found(facts: &[Facts]) -> Vec<String> {
        let environment = Interpreter::assumed("3.11".parse().unwrap(), "amd64")
            .markers()
            .unwrap();
        let installed = facts
            .iter()
            .map(|facts| (facts.name.parse().unwrap(), facts.version.clone()));
        let known = facts.iter().filter_map(Metadata::of_wheel).collect::<Vec<_>>();
        let found = unmet(&known, &installed.collect(), &environment).into_iter();
        found
            .chain(overwritten(facts))
            .map(|conflict| match conflict {
                Conflict::Need {
                    package,
                    version,
                    needs,
                    installed,
                    ..
                } => format!(
                    "{package} {version} needs {needs}, has {}",
                    installed.unwrap_or_default()
                ),
                Conflict::Path {
                    losers,
                    winner,
                    path,
                    more,
                } => format!("{winner} over {losers:?}: {path} and {more}"),
            })
            .collect()
    }

    #[test]
    fn needs_are_looked_at_as_pip_does() {
        let all = [
            facts(
                "a",
                "1",
                &[
                    "b>=2",
                    "c",
                    "d ; sys_platform == 'win32'",
                    "e<2 ; extra == 'x'",
                    "f (<3,>=1)",
                    "g @ https://files.example/g.whl",
                    "not a requirement!",
                ],
                &[],
            ),
            facts("b", "1.5+cpu", &[], &[]),
            facts("e", "2", &[], &[]),
            facts("f", "2.1rc1", &[], &[]),
            facts("g", "9", &["f==2.1rc1"], &[]),
        ];
        assert_eq!(
            found(&all),
            ["a 1 needs b>=2, has 1.5+cpu", "a 1 needs c, has "],
            "{all:?}"
        );
    }

    #[test]
    fn extras_count_when_another_package_asks_for_them() {
        let b = facts("b", "1", &["c>=2; extra == 'fast'", "d; extra == 'slow'"], &[]);
        let c = facts("c", "1", &[], &[]);
        assert_eq!(found(&[b.clone(), c.clone()]), [""; 0]);
        let a = facts("a", "1", &["b[fast]"], &[]);
        assert_eq!(found(&[a, b, c]), ["b[fast] 1 needs c>=2, has 1"]);
    }

    #[test]
    fn different_files_at_one_path_are_found() {
        let all = [
            facts("a", "1", &[], &[("x.py", "1"), ("y.py", "1"), ("same.py", "1")]),
            facts("b", "1", &[], &[("x.py", "2"), ("y.py", "2"), ("same.py", "1")]),
            facts("c", "1", &[], &[("x.py", "3"), ("own.py", "3")]),
        ];
        assert_eq!(
            found(&all),
            [
                "b over [PackageName(\"a\")]: y.py and 0",
                "c over [PackageName(\"a\"), PackageName(\"b\")]: x.py and 0"
            ]
        );
    }
}
