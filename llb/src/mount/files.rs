//! Mounts that are one file: secrets and the sockets of SSH agents.

use buildkit_proto::pb;

/// See [`Mount::secret`](crate::Mount::secret).
#[derive(Clone, Debug)]
pub struct SecretMount {
    pub(crate) dest: String,
    pub(crate) id: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) optional: bool,
}

/// See [`Mount::ssh`](crate::Mount::ssh).
#[derive(Clone, Debug)]
pub struct SshMount {
    pub(crate) dest: Option<String>,
    pub(crate) id: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) optional: bool,
}

macro_rules! file_methods {
    ($builder:ty) => {
        impl $builder {
            /// The file's owner, by number.
            pub fn uid(mut self, uid: u32) -> Self {
                self.uid = uid;
                self
            }

            /// The file's group, by number.
            pub fn gid(mut self, gid: u32) -> Self {
                self.gid = gid;
                self
            }

            /// The file's permission bits.
            pub fn mode(mut self, mode: u32) -> Self {
                self.mode = mode;
                self
            }

            /// Runs without it if the client does not have it.
            pub fn optional(mut self) -> Self {
                self.optional = true;
                self
            }
        }
    };
}

file_methods!(SecretMount);
file_methods!(SshMount);

impl SshMount {
    /// Puts the socket there.
    pub fn dest(mut self, path: impl Into<String>) -> Self {
        self.dest = Some(path.into());
        self
    }

    /// Where the socket of the agent with this number among the exec's agents is.
    pub(crate) fn target(&self, number: usize) -> String {
        self.dest
            .clone()
            .unwrap_or_else(|| format!("/run/buildkit/ssh_agent.{number}"))
    }

    pub(crate) fn encode(&self, number: usize) -> pb::Mount {
        pb::Mount {
            input: -1,
            dest: self.target(number),
            mount_type: pb::MountType::Ssh.into(),
            ssh_opt: Some(pb::SshOpt {
                id: self.id.clone(),
                uid: self.uid,
                gid: self.gid,
                mode: self.mode,
                optional: self.optional,
            }),
            ..pb::Mount::default()
        }
    }
}

impl SecretMount {
    pub(crate) fn encode(&self) -> pb::Mount {
        pb::Mount {
            input: -1,
            dest: self.dest.clone(),
            mount_type: pb::MountType::Secret.into(),
            secret_opt: Some(pb::SecretOpt {
                id: self.id.clone(),
                uid: self.uid,
                gid: self.gid,
                mode: self.mode,
                optional: self.optional,
            }),
            ..pb::Mount::default()
        }
    }
}
