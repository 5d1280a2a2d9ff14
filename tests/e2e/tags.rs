//! Which wheels an interpreter accepts, and in which order, is what pip says.

use std::collections::BTreeSet;
use std::process::Command;

use wheelwright::python::tags::Tags;
use wheelwright::python::wheel_name::WheelName;
use wheelwright::python::{Interpreter, Libc};

use crate::engine::{engines, run};

/// Prints the tags that pip's own library makes for an interpreter of another machine.
const PACKAGING: &str = r#"
import sys, sysconfig
from pip._vendor.packaging import _manylinux, _musllinux, tags
minor, libc, version, machine = int(sys.argv[1]), sys.argv[2], tuple(map(int, sys.argv[3].split("."))), sys.argv[4]
sysconfig.get_platform = lambda: f"linux-{machine}"
glibc = version if libc == "glibc" else (-1, -1)
for name in ["_get_glibc_version"]:
    setattr(_manylinux, name, lambda: _manylinux._GLibCVersion(*glibc) if hasattr(_manylinux, "_GLibCVersion") else glibc)
_manylinux._have_compatible_abi = lambda *rest: libc == "glibc"
_manylinux._is_compatible = lambda *rest: libc == "glibc" and tuple(rest[-1]) <= glibc
_musllinux._get_musl_version = lambda executable: _musllinux._MuslVersion(*version) if libc == "musl" else None
platforms = list(tags._linux_platforms(is_32bit=False))
own = f"cp3{minor}"
for tag in tags.cpython_tags((3, minor), abis=[own], platforms=platforms):
    print(tag)
for tag in tags.compatible_tags((3, minor), own, platforms):
    print(tag)
"#;

fn by_pip(minor: u32, libc: &str, machine: &str) -> Vec<String> {
    let (name, version) = libc.split_once(' ').expect("a name and a version");
    let minor = minor.to_string();
    let text = run(Command::new("python3").args(["-c", PACKAGING, &minor, name, version, machine])).ok();
    text.lines().map(str::to_owned).collect()
}

fn by_us(minor: u32, libc: &str, machine: &str) -> Tags {
    let minor = format!("3.{minor}").parse().expect("a minor version");
    Tags::of(&Interpreter {
        libc: libc.parse::<Libc>().expect("a C library"),
        machine: machine.to_owned(),
        ..Interpreter::assumed(minor, "amd64")
    })
}

#[test]
fn tags_are_those_of_pip_in_its_order() {
    if engines().is_none() {
        return;
    }
    let interpreters = [
        (11, "glibc 2.36", "x86_64"),
        (8, "glibc 2.17", "x86_64"),
        (13, "glibc 2.41", "aarch64"),
        (12, "glibc 2.31", "ppc64le"),
        (11, "musl 1.2", "x86_64"),
        (12, "musl 1.1", "aarch64"),
    ];
    let all = interpreters.map(|(minor, libc, machine)| by_pip(minor, libc, machine));
    let known = all.iter().flatten().collect::<BTreeSet<_>>();
    for ((minor, libc, machine), accepted) in interpreters.into_iter().zip(&all) {
        assert!(accepted.len() > 60, "{libc}: {accepted:?}");
        let tags = by_us(minor, libc, machine);
        let rank = |tag: &str| {
            let file = format!("a-1-{tag}.whl");
            tags.rank(&WheelName::parse(&file).expect("a wheel"))
        };
        let mut last = None;
        for tag in accepted {
            let own = rank(tag);
            assert!(
                own.is_some() && own > last,
                "3.{minor} on {libc}, {machine}: {tag} is {own:?} after {last:?}"
            );
            last = own;
        }
        let accepted = accepted.iter().collect::<BTreeSet<_>>();
        for tag in known.difference(&accepted) {
            assert_eq!(rank(tag), None, "3.{minor} on {libc}, {machine}: {tag}");
        }
    }
}
