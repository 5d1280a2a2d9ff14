//! Running a process on trees.

use crate::caps::cap;
use crate::marshal::Encoder;
use crate::meta::{Meta, metadata_methods};
use crate::mount::{Any, BindMount, DirMount, Mount, SecretMount, SshMount};
use crate::path;
use crate::platform::Platform;
use crate::state::{Op, Output, State, Vertex};
use buildkit_proto::pb;
use std::sync::Arc;

/// The `PATH` of a process that has none, for daemons that set none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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

/// All of an exec that is part of its operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecSpec {
    process: pb::Meta,
    env: Vec<(String, String)>,
    network: Network,
    security: Security,
    secret_env: Vec<pb::SecretEnv>,
    devices: Vec<pb::CdiDevice>,
    /// Trees, caches and memory, by destination.
    mounts: Vec<DirMount>,
    secrets: Vec<SecretMount>,
    ssh: Vec<SshMount>,
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
        let outputs = spec.outputs();
        let platform = self.platform.clone().or_else(|| self.root.platform.clone());
        let vertex = Vertex {
            op: Op::Exec(Box::new(spec)),
            meta: self.meta,
            platform,
        };
        ExecHandle {
            vertex: Arc::new(vertex),
            platform: self.platform,
            root: self.root,
            outputs,
        }
    }
}

/// The outputs of a built exec.
#[derive(Clone, Debug)]
pub struct ExecHandle {
    vertex: Arc<Vertex>,
    platform: Option<Platform>,
    root: State,
    outputs: Vec<Slot>,
}

/// A tree mount's output, if it has one.
#[derive(Clone, Debug)]
struct Slot {
    dest: String,
    source: State,
    readonly: bool,
    index: Option<i64>,
}

/// A mount of which nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the exec keeps nothing of `{dest}`; expected a writable mount with an output: {}", list(.with_output))]
pub struct NoOutput {
    /// What was asked for.
    pub dest: String,
    /// The mounts that do have an output.
    pub with_output: Vec<String>,
}

fn list(dests: &[String]) -> String {
    if dests.is_empty() {
        return "it has none".to_owned();
    }
    dests
        .iter()
        .map(|dest| format!("`{dest}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl ExecHandle {
    /// The root as the process leaves it; of an exec with a read-only root it is the root as it was.
    pub fn root(&self) -> State {
        self.output("/").unwrap_or_else(|_| self.root.clone())
    }

    /// What the process leaves in the tree mounted at `dest`; for a read-only tree that is the tree as it was.
    pub fn output(&self, dest: &str) -> Result<State, NoOutput> {
        let slot = self.outputs.iter().find(|slot| slot.dest == dest);
        match slot {
            Some(Slot {
                index: Some(index),
                source,
                ..
            }) => {
                let platform = self.platform.clone().or_else(|| source.platform.clone());
                Ok(State::new(Arc::clone(&self.vertex), *index, platform))
            }
            Some(Slot {
                readonly: true,
                source,
                ..
            }) => Ok(source.clone()),
            _ => {
                let kept = self.outputs.iter().filter(|slot| slot.index.is_some());
                Err(NoOutput {
                    dest: dest.to_owned(),
                    with_output: kept.map(|slot| slot.dest.clone()).collect(),
                })
            }
        }
    }
}

impl ExecSpec {
    /// Outputs are numbered in the order of the mounts that have one.
    fn outputs(&self) -> Vec<Slot> {
        let mut next = 0..;
        let mut slot = |mount: &BindMount| Slot {
            dest: mount.dest.clone(),
            source: mount.state.clone(),
            readonly: mount.is_readonly(),
            index: if mount.has_output() { next.next() } else { None },
        };
        self.mounts
            .iter()
            .filter_map(|mount| {
                if let DirMount::Bind(mount) = mount {
                    Some(slot(mount))
                } else {
                    None
                }
            })
            .collect()
    }

    pub(crate) fn inputs(&self) -> Vec<&Output> {
        self.mounts.iter().filter_map(DirMount::input).collect()
    }

    pub(crate) fn take_inputs(&mut self) -> Vec<Output> {
        self.mounts.drain(..).filter_map(DirMount::into_input).collect()
    }

    /// The environment as `KEY=value`, with what the daemon leaves to the client.
    fn environment(&self, to: &mut Encoder<'_>) -> Vec<String> {
        let mut env: Vec<(&str, String)> = self.env.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let has = |env: &[(&str, String)], key| env.iter().any(|(known, _)| *known == key);
        if let Some(first) = self.ssh.first()
            && !has(&env, "SSH_AUTH_SOCK")
        {
            env.push(("SSH_AUTH_SOCK", first.target(0)));
        }
        if let Some(supported) = &to.options.caps {
            let windows = to.platform.is_some_and(|platform| platform.os == "windows");
            if supported.contains(cap::EXEC_META_SETS_DEFAULT_PATH) {
                to.caps.list(cap::EXEC_META_SETS_DEFAULT_PATH);
            } else if !windows && !has(&env, "PATH") {
                env.push(("PATH", DEFAULT_PATH.to_owned()));
            }
        }
        env.into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    }

    fn add_caps(&self, to: &mut Encoder<'_>, metadata: &pb::OpMetadata) {
        let caps = &mut to.caps;
        let process = &self.process;
        caps.list(cap::EXEC_META_BASE);
        caps.list_if(!process.valid_exit_codes.is_empty(), cap::EXEC_VALID_EXIT_CODE);
        caps.list_if(!process.ulimit.is_empty(), cap::EXEC_META_ULIMIT);
        caps.list_if(metadata.linux_resources.is_some(), cap::EXEC_META_LINUX_RESOURCES);
        caps.list_if(self.network != Network::Default, cap::EXEC_META_NETWORK);
        caps.list_if(self.security == Security::Insecure, cap::EXEC_META_SECURITY);
        caps.list_if(process.proxy_env.is_some(), cap::EXEC_META_PROXY);
        caps.list_if(!self.devices.is_empty(), cap::EXEC_META_CDI);
        caps.list_if(
            !self.secrets.is_empty() || !self.secret_env.is_empty(),
            cap::EXEC_MOUNT_SECRET,
        );
        caps.list_if(!self.secret_env.is_empty(), cap::EXEC_SECRET_ENV);
        caps.list_if(!self.ssh.is_empty(), cap::EXEC_MOUNT_SSH);
        caps.check_if(!process.cgroup_parent.is_empty(), cap::EXEC_META_CGROUP_PARENT);
        self.mounts.iter().for_each(|mount| mount.add_caps(caps));
    }
}

pub(crate) fn encode(spec: &ExecSpec, to: &mut Encoder<'_>, metadata: &pb::OpMetadata) -> pb::op::Op {
    spec.add_caps(to, metadata);
    let meta = pb::Meta {
        env: spec.environment(to),
        ..spec.process.clone()
    };
    let mut mounts = Vec::new();
    let mut outputs = 0..;
    for mount in &spec.mounts {
        let has_output = matches!(mount, DirMount::Bind(bind) if bind.has_output());
        let output = if has_output {
            outputs.next().unwrap_or(-1)
        } else {
            -1
        };
        mounts.push(mount.encode(to.share_input(mount.input()), output));
    }
    mounts.extend(spec.secrets.iter().map(SecretMount::encode));
    mounts.extend(
        spec.ssh
            .iter()
            .enumerate()
            .map(|(number, ssh)| ssh.encode(number)),
    );
    pb::op::Op::Exec(pb::ExecOp {
        meta: Some(meta),
        mounts,
        network: network(spec.network).into(),
        security: security(spec.security).into(),
        secretenv: spec.secret_env.clone(),
        cdi_devices: spec.devices.clone(),
    })
}

fn network(network: Network) -> pb::NetMode {
    match network {
        Network::Default => pb::NetMode::Unset,
        Network::Host => pb::NetMode::Host,
        Network::None => pb::NetMode::None,
    }
}

fn security(security: Security) -> pb::SecurityMode {
    match security {
        Security::Sandbox => pb::SecurityMode::Sandbox,
        Security::Insecure => pb::SecurityMode::Insecure,
    }
}
