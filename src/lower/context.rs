//! What lowering needs besides the plan: where things come from in this build, and what the engine can do.

use std::collections::BTreeMap;
use std::net::IpAddr;

use buildkit_llb::{Exec, FileOp, Mount, Network, Platform, ProxyEnv, Range, ResolveMode, SourceMap, State};

use super::bytecode::Compiler;
use super::folders::Folders;
use crate::diag::{SourceFile, Span};
use crate::plan::Indexes;

/// Time of everything that Wheelwright writes into layers, in seconds: 1980-01-01, the oldest a zip can hold.
pub const EPOCH: i64 = 315_532_800;

/// The same in nanoseconds, as file operations take it.
pub(super) const EPOCH_NANOS: i64 = EPOCH * 1_000_000_000;

const CA: &str = include_str!("scripts/with-ca.sh");
const WITH_CA: &str = "/run/wheelwright-ca.sh";

/// The surroundings of one build on one platform.
#[derive(Debug, Clone)]
pub struct Context {
    /// The manifest, for places.
    pub file: SourceFile,
    /// The same for BuildKit.
    pub sources: SourceMap,
    /// Project, part of cache names.
    pub project: String,
    /// The base image by digest.
    pub image: String,
    /// Environment of the base image's config.
    pub base_environment: BTreeMap<String, String>,
    /// How the image is looked up.
    pub resolve_mode: ResolveMode,
    /// Where execs that make no binaries run.
    pub build_platform: Platform,
    /// What the image is for.
    pub platform: Platform,
    /// A tree that holds `unwheel` at its root.
    pub tools: State,
    /// What compiles bytecode; none where nothing is compiled.
    pub compiler: Option<Compiler>,
    /// Whether the engine merges without unpacking.
    pub merge: bool,
    /// Whether the engine's file operations make symbolic links.
    pub symlinks: bool,
    /// Folders of the base that the code layer puts something into, as they are there. Only merging needs to know.
    pub folders: Folders,
    /// Local source with the repository, and the session that has it.
    pub context: LocalContext,
    /// Run everything again.
    pub no_cache: bool,
    /// Network of steps that use it.
    pub network: Network,
    /// Hosts added to steps that use the network.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// Proxy settings for steps that use the network; in no cache key.
    pub proxy: ProxyEnv,
    /// Arguments of the build that the user chose names for.
    pub build_args: BTreeMap<String, String>,
    /// Put in front of the names of cache mounts.
    pub cache_namespace: String,
    /// Where packages are looked for and fetched from.
    pub indexes: Indexes,
}

/// The repository as a local source.
#[derive(Debug, Clone, Default)]
pub struct LocalContext {
    /// Name of the local source.
    pub name: String,
    /// Session that serves it.
    pub session: String,
    /// Patterns of .dockerignore.
    pub excludes: Vec<String>,
    /// In place of a local source: what the client handed over.
    pub state: Option<State>,
    /// The client's hint that keeps snapshots of different folders apart.
    pub shared_key: String,
}

impl Context {
    /// The same build as if for the engine's own platform; for stages whose result is data.
    pub fn on_build_platform(&self) -> Self {
        Self {
            platform: self.build_platform.clone(),
            ..self.clone()
        }
    }

    /// Ranges of a place in the manifest; none for places that are not in it.
    pub fn ranges(&self, span: Span) -> Vec<Range> {
        if span == Span::default() {
            return Vec::new();
        }
        let (start, end) = (self.file.position(span.start), self.file.position(span.end));
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        vec![Range::new(
            (number(start.line), number(start.column)),
            (number(end.line), number(end.column)),
        )]
    }

    /// Finishes a file operation: name, place, cache.
    pub fn file_op(&self, op: FileOp, name: String, at: Span) -> State {
        let op = op.name(name).location(&self.sources, self.ranges(at));
        if self.no_cache {
            op.ignore_cache().build()
        } else {
            op.build()
        }
    }

    /// Finishes an exec: name, place, cache.
    pub fn exec(&self, exec: Exec, name: String, at: Span) -> Exec {
        let exec = exec.name(name).location(&self.sources, self.ranges(at));
        if self.no_cache { exec.ignore_cache() } else { exec }
    }

    /// Finishes an exec and gives what it writes to `/out`, which it must mount as a tree to write to.
    pub fn output(&self, exec: Exec, name: String, at: Span) -> State {
        let handle = self.exec(exec, name, at).build();
        handle
            .output("/out")
            .unwrap_or_else(|missing| unreachable!("every such exec mounts /out: {missing}"))
    }

    /// An exec that may use the network, with the engine's proxy and hosts, and with the certificates that the build
    /// was given: a secret, so they are in no layer, and a build without them goes on with the system's.
    pub fn online<'s>(&self, args: impl IntoIterator<Item = &'s str>) -> Exec {
        let exec = match &self.indexes.ca_certificates {
            None => Exec::new(args),
            Some(id) => Exec::new(["/bin/sh", WITH_CA].into_iter().chain(args))
                .mount(
                    Mount::bind(WITH_CA, self.script(&[("with-ca.sh", CA)]))
                        .selector("/with-ca.sh")
                        .readonly(),
                )
                .mount(Mount::secret("/run/secrets/wheelwright-ca", id.as_str()).optional()),
        };
        let exec = exec.network(self.network).proxy_env(self.proxy.clone());
        self.extra_hosts
            .iter()
            .fold(exec, |exec, (host, ip)| exec.extra_host(host, *ip))
    }

    /// An exec with the base image's environment.
    pub fn with_base_environment(&self, exec: Exec) -> Exec {
        self.base_environment
            .iter()
            .fold(exec, |exec, (name, value)| exec.env(name, value))
    }

    /// The id of a cache mount. Such ids are global to the engine, so everything that makes contents differ is in it.
    pub fn cache_id(&self, parts: &[&str]) -> String {
        let id = format!("wheelwright-{}", parts.join("-").replace('/', "_"));
        if self.cache_namespace.is_empty() {
            id
        } else {
            format!("{}/{id}", self.cache_namespace)
        }
    }

    /// A script as a file in a tree of its own, to be mounted: arguments stay readable and errors name lines.
    pub fn script(&self, files: &[(&str, &str)]) -> State {
        let op = files.iter().fold(
            FileOp::on(State::scratch()).timestamp(EPOCH_NANOS),
            |op, (name, text)| op.mkfile(format!("/{name}"), 0o644, text.as_bytes().to_vec(), None),
        );
        op.name("[internal] scripts").build()
    }
}
