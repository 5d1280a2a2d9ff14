//! Graphs that others have marshalled: the frontend's own image, inputs of a build, results of nested builds.

use crate::caps::Caps;
use crate::definition::Encoded;
use crate::meta::Meta;
use crate::platform::Platform;
use crate::source_map::{Location, SourceMap};
use crate::state::{Op, Output, State, Vertex};
use crate::wire::digest_of;
use buildkit_proto::pb;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A definition that is not a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// An entry is not an operation.
    #[error("entry {index} of the definition is not an operation: {problem}")]
    Decode {
        /// Its place, from 0.
        index: usize,
        /// What the decoder says.
        problem: String,
    },
    /// An operation uses one that does not come before it.
    #[error("the definition has no operation `{digest}` before `{user}`, which uses it")]
    UnknownInput {
        /// What is missing.
        digest: String,
        /// What uses it.
        user: String,
    },
    /// The last entry does not name one result.
    #[error("the last entry of the definition has {inputs} inputs; expected one, the result")]
    Terminal {
        /// How many it has.
        inputs: usize,
    },
    /// A location is in a file that is not there.
    #[error("a location of `{digest}` is in file {index} of the definition, which has {files}")]
    UnknownFile {
        /// The operation.
        digest: String,
        /// The file's number.
        index: i32,
        /// How many files there are.
        files: usize,
    },
}

/// An operation as bytes. It is never encoded anew, so nothing that this version does not know gets lost.
#[derive(Debug)]
pub(crate) struct RawOp {
    pub(crate) inputs: Vec<Output>,
    encoded: Arc<Encoded>,
}

impl RawOp {
    pub(crate) fn encoded(&self) -> Arc<Encoded> {
        Arc::clone(&self.encoded)
    }
}

impl State {
    /// The state that a marshalled graph describes, with the names and locations of its operations. A definition without
    /// operations is scratch.
    pub fn from_definition(definition: &pb::Definition) -> Result<Self, ImportError> {
        let Some((terminal, ops)) = definition.def.split_last() else {
            return Ok(Self::scratch());
        };
        let terminal = decode(terminal, ops.len())?;
        let mut graph = Graph {
            locations: locations(definition)?,
            vertices: BTreeMap::new(),
        };
        for (index, bytes) in ops.iter().enumerate() {
            graph.add(bytes, index, definition)?;
        }
        let [result] = terminal.inputs.as_slice() else {
            return Err(ImportError::Terminal {
                inputs: terminal.inputs.len(),
            });
        };
        let output = graph.output(result, "the result")?;
        let platform = output.vertex.platform.clone();
        Ok(Self {
            output: Some(output),
            platform,
        })
    }
}

fn decode(bytes: &[u8], index: usize) -> Result<pb::Op, ImportError> {
    pb::Op::decode(bytes).map_err(|error| ImportError::Decode {
        index,
        problem: error.to_string(),
    })
}

#[derive(Debug)]
struct Graph {
    locations: BTreeMap<String, Vec<Location>>,
    vertices: BTreeMap<String, Arc<Vertex>>,
}

impl Graph {
    fn add(&mut self, bytes: &[u8], index: usize, definition: &pb::Definition) -> Result<(), ImportError> {
        let op = decode(bytes, index)?;
        let digest = digest_of(bytes);
        let inputs = op
            .inputs
            .iter()
            .map(|input| self.output(input, &digest))
            .collect::<Result<_, _>>()?;
        let meta = Meta {
            pb: definition.metadata.get(&digest).cloned().unwrap_or_default(),
            locations: self.locations.remove(&digest).unwrap_or_default(),
        };
        let platform = op.platform.as_ref().map(Platform::from);
        let encoded = Arc::new(Encoded::new(bytes.to_vec(), Caps::default()));
        let vertex = Vertex::new(Op::Raw(RawOp { inputs, encoded }), meta, platform);
        self.vertices.insert(digest, Arc::new(vertex));
        Ok(())
    }

    fn output(&self, input: &pb::Input, user: &str) -> Result<Output, ImportError> {
        let unknown = || ImportError::UnknownInput {
            digest: input.digest.clone(),
            user: user.to_owned(),
        };
        let vertex = self.vertices.get(&input.digest).ok_or_else(unknown)?;
        Ok(Output {
            vertex: Arc::clone(vertex),
            index: input.index,
        })
    }
}

/// Where each operation comes from.
fn locations(definition: &pb::Definition) -> Result<BTreeMap<String, Vec<Location>>, ImportError> {
    let Some(source) = &definition.source else {
        return Ok(BTreeMap::new());
    };
    let maps: Vec<SourceMap> = source
        .infos
        .iter()
        .map(|info| SourceMap::from_info(info.clone()))
        .collect();
    let convert = |digest: &str, location: &pb::Location| {
        let map = usize::try_from(location.source_index)
            .ok()
            .and_then(|index| maps.get(index));
        let map = map.ok_or_else(|| ImportError::UnknownFile {
            digest: digest.to_owned(),
            index: location.source_index,
            files: maps.len(),
        })?;
        Ok(Location {
            map: map.clone(),
            ranges: location.ranges.clone(),
        })
    };
    let mut all = BTreeMap::new();
    for (digest, locations) in &source.locations {
        let converted: Result<Vec<_>, _> = locations.locations.iter().map(|l| convert(digest, l)).collect();
        all.insert(digest.clone(), converted?);
    }
    Ok(all)
}
