//! The options of `wheelwright build`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::cache::CachePlace;
use crate::cli::engine::EngineArgs;
use crate::cli::project::ProjectArgs;
use crate::layers::WheelsFrom;
use crate::report::Progress;

const EXAMPLES: &str = "\
Examples:
  wheelwright build                                   build every service, keep the results in the cache
  wheelwright build api -t api:dev --load             one service, into Docker
  wheelwright build -t registry.example/{service}:1 --push
                                                      all services, to a registry
  wheelwright build api -o out                        its files, into a directory
  wheelwright build api -o type=oci,dest=api.tar      an OCI archive
  wheelwright build base:python-web                   a base alone
  wheelwright build --cache-from registry.example/cache \\
      --cache-to type=registry,ref=registry.example/cache,mode=max";

/// Build services of the manifest
///
/// Builds run side by side on one engine and share its cache; a service that fails does not stop the others. The result
/// stays in the engine's cache unless --push, --load or --output takes it out. `{service}` in tags, outputs
/// and caches stands for the service's name.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
#[command(after_long_help = const_str())]
pub struct BuildArgs {
    /// Services to build, or `base:NAME` for a base; every service when none is named
    #[arg(value_name = "SERVICE")]
    pub(in crate::cli) services: Vec<String>,

    #[command(flatten)]
    pub(in crate::cli) project: ProjectArgs,

    /// Name and tag of the image, such as `registry.example/{service}:1.2`
    #[arg(short, long = "tag", value_name = "NAME", help_heading = "Result")]
    pub(in crate::cli) tags: Vec<String>,
    /// Push the image to its registry
    #[arg(long, help_heading = "Result", requires = "tags")]
    pub(in crate::cli) push: bool,
    /// Load the image into Docker
    #[arg(long, help_heading = "Result", requires = "tags")]
    pub(in crate::cli) load: bool,
    /// Where the result goes: a directory, or `type=image|registry|oci|docker|local|tar,...`
    ///
    /// `type=image,name=NAME[,push=true]`, `type=registry,name=NAME`, `type=oci,dest=FILE`,
    /// `type=docker[,dest=FILE]` (Docker itself without a file), `type=local,dest=DIR`, `type=tar,dest=FILE`. `-` is
    /// standard output. May be given several times; further attributes go to BuildKit's exporter as they are.
    #[arg(short, long = "output", value_name = "OUTPUT", help_heading = "Result")]
    pub(in crate::cli) outputs: Vec<String>,
    /// Write digests and what else the engine answers to a JSON file, by service
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(in crate::cli) metadata_file: Option<PathBuf>,

    /// Platform to build for, such as linux/arm64; several make one image for all
    #[arg(
        long = "platform",
        value_name = "OS/ARCH",
        value_delimiter = ',',
        help_heading = "Build"
    )]
    pub(in crate::cli) platforms: Vec<String>,
    /// Build argument, such as SOURCE_DATE_EPOCH=0; without a value it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", help_heading = "Build")]
    pub(in crate::cli) arguments: Vec<String>,
    /// Label of the image
    #[arg(long = "label", value_name = "NAME=VALUE", help_heading = "Build")]
    pub(in crate::cli) labels: Vec<String>,
    /// Secret for steps that mount it: `id=ID,src=FILE` or `id=ID,env=NAME`
    #[arg(long = "secret", value_name = "SECRET", help_heading = "Build")]
    pub(in crate::cli) secrets: Vec<String>,
    /// Fetch addresses that begin with FROM from TO instead; no cache key changes
    #[arg(
        long = "mirror",
        env = "WHEELWRIGHT_MIRRORS",
        value_name = "FROM=TO",
        value_delimiter = ' ',
        help_heading = "Build"
    )]
    pub(in crate::cli) mirrors: Vec<String>,
    /// ssh agent for steps that mount it: `default`, `ID` or `ID=SOCKET`
    #[arg(long = "ssh", value_name = "AGENT", help_heading = "Build")]
    pub(in crate::cli) ssh: Vec<String>,
    /// Network of the build's steps: default, none, or host
    #[arg(long, value_name = "MODE", help_heading = "Build")]
    pub(in crate::cli) network: Option<String>,
    /// Name that the build's steps resolve, as HOST=IP
    #[arg(long = "add-host", value_name = "HOST=IP", help_heading = "Build")]
    pub(in crate::cli) hosts: Vec<String>,
    /// Allow what the engine does not allow by itself, such as security.insecure; `--network host` allows itself
    #[arg(long = "allow", value_name = "ENTITLEMENT", help_heading = "Build")]
    pub(in crate::cli) allow: Vec<String>,

    /// Cache to take results from: an image reference or `type=registry|local|gha|...,...`
    #[arg(long = "cache-from", value_name = "CACHE", help_heading = "Cache")]
    pub(in crate::cli) cache_from: Vec<String>,
    /// Cache to put results into: `type=registry,ref=...`, `type=local,dest=DIR`, `type=inline`
    #[arg(long = "cache-to", value_name = "CACHE", help_heading = "Cache")]
    pub(in crate::cli) cache_to: Vec<String>,
    /// Run every step, whatever is in the cache
    #[arg(long, help_heading = "Cache")]
    pub(in crate::cli) no_cache: bool,
    /// Look base images up in their registry even if the engine has them
    #[arg(long, help_heading = "Cache")]
    pub(in crate::cli) pull: bool,

    /// Where wheel layers come from, in this order: store, session, graph
    ///
    /// `store` is the manifest's wheel_store. `session`: this command downloads wheels, makes layers of them and hands
    /// them to the engine. `graph`: the engine downloads and unpacks them; it is the last in any case. Without this, the
    /// session is left out where the engine is not on this machine.
    #[arg(
        long,
        env = "WHEELWRIGHT_WHEELS_FROM",
        value_name = "ORIGIN,...",
        value_delimiter = ',',
        help_heading = "Build"
    )]
    pub(in crate::cli) wheels_from: Vec<WheelsFrom>,
    /// Store what the build had to make into the wheel store, so that the next one finds it there
    ///
    /// Layers of wheels, of packages that were built, and of bytecode, and what is known of the base. Needs the right to push
    /// to the manifest's `wheel_store`.
    #[arg(long, help_heading = "Build")]
    pub(in crate::cli) fill_store: bool,
    /// Registry of the wheel store that speaks plain HTTP, as those of this machine do without being named
    #[arg(
        long = "insecure-registry",
        value_name = "HOST",
        requires = "fill_store",
        help_heading = "Build"
    )]
    pub(in crate::cli) insecure: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) cache: CachePlace,

    #[command(flatten)]
    pub(in crate::cli) engine: EngineArgs,

    /// How progress is shown
    #[arg(
        long,
        value_enum,
        env = "BUILDKIT_PROGRESS",
        default_value_t,
        hide_possible_values = false,
        help_heading = "Run"
    )]
    pub(in crate::cli) progress: Progress,
    /// Builds that run at a time
    #[arg(short, long, value_name = "N", default_value_t = 4, help_heading = "Run")]
    pub(in crate::cli) jobs: usize,
    /// Stop the other builds when one fails
    #[arg(long, help_heading = "Run")]
    pub(in crate::cli) fail_fast: bool,
}

/// Examples and exit codes, as the text after the help.
fn const_str() -> String {
    format!("{EXAMPLES}\n\n{}", crate::cli::EXIT_CODES)
}
