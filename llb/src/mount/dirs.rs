//! Mounts that are directories: trees, caches, memory.

use crate::caps::{Caps, cap};
use crate::state::State;
use buildkit_proto::pb;

/// See [`Mount::bind`](crate::Mount::bind).
#[derive(Clone, Debug)]
pub struct BindMount {
    pub(crate) dest: String,
    pub(crate) state: State,
    pub(super) selector: String,
    pub(super) readonly: bool,
    pub(super) no_output: bool,
    pub(super) content_cache: Option<bool>,
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

/// See [`Mount::cache`](crate::Mount::cache).
#[derive(Clone, Debug)]
pub struct CacheMount {
    pub(super) dest: String,
    pub(super) id: String,
    pub(super) sharing: Sharing,
    pub(super) from: State,
    pub(super) selector: String,
    pub(super) readonly: bool,
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

/// See [`Mount::tmpfs`](crate::Mount::tmpfs).
#[derive(Clone, Debug)]
pub struct TmpfsMount {
    pub(super) dest: String,
    pub(super) size: i64,
}

impl TmpfsMount {
    /// At most so many bytes; 0 is the daemon's default.
    pub fn size(mut self, bytes: i64) -> Self {
        self.size = bytes;
        self
    }
}

impl BindMount {
    pub(super) fn encode(&self, input: i64, output: i64) -> pb::Mount {
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

    pub(super) fn add_caps(&self, caps: &mut Caps) {
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
    pub(super) fn encode(&self, input: i64) -> pb::Mount {
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

    pub(super) fn add_caps(&self, caps: &mut Caps) {
        caps.list_if(!self.selector.is_empty(), cap::EXEC_MOUNT_SELECTOR);
        caps.list(cap::EXEC_MOUNT_CACHE);
        caps.list(cap::EXEC_MOUNT_CACHE_SHARING);
    }
}

impl TmpfsMount {
    pub(super) fn encode(&self) -> pb::Mount {
        pb::Mount {
            input: -1,
            dest: self.dest.clone(),
            output: -1,
            mount_type: pb::MountType::Tmpfs.into(),
            tmpfs_opt: Some(pb::TmpfsOpt { size: self.size }),
            ..pb::Mount::default()
        }
    }

    pub(super) fn add_caps(&self, caps: &mut Caps) {
        caps.list(cap::EXEC_MOUNT_TMPFS);
        caps.list_if(self.size > 0, cap::EXEC_MOUNT_TMPFS_SIZE);
    }
}
