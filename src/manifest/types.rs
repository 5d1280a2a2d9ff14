//! What a manifest says, typed. The JSON Schema is made from these types.
//!
//! Every field is optional here; what is required is checked by `validate` after `defaults` and `extends` have
//! been applied, so that a message can say where the value could have come from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::conflicts::Conflicts;
use super::indexes::{Index, Mirror, Moment, Torch};
use super::scalar::{Duration, Mode, Port, ProjectPath, PythonMinor, Sha256, User};
use super::signal::Signal;
use super::store::WheelStore;
use crate::diag::{Span, Spanned};

/// A list that may take up the list it would replace with an item `"..."`.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// The items, without the `"..."`.
    pub items: Vec<Spanned<T>>,
    /// Where inherited items go, when `"..."` was written.
    pub inherit_at: Option<usize>,
    /// The whole list.
    pub span: Span,
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("List_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Vec<T>>::json_schema(generator)
    }
}

/// A map from names to values, in the order of the file.
pub type Table<T> = Vec<(Spanned<String>, T)>;

/// A repository's services and how to build them.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(title = "wheelwright.yaml", deny_unknown_fields)]
pub struct Manifest {
    /// Name of the project; part of cache names. Default: the name of no project, `wheelwright`.
    pub name: Option<Spanned<String>>,
    /// Python's minor version, such as "3.11"; the base image's interpreter must be of it.
    pub python: Option<Spanned<PythonMinor>>,
    /// Platforms to build for when none are asked for, such as linux/amd64.
    pub platforms: Option<List<String>>,
    /// Where ready wheel layers are kept.
    pub wheel_store: Option<WheelStore>,
    /// Package indexes besides the default one.
    pub indexes: Option<Vec<Index>>,
    /// Addresses that are fetched from elsewhere; in no lock and no cache key of a download.
    pub mirrors: Option<Vec<Mirror>>,
    /// Id of a secret with certificates to trust besides the system's, for every step that uses the network.
    pub ca_certificates: Option<Spanned<String>>,
    /// Packages uploaded later are not looked at.
    pub exclude_newer: Option<Spanned<Moment>>,
    /// Which build of PyTorch and its kin every service takes.
    pub torch: Option<Spanned<Torch>>,
    /// Constraint files that apply to every service.
    pub constraints: Option<List<ProjectPath>>,
    /// Constraint files for what source distributions are built with.
    pub build_constraints: Option<List<ProjectPath>>,
    /// Folders of the repository that hold wheels.
    pub find_links: Option<List<ProjectPath>>,
    /// What a build does about packages that do not go together. Default: warn.
    pub conflicts: Option<Spanned<Conflicts>>,
    /// How wheels are divided into layers.
    pub layers: Option<LayerSettings>,
    /// Image that compiles bytecode, best named by digest. Default: a superseded python:X.Y.Z-slim.
    pub bytecode_image: Option<Spanned<String>>,
    /// Base images by name.
    #[schemars(with = "Option<BTreeMap<String, Base>>")]
    pub bases: Table<Base>,
    /// What every service says unless it says otherwise.
    pub defaults: Option<Service>,
    /// The services by name.
    #[schemars(with = "BTreeMap<String, Service>")]
    pub services: Table<Service>,
}

/// How wheels are divided into layers; one way for all services, so that equal layers are shared.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct LayerSettings {
    /// Packages that get a layer of their own whatever they weigh.
    pub own: Option<List<String>>,
    /// Most layers of a service's wheels and their bytecode. Default: 36.
    pub max: Option<Spanned<u32>>,
}

/// A base image and what is added to it.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Base {
    /// Image reference, such as python:3.11-slim.
    pub image: Option<Spanned<String>>,
    /// Another base that this one adds to.
    pub extends: Option<Spanned<String>>,
    /// System packages of the runtime image.
    pub packages: Option<List<String>>,
    /// System packages for building wheels; never in the runtime image.
    pub build_packages: Option<List<String>>,
    /// Requirement files of every service on this base.
    pub requirements: Option<List<ProjectPath>>,
    /// Constraint files of every service on this base.
    pub constraints: Option<List<ProjectPath>>,
    /// Which build of PyTorch and its kin services on this base take.
    pub torch: Option<Spanned<Torch>>,
    /// Packages that no service on this base may have; `*` stands for any letters.
    pub deny: Option<List<String>>,
    /// The only packages that services on this base may have; `*` stands for any letters.
    pub allow: Option<List<String>>,
    /// Whether services on this base have bytecode. Default: true.
    pub bytecode: Option<Spanned<bool>>,
    /// Environment variables.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub environment: Option<Table<Spanned<String>>>,
}

/// One service: what is installed and what runs.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Service {
    /// The base it stands on, by name.
    pub base: Option<Spanned<String>>,
    /// An image to stand on directly, in place of a base.
    pub image: Option<Spanned<String>>,
    /// System packages of this service alone.
    pub packages: Option<List<String>>,
    /// System packages for building this service's wheels.
    pub build_packages: Option<List<String>>,
    /// Requirement files.
    pub requirements: Option<List<ProjectPath>>,
    /// A lock that says exactly what is installed: pylock.toml, uv.lock, poetry.lock or Pipfile.lock. Beside
    /// requirements, the pylock.toml that is made from them.
    pub lock: Option<Spanned<ProjectPath>>,
    /// Folder of a project: its pyproject.toml, with a lock there or, of a workspace, above.
    pub project: Option<Spanned<ProjectPath>>,
    /// Extras of the project or the lock.
    pub extras: Option<List<String>>,
    /// Dependency groups of the project or the lock. Default: none.
    pub groups: Option<List<String>>,
    /// Services of one group get equal versions. Default: all services are one group.
    pub lock_group: Option<Spanned<String>>,
    /// Which build of PyTorch and its kin this service takes.
    pub torch: Option<Spanned<Torch>>,
    /// Constraint files.
    pub constraints: Option<List<ProjectPath>>,
    /// Whether it has bytecode, compiled once a wheel. Default: as its base says, else true.
    pub bytecode: Option<Spanned<bool>>,
    /// Modules that are imported in the finished image before it counts as built.
    pub smoke: Option<List<String>>,
    /// Settings of single wheels by package name.
    #[schemars(with = "Option<BTreeMap<String, WheelSettings>>")]
    pub wheels: Option<Table<WheelSettings>>,
    /// Files and folders of the repository that the image holds, at the same paths under the working folder.
    pub code: Option<List<ProjectPath>>,
    /// Single files from elsewhere or to another place.
    pub files: Option<Vec<FileSpec>>,
    /// Environment variables.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub environment: Option<Table<Spanned<String>>>,
    /// Whom the service runs as.
    pub user: Option<Spanned<User>>,
    /// Where it runs, and where the code goes. Default: /app.
    pub working_dir: Option<Spanned<String>>,
    /// Ports it listens on.
    pub expose: Option<List<Port>>,
    /// Paths that hold data.
    pub volumes: Option<List<String>>,
    /// Image labels.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub labels: Option<Table<Spanned<String>>>,
    /// How to see whether it is well.
    pub healthcheck: Option<Healthcheck>,
    /// The program, in exec form.
    pub entrypoint: Option<List<String>>,
    /// The command, in exec form.
    pub command: Option<List<String>>,
    /// The signal that asks it to stop, such as SIGTERM.
    pub stop_signal: Option<Spanned<Signal>>,
}

/// Settings of one package's wheel.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WheelSettings {
    /// Build it from its source distribution even where a wheel exists.
    pub source: Option<Spanned<bool>>,
    /// System packages for building it.
    pub build_packages: Option<List<String>>,
    /// Settings of its build backend.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub config_settings: Option<Table<Spanned<String>>>,
    /// Environment of its build.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub environment: Option<Table<Spanned<String>>>,
}

/// A single file to put into the image.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FileSpec {
    /// Where it comes from.
    #[schemars(flatten)]
    pub source: FileSource,
    /// Absolute path in the image.
    pub target: Spanned<String>,
    /// Permissions in octal. Default: "0644".
    pub mode: Option<Spanned<Mode>>,
}

impl FileSpec {
    /// Where it says what it is.
    pub fn place(&self) -> Span {
        match &self.source {
            FileSource::Url { url, .. } => url.span,
            FileSource::Path { source } => source.span,
        }
    }
}

/// Where a single file comes from.
#[derive(Debug, Clone, JsonSchema)]
#[serde(untagged)]
pub enum FileSource {
    /// From the internet, pinned by its digest.
    Url {
        /// Address.
        url: Spanned<String>,
        /// Digest of the content.
        sha256: Spanned<Sha256>,
    },
    /// From the repository.
    Path {
        /// Path in the repository.
        source: Spanned<ProjectPath>,
    },
}

/// How to see whether a service is well, as in Compose.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Healthcheck {
    /// The command in exec form; a first item CMD, CMD-SHELL or NONE is understood.
    pub test: Spanned<HealthTest>,
    /// Time between two checks.
    pub interval: Option<Spanned<Duration>>,
    /// How long a check may take.
    pub timeout: Option<Spanned<Duration>>,
    /// Failures before it counts as unwell.
    pub retries: Option<Spanned<u32>>,
    /// Time to start up in which failures do not count.
    pub start_period: Option<Spanned<Duration>>,
    /// Time between two checks while starting up.
    pub start_interval: Option<Spanned<Duration>>,
}

/// The command of a health check as image configs hold it: its first item is CMD, CMD-SHELL or NONE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct HealthTest(pub Vec<String>);

impl<T> List<T> {
    /// The values without their places.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|item| &item.value)
    }
}

/// The items of an optional list; none when it was not given.
pub fn items<T>(list: Option<&List<T>>) -> &[Spanned<T>] {
    list.map_or(&[], |list| &list.items)
}

impl Manifest {
    /// The project's name.
    pub fn project(&self) -> &str {
        self.name
            .as_ref()
            .map_or("wheelwright", |name| name.value.as_str())
    }

    /// A service by name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|(key, _)| key.value == name)
            .map(|(_, service)| service)
    }

    /// A base by name.
    pub fn base(&self, name: &str) -> Option<&Base> {
        self.bases
            .iter()
            .find(|(key, _)| key.value == name)
            .map(|(_, base)| base)
    }
}

impl Service {
    /// The working folder, absolute.
    pub fn working_dir(&self) -> &str {
        self.working_dir.as_ref().map_or("/app", |dir| dir.value.as_str())
    }
}
