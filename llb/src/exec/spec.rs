//! An exec as its operation has it.

use super::{Network, Security};
use crate::caps::cap;
use crate::marshal::Encoder;
use crate::mount::{BindMount, DirMount, SecretMount, SshMount};
use crate::state::Output;
use buildkit_proto::pb;

/// The `PATH` of a process that has none, for daemons that set none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All of an exec that is part of its operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecSpec {
    pub(super) process: pb::Meta,
    pub(super) env: Vec<(String, String)>,
    pub(super) network: Network,
    pub(super) security: Security,
    pub(super) secret_env: Vec<pb::SecretEnv>,
    pub(super) devices: Vec<pb::CdiDevice>,
    /// Trees, caches and memory, by destination.
    pub(super) mounts: Vec<DirMount>,
    pub(super) secrets: Vec<SecretMount>,
    pub(super) ssh: Vec<SshMount>,
}

impl ExecSpec {
    /// The trees, each with the number of its output if it has one. They are numbered in the order of the mounts.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (&BindMount, Option<i64>)> {
        let mut next = 0..;
        self.mounts.iter().filter_map(move |mount| match mount {
            DirMount::Bind(mount) => {
                let index = if mount.has_output() { next.next() } else { None };
                Some((mount, index))
            }
            _ => None,
        })
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
