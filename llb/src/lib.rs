//! Typed BuildKit LLB graphs, encoded byte for byte as BuildKit's own client does.
//!
//! A [`State`] is a file tree to be made: an image, a local directory, or what an operation makes of other states.
//! Builders ([`Source`], [`Exec`], [`FileOp`], [`merge`], [`diff`]) describe operations; [`State::marshal`] turns the
//! graph under a state into a [`Definition`] for the daemon.
//!
//! Three properties hold for every graph:
//!
//! - **Canonical bytes.** Each operation is encoded as Go encodes it. The daemon re-encodes what it receives and looks
//!   up source locations by the digest of its own bytes, so other bytes would lose file and line of a failing step.
//! - **Deterministic.** Equal graphs give equal bytes, in whatever order things without an order were declared. No
//!   clock, no random id and nothing of this machine enters.
//! - **Known needs.** A definition knows which capabilities of the daemon it uses and which step uses them.
//!
//! This package knows BuildKit and nothing of what is built with it.

mod caps;
mod copy;
mod definition;
mod exec;
mod file;
mod import;
mod marshal;
mod merge;
mod meta;
mod mount;
mod owner;
mod path;
mod platform;
mod reference;
mod source;
mod source_map;
mod state;
mod wire;

pub use caps::cap;
pub use copy::Copy;
pub use definition::{Definition, MissingCap, MissingCaps, OpKind, VertexInfo};
pub use exec::{Exec, ExecHandle, Network, NoOutput, ProxyEnv, Security};
pub use file::FileOp;
pub use import::ImportError;
pub use marshal::MarshalOptions;
pub use merge::{Diff, Merge, diff, merge};
pub use mount::{BindMount, CacheMount, Mount, SecretMount, Sharing, SshMount, TmpfsMount};
pub use owner::{Owner, User};
pub use platform::{Platform, PlatformError};
pub use reference::{ReferenceError, normalize_reference};
pub use source::{
    Differ, GitSource, HttpSource, ImageSource, LocalSource, OciLayoutSource, ResolveMode, Source,
};
pub use source_map::{Position, Range, SourceMap};
pub use state::State;
pub use wire::{digest_of, encode_op};
