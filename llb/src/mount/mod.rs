//! What an exec sees besides its root: trees, caches, secrets, agents, memory.

mod dirs;
mod files;

pub use dirs::{BindMount, CacheMount, Sharing, TmpfsMount};
pub use files::{SecretMount, SshMount};

use crate::caps::Caps;
use crate::state::{Output, State};
use buildkit_proto::pb;

/// A mount of an exec; made by one of the functions here, each of which gives a builder with the options of its kind.
#[derive(Clone, Debug)]
pub struct Mount(pub(crate) Any);

/// Secrets and agents have places of their own in an exec.
#[derive(Clone, Debug)]
pub(crate) enum Any {
    Dir(DirMount),
    Secret(SecretMount),
    Ssh(SshMount),
}

/// A mount that is a directory.
#[derive(Clone, Debug)]
pub(crate) enum DirMount {
    Bind(BindMount),
    Cache(CacheMount),
    Tmpfs(TmpfsMount),
}

impl DirMount {
    pub(crate) fn dest(&self) -> &str {
        match self {
            Self::Bind(mount) => &mount.dest,
            Self::Cache(mount) => &mount.dest,
            Self::Tmpfs(mount) => &mount.dest,
        }
    }

    /// What it is made of; `None` for scratch.
    pub(crate) fn input(&self) -> Option<&Output> {
        match self {
            Self::Bind(mount) => mount.state.output.as_ref(),
            Self::Cache(mount) => mount.from.output.as_ref(),
            Self::Tmpfs(_) => None,
        }
    }

    pub(crate) fn into_input(self) -> Option<Output> {
        match self {
            Self::Bind(mount) => mount.state.output,
            Self::Cache(mount) => mount.from.output,
            Self::Tmpfs(_) => None,
        }
    }

    pub(crate) fn add_caps(&self, caps: &mut Caps) {
        match self {
            Self::Bind(mount) => mount.add_caps(caps),
            Self::Cache(mount) => mount.add_caps(caps),
            Self::Tmpfs(mount) => mount.add_caps(caps),
        }
    }

    /// `output` is used only if the mount has one.
    pub(crate) fn encode(&self, input: i64, output: i64) -> pb::Mount {
        match self {
            Self::Bind(mount) => mount.encode(input, output),
            Self::Cache(mount) => mount.encode(input),
            Self::Tmpfs(mount) => mount.encode(),
        }
    }
}

impl Mount {
    /// A tree at `dest`. Unless it is read-only or made so with [`BindMount::no_output`], what the process leaves there
    /// is an output of the exec.
    pub fn bind(dest: impl Into<String>, state: State) -> BindMount {
        BindMount {
            dest: dest.into(),
            state,
            selector: String::new(),
            readonly: false,
            no_output: false,
            content_cache: None,
        }
    }

    /// A directory that outlives the build. `id` is global to the daemon and must not be empty; put into it whatever
    /// must not be shared: project, platform, tool version.
    pub fn cache(dest: impl Into<String>, id: impl Into<String>) -> CacheMount {
        CacheMount {
            dest: dest.into(),
            id: id.into(),
            sharing: Sharing::Shared,
            from: State::scratch(),
            selector: String::new(),
            readonly: false,
        }
    }

    /// A secret as a file; owned by root and readable by its owner only, unless said otherwise.
    pub fn secret(dest: impl Into<String>, id: impl Into<String>) -> SecretMount {
        SecretMount {
            dest: dest.into(),
            id: id.into(),
            uid: 0,
            gid: 0,
            mode: 0o400,
            optional: false,
        }
    }

    /// The socket of an SSH agent of the client, at `/run/buildkit/ssh_agent.N` unless said otherwise; `SSH_AUTH_SOCK`
    /// names the first one.
    pub fn ssh(id: impl Into<String>) -> SshMount {
        SshMount {
            dest: None,
            id: id.into(),
            uid: 0,
            gid: 0,
            mode: 0o600,
            optional: false,
        }
    }

    /// Memory that is gone when the process ends.
    pub fn tmpfs(dest: impl Into<String>) -> TmpfsMount {
        TmpfsMount {
            dest: dest.into(),
            size: 0,
        }
    }
}

impl From<BindMount> for Mount {
    fn from(mount: BindMount) -> Self {
        Self(Any::Dir(DirMount::Bind(mount)))
    }
}

impl From<CacheMount> for Mount {
    fn from(mount: CacheMount) -> Self {
        Self(Any::Dir(DirMount::Cache(mount)))
    }
}

impl From<TmpfsMount> for Mount {
    fn from(mount: TmpfsMount) -> Self {
        Self(Any::Dir(DirMount::Tmpfs(mount)))
    }
}

impl From<SecretMount> for Mount {
    fn from(mount: SecretMount) -> Self {
        Self(Any::Secret(mount))
    }
}

impl From<SshMount> for Mount {
    fn from(mount: SshMount) -> Self {
        Self(Any::Ssh(mount))
    }
}
