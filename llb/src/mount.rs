//! What an exec sees besides its root: trees, caches, secrets, agents, memory.

use crate::caps::{Caps, cap};
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

/// See [`Mount::bind`].
#[derive(Clone, Debug)]
pub struct BindMount {
    pub(crate) dest: String,
    pub(crate) state: State,
    selector: String,
    readonly: bool,
    no_output: bool,
    content_cache: Option<bool>,
}

impl BindMount {
    /// Mounts this path of the tree only.
    pub fn selector(mut self, path: impl Into<String>) -> Self {
        self.selector = path.into();
        self
    }

    /// The process cannot write; the tree's content, not its history, is what the cache looks at.
    pub fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    /// What the process writes is thrown away.
    pub fn no_output(mut self) -> Self {
        self.no_output = true;
        self
    }

    /// Says whether the cache looks at the tree's content; otherwise the daemon decides.
    pub fn content_cache(mut self, on: bool) -> Self {
        self.content_cache = Some(on);
        self
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.readonly && !self.no_output
    }

    pub(crate) fn is_readonly(&self) -> bool {
        self.readonly
    }
}

/// How processes that run at the same time share a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All use it at once.
    #[default]
    Shared,
    /// A second one gets a new directory.
    Private,
    /// A second one waits.
    Locked,
}

/// See [`Mount::cache`].
#[derive(Clone, Debug)]
pub struct CacheMount {
    pub(crate) dest: String,
    id: String,
    sharing: Sharing,
    pub(crate) from: State,
    selector: String,
    readonly: bool,
}

impl CacheMount {
    /// How it is shared; [`Sharing::Shared`] by default.
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// What a new cache starts with; part of its identity.
    pub fn from(mut self, state: State) -> Self {
        self.from = state;
        self
    }

    /// Mounts this path of the cache only.
    pub fn selector(mut self, path: impl Into<String>) -> Self {
        self.selector = path.into();
        self
    }

    /// The process cannot write.
    pub fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }
}

/// See [`Mount::tmpfs`].
#[derive(Clone, Debug)]
pub struct TmpfsMount {
    pub(crate) dest: String,
    size: i64,
}

impl TmpfsMount {
    /// At most so many bytes; 0 is the daemon's default.
    pub fn size(mut self, bytes: i64) -> Self {
        self.size = bytes;
        self
    }
}

/// See [`Mount::secret`].
#[derive(Clone, Debug)]
pub struct SecretMount {
    pub(crate) dest: String,
    pub(crate) id: String,
    uid: u32,
    gid: u32,
    mode: u32,
    optional: bool,
}

/// See [`Mount::ssh`].
#[derive(Clone, Debug)]
pub struct SshMount {
    dest: Option<String>,
    id: String,
    uid: u32,
    gid: u32,
    mode: u32,
    optional: bool,
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

impl BindMount {
    fn encode(&self, input: i64, output: i64) -> pb::Mount {
        let content_cache = match self.content_cache {
            None => pb::MountContentCache::Default,
            Some(true) => pb::MountContentCache::On,
            Some(false) => pb::MountContentCache::Off,
        };
        pb::Mount {
            input,
            selector: self.selector.clone(),
            dest: self.dest.clone(),
            output: if self.has_output() { output } else { -1 },
            readonly: self.readonly,
            content_cache: content_cache.into(),
            ..pb::Mount::default()
        }
    }

    fn add_caps(&self, caps: &mut Caps) {
        caps.list_if(!self.selector.is_empty(), cap::EXEC_MOUNT_SELECTOR);
        caps.list_if(!self.state.is_scratch(), cap::EXEC_MOUNT_BIND);
        caps.list_if(self.content_cache.is_some(), cap::EXEC_MOUNT_CONTENT_CACHE);
        caps.check_if(
            self.no_output && !self.readonly,
            cap::EXEC_MOUNT_BIND_RW_NO_OUTPUT,
        );
    }
}

impl CacheMount {
    fn encode(&self, input: i64) -> pb::Mount {
        let sharing = match self.sharing {
            Sharing::Shared => pb::CacheSharingOpt::Shared,
            Sharing::Private => pb::CacheSharingOpt::Private,
            Sharing::Locked => pb::CacheSharingOpt::Locked,
        };
        pb::Mount {
            input,
            selector: self.selector.clone(),
            dest: self.dest.clone(),
            output: -1,
            readonly: self.readonly,
            mount_type: pb::MountType::Cache.into(),
            cache_opt: Some(pb::CacheOpt {
                id: self.id.clone(),
                sharing: sharing.into(),
            }),
            ..pb::Mount::default()
        }
    }

    fn add_caps(&self, caps: &mut Caps) {
        caps.list_if(!self.selector.is_empty(), cap::EXEC_MOUNT_SELECTOR);
        caps.list(cap::EXEC_MOUNT_CACHE);
        caps.list(cap::EXEC_MOUNT_CACHE_SHARING);
    }
}

impl TmpfsMount {
    fn encode(&self) -> pb::Mount {
        pb::Mount {
            input: -1,
            dest: self.dest.clone(),
            output: -1,
            mount_type: pb::MountType::Tmpfs.into(),
            tmpfs_opt: Some(pb::TmpfsOpt { size: self.size }),
            ..pb::Mount::default()
        }
    }

    fn add_caps(&self, caps: &mut Caps) {
        caps.list(cap::EXEC_MOUNT_TMPFS);
        caps.list_if(self.size > 0, cap::EXEC_MOUNT_TMPFS_SIZE);
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
