//! The outputs of an exec.

use crate::platform::Platform;
use crate::state::{State, Vertex};
use std::sync::Arc;

/// The outputs of a built exec.
#[derive(Clone, Debug)]
pub struct ExecHandle {
    pub(super) vertex: Arc<Vertex>,
    pub(super) platform: Option<Platform>,
    pub(super) root: State,
    pub(super) outputs: Vec<Slot>,
}

/// A tree mount's output, if it has one.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) dest: String,
    pub(super) source: State,
    pub(super) readonly: bool,
    pub(super) index: Option<i64>,
}

/// A mount of which nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the exec keeps nothing of `{dest}`; expected a writable mount with an output: {}", list(.with_output))]
pub struct NoOutput {
    /// What was asked for.
    pub dest: String,
    /// The mounts that do have an output.
    pub with_output: Vec<String>,
}

fn list(dests: &[String]) -> String {
    if dests.is_empty() {
        return "it has none".to_owned();
    }
    dests
        .iter()
        .map(|dest| format!("`{dest}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl ExecHandle {
    /// The root as the process leaves it; of an exec with a read-only root it is the root as it was.
    pub fn root(&self) -> State {
        self.output("/").unwrap_or_else(|_| self.root.clone())
    }

    /// What the process leaves in the tree mounted at `dest`; for a read-only tree that is the tree as it was.
    pub fn output(&self, dest: &str) -> Result<State, NoOutput> {
        let slot = self.outputs.iter().find(|slot| slot.dest == dest);
        match slot {
            Some(Slot {
                index: Some(index),
                source,
                ..
            }) => {
                let platform = self.platform.clone().or_else(|| source.platform.clone());
                Ok(State::new(Arc::clone(&self.vertex), *index, platform))
            }
            Some(Slot {
                readonly: true,
                source,
                ..
            }) => Ok(source.clone()),
            _ => {
                let kept = self.outputs.iter().filter(|slot| slot.index.is_some());
                Err(NoOutput {
                    dest: dest.to_owned(),
                    with_output: kept.map(|slot| slot.dest.clone()).collect(),
                })
            }
        }
    }
}
