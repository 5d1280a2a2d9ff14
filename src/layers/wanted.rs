//! A layer that an image needs, with all that whoever has or makes it must know.

use super::{Kind, WheelLayer};
use crate::manifest::PythonMinor;
use crate::python::{Artifact, Pick};

/// A layer of a plan and what it is made of.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The layer.
    pub layer: &'a WheelLayer,
    /// The packages of the whole plan; the layer's indices are into these.
    pub picks: &'a [Pick],
    /// Path of the venv.
    pub venv: &'a str,
    /// The interpreter's minor version.
    pub minor: PythonMinor,
    /// Platform of the image, such as linux/amd64.
    pub platform: &'a str,
}

impl<'a> Wanted<'a> {
    /// The packages of this layer.
    pub fn packages(&self) -> impl Iterator<Item = &'a Pick> + use<'a> {
        let picks = self.picks;
        self.layer.packages.iter().map(move |index| &picks[*index])
    }

    /// Whether it is made of wheels that anybody can download, so that nothing has to be built or compiled.
    pub fn is_of_wheels(&self) -> bool {
        let downloads = |pick: &Pick| match &pick.artifact {
            Artifact::Wheel(file) => file.url().is_some(),
            _ => false,
        };
        self.layer.kind == Kind::Wheels && self.packages().all(downloads)
    }

    /// Whether its key tells all that it is made of, so that whoever has a layer of this key has this layer. Folders of the
    /// repository are known only to the engine.
    pub fn is_keyed(&self) -> bool {
        self.packages().all(|pick| pick.artifact.is_pinned())
    }

    /// A few words for messages: a package with its version, or several names.
    pub fn title(&self) -> String {
        title(
            self.packages()
                .map(|pick| (pick.name.as_str(), pick.version.as_str())),
        )
    }
}

/// A package with its version, or several names.
pub(super) fn title<'a>(packages: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let packages = packages.collect::<Vec<_>>();
    if let [(name, version)] = packages.as_slice() {
        return format!("{name} {version}").trim_end().to_owned();
    }
    let names = packages.iter().map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(" ")
}
