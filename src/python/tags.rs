//! The tags that an interpreter accepts, best first (PEP 425, 600, 656; order as pip's `packaging` has it).

use std::collections::BTreeMap;

use super::interpreter::{Interpreter, Libc};
use super::wheel_name::{WheelName, split};

/// Ranks of wheels for any platform begin here, past those for one.
const PURE: usize = 1 << 20;

/// Accepted tags with their rank; a lower rank is a better fit.
///
/// A table for each part of a tag, not one of all tags: there are thousands, and every service makes its own.
#[derive(Debug, Clone)]
pub struct Tags {
    /// Python tag, then ABI tag, to the place of the two: how close they are to the interpreter.
    abis: BTreeMap<String, BTreeMap<String, usize>>,
    /// Platform tags: the newest C library first.
    platforms: BTreeMap<String, usize>,
    /// Python tags of wheels for any platform, which come after all others.
    pure: BTreeMap<String, usize>,
    newest: String,
    interpreter: String,
}

impl Tags {
    /// All tags of a CPython interpreter on Linux.
    pub fn of(interpreter: &Interpreter) -> Self {
        let minor = interpreter.minor.minor;
        let own = format!("cp3{minor}");
        let older = (2..minor).rev().map(|older| (format!("cp3{older}"), "abi3"));
        let generic = generic(minor);
        let pairs = ["abi3", "none"].map(|abi| (own.clone(), abi));
        let pairs = std::iter::once((own.clone(), own.as_str()))
            .chain(pairs)
            .chain(older)
            .chain(generic.iter().map(|python| (python.clone(), "none")));
        let mut abis = BTreeMap::<String, BTreeMap<String, usize>>::new();
        for (place, (python, abi)) in pairs.enumerate() {
            abis.entry(python).or_default().insert(abi.to_owned(), place);
        }
        let platforms = platforms(interpreter.libc, &interpreter.machine);
        Self {
            abis,
            newest: platforms.first().cloned().unwrap_or_default(),
            platforms: places(platforms),
            pure: places(std::iter::once(own.clone()).chain(generic)),
            interpreter: own,
        }
    }

    /// How well a wheel fits: lower is better, none when it does not.
    pub fn rank(&self, wheel: &WheelName<'_>) -> Option<usize> {
        if wheel.platform == "any" {
            let pure = split(wheel.python)
                .filter_map(|python| self.pure.get(python))
                .min()?;
            return split(wheel.abi).any(|abi| abi == "none").then_some(PURE + pure);
        }
        // Most wheels of a lock are for another Python: their platforms are never looked at.
        let pairs = split(wheel.python).filter_map(|python| self.abis.get(python));
        let pairs = pairs.flat_map(|abis| split(wheel.abi).filter_map(|abi| abis.get(abi)));
        let abi = pairs.min()?;
        let platforms = split(wheel.platform).filter_map(|platform| self.platforms.get(platform));
        Some(abi * self.platforms.len() + platforms.min()?)
    }

    /// What is wanted, in a few words for a message.
    pub fn summary(&self) -> String {
        format!(
            "{own}-{own}, {own}-abi3 or py3-none on {newest} or older, or any",
            own = self.interpreter,
            newest = self.newest
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

/// Each with its place.
fn places(tags: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    tags.into_iter()
        .enumerate()
        .map(|(place, tag)| (tag, place))
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
