//! From the graph under a state to a definition.

use crate::caps::{Caps, cap};
use crate::definition::{Definition, Encoded};
use crate::meta;
use crate::platform::Platform;
use crate::source_map::Sources;
use crate::state::{Op, Output, State, Vertex};
use crate::wire::encode_op;
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

struct Marshaller<'a> {
    options: &'a MarshalOptions,
    /// Whether the options say nothing.
    plain: bool,
    /// What was encoded, by the vertex' address. Looked up only: addresses have no stable order.
    encoded: BTreeMap<usize, Arc<Encoded>>,
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
            encoded: BTreeMap::new(),
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
                if !self.encoded.contains_key(&address(input)) {
                    stack.push((input, input.inputs(), 0));
                }
                continue;
            }
            let vertex = *vertex;
            stack.pop();
            if !self.encoded.contains_key(&address(vertex)) {
                self.add(vertex);
            }
        }
    }

    fn add(&mut self, vertex: &Arc<Vertex>) {
        let encoded = if self.plain {
            vertex.encoded.get_or_init(|| self.encode(vertex)).clone()
        } else {
            self.encode(vertex)
        };
        self.sources.add(&encoded.digest, &vertex.meta.locations);
        self.definition.add(&encoded, &vertex.meta.pb);
        self.encoded.insert(address(vertex), encoded);
    }

    fn encode(&self, vertex: &Vertex) -> Arc<Encoded> {
        let mut to = Encoder {
            options: self.options,
            encoded: &self.encoded,
            platform: vertex.platform.as_ref().or(self.options.platform.as_ref()),
            inputs: Vec::new(),
            caps: Caps::default(),
        };
        let kind = match &vertex.op {
            Op::Raw(raw) => return raw.encoded(),
            // It goes from what is known of it straight to bytes: there are more of them than of all others.
            Op::Source(_) => None,
            Op::Exec(spec) => Some(exec::encode(spec, &mut to, &vertex.meta.pb)),
            Op::File(spec) => Some(file::encode(spec, &mut to)),
            Op::Merge(inputs) => Some(merge::encode_merge(inputs, &mut to)),
            Op::Diff { lower, upper } => Some(merge::encode_diff(lower.as_ref(), upper.as_ref(), &mut to)),
        };
        let of_platform = match &vertex.op {
            Op::Exec(_) => true,
            Op::Source(spec) => spec.is_platform_specific(),
            _ => false,
        };
        let op = pb::Op {
            inputs: std::mem::take(&mut to.inputs),
            platform: to.platform.filter(|_| of_platform).map(Into::into),
            constraints: Some(pb::WorkerConstraints::default()),
            op: kind,
        };
        let bytes = match &vertex.op {
            Op::Source(spec) => source::encode(spec, &op, &mut to),
            _ => encode_op(op),
        };
        Arc::new(Encoded::new(bytes, to.caps))
    }

    fn finish(mut self, output: &Output) -> Definition {
        let input = pb::Input {
            digest: self.encoded[&address(&output.vertex)].digest.clone(),
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
    encoded: &'a BTreeMap<usize, Arc<Encoded>>,
    pub(crate) platform: Option<&'a Platform>,
    inputs: Vec<pb::Input>,
    pub(crate) caps: Caps,
}

impl Encoder<'_> {
    fn digest(&self, output: &Output) -> &str {
        &self.encoded[&address(&output.vertex)].digest
    }

    /// Adds an input; returns its index.
    pub(crate) fn push_input(&mut self, output: &Output) -> i64 {
        self.inputs.push(pb::Input {
            digest: self.digest(output).to_owned(),
            index: output.index,
        });
        index(self.inputs.len() - 1)
    }

    /// The index of an input, added unless it is there already; -1 for scratch.
    pub(crate) fn share_input(&mut self, output: Option<&Output>) -> i64 {
        let Some(output) = output else { return -1 };
        let digest = self.digest(output);
        let same = |known: &pb::Input| known.index == output.index && known.digest == digest;
        match self.inputs.iter().position(same) {
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

impl Definition {
    /// Adds an operation, or joins its metadata if an equal one is there.
    fn add(&mut self, encoded: &Arc<Encoded>, told: &pb::OpMetadata) {
        let metadata = match self.metadata.entry(encoded.digest.clone()) {
            Entry::Vacant(entry) => {
                self.ops.push(encoded.clone());
                entry.insert(told.clone())
            }
            Entry::Occupied(entry) => {
                let metadata = entry.into_mut();
                meta::join(metadata, told);
                metadata
            }
        };
        let listed = encoded.caps.listed.iter();
        metadata.caps.extend(listed.map(|cap| ((*cap).to_owned(), true)));
    }

    fn terminate(&mut self, input: pb::Input) {
        let op = pb::Op {
            inputs: vec![input],
            ..pb::Op::default()
        };
        let caps = terminal_caps(self.metadata.values());
        let encoded = Encoded::new(encode_op(op), Caps::default());
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
