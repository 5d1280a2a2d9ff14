//! The plan: a service as the steps that make its image.
//!
//! A value without engine, clock or secrets: it can be printed, compared and written down. [`make`] is pure;
//! `lower` is the only stage that turns a plan into a graph.

mod account;
mod building;
mod checks;
mod image;
mod indexes;
mod layers_view;
mod make;
mod show;

pub use account::{Account, Accounts};
pub use building::Building;
pub use checks::warnings;
pub use image::{Health, ImageSettings};
pub use indexes::{IndexPlan, Indexes};
pub use layers_view::{layer_list, layer_tree};
pub use make::{Inputs, bytecode, code, files, make, stand};
pub use show::tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::diag::{Span, Spanned};
use crate::layers::{Wanted, WheelLayer};
use crate::manifest::{Mode, ProjectPath, Sha256};
use crate::python::{Interpreter, Pick};

/// Files of the repository that were read; none for those that are not there. Texts are shared: every service of a
/// project looks at the locks of all.
pub type Files = BTreeMap<ProjectPath, Option<Arc<str>>>;

/// Where a service's packages are laid down unless told otherwise. A venv at one fixed path: scripts and
/// bytecode hold absolute paths, so only a fixed path gives equal layers in all images.
pub const VENV: &str = "/opt/venv";

/// The steps of one service on one platform.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Project.
    pub project: String,
    /// Service.
    pub service: String,
    /// Platform, such as linux/amd64.
    pub platform: String,
    /// The base stage.
    pub base: BasePlan,
    /// The interpreter of the base.
    pub interpreter: Interpreter,
    /// Whether the interpreter was assumed because no engine was asked.
    pub assumed: bool,
    /// Path of the venv.
    pub venv: String,
    /// Requirement files that packages are resolved from; none with a lock.
    pub requirements: Vec<ProjectPath>,
    /// Packages, sorted by name; known only in the build where there is no lock.
    pub packages: Vec<Pick>,
    /// How to build those that have no wheel; same order as `packages`, none for wheels.
    pub builds: Vec<Option<BuildPlan>>,
    /// Wheel layers, then layers of their bytecode.
    pub layers: Vec<WheelLayer>,
    /// Who it runs as; none when the base decides.
    pub account: Option<Account>,
    /// Paths of the repository that the image holds.
    pub code: Vec<CodePlan>,
    /// Single files.
    pub files: Vec<FilePlan>,
    /// What the image says of itself.
    pub image: ImageSettings,
    /// Modules that are imported in the finished image.
    #[serde(serialize_with = "names")]
    pub smoke: Vec<Spanned<String>>,
    /// Where the service is declared.
    #[serde(skip)]
    pub at: Span,
}

impl Plan {
    /// The wheel layers with what they are made of.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        let wanted = |layer| Wanted {
            layer,
            picks: &self.packages,
            venv: &self.venv,
            minor: self.interpreter.minor,
            platform: &self.platform,
        };
        self.layers.iter().map(wanted).collect()
    }
}

fn names<S: serde::Serializer>(list: &[Spanned<String>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().map(|name| &name.value))
}

/// The base stage of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BasePlan {
    /// Name of the base; none when the service names an image itself.
    pub name: Option<String>,
    /// Image reference as written.
    pub image: String,
    /// System packages of the base.
    pub packages: Vec<String>,
    /// System packages of this service alone.
    pub service_packages: Vec<String>,
    /// Where the image is named.
    #[serde(skip)]
    pub image_at: Span,
    /// Where the packages are named.
    #[serde(skip)]
    pub packages_at: Span,
    /// Where the service's packages are named.
    #[serde(skip)]
    pub service_packages_at: Span,
}

/// How a source distribution becomes a wheel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BuildPlan {
    /// System packages of its builder.
    pub packages: Vec<String>,
    /// Environment of the build, sorted.
    pub environment: Vec<(String, String)>,
    /// Settings of the build backend, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config_settings: Vec<(String, String)>,
    /// Constraint files for what it is built with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<BuildConstraint>,
    /// What was uploaded later is not built with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_newer: Option<String>,
}

/// A constraint file for what a source is built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildConstraint {
    /// In the repository.
    pub path: ProjectPath,
    /// Digest of its text.
    pub sha256: String,
}

/// A path of the repository and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodePlan {
    /// In the repository.
    pub from: ProjectPath,
    /// In the image, absolute.
    pub to: String,
    /// Where it is listed.
    #[serde(skip)]
    pub at: Span,
}

/// A single file of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilePlan {
    /// Where it comes from.
    pub from: FileFrom,
    /// In the image, absolute.
    pub to: String,
    /// Permissions.
    pub mode: Mode,
    /// Where it is listed.
    #[serde(skip)]
    pub at: Span,
}

/// Where a single file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFrom {
    /// The internet.
    Url {
        /// Address.
        url: String,
        /// Digest.
        sha256: Sha256,
    },
    /// The repository.
    Path(ProjectPath),
}
