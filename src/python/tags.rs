//! The tags that an interpreter accepts, best first (PEP 425, 600, 656; order as pip's `packaging` has it).

use std::collections::BTreeMap;

use super::interpreter::{Interpreter, Libc};
use super::wheel_name::WheelName;

/// Accepted tags with their rank; a lower rank is a better fit.
#[derive(Debug, Clone)]
pub struct Tags {
    ranks: BTreeMap<(String, String, String), usize>,
    platforms: Vec<String>,
    interpreter: String,
}

impl Tags {
    /// All tags of a CPython interpreter on Linux.
    pub fn of(interpreter: &Interpreter) -> Self {
        let platforms = platforms(interpreter.libc, &interpreter.machine);
        let minor = interpreter.minor.minor;
        let own = format!("cp3{minor}");
        let mut list: Vec<(String, String, String)> = Vec::new();
        let mut each = |python: &str, abi: &str| {
            list.extend(
                platforms
                    .iter()
                    .map(|p| (python.to_owned(), abi.to_owned(), p.clone())),
            );
        };
        each(&own, &own);
        each(&own, "abi3");
        each(&own, "none");
        (2..minor)
            .rev()
            .for_each(|older| each(&format!("cp3{older}"), "abi3"));
        let generic = generic(minor);
        for python in &generic {
            each(python, "none");
        }
        let any = std::iter::once(&own).chain(&generic);
        list.extend(any.map(|python| (python.clone(), "none".to_owned(), "any".to_owned())));
        let mut ranks = BTreeMap::new();
        for (rank, tag) in list.into_iter().enumerate() {
            ranks.entry(tag).or_insert(rank);
        }
        Self {
            ranks,
            platforms,
            interpreter: own,
        }
    }

    /// How well a wheel fits: lower is better, none when it does not.
    pub fn rank(&self, wheel: &WheelName) -> Option<usize> {
        wheel
            .tags()
            .filter_map(|(python, abi, platform)| {
                self.ranks
                    .get(&(python.to_owned(), abi.to_owned(), platform.to_owned()))
                    .copied()
            })
            .min()
    }

    /// What is wanted, in a few words for a message.
    pub fn summary(&self) -> String {
        let newest = self.platforms.first().map_or("any", String::as_str);
        format!(
            "{own}-{own}, {own}-abi3 or py3-none on {newest} or older, or any",
            own = self.interpreter
        )
    }
}

/// Python tags that are not tied to CPython: this minor first, then py3, then the older ones.
fn generic(minor: u32) -> Vec<String> {
    std::iter::once(format!("py3{minor}"))
        .chain(std::iter::once("py3".to_owned()))
        .chain((0..minor).rev().map(|older| format!("py3{older}")))
        .collect()
}

fn platforms(libc: Libc, machine: &str) -> Vec<String> {
    let mut tags = Vec::new();
    match libc {
        Libc::Glibc(2, newest) => {
            // PEP 600's predecessors stand for a version of glibc; x86 alone has the two oldest.
            let x86 = matches!(machine, "x86_64" | "i686");
            let oldest = if x86 { 5 } else { 17 };
            for minor in (oldest..=newest).rev() {
                tags.push(format!("manylinux_2_{minor}_{machine}"));
                match minor {
                    17 => tags.push(format!("manylinux2014_{machine}")),
                    12 if x86 => tags.push(format!("manylinux2010_{machine}")),
                    5 if x86 => tags.push(format!("manylinux1_{machine}")),
                    _ => {}
                }
            }
        }
        Libc::Glibc(..) => {}
        Libc::Musl(major, newest) => {
            tags.extend(
                (0..=newest)
                    .rev()
                    .map(|minor| format!("musllinux_{major}_{minor}_{machine}")),
            );
        }
    }
    tags.push(format!("linux_{machine}"));
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(libc: Libc, machine: &str, wheel: &str) -> Option<usize> {
        let mut interpreter = Interpreter::assumed("3.11".parse().unwrap(), "amd64");
        interpreter.libc = libc;
        machine.clone_into(&mut interpreter.machine);
        Tags::of(&interpreter).rank(&WheelName::parse(wheel).unwrap())
    }

    #[test]
    fn own_abi_beats_abi3_beats_pure() {
        let glibc = Libc::Glibc(2, 36);
        let own = rank(
            glibc,
            "x86_64",
            "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        )
        .unwrap();
        let abi3 = rank(glibc, "x86_64", "a-1-cp38-abi3-manylinux_2_28_x86_64.whl").unwrap();
        let pure = rank(glibc, "x86_64", "a-1-py2.py3-none-any.whl").unwrap();
        assert!(own < abi3 && abi3 < pure);
    }

    #[test]
    fn libc_and_machine_decide() {
        assert_eq!(
            rank(
                Libc::Glibc(2, 31),
                "x86_64",
                "a-1-cp311-cp311-manylinux_2_34_x86_64.whl"
            ),
            None
        );
        assert_eq!(
            rank(
                Libc::Glibc(2, 36),
                "aarch64",
                "a-1-cp311-cp311-manylinux2014_x86_64.whl"
            ),
            None
        );
        assert!(
            rank(
                Libc::Glibc(2, 36),
                "aarch64",
                "a-1-cp311-cp311-manylinux2014_aarch64.whl"
            )
            .is_some()
        );
        assert_eq!(
            rank(
                Libc::Musl(1, 2),
                "x86_64",
                "a-1-cp311-cp311-manylinux2014_x86_64.whl"
            ),
            None
        );
        assert!(
            rank(
                Libc::Musl(1, 2),
                "x86_64",
                "a-1-cp311-cp311-musllinux_1_1_x86_64.whl"
            )
            .is_some()
        );
        assert_eq!(
            rank(Libc::Glibc(2, 36), "x86_64", "a-1-cp312-cp312-linux_x86_64.whl"),
            None
        );
        assert_eq!(
            rank(Libc::Glibc(2, 36), "x86_64", "a-1-cp312-abi3-linux_x86_64.whl"),
            None
        );
    }
}
