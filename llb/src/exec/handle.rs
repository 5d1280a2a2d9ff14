//! The outputs of an exec.

use super::ExecSpec;
use crate::platform::Platform;
use crate::state::{Op, State, Vertex};
use std::sync::Arc;

/// The outputs of a built exec.
#[derive(Clone, Debug)]
pub struct ExecHandle {
    pub(super) vertex: Arc<Vertex>,
    pub(super) platform: Option<Platform>,
    pub(super) root: State,
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
        let spec = match &self.vertex.op {
            Op::Exec(spec) => Some(spec.as_ref()),
            _ => None,
        };
        let outputs = || spec.into_iter().flat_map(ExecSpec::outputs);
        match outputs().find(|(mount, _)| mount.dest == dest) {
            Some((mount, Some(index))) => {
                let platform = self.platform.clone().or_else(|| mount.state.platform.clone());
                Ok(State::new(Arc::clone(&self.vertex), index, platform))
            }
            Some((mount, None)) if mount.is_readonly() => Ok(mount.state.clone()),
            _ => Err(NoOutput {
                dest: dest.to_owned(),
                with_output: outputs()
                    .filter(|(_, index)| index.is_some())
                    .map(|(mount, _)| mount.dest.clone())
                    .collect(),
            }),
        }
    }
}
