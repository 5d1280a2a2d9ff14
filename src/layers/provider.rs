//! Who already has a wheel layer.
//!
//! Three are asked in turn: the wheel store, the session, and the graph, which can always make it. The first two
//! have their place here and are not written yet.

use async_trait::async_trait;

use super::WheelLayer;

/// Where a layer comes from, as the graph will refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A one-layer image in a registry, by digest.
    Image {
        /// Reference with digest.
        reference: String,
    },
    /// A one-layer image that the session serves as an OCI layout.
    Layout {
        /// Reference with digest.
        reference: String,
        /// The session's store.
        store: String,
    },
    /// Nobody has it: download its wheels and unpack them in the graph.
    Unpack,
}

/// One who may have wheel layers.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// For each layer where it is, or nothing when this provider does not have it.
    async fn find(&self, layers: &[WheelLayer]) -> Vec<Option<Found>>;
}

/// The graph: makes any layer from its wheels.
#[derive(Debug, Clone, Copy, Default)]
pub struct GraphProvider;

#[async_trait]
impl Provider for GraphProvider {
    fn name(&self) -> &'static str {
        "graph"
    }

    async fn find(&self, layers: &[WheelLayer]) -> Vec<Option<Found>> {
        layers.iter().map(|_| Some(Found::Unpack)).collect()
    }
}

/// Asks the providers in turn; what nobody has is unpacked in the graph.
pub async fn find(providers: &[&dyn Provider], layers: &[WheelLayer]) -> Vec<Found> {
    let mut found: Vec<Option<Found>> = vec![None; layers.len()];
    for provider in providers {
        let missing = (0..layers.len())
            .filter(|index| found[*index].is_none())
            .collect::<Vec<_>>();
        if missing.is_empty() {
            break;
        }
        let asked = missing
            .iter()
            .map(|index| layers[*index].clone())
            .collect::<Vec<_>>();
        for (index, answer) in missing.into_iter().zip(provider.find(&asked).await) {
            found[index] = answer;
        }
    }
    found
        .into_iter()
        .map(|answer| answer.unwrap_or(Found::Unpack))
        .collect()
}
