//! How a service's sources become wheels, and what stands for such wheels in the keys of layers.
//!
//! A wheel that is downloaded is known by its digest. One that is built is known only after its build, so all that its
//! build step is made of stands for it: the source, its settings, the interpreter, the platform, and the builder. Two
//! builds with one identity may still differ where something is left open, such as the versions of system packages;
//! whoever keeps layers by their keys keeps the first.
//!
//! No address of a mirror, no proxy, no certificate and no login is in it.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::make::{stand, words};
use super::{BuildConstraint, BuildPlan, Files, IndexPlan, Indexes};
use crate::layers::hex;
use crate::manifest::types::items;
use crate::manifest::{Manifest, ProjectPath, Service, WheelSettings};
use crate::python::{Interpreter, PackageName, Pick};

/// Version of how sources are built; part of every identity. Raised whenever the same source would give another wheel.
const BUILD: u32 = 1;

/// What decides how a service's sources are built.
#[derive(Debug, Clone, Copy)]
pub struct Building<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// The service's part of it.
    pub service: &'a Service,
    /// Files of the repository that were read, constraint files among them.
    pub files: &'a Files,
    /// The base image: by digest where an engine was asked, else as written.
    pub image: &'a str,
    /// Platform, such as linux/amd64.
    pub platform: &'a str,
    /// The interpreter in the image.
    pub interpreter: &'a Interpreter,
}

/// All that a build step is made of, in the order it is hashed.
#[derive(Serialize)]
struct Recipe<'a> {
    version: u32,
    source: String,
    settings: &'a BuildPlan,
    indexes: &'a [IndexPlan],
    python: String,
    libc: String,
    platform: &'a str,
    image: &'a str,
    packages: Vec<String>,
}

impl Building<'_> {
    /// How to build each package; none for wheels.
    pub(super) fn plans(&self, packages: &[Pick]) -> Vec<Option<BuildPlan>> {
        packages
            .iter()
            .map(|pick| pick.artifact.is_built().then(|| self.plan(pick)))
            .collect()
    }

    fn plan(&self, pick: &Pick) -> BuildPlan {
        let base = self.service.base.as_ref();
        let base = base.and_then(|name| self.manifest.base(&name.value));
        let own = self.settings(&pick.name);
        let lists = [
            base.and_then(|base| base.build_packages.as_ref()),
            self.service.build_packages.as_ref(),
            own.and_then(|settings| settings.build_packages.as_ref()),
        ];
        let mut packages = lists.into_iter().flat_map(words).collect::<Vec<_>>();
        packages.sort();
        packages.dedup();
        let environment = own.and_then(|settings| settings.environment.as_ref());
        let environment = environment.into_iter().flatten();
        let mut environment = environment
            .map(|(name, value)| (name.value.clone(), value.value.clone()))
            .collect::<Vec<_>>();
        environment.sort();
        let settings = own.and_then(|settings| settings.config_settings.as_ref());
        let settings = settings.into_iter().flatten();
        let constraints = items(self.manifest.build_constraints.as_ref()).iter();
        BuildPlan {
            packages,
            environment,
            config_settings: settings
                .map(|(name, value)| (name.value.clone(), value.value.clone()))
                .collect(),
            constraints: constraints.map(|path| self.constraint(&path.value)).collect(),
            exclude_newer: self
                .manifest
                .exclude_newer
                .as_ref()
                .map(|moment| moment.value.to_string()),
        }
    }

    /// What the service says of a package.
    fn settings(&self, package: &PackageName) -> Option<&WheelSettings> {
        let named = |name: &str| name.parse::<PackageName>().is_ok_and(|name| name == *package);
        let mut settings = self.service.wheels.iter().flatten();
        settings
            .find(|(name, _)| named(&name.value))
            .map(|(_, settings)| settings)
    }

    fn constraint(&self, path: &ProjectPath) -> BuildConstraint {
        let text = self.files.get(path).cloned().flatten().unwrap_or_default();
        BuildConstraint {
            path: path.clone(),
            sha256: hex(&Sha256::digest(text.as_bytes())),
        }
    }

    /// A line for each package that stands for it in keys. Packages of the repository itself are known by their folder
    /// alone.
    pub fn identities(&self, packages: &[Pick]) -> Vec<String> {
        let is_recipe = |pick: &Pick| pick.artifact.is_built() && pick.artifact.is_pinned();
        if !packages.iter().any(is_recipe) {
            return packages.iter().map(|pick| pick.artifact.identity()).collect();
        }
        let indexes = Indexes::of(self.manifest, Vec::new());
        let indexes = indexes.public().cloned().collect::<Vec<_>>();
        let identities = packages.iter().map(|pick| {
            if is_recipe(pick) {
                self.identity(pick, &indexes)
            } else {
                pick.artifact.identity()
            }
        });
        identities.collect()
    }

    fn identity(&self, pick: &Pick, indexes: &[IndexPlan]) -> String {
        let base = stand(self.manifest, self.service);
        let recipe = Recipe {
            version: BUILD,
            source: pick.artifact.identity(),
            settings: &self.plan(pick),
            indexes,
            python: self.interpreter.minor.to_string(),
            libc: self.interpreter.libc.to_string(),
            platform: self.platform,
            image: self.image,
            packages: [base.packages, base.service_packages].concat(),
        };
        let text = serde_json::to_vec(&recipe)
            .unwrap_or_else(|error| unreachable!("words and numbers are always JSON: {error}"));
        format!("built {}", hex(&Sha256::digest(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceFile;
    use crate::manifest;
    use crate::python::artifact::Folder;
    use crate::python::{Artifact, Locked, Origin};

    const MANIFEST: &str = "\
python: \"3.11\"
exclude_newer: 2026-01-01
build_constraints: [build.txt]
indexes:
  - {name: extra, url: \"https://extra.example/simple\"}
mirrors: {}
bases:
  b: {image: slim, packages: [libopus0], build_packages: [gcc]}
services:
  s:
    base: b
    lock: pylock.toml
    packages: [libgomp1]
    wheels:
      A: {source: true, build_packages: [gfortran], config_settings: {k: v}, environment: {X: \"1\"}}
    command: [x]
";

    fn locked(filename: &str) -> Locked {
        Locked {
            filename: filename.to_owned(),
            origin: Origin::Url(format!("https://files.example/{filename}")),
            sha256: "5".repeat(64).parse().unwrap(),
            size: 1,
        }
    }

    fn pick(artifact: Artifact) -> Pick {
        Pick {
            name: "a".parse().unwrap(),
            version: "1".to_owned(),
            artifact,
        }
    }

    fn source() -> Pick {
        pick(Artifact::Source(locked("a-1.tar.gz")))
    }

    /// The identity of a package with this manifest, this constraint file, on this image and platform.
    fn identity(pick: Pick, text: &str, constraint: &str, (image, platform): (&str, &str)) -> String {
        let file = SourceFile::new("wheelwright.yaml", text.replace("mirrors: {}\n", ""));
        let manifest = manifest::parse(&file).unwrap().0;
        let python = manifest.python.as_ref().unwrap().value;
        let building = Building {
            manifest: &manifest,
            service: manifest.service("s").unwrap(),
            files: &Files::from([("build.txt".parse().unwrap(), Some(constraint.into()))]),
            image,
            platform,
            interpreter: &Interpreter::assumed_in(image, python, "amd64"),
        };
        building.identities(&[pick]).remove(0)
    }

    const PLACE: (&str, &str) = ("slim@sha256:1", "linux/amd64");

    fn of(text: &str) -> String {
        identity(source(), text, "setuptools<70", PLACE)
    }

    #[test]
    fn all_that_a_build_is_made_of_is_in_its_identity() {
        let changes = [
            ("\"3.11\"", "\"3.12\""),
            ("2026-01-01", "2026-01-02"),
            ("extra.example", "other.example"),
            ("libopus0", "libopus0, git"),
            ("[gcc]", "[gcc, make]"),
            ("libgomp1", "libgomp1, git"),
            ("gfortran", "gfortran, cmake"),
            ("{k: v}", "{k: w}"),
            ("X: \"1\"", "X: \"2\""),
        ];
        let changed = changes.map(|(from, to)| MANIFEST.replace(from, to));
        let mut all = changed.map(|text| of(&text)).to_vec();
        all.push(of(MANIFEST));
        all.push(identity(source(), MANIFEST, "setuptools<71", PLACE));
        all.push(identity(
            source(),
            MANIFEST,
            "setuptools<70",
            ("slim@sha256:2", PLACE.1),
        ));
        all.push(identity(
            source(),
            MANIFEST,
            "setuptools<70",
            (PLACE.0, "linux/arm64"),
        ));
        all.push(identity(
            source(),
            MANIFEST,
            "setuptools<70",
            ("alpine@sha256:1", PLACE.1),
        ));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|identity| identity.starts_with("built ")));
    }

    #[test]
    fn what_does_not_change_the_wheel_is_not() {
        let same = [
            (
                "mirrors: {}",
                "mirrors:\n  - {from: \"https://files.example/\", to: \"http://mirror.example/\"}",
            ),
            ("mirrors: {}", "ca_certificates: company-ca"),
            ("mirrors: {}", "name: other"),
            ("command: [x]", "command: [y]"),
            (
                "indexes:\n",
                "indexes:\n  - {name: own, url: \"https://own.example/simple\", auth: {secret: id}}\n",
            ),
        ];
        for (from, to) in same {
            let text = MANIFEST.replace(from, to);
            assert_ne!(text, MANIFEST);
            assert_eq!(of(&text), of(MANIFEST), "{to}");
        }
    }

    #[test]
    fn wheels_are_known_by_their_digest_and_folders_by_their_path() {
        let wheel = pick(Artifact::Wheel(locked("a-1-py3-none-any.whl")));
        assert_eq!(identity(wheel, MANIFEST, "", PLACE), "5".repeat(64));
        let folder = Folder {
            path: "libs/a".parse().unwrap(),
            without: Vec::new(),
            only: Vec::new(),
        };
        assert_eq!(
            identity(pick(Artifact::Directory(folder)), MANIFEST, "", PLACE),
            "directory libs/a"
        );
    }
}
