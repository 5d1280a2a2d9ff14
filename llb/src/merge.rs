//! Merging trees without copying them, and the difference of two trees.

use crate::caps::cap;
use crate::marshal::Encoder;
use crate::meta::{Meta, metadata_methods};
use crate::state::{Op, Output, State, Vertex};
use buildkit_proto::pb;
use std::sync::Arc;

/// Lays trees over one another, later ones winning; nothing is copied, unpacked or packed anew.
///
/// Scratch inputs are left out; one remaining input is the result itself, none is scratch.
pub fn merge(inputs: impl IntoIterator<Item = State>) -> State {
    Merge::new(inputs).build()
}

/// What `upper` changed on top of `lower`, deletions included. Of scratch and `upper` it is `upper` itself.
pub fn diff(lower: State, upper: State) -> State {
    Diff::new(lower, upper).build()
}

/// A merge with metadata; see [`merge`].
#[derive(Clone, Debug)]
pub struct Merge {
    inputs: Vec<State>,
    meta: Meta,
}

metadata_methods!(Merge);

impl Merge {
    /// Of these trees, later ones winning.
    pub fn new(inputs: impl IntoIterator<Item = State>) -> Self {
        Self {
            inputs: inputs.into_iter().collect(),
            meta: Meta::default(),
        }
    }

    /// The merged tree; inherits the platform of the first input that is not scratch.
    pub fn build(self) -> State {
        let mut inputs: Vec<State> = self
            .inputs
            .into_iter()
            .filter(|state| !state.is_scratch())
            .collect();
        if inputs.len() < 2 {
            return inputs.pop().unwrap_or_default();
        }
        let platform = inputs[0].platform.clone();
        let outputs = inputs.into_iter().filter_map(|state| state.output).collect();
        let vertex = Vertex::new(Op::Merge(outputs), self.meta, None);
        State::new(Arc::new(vertex), 0, platform)
    }
}

/// A difference with metadata; see [`diff`].
#[derive(Clone, Debug)]
pub struct Diff {
    lower: State,
    upper: State,
    meta: Meta,
}

metadata_methods!(Diff);

impl Diff {
    /// From `lower` to `upper`.
    pub fn new(lower: State, upper: State) -> Self {
        Self {
            lower,
            upper,
            meta: Meta::default(),
        }
    }

    /// The difference; inherits the platform of `lower`.
    pub fn build(self) -> State {
        if self.lower.is_scratch() {
            return self.upper;
        }
        let op = Op::Diff {
            lower: self.lower.output,
            upper: self.upper.output,
        };
        let vertex = Vertex::new(op, self.meta, None);
        State::new(Arc::new(vertex), 0, self.lower.platform)
    }
}

/// A merge names each input once for each time it is given.
pub(crate) fn encode_merge(inputs: &[Output], to: &mut Encoder<'_>) -> pb::op::Op {
    to.caps.list(cap::MERGE_OP);
    let inputs = inputs
        .iter()
        .map(|output| pb::MergeInput {
            input: to.push_input(output),
        })
        .collect();
    pb::op::Op::Merge(pb::MergeOp { inputs })
}

pub(crate) fn encode_diff(
    lower: Option<&Output>,
    upper: Option<&Output>,
    to: &mut Encoder<'_>,
) -> pb::op::Op {
    to.caps.list(cap::DIFF_OP);
    let mut side = |output: Option<&Output>| output.map_or(-1, |output| to.push_input(output));
    let lower = Some(pb::LowerDiffInput { input: side(lower) });
    let upper = Some(pb::UpperDiffInput { input: side(upper) });
    pb::op::Op::Diff(pb::DiffOp { lower, upper })
}
