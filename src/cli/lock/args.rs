//! The options of `wheelwright lock`.

use clap::Args;

use crate::cli::build::BuildArgs;
use crate::cli::cache::CachePlace;
use crate::cli::engine::EngineArgs;
use crate::cli::project::ProjectArgs;
use crate::layers::WheelsFrom;
use crate::report::Progress;

const EXAMPLES: &str = "\
Examples:
  wheelwright lock                         lock every service, keep what is locked
  wheelwright lock --check                 fail when a lock is missing or stale; needs no engine
  wheelwright lock --layers                and record the digests of layers in the locks
  wheelwright lock --upgrade               take the newest versions of everything
  wheelwright lock --upgrade numpy         take the newest numpy, keep the rest";

/// Lock what services install
///
/// Resolves the requirements of all services together, in the build, on the Python and for the platforms of their images,
/// and writes one pylock.toml a service: to its `lock:`, else to `pylock.SERVICE.toml`. Services get equal versions, unless
/// they are of different lock groups. Services with a `project` have their workspace's uv.lock made by `uv lock`. Versions
/// that are locked stay, where nothing speaks against them. Nothing is written unless all is resolved.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct LockArgs {
    /// Services to lock; every service with requirements or a project of uv when none is named
    #[arg(value_name = "SERVICE")]
    pub(super) services: Vec<String>,

    #[command(flatten)]
    pub(super) project: ProjectArgs,

    /// Only say whether the locks are there, fit their requirements and agree; exit status 6 when not
    #[arg(long, conflicts_with = "upgrade")]
    pub(super) check: bool,
    /// Record the digests of layers in the locks, as `[tool.wheelwright.layers]`: builds then accept nothing else
    ///
    /// Of all services that have a lock: a `uv.lock`, `poetry.lock` or `Pipfile.lock` has its records beside it, in
    /// `LOCK.layers.toml`. Layers of wheels are made here, from the index. Those that an engine makes are the wheel store's where it has them.
    #[arg(long, conflicts_with = "check")]
    pub(super) layers: bool,
    /// Take the newest version of a package, or of all
    #[arg(short = 'U', long, value_name = "PACKAGE", num_args = 0..=1, default_missing_value = "*")]
    pub(super) upgrade: Vec<String>,
    /// Platform to lock for; the manifest's, else the engine's own when none is named
    #[arg(long = "platform", value_name = "OS/ARCH", value_delimiter = ',')]
    pub(super) platforms: Vec<String>,

    /// Secret that an index or `ca_certificates` names: `id=ID,src=FILE` or `id=ID,env=NAME`
    #[arg(long = "secret", value_name = "SECRET", help_heading = "Build")]
    secrets: Vec<String>,
    /// Build argument, such as HTTPS_PROXY; without a value it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", help_heading = "Build")]
    arguments: Vec<String>,
    /// Fetch addresses that begin with FROM from TO instead; locks hold FROM all the same
    #[arg(
        long = "mirror",
        env = "WHEELWRIGHT_MIRRORS",
        value_name = "FROM=TO",
        value_delimiter = ' ',
        help_heading = "Build"
    )]
    mirrors: Vec<String>,
    /// Network of the build's steps: default, none, or host
    #[arg(long, value_name = "MODE", help_heading = "Build")]
    network: Option<String>,
    /// Name that the build's steps resolve, as HOST=IP
    #[arg(long = "add-host", value_name = "HOST=IP", help_heading = "Build")]
    hosts: Vec<String>,
    /// Allow what the engine does not allow by itself, such as security.insecure; `--network host` allows itself
    #[arg(long = "allow", value_name = "ENTITLEMENT", help_heading = "Build")]
    allow: Vec<String>,

    #[command(flatten)]
    cache: CachePlace,

    #[command(flatten)]
    engine: EngineArgs,

    /// How progress is shown
    #[arg(
        long,
        value_enum,
        env = "BUILDKIT_PROGRESS",
        default_value_t,
        help_heading = "Run"
    )]
    progress: Progress,
}

impl LockArgs {
    /// The builds whose layers are recorded: those of the services that have locks.
    pub(super) fn of_layers(&self, services: Vec<String>) -> BuildArgs {
        BuildArgs {
            services,
            arguments: self.arguments.clone(),
            wheels_from: vec![WheelsFrom::Graph],
            cache: self.cache.clone(),
            jobs: 4,
            ..self.build()
        }
    }

    /// The build that makes the locks.
    pub(super) fn build(&self) -> BuildArgs {
        let argument = |name: &str, value: &str| format!("{name}={value}");
        let upgrade = self.upgrade.join(",");
        // Whoever locks wants to know what the indexes have now.
        let refresh = crate::client::random_id();
        let own = [
            argument("WHEELWRIGHT_UPGRADE", &upgrade),
            argument("WHEELWRIGHT_REFRESH", &refresh),
        ];
        BuildArgs {
            project: self.project.clone(),
            platforms: self.platforms.clone(),
            arguments: self.arguments.iter().cloned().chain(own).collect(),
            secrets: self.secrets.clone(),
            mirrors: self.mirrors.clone(),
            network: self.network.clone(),
            hosts: self.hosts.clone(),
            allow: self.allow.clone(),
            engine: self.engine.clone(),
            progress: self.progress,
            ..BuildArgs::default()
        }
    }
}
