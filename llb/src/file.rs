//! Changing files of a tree without running a process.

use crate::caps::cap;
use crate::copy::Copy;
use crate::marshal::{Encoder, index};
use crate::meta::{Meta, metadata_methods};
use crate::owner::{Owner, permissions};
use crate::path;
use crate::state::{Op, Output, State, Vertex};
use buildkit_proto::pb;
use buildkit_proto::pb::file_action::Action as PbAction;
use std::sync::Arc;

/// A number of changes to a tree, made one after another; together they are one layer.
#[derive(Clone, Debug)]
pub struct FileOp {
    base: State,
    actions: Vec<Action>,
    timestamp: i64,
    meta: Meta,
}

/// The actions with the tree they start from.
#[derive(Clone, Debug)]
pub(crate) struct FileSpec {
    base: Option<Output>,
    actions: Vec<Action>,
}

/// One action and the modification time for what it makes.
#[derive(Clone, Debug)]
struct Action {
    kind: Kind,
    timestamp: i64,
}

#[derive(Clone, Debug)]
enum Kind {
    Copy(Box<Copy>),
    MkDir {
        path: String,
        mode: i32,
        make_parents: bool,
        owner: Option<Owner>,
    },
    MkFile {
        path: String,
        mode: i32,
        data: Vec<u8>,
        owner: Option<Owner>,
    },
    Symlink {
        old: String,
        new: String,
        owner: Option<Owner>,
    },
    Rm(pb::FileActionRm),
}

metadata_methods!(FileOp);

impl FileOp {
    /// On this tree, which may be scratch.
    pub fn on(base: State) -> Self {
        Self {
            base,
            actions: Vec::new(),
            timestamp: -1,
            meta: Meta::default(),
        }
    }

    /// The modification time of what the actions added from now on make, in nanoseconds since 1970. Without it the
    /// daemon takes its clock for new files, and the source's time for copied ones.
    pub fn timestamp(mut self, nanoseconds: i64) -> Self {
        self.timestamp = nanoseconds;
        self
    }

    /// Copies files.
    pub fn copy(self, copy: Copy) -> Self {
        self.push(Kind::Copy(Box::new(copy)))
    }

    /// Makes a directory with these permission bits; with `make_parents` those above it too, and it may exist already.
    pub fn mkdir(
        self,
        path: impl AsRef<str>,
        mode: u32,
        make_parents: bool,
        owner: impl Into<Option<Owner>>,
    ) -> Self {
        let path = path::absolute(path.as_ref());
        self.push(Kind::MkDir {
            path,
            mode: permissions(mode),
            make_parents,
            owner: owner.into(),
        })
    }

    /// Makes a file with these permission bits. The content is part of the operation, so keep it below some hundred KiB.
    pub fn mkfile(
        self,
        path: impl AsRef<str>,
        mode: u32,
        data: impl Into<Vec<u8>>,
        owner: impl Into<Option<Owner>>,
    ) -> Self {
        let path = path::absolute(path.as_ref());
        self.push(Kind::MkFile {
            path,
            mode: permissions(mode),
            data: data.into(),
            owner: owner.into(),
        })
    }

    /// Makes a symbolic link at `new` that says `old`.
    pub fn symlink(self, old: impl Into<String>, new: impl Into<String>) -> Self {
        self.symlink_owned(old, new, None)
    }

    /// Makes a symbolic link at `new` that says `old` and belongs to `owner`.
    pub fn symlink_owned(
        self,
        old: impl Into<String>,
        new: impl Into<String>,
        owner: impl Into<Option<Owner>>,
    ) -> Self {
        self.push(Kind::Symlink {
            old: old.into(),
            new: new.into(),
            owner: owner.into(),
        })
    }

    /// Removes a file or a directory with all in it; says whether it may be missing and whether `path` is a pattern.
    pub fn rm(self, path: impl AsRef<str>, allow_not_found: bool, wildcard: bool) -> Self {
        let path = path::absolute(path.as_ref());
        self.push(Kind::Rm(pb::FileActionRm {
            path,
            allow_not_found,
            allow_wildcard: wildcard,
        }))
    }

    fn push(mut self, kind: Kind) -> Self {
        self.actions.push(Action {
            kind,
            timestamp: self.timestamp,
        });
        self
    }

    /// The changed tree; the tree itself if there are no actions.
    pub fn build(self) -> State {
        if self.actions.is_empty() {
            return self.base;
        }
        let spec = FileSpec {
            base: self.base.output,
            actions: self.actions,
        };
        let vertex = Vertex::new(Op::File(spec), self.meta, None);
        State::new(Arc::new(vertex), 0, self.base.platform)
    }
}

impl FileSpec {
    /// Go visits the tree first and then the sources of the copies from the last to the first.
    pub(crate) fn inputs(&self) -> Vec<&Output> {
        let sources = self.actions.iter().rev().filter_map(Action::source);
        self.base.iter().chain(sources).collect()
    }

    pub(crate) fn take_inputs(&mut self) -> Vec<Output> {
        let sources = self.actions.drain(..).filter_map(Action::into_source);
        self.base.take().into_iter().chain(sources).collect()
    }
}

impl Action {
    /// What a copy copies from; `None` for scratch and for other actions.
    fn source(&self) -> Option<&Output> {
        if let Kind::Copy(copy) = &self.kind {
            copy.source.output.as_ref()
        } else {
            None
        }
    }

    fn into_source(self) -> Option<Output> {
        if let Kind::Copy(copy) = self.kind {
            copy.source.output
        } else {
            None
        }
    }

    fn add_caps(&self, to: &mut Encoder<'_>) {
        match &self.kind {
            Kind::Copy(copy) => copy.add_caps(&mut to.caps),
            Kind::Symlink { .. } => to.caps.check_if(true, cap::FILE_SYMLINK),
            Kind::Rm(rm) => to.caps.check_if(rm.allow_wildcard, cap::FILE_RM_WILDCARD),
            Kind::MkDir { .. } | Kind::MkFile { .. } => {}
        }
    }

    fn encode(&self, base: i64) -> PbAction {
        let owned = |owner: &Option<Owner>| owner.as_ref().map(|owner| owner.encode(base));
        let timestamp = self.timestamp;
        match &self.kind {
            Kind::Copy(copy) => PbAction::Copy(copy.encode(base, timestamp)),
            Kind::MkDir {
                path,
                mode,
                make_parents,
                owner,
            } => PbAction::Mkdir(pb::FileActionMkDir {
                path: path.clone(),
                mode: *mode,
                make_parents: *make_parents,
                owner: owned(owner),
                timestamp,
            }),
            Kind::MkFile {
                path,
                mode,
                data,
                owner,
            } => PbAction::Mkfile(pb::FileActionMkFile {
                path: path.clone(),
                mode: *mode,
                data: data.clone(),
                owner: owned(owner),
                timestamp,
            }),
            Kind::Symlink { old, new, owner } => PbAction::Symlink(pb::FileActionSymlink {
                oldpath: old.clone(),
                newpath: new.clone(),
                owner: owned(owner),
                timestamp,
            }),
            Kind::Rm(rm) => PbAction::Rm(rm.clone()),
        }
    }
}

pub(crate) fn encode(spec: &FileSpec, to: &mut Encoder<'_>) -> pb::op::Op {
    to.caps.list(cap::FILE_BASE);
    let base = to.share_input(spec.base.as_ref());
    let sources: Vec<i64> = spec
        .actions
        .iter()
        .map(|action| to.share_input(action.source()))
        .collect();
    // Results of earlier actions are counted on after the inputs.
    let inputs = to.input_count();
    let last = spec.actions.len().saturating_sub(1);
    let mut actions = Vec::new();
    for (number, (action, source)) in spec.actions.iter().zip(sources).enumerate() {
        action.add_caps(to);
        actions.push(pb::FileAction {
            input: if number == 0 {
                base
            } else {
                inputs + index(number - 1)
            },
            secondary_input: source,
            output: if number == last { 0 } else { -1 },
            action: Some(action.encode(base)),
        });
    }
    pb::op::Op::File(pb::FileOp { actions })
}
