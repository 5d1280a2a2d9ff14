//! Whether packages go together once they are installed: what `pip check` finds, and paths that two of them write.
//!
//! Goes by what the wheels say of themselves, not by who chose their versions: resolvers can be overruled, and locks edited.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use pep508_rs::{ExtraName, MarkerEnvironment, Requirement, VerbatimUrl, VersionOrUrl};
use unwheel::Facts;

use super::name::PackageName;
use super::requirement;

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

/// All conflicts between packages. `facts` in the order in which they are laid down, as far as they are known; `installed` is
/// everything, with versions.
pub fn conflicts(
    facts: &[Facts],
    installed: &BTreeMap<PackageName, String>,
    environment: &MarkerEnvironment,
) -> Vec<Conflict> {
    let mut found = Needs::new(facts, installed, environment).all();
    found.extend(paths(facts));
    found
}

struct Needs<'a> {
    facts: BTreeMap<PackageName, &'a Facts>,
    installed: &'a BTreeMap<PackageName, String>,
    environment: &'a MarkerEnvironment,
    /// Requirements by their text: packages repeat each other.
    parsed: BTreeMap<&'a str, Option<Requirement<VerbatimUrl>>>,
}

impl<'a> Needs<'a> {
    fn new(
        facts: &'a [Facts],
        installed: &'a BTreeMap<PackageName, String>,
        environment: &'a MarkerEnvironment,
    ) -> Self {
        let named = facts
            .iter()
            .filter_map(|facts| Some((facts.name.parse().ok()?, facts)));
        Self {
            facts: named.collect(),
            installed,
            environment,
            parsed: BTreeMap::new(),
        }
    }

    /// Every package alone, and with each extra that another one asks for.
    fn all(mut self) -> Vec<Conflict> {
        let mut queue = self
            .facts
            .keys()
            .map(|name| (name.clone(), None))
            .collect::<Vec<_>>();
        let mut seen = queue.iter().cloned().collect::<BTreeSet<_>>();
        let mut found = BTreeMap::new();
        while let Some((name, extra)) = queue.pop() {
            for need in self.of(&name, extra.as_ref()) {
                let Ok(needed) = need.name.as_ref().parse::<PackageName>() else {
                    continue;
                };
                for extra in &need.extras {
                    let asked = (needed.clone(), Some(extra.clone()));
                    if seen.insert(asked.clone()) {
                        queue.push(asked);
                    }
                }
                if let Some(conflict) = self.conflict(&name, extra.as_ref(), &need, needed) {
                    // An extra repeats what the package needs without it.
                    let text = need.to_string();
                    found.entry((name.clone(), text)).or_insert(conflict);
                }
            }
        }
        found.into_values().collect()
    }

    /// What a package needs on the target, with an extra or without any.
    fn of(&mut self, name: &PackageName, extra: Option<&ExtraName>) -> Vec<Requirement<VerbatimUrl>> {
        let Some(facts) = self.facts.get(name) else {
            return Vec::new();
        };
        let extras = extra.into_iter().cloned().collect::<Vec<_>>();
        let mut needs = Vec::new();
        for text in &facts.requires {
            if extra.is_none() && text.contains("extra") && text.contains(';') && !text.contains(" or ") {
                continue;
            }
            let parsed = self
                .parsed
                .entry(text)
                .or_insert_with(|| requirement::parse(text).ok());
            let holds = |need: &&Requirement<VerbatimUrl>| need.evaluate_markers(self.environment, &extras);
            needs.extend(parsed.as_ref().filter(holds).cloned());
        }
        needs
    }

    fn conflict(
        &self,
        name: &PackageName,
        extra: Option<&ExtraName>,
        need: &Requirement<VerbatimUrl>,
        needed: PackageName,
    ) -> Option<Conflict> {
        let installed = self.installed.get(&needed);
        let fits = installed.is_some_and(|installed| match (&need.version_or_url, installed.parse()) {
            (Some(VersionOrUrl::VersionSpecifier(wanted)), Ok::<Version, _>(version)) => {
                wanted.contains(&version)
            }
            // An address decides which one it is, not which version.
            _ => true,
        });
        if fits {
            return None;
        }
        let facts = self.facts.get(name)?;
        let package = extra.map_or_else(|| name.to_string(), |extra| format!("{name}[{extra}]"));
        let wanted = match &need.version_or_url {
            Some(VersionOrUrl::VersionSpecifier(wanted)) => wanted.to_string().replace(' ', ""),
            _ => String::new(),
        };
        Some(Conflict::Need {
            package,
            version: facts.version.clone(),
            name: name.clone(),
            needs: format!("{needed}{wanted}"),
            needed,
            installed: installed.cloned(),
        })
    }
}

/// Paths that several packages write with different content: of the same packages the first path, and how many there are.
fn paths(facts: &[Facts]) -> Vec<Conflict> {
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
        conflicts(facts, &installed.collect(), &environment)
            .into_iter()
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
