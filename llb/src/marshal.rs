//! From the graph under a state to a definition.

use crate::caps::{Caps, cap};
use crate::definition::{Definition, Encoded};
use crate::meta;
use crate::platform::Platform;
use crate::source_map::Sources;
use crate::state::{Op, Output, State, Vertex};
use crate::wire::{digest_of, encode_op};
use crate::{exec, file, merge, source};
use buildkit_proto::pb;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the graph is marshalled for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarshalOptions {
    /// The platform of images and execs that have none of their own. Without it theirs is left out, which means the
    /// daemon's. Go's client takes its own machine's there.
    pub platform: Option<Platform>,
    /// What the daemon can do, if known. Execs get a default `PATH` if they have none and the daemon sets none.
    pub caps: Option<BTreeSet<String>>,
    /// Stands for the session in local sources that name none; part of their digest.
    pub local_unique_id: String,
}

impl State {
    /// Encodes the graph under this state: inputs before users, each operation once, the result named last.
    ///
    /// Scratch gives a definition without operations.
    pub fn marshal(&self, options: &MarshalOptions) -> Definition {
        let Some(output) = &self.output else {
            return Definition::default();
        };
        let mut marshaller = Marshaller::new(options);
        marshaller.walk(output);
        marshaller.finish(output)
    }
}

/// An operation as a definition has it.
#[derive(Clone, Debug)]
pub(crate) struct Marshalled {
    encoded: Arc<Encoded>,
    metadata: pb::OpMetadata,
}

struct Marshaller<'a> {
    options: &'a MarshalOptions,
    /// Whether the options say nothing.
    plain: bool,
    /// Digests by the vertex' address. Looked up only: addresses have no stable order.
    digests: BTreeMap<usize, String>,
    definition: Definition,
    sources: Sources,
}

fn address(vertex: &Arc<Vertex>) -> usize {
    Arc::as_ptr(vertex).addr()
}

impl<'a> Marshaller<'a> {
    fn new(options: &'a MarshalOptions) -> Self {
        Self {
            options,
            plain: *options == MarshalOptions::default(),
            digests: BTreeMap::new(),
            definition: Definition::default(),
            sources: Sources::default(),
        }
    }

    /// Visits depth first, inputs in their order; without recursion, since graphs can be deep.
    fn walk(&mut self, root: &Output) {
        let mut stack = vec![(&root.vertex, root.vertex.inputs(), 0)];
        while let Some((vertex, inputs, next)) = stack.last_mut() {
            if let Some(input) = inputs.get(*next) {
                *next += 1;
                let input = &input.vertex;
                if !self.digests.contains_key(&address(input)) {
                    stack.push((input, input.inputs(), 0));
                }
                continue;
            }
            let vertex = *vertex;
            stack.pop();
            if !self.digests.contains_key(&address(vertex)) {
                self.add(vertex);
            }
        }
    }

    fn add(&mut self, vertex: &Arc<Vertex>) {
        let Marshalled { encoded, metadata } = if self.plain {
            vertex.marshalled.get_or_init(|| self.encode(vertex)).clone()
        } else {
            self.encode(vertex)
        };
        self.digests.insert(address(vertex), encoded.digest.clone());
        self.sources.add(&encoded.digest, &vertex.meta.locations);
        self.definition.add(encoded, metadata);
    }

    fn encode(&self, vertex: &Vertex) -> Marshalled {
        let mut to = Encoder {
            options: self.options,
            digests: &self.digests,
            platform: vertex.platform.as_ref().or(self.options.platform.as_ref()),
            inputs: Vec::new(),
            caps: Caps::default(),
        };
        let mut metadata = vertex.meta.pb.clone();
        let op = match &vertex.op {
            Op::Raw(raw) => {
                let encoded = raw.encoded();
                return Marshalled { encoded, metadata };
            }
            Op::Source(spec) => source::encode(spec, &mut to),
            Op::Exec(spec) => exec::encode(spec, &mut to, &metadata),
            Op::File(spec) => file::encode(spec, &mut to),
            Op::Merge(inputs) => merge::encode_merge(inputs, &mut to),
            Op::Diff { lower, upper } => merge::encode_diff(lower.as_ref(), upper.as_ref(), &mut to),
        };
        let of_platform = match &vertex.op {
            Op::Exec(_) => true,
            Op::Source(spec) => spec.is_platform_specific(),
            _ => false,
        };
        let op = pb::Op {
            inputs: to.inputs,
            platform: to.platform.filter(|_| of_platform).map(Into::into),
            constraints: Some(pb::WorkerConstraints::default()),
            op: Some(op),
        };
        metadata
            .caps
            .extend(to.caps.listed.into_iter().map(|cap| (cap.to_owned(), true)));
        Marshalled {
            encoded: Arc::new(Encoded::new(op, to.caps.checked)),
            metadata,
        }
    }

    fn finish(mut self, output: &Output) -> Definition {
        let input = pb::Input {
            digest: self.digests[&address(&output.vertex)].clone(),
            index: output.index,
        };
        self.definition.source = Some(self.sources.into_pb());
        self.definition.terminate(input);
        self.definition
    }
}

/// What one operation is encoded with.
#[derive(Debug)]
pub(crate) struct Encoder<'a> {
    pub(crate) options: &'a MarshalOptions,
    digests: &'a BTreeMap<usize, String>,
    pub(crate) platform: Option<&'a Platform>,
    inputs: Vec<pb::Input>,
    pub(crate) caps: Caps,
}

impl Encoder<'_> {
    fn input(&self, output: &Output) -> pb::Input {
        pb::Input {
            digest: self.digests[&address(&output.vertex)].clone(),
            index: output.index,
        }
    }

    /// Adds an input; returns its index.
    pub(crate) fn push_input(&mut self, output: &Output) -> i64 {
        let input = self.input(output);
        self.inputs.push(input);
        index(self.inputs.len() - 1)
    }

    /// The index of an input, added unless it is there already; -1 for scratch.
    pub(crate) fn share_input(&mut self, output: Option<&Output>) -> i64 {
        let Some(output) = output else { return -1 };
        let input = self.input(output);
        match self.inputs.iter().position(|known| *known == input) {
            Some(position) => index(position),
            None => self.push_input(output),
        }
    }

    /// How many inputs there are.
    pub(crate) fn input_count(&self) -> i64 {
        index(self.inputs.len())
    }
}

/// An index as messages carry it; no graph gets near the limit.
pub(crate) fn index(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The metadata of the last entry: what the definition as a whole relies on.
fn terminal_caps<'a>(all: impl Iterator<Item = &'a pb::OpMetadata>) -> BTreeMap<String, bool> {
    let mut caps = Caps::default();
    caps.list(cap::CONSTRAINTS);
    caps.list(cap::PLATFORM);
    for metadata in all {
        caps.list_if(metadata.ignore_cache, cap::META_IGNORE_CACHE);
        caps.list_if(!metadata.description.is_empty(), cap::META_DESCRIPTION);
        caps.list_if(metadata.export_cache.is_some(), cap::META_EXPORT_CACHE);
    }
    caps.listed
        .into_iter()
        .map(|cap| (cap.to_owned(), true))
        .collect()
}

impl Encoded {
    fn new(op: pb::Op, checked: BTreeSet<&'static str>) -> Self {
        let described = Self::describe(&op);
        let bytes = encode_op(op);
        Self {
            digest: digest_of(&bytes),
            bytes,
            checked,
            ..described
        }
    }
}

impl Definition {
    /// Adds an operation, or joins its metadata if an equal one is there.
    fn add(&mut self, encoded: Arc<Encoded>, metadata: pb::OpMetadata) {
        match self.metadata.entry(encoded.digest.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(metadata);
                self.ops.push(encoded);
            }
            Entry::Occupied(mut entry) => meta::join(entry.get_mut(), &metadata),
        }
    }

    fn terminate(&mut self, input: pb::Input) {
        let op = pb::Op {
            inputs: vec![input],
            ..pb::Op::default()
        };
        let caps = terminal_caps(self.metadata.values());
        let encoded = Encoded::new(op, BTreeSet::new());
        self.metadata.insert(
            encoded.digest.clone(),
            pb::OpMetadata {
                caps,
                ..pb::OpMetadata::default()
            },
        );
        self.ops.push(Arc::new(encoded));
    }
}
