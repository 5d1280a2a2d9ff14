//! What builds needed, for whoever fills the store after them: each layer, who had it, and how an engine makes it.

use std::sync::{Mutex, PoisonError};

use buildkit_proto::pb;

use super::{Format, LayerKey, Wanted, WheelLayer};
use crate::manifest::{ProjectPath, PythonMinor, Repository};
use crate::python::Pick;

/// What the builds of a run tell.
#[derive(Debug, Default)]
pub struct Gathered(Mutex<Vec<Needs>>);

/// What one build needed.
#[derive(Debug, Clone)]
pub struct Needs {
    /// The service.
    pub service: String,
    /// The store that it asked, and how its layers are packed.
    pub store: Option<(Repository, Format)>,
    /// Where its layers are recorded; none without a lock.
    pub records: Option<ProjectPath>,
    /// What is known of its base.
    pub base: Option<KnownBase>,
    /// Its layers.
    pub layers: Vec<Need>,
}

/// What is known of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBase {
    /// Which base, and what was asked of it.
    pub key: LayerKey,
    /// Digest of its image.
    pub image: String,
    /// Platform of the image.
    pub platform: String,
    /// The answers as JSON.
    pub facts: String,
    /// Whether the store has them.
    pub stored: bool,
}

/// A layer that was needed.
#[derive(Debug, Clone)]
pub struct Need {
    /// The layer; its indices are into `picks`.
    pub layer: WheelLayer,
    /// Its packages.
    pub picks: Vec<Pick>,
    /// Path of the venv.
    pub venv: String,
    /// The interpreter's minor version.
    pub minor: PythonMinor,
    /// Platform of the image.
    pub platform: String,
    /// Whether the store has it.
    pub stored: bool,
    /// What an engine has to make for it.
    pub made: Made,
}

/// What an engine has to make for a layer.
#[derive(Debug, Clone)]
pub enum Made {
    /// Nothing but these wheels, by their place among its packages; the others are files of an index.
    Wheels(Vec<(usize, pb::Definition)>),
    /// The whole tree.
    Tree(pb::Definition),
}

impl Gathered {
    /// Takes in what a build needed.
    pub fn add(&self, needs: Needs) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(needs);
    }

    /// All of it, sorted by service.
    pub fn take(&self) -> Vec<Needs> {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.sort_by(|a, b| a.service.cmp(&b.service));
        all
    }
}

impl Need {
    /// A layer that is wanted, by itself.
    pub fn new(wanted: &Wanted<'_>, stored: bool, made: Made) -> Self {
        let picks = wanted.packages().cloned().collect::<Vec<_>>();
        let layer = WheelLayer {
            packages: (0..picks.len()).collect(),
            ..wanted.layer.clone()
        };
        Self {
            layer,
            picks,
            venv: wanted.venv.to_owned(),
            minor: wanted.minor,
            platform: wanted.platform.to_owned(),
            stored,
            made,
        }
    }

    /// The layer.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            layer: &self.layer,
            picks: &self.picks,
            venv: &self.venv,
            minor: self.minor,
            platform: &self.platform,
        }
    }

    /// Whether wheels of an index are all that it takes.
    pub fn needs_engine(&self) -> bool {
        match &self.made {
            Made::Wheels(built) => !built.is_empty(),
            Made::Tree(_) => true,
        }
    }
}
