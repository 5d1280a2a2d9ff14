//! States and the vertices under them.

use crate::definition::Encoded;
use crate::exec::ExecSpec;
use crate::file::FileSpec;
use crate::import::RawOp;
use crate::meta::Meta;
use crate::platform::Platform;
use crate::source::SourceSpec;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A file tree to be made: the output of an operation, or scratch, the empty tree. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) output: Option<Output>,
    /// What execs on top of this state run on unless they say otherwise.
    pub(crate) platform: Option<Platform>,
}

impl State {
    /// The empty file tree.
    pub fn scratch() -> Self {
        Self::default()
    }

    /// Whether this is the empty tree.
    pub fn is_scratch(&self) -> bool {
        self.output.is_none()
    }

    /// The platform that execs on this state inherit, if one is known.
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// Whether both are the same output of the same operation object. Operations that were built twice with equal
    /// content are not the same here, though they become one vertex when marshalled.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.output, &other.output) {
            (Some(a), Some(b)) => a.index == b.index && Arc::ptr_eq(&a.vertex, &b.vertex),
            (None, None) => true,
            _ => false,
        }
    }

    pub(crate) fn new(vertex: Arc<Vertex>, index: i64, platform: Option<Platform>) -> Self {
        Self {
            output: Some(Output { vertex, index }),
            platform,
        }
    }
}

/// One output of a vertex.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) vertex: Arc<Vertex>,
    pub(crate) index: i64,
}

/// Without what is under it: a graph whose parts are shared would be written out once for each path through it.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.vertex.op {
            Op::Source(_) => "source",
            Op::Exec(_) => "exec",
            Op::File(_) => "file",
            Op::Merge(_) => "merge",
            Op::Diff { .. } => "diff",
            Op::Raw(_) => "imported",
        };
        write!(f, "{kind}[{}]", self.index)
    }
}

/// One operation of the graph.
#[derive(Debug)]
pub(crate) struct Vertex {
    pub(crate) op: Op,
    pub(crate) meta: Meta,
    pub(crate) platform: Option<Platform>,
    /// What it becomes when nothing is said of what it is marshalled for: a step is often part of several definitions.
    pub(crate) encoded: OnceLock<Arc<Encoded>>,
}

/// What the operation is.
#[derive(Debug)]
pub(crate) enum Op {
    Source(SourceSpec),
    Exec(Box<ExecSpec>),
    File(FileSpec),
    Merge(Vec<Output>),
    Diff {
        lower: Option<Output>,
        upper: Option<Output>,
    },
    Raw(RawOp),
}

impl Vertex {
    pub(crate) fn new(op: Op, meta: Meta, platform: Option<Platform>) -> Self {
        Self {
            op,
            meta,
            platform,
            encoded: OnceLock::new(),
        }
    }

    /// The outputs this one needs, in the order in which Go's client visits them, which is the order of the definition.
    pub(crate) fn inputs(&self) -> Vec<&Output> {
        match &self.op {
            Op::Source(_) => Vec::new(),
            Op::Exec(exec) => exec.inputs(),
            Op::File(file) => file.inputs(),
            Op::Merge(inputs) => inputs.iter().collect(),
            Op::Diff { lower, upper } => lower.iter().chain(upper).collect(),
            Op::Raw(raw) => raw.inputs.iter().collect(),
        }
    }
}

impl Op {
    /// Moves all inputs out; what is left is of no use any more.
    fn take_inputs(&mut self) -> Vec<Output> {
        match self {
            Self::Source(_) => Vec::new(),
            Self::Exec(exec) => exec.take_inputs(),
            Self::File(file) => file.take_inputs(),
            Self::Merge(inputs) => std::mem::take(inputs),
            Self::Diff { lower, upper } => lower.take().into_iter().chain(upper.take()).collect(),
            Self::Raw(raw) => std::mem::take(&mut raw.inputs),
        }
    }
}

/// Frees a graph without recursion, which a long chain of operations would overflow the stack with.
impl Drop for Vertex {
    fn drop(&mut self) {
        let mut unused = self.op.take_inputs();
        while let Some(output) = unused.pop() {
            if let Some(mut vertex) = Arc::into_inner(output.vertex) {
                unused.append(&mut vertex.op.take_inputs());
            }
        }
    }
}
