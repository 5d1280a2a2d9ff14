//! A marshalled graph: what is sent to the daemon, and what can be told about it before.

use crate::caps::Caps;
use crate::meta::CUSTOM_NAME;
use crate::wire::digest_of;
use buildkit_proto::pb;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// A marshalled graph. One without operations is scratch.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    /// Inputs before users; the last one has inputs only and names the result.
    pub(crate) ops: Vec<Arc<Encoded>>,
    pub(crate) metadata: BTreeMap<String, pb::OpMetadata>,
    pub(crate) source: Option<pb::Source>,
}

/// One operation as bytes.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
    pub(crate) caps: Caps,
    described: OnceLock<Described>,
}

/// What can be told about an operation. Most are only sent.
#[derive(Debug)]
struct Described {
    kind: OpKind,
    default_name: String,
    inputs: Vec<(String, i64)>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpKind {
    /// Fetches an image, a local directory, a URL or a repository.
    Source,
    /// Runs a process.
    Exec,
    /// Changes files.
    File,
    /// A nested build.
    Build,
    /// Lays trees over one another.
    Merge,
    /// Takes the difference of two trees.
    Diff,
    /// Passes its inputs on.
    Passthrough,
    /// One that this version does not know; it came in with an imported definition.
    Unknown,
}

/// One operation of a definition, for printing.
#[derive(Clone, Debug)]
pub struct VertexInfo<'a> {
    /// Its digest, under which the daemon reports on it.
    pub digest: &'a str,
    /// Its name, or what it does if it has none.
    pub name: &'a str,
    /// What it does.
    pub kind: OpKind,
    /// Digest and output index of each input.
    pub inputs: &'a [(String, i64)],
    /// The bytes of the operation.
    pub bytes: &'a [u8],
    /// What is told about it.
    pub metadata: Option<&'a pb::OpMetadata>,
    /// What it needs that its metadata does not list.
    pub checked_caps: &'a [&'static str],
}

/// The daemon cannot do what the graph needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the build engine lacks {}", describe(.missing))]
pub struct MissingCaps {
    /// What is missing, sorted by name.
    pub missing: Vec<MissingCap>,
}

/// A capability that the daemon lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingCap {
    /// Its name as daemons list it.
    pub cap: String,
    /// The names of the steps that need it, in the order of the graph; empty if the definition as a whole does.
    pub steps: Vec<String>,
}

fn describe(missing: &[MissingCap]) -> String {
    let one = |missing: &MissingCap| match missing.steps.split_first() {
        None => format!("`{}`", missing.cap),
        Some((first, [])) => format!("`{}`, needed by `{first}`", missing.cap),
        Some((first, rest)) => format!("`{}`, needed by `{first}` and {} more", missing.cap, rest.len()),
    };
    missing.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl Definition {
    /// The message that the daemon takes, with a copy of those operations only that are still part of a graph.
    pub fn into_pb(self) -> pb::Definition {
        pb::Definition {
            def: self.ops.into_iter().map(bytes).collect(),
            metadata: self.metadata,
            source: self.source,
        }
    }

    /// The message that the daemon takes.
    pub fn to_pb(&self) -> pb::Definition {
        pb::Definition {
            def: self.ops.iter().map(|op| op.bytes.clone()).collect(),
            metadata: self.metadata.clone(),
            source: self.source.clone(),
        }
    }

    /// Whether the graph is the empty tree.
    pub fn is_scratch(&self) -> bool {
        self.ops.is_empty()
    }

    /// One digest for the whole graph and the output that is its result; metadata has no part in it. Equal graphs have
    /// equal digests.
    pub fn digest(&self) -> String {
        self.ops
            .last()
            .map_or_else(|| digest_of(&[]), |op| op.digest.clone())
    }

    /// The digest of the operation that makes the result, to which warnings can be attached; `None` for scratch.
    pub fn head(&self) -> Option<&str> {
        let (digest, _) = self.ops.last()?.described().inputs.first()?;
        Some(digest)
    }

    /// The operations, inputs before users, without the closing entry that names the result.
    pub fn vertices(&self) -> impl Iterator<Item = VertexInfo<'_>> {
        let (_, ops) = self
            .ops
            .split_last()
            .map_or((None, &[][..]), |(last, ops)| (Some(last), ops));
        ops.iter().map(|op| self.info(op))
    }

    fn info<'a>(&'a self, op: &'a Encoded) -> VertexInfo<'a> {
        let metadata = self.metadata.get(&op.digest);
        let custom = metadata.and_then(|metadata| metadata.description.get(CUSTOM_NAME));
        let described = op.described();
        VertexInfo {
            digest: &op.digest,
            name: custom.map_or(described.default_name.as_str(), String::as_str),
            kind: described.kind,
            inputs: &described.inputs,
            bytes: &op.bytes,
            metadata,
            checked_caps: &op.caps.checked,
        }
    }

    /// Every capability that the graph needs.
    pub fn caps(&self) -> BTreeSet<&str> {
        let listed = self.metadata.values().flat_map(|metadata| metadata.caps.keys());
        let checked = self.ops.iter().flat_map(|op| op.caps.checked.iter().copied());
        // Thousands of the same few.
        let mut known = Vec::new();
        for cap in listed.map(String::as_str).chain(checked) {
            if !known.contains(&cap) {
                known.push(cap);
            }
        }
        known.into_iter().collect()
    }

    /// Asks of every capability that the graph needs whether the daemon has it.
    pub fn check(&self, supported: impl Fn(&str) -> bool) -> Result<(), MissingCaps> {
        let unsupported = self.caps().into_iter().filter(|cap| !supported(cap));
        let missing: Vec<MissingCap> = unsupported
            .map(|cap| MissingCap {
                steps: self.steps_with(cap),
                cap: cap.to_owned(),
            })
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(MissingCaps { missing })
        }
    }

    fn steps_with(&self, cap: &str) -> Vec<String> {
        let needs = |vertex: &VertexInfo<'_>| {
            vertex.checked_caps.contains(&cap) || vertex.metadata.is_some_and(|m| m.caps.contains_key(cap))
        };
        self.vertices()
            .filter(needs)
            .map(|vertex| vertex.name.to_owned())
            .collect()
    }
}

fn bytes(op: Arc<Encoded>) -> Vec<u8> {
    match Arc::try_unwrap(op) {
        Ok(op) => op.bytes,
        Err(shared) => shared.bytes.clone(),
    }
}

impl Encoded {
    pub(crate) fn new(bytes: Vec<u8>, caps: Caps) -> Self {
        Self {
            digest: digest_of(&bytes),
            bytes,
            caps,
            described: OnceLock::new(),
        }
    }

    /// Found in its bytes when somebody asks.
    fn described(&self) -> &Described {
        self.described.get_or_init(|| {
            // Made here, or decoded before.
            let op = pb::Op::decode(self.bytes.as_slice()).unwrap_or_default();
            let (kind, default_name) = kind_and_name(&op);
            let inputs = op.inputs.into_iter().map(|input| (input.digest, input.index));
            Described {
                kind,
                default_name,
                inputs: inputs.collect(),
            }
        })
    }
}

fn kind_and_name(op: &pb::Op) -> (OpKind, String) {
    use pb::op::Op;
    match &op.op {
        Some(Op::Source(source)) => (OpKind::Source, source.identifier.clone()),
        Some(Op::Exec(exec)) => (
            OpKind::Exec,
            exec.meta
                .as_ref()
                .map_or_else(String::new, |meta| meta.args.join(" ")),
        ),
        Some(Op::File(file)) => (
            OpKind::File,
            file.actions
                .iter()
                .map(action_name)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Some(Op::Build(_)) => (OpKind::Build, "build".to_owned()),
        Some(Op::Merge(merge)) => (OpKind::Merge, format!("merge {}", merge.inputs.len())),
        Some(Op::Diff(_)) => (OpKind::Diff, "diff".to_owned()),
        Some(Op::Passthrough(_)) => (OpKind::Passthrough, "passthrough".to_owned()),
        None => (OpKind::Unknown, "unknown operation".to_owned()),
    }
}

fn action_name(action: &pb::FileAction) -> String {
    use pb::file_action::Action;
    match &action.action {
        Some(Action::Copy(copy)) => format!("copy {} {}", copy.src, copy.dest),
        Some(Action::Mkfile(file)) => format!("mkfile {}", file.path),
        Some(Action::Mkdir(dir)) => format!("mkdir {}", dir.path),
        Some(Action::Rm(rm)) => format!("rm {}", rm.path),
        Some(Action::Symlink(link)) => format!("symlink {} -> {}", link.newpath, link.oldpath),
        None => "unknown file action".to_owned(),
    }
}
