//! Who already has a wheel layer.
//!
//! Providers are asked in turn: the wheel store, the session, and the graph, which can always make it. A provider that
//! cannot be asked says so once and the next one goes on; one that has something else under a layer's name ends the
//! build, since nobody can say what that is.

use async_trait::async_trait;

use super::Wanted;

/// Where a layer comes from, as the graph will refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A one-layer image in a registry, by digest.
    Image {
        /// Reference with digest.
        reference: String,
        /// What the image says of its wheels, packed.
        facts: Option<String>,
    },
    /// A one-layer image that the session serves as an OCI layout.
    Layout {
        /// Reference with digest.
        reference: String,
        /// The session's store.
        store: String,
        /// What the image says of its wheels, packed.
        facts: Option<String>,
    },
    /// Nobody has it: download its wheels and unpack them in the graph.
    Unpack,
}

/// What a provider answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// For each layer asked for where it is, or nothing when this provider does not have it.
    pub found: Vec<Option<Found>>,
    /// What the user should know, such as that it could not be asked; a line each.
    pub notes: Vec<String>,
}

/// A provider has something else under the name of a layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {provider}'s layer of {layer} is not what it says: {reason}")]
pub struct Mismatch {
    /// Who has it.
    pub provider: &'static str,
    /// The layer, in a few words.
    pub layer: String,
    /// What was found and what was expected.
    pub reason: String,
}

/// A layer that can be had nowhere, since what it is made of is not right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong, with the names of layer and file.
    pub message: String,
    /// What the user can do about it.
    pub help: Option<&'static str>,
}

/// Why no provider may be asked any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// A provider has something else under the name of a layer.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Wheels are not what the lock says, or no wheels.
    #[error("{}", .0.iter().map(|broken| broken.message.as_str()).collect::<Vec<_>>().join("\n"))]
    Broken(Vec<Broken>),
}

/// One who may have wheel layers.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// Where each of the layers is; all are asked for at once so that they can be looked up side by side.
    async fn find(&self, wanted: &[Wanted<'_>]) -> Result<Answer, LayerError>;
}

/// The graph: makes any layer from its wheels.
#[derive(Debug, Clone, Copy, Default)]
pub struct GraphProvider;

#[async_trait]
impl Provider for GraphProvider {
    fn name(&self) -> &'static str {
        "graph"
    }

    async fn find(&self, wanted: &[Wanted<'_>]) -> Result<Answer, LayerError> {
        Ok(Answer {
            found: vec![Some(Found::Unpack); wanted.len()],
            notes: Vec::new(),
        })
    }
}

/// Where all layers of a plan come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Founds {
    /// One for each layer.
    pub found: Vec<Found>,
    /// What the providers want the user to know.
    pub notes: Vec<String>,
}

/// Asks the providers in turn; what nobody has is unpacked in the graph.
pub async fn find(providers: &[&dyn Provider], wanted: &[Wanted<'_>]) -> Result<Founds, LayerError> {
    let mut found: Vec<Option<Found>> = vec![None; wanted.len()];
    let mut notes = Vec::new();
    for provider in providers {
        let missing = (0..wanted.len())
            .filter(|index| found[*index].is_none())
            .collect::<Vec<_>>();
        if missing.is_empty() {
            break;
        }
        let asked = missing.iter().map(|index| wanted[*index]).collect::<Vec<_>>();
        let answer = provider.find(&asked).await?;
        notes.extend(answer.notes);
        for (index, one) in missing.into_iter().zip(answer.found) {
            found[index] = one;
        }
    }
    let found = found
        .into_iter()
        .map(|answer| answer.unwrap_or(Found::Unpack))
        .collect();
    Ok(Founds { found, notes })
}
