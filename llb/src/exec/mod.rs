//! Running a process on trees.

mod handle;
mod spec;

pub use handle::{ExecHandle, NoOutput};
pub(crate) use spec::{ExecSpec, encode};

use crate::meta::{Meta, metadata_methods};
use crate::mount::{Any, DirMount, Mount};
use crate::path;
use crate::platform::Platform;
use crate::state::{Op, State, Vertex};
use buildkit_proto::pb;
use std::sync::Arc;

/// Which network a process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The daemon's build network.
    #[default]
    Default,
    /// The machine's own; the client has to allow it.
    Host,
    /// None but loopback.
    None,
}

/// How far a process is confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// As any container.
    #[default]
    Sandbox,
    /// With all privileges; the client has to allow it.
    Insecure,
}

/// Proxy settings; they reach the process as environment variables and are no part of the cache key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyEnv {
    /// `http_proxy`
    pub http_proxy: String,
    /// `https_proxy`
    pub https_proxy: String,
    /// `ftp_proxy`
    pub ftp_proxy: String,
    /// `no_proxy`
    pub no_proxy: String,
    /// `all_proxy`
    pub all_proxy: String,
}

/// A process to run; [`Exec::build`] gives its outputs.
#[derive(Clone, Debug)]
pub struct Exec {
    spec: ExecSpec,
    platform: Option<Platform>,
    root: State,
    root_readonly: bool,
    mounts: Vec<Mount>,
    meta: Meta,
}

metadata_methods!(Exec);

impl Exec {
    /// The program and its arguments; at least one is needed. The root is scratch, the directory `/`.
    pub fn new(args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let process = pb::Meta {
            args: args.into_iter().map(Into::into).collect(),
            cwd: "/".to_owned(),
            // Tidies up empty directories that the runtime makes for mounts, or they end up in the layer.
            remove_mount_stubs_recursive: true,
            ..pb::Meta::default()
        };
        Self {
            spec: ExecSpec {
                process,
                ..ExecSpec::default()
            },
            platform: None,
            root: State::scratch(),
            root_readonly: false,
            mounts: Vec::new(),
            meta: Meta::default(),
        }
    }

    /// The tree that the process sees as `/`. It is keyed by how it was made, never by its content.
    pub fn root(mut self, root: State) -> Self {
        self.root = root;
        self
    }

    /// The process cannot write to its root; the exec has no root output.
    pub fn root_readonly(mut self) -> Self {
        self.root_readonly = true;
        self
    }

    /// Adds a mount. The order does not matter, except among SSH agents.
    pub fn mount(mut self, mount: impl Into<Mount>) -> Self {
        self.mounts.push(mount.into());
        self
    }

    /// Sets an environment variable; the order stays, a second value for a name replaces the first and goes last.
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.spec.env.retain(|(known, _)| *known != key);
        self.spec.env.push((key, value.into()));
        self
    }

    /// Sets environment variables; see [`Exec::env`].
    pub fn envs(self, vars: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        vars.into_iter()
            .fold(self, |exec, (key, value)| exec.env(key, value))
    }

    /// The working directory; a relative one is under the last one set, at first `/`.
    pub fn cwd(mut self, dir: impl AsRef<str>) -> Self {
        let dir = dir.as_ref();
        let cwd = &mut self.spec.process.cwd;
        *cwd = if dir.starts_with('/') {
            dir.to_owned()
        } else {
            path::clean(&format!("{cwd}/{dir}"))
        };
        self
    }

    /// The user, as `name`, `uid`, or either with a group after a colon.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.spec.process.user = user.into();
        self
    }

    /// The name that the machine has for the process.
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.spec.process.hostname = name.into();
        self
    }

    /// Its network.
    pub fn network(mut self, network: Network) -> Self {
        self.spec.network = network;
        self
    }

    /// Its confinement.
    pub fn security(mut self, security: Security) -> Self {
        self.spec.security = security;
        self
    }

    /// Its proxies.
    pub fn proxy_env(mut self, proxy: ProxyEnv) -> Self {
        self.spec.process.proxy_env = Some(pb::ProxyEnv {
            http_proxy: proxy.http_proxy,
            https_proxy: proxy.https_proxy,
            ftp_proxy: proxy.ftp_proxy,
            no_proxy: proxy.no_proxy,
            all_proxy: proxy.all_proxy,
        });
        self
    }

    /// An entry for `/etc/hosts`; the address is no part of the cache key.
    pub fn extra_host(mut self, host: impl Into<String>, ip: std::net::IpAddr) -> Self {
        self.spec.process.extra_hosts.push(pb::HostIp {
            host: host.into(),
            ip: ip.to_string(),
        });
        self
    }

    /// A limit, by its name without `RLIMIT_` in lower case, such as `nofile`.
    pub fn ulimit(mut self, name: impl Into<String>, soft: i64, hard: i64) -> Self {
        self.spec.process.ulimit.push(pb::Ulimit {
            name: name.into(),
            soft,
            hard,
        });
        self
    }

    /// The cgroup under which the process runs.
    pub fn cgroup_parent(mut self, parent: impl Into<String>) -> Self {
        self.spec.process.cgroup_parent = parent.into();
        self
    }

    /// The exit codes that count as success; 0 alone by default.
    pub fn valid_exit_codes(mut self, codes: impl IntoIterator<Item = i32>) -> Self {
        self.spec.process.valid_exit_codes = codes.into_iter().collect();
        self
    }

    /// A secret as an environment variable; an optional one that the client does not have is empty.
    pub fn secret_env(mut self, name: impl Into<String>, id: impl Into<String>, optional: bool) -> Self {
        self.spec.secret_env.push(pb::SecretEnv {
            id: id.into(),
            name: name.into(),
            optional,
        });
        self
    }

    /// A device by its CDI name.
    pub fn cdi_device(mut self, name: impl Into<String>, optional: bool) -> Self {
        self.spec.devices.push(pb::CdiDevice {
            name: name.into(),
            optional,
        });
        self
    }

    /// Limits on memory and processors; no part of the cache key.
    pub fn linux_resources(mut self, resources: pb::LinuxResources) -> Self {
        self.meta.pb.linux_resources = Some(resources);
        self
    }

    /// The platform to run on; otherwise that of the root.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform.normalized());
        self
    }

    /// The exec's outputs.
    pub fn build(self) -> ExecHandle {
        let mut spec = self.spec;
        let mut root = Mount::bind("/", self.root.clone());
        if self.root_readonly {
            root = root.readonly();
        }
        spec.mounts.push(DirMount::Bind(root));
        for Mount(mount) in self.mounts {
            match mount {
                Any::Dir(mount) => spec.mounts.push(mount),
                Any::Secret(secret) => spec.secrets.push(secret),
                Any::Ssh(ssh) => spec.ssh.push(ssh),
            }
        }
        // Mounts by destination, as Go does; secrets too, so that the order of declaration is never in the bytes.
        spec.mounts.sort_by(|a, b| a.dest().cmp(b.dest()));
        spec.secrets
            .sort_by(|a, b| (&a.dest, &a.id).cmp(&(&b.dest, &b.id)));
        spec.secret_env
            .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let platform = self.platform.clone().or_else(|| self.root.platform.clone());
        let vertex = Vertex::new(Op::Exec(Box::new(spec)), self.meta, platform);
        ExecHandle {
            vertex: Arc::new(vertex),
            platform: self.platform,
            root: self.root,
        }
    }
}
