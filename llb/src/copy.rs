//! Copying files from one tree to another.

use crate::caps::{Caps, cap};
use crate::owner::{Owner, permissions};
use crate::path;
use crate::state::State;
use buildkit_proto::pb;

/// A copy into the tree of a [`FileOp`](crate::FileOp). What it copies keeps its owner and mode unless said otherwise;
/// a symbolic link is copied as a link.
#[derive(Clone, Debug)]
pub struct Copy {
    pub(crate) source: State,
    pub(crate) timestamp: Option<i64>,
    owner: Option<Owner>,
    action: pb::FileActionCopy,
}

impl Copy {
    /// From the path `src` of `source` to `dest`. A trailing slash of `dest` means that it is a directory. A directory
    /// is copied as itself into a `dest` that exists; see [`Copy::dir_contents`].
    pub fn from(source: &State, src: impl AsRef<str>, dest: impl AsRef<str>) -> Self {
        let action = pb::FileActionCopy {
            src: path::absolute(src.as_ref()),
            dest: path::absolute_keep_slash(dest.as_ref()),
            mode: -1,
            ..pb::FileActionCopy::default()
        };
        Self {
            source: source.clone(),
            timestamp: None,
            owner: None,
            action,
        }
    }

    /// Gives everything copied to a user and a group, by number.
    pub fn chown(self, uid: u32, gid: u32) -> Self {
        self.owner(Owner::ids(uid, gid))
    }

    /// Gives everything copied to `user` or `user:group`, by number or by a name that the tree copied to knows.
    pub fn chown_name(self, name: impl AsRef<str>) -> Self {
        self.owner(Owner::parse(name.as_ref()))
    }

    /// Gives everything copied to an owner.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Gives everything copied these permission bits.
    pub fn mode(mut self, mode: u32) -> Self {
        self.action.mode = permissions(mode);
        self.action.mode_str.clear();
        self
    }

    /// Changes permissions as `chmod` does, such as `u+rwX`. Daemons before 0.17 ignore it, and no daemon says whether
    /// it knows it.
    pub fn mode_str(mut self, mode: impl Into<String>) -> Self {
        self.action.mode_str = mode.into();
        self.action.mode = 0;
        self
    }

    /// Copies what a symbolic link points to instead of the link.
    pub fn follow_symlink(mut self) -> Self {
        self.action.follow_symlink = true;
        self
    }

    /// Copies what is in a directory instead of the directory itself.
    pub fn dir_contents(mut self) -> Self {
        self.action.dir_copy_contents = true;
        self
    }

    /// Makes the directories above `dest`.
    pub fn create_dest_path(mut self) -> Self {
        self.action.create_dest_path = true;
        self
    }

    /// Takes `*`, `?` and `[…]` in `src` as patterns; at least one file has to match.
    pub fn allow_wildcard(mut self) -> Self {
        self.action.allow_wildcard = true;
        self
    }

    /// Lets a pattern match nothing.
    pub fn allow_empty_wildcard(mut self) -> Self {
        self.action.allow_empty_wildcard = true;
        self
    }

    /// Copies only what matches one of these patterns, which are those of `.dockerignore`. Adds to earlier ones.
    pub fn include(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.action
            .include_patterns
            .extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Leaves out what matches one of these patterns. Adds to earlier ones; a later one wins.
    pub fn exclude(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.action
            .exclude_patterns
            .extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Fails if one of these paths is missing; needs an include pattern.
    pub fn required_paths(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.action
            .required_paths
            .extend(paths.into_iter().map(Into::into));
        self
    }

    /// Unpacks an archive, as `ADD` of a Dockerfile does.
    pub fn attempt_unpack(mut self) -> Self {
        self.action.attempt_unpack_docker_compatibility = true;
        self
    }

    /// Replaces what is in the way even if it is of another type.
    pub fn always_replace(mut self) -> Self {
        self.action.always_replace_existing_dest_paths = true;
        self
    }

    /// Sets the modification time of everything copied, in nanoseconds since 1970.
    pub fn timestamp(mut self, nanoseconds: i64) -> Self {
        self.timestamp = Some(nanoseconds);
        self
    }

    pub(crate) fn add_caps(&self, caps: &mut Caps) {
        let copy = &self.action;
        let patterns = !copy.include_patterns.is_empty() || !copy.exclude_patterns.is_empty();
        caps.check_if(patterns, cap::FILE_COPY_INCLUDE_EXCLUDE);
        caps.check_if(!copy.required_paths.is_empty(), cap::FILE_COPY_REQUIRED_PATHS);
        caps.check_if(
            copy.always_replace_existing_dest_paths,
            cap::FILE_COPY_ALWAYS_REPLACE,
        );
    }

    /// `base` is the input in which names of users are looked up.
    pub(crate) fn encode(&self, base: i64, timestamp: i64) -> pb::FileActionCopy {
        pb::FileActionCopy {
            owner: self.owner.as_ref().map(|owner| owner.encode(base)),
            timestamp: self.timestamp.unwrap_or(timestamp),
            ..self.action.clone()
        }
    }
}
