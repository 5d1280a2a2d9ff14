//! What a build tells whoever fills the store: its layers, who had them, how an engine makes those that nobody has.

use std::sync::Arc;

use super::Project;
use super::build::Build;
use super::store::Chosen;
use crate::layers::{Found, Gathered, KnownBase, Made, Need, Needs, Wanted};
use crate::lower::{self, Context};
use crate::plan::Plan;

/// Who is told, and whether telling is all that is wanted.
#[derive(Debug, Clone)]
pub struct Gather {
    /// Takes it.
    pub into: Arc<Gathered>,
    /// The build ends there, without an image.
    pub only: bool,
}

impl Build<'_> {
    /// Whether nothing is to be built.
    pub(super) fn only_gathers(&self) -> bool {
        self.request
            .layers
            .gather
            .as_ref()
            .is_some_and(|gather| gather.only)
    }

    /// Tells what the plan needs, if anybody wants to know.
    pub(super) fn gather(
        &self,
        cx: &Context,
        (plan, found): (&Plan, &[Found]),
        (store, project): (Option<&Chosen>, &Project),
        base: Option<KnownBase>,
    ) {
        let Some(gather) = &self.request.layers.gather else {
            return;
        };
        let wanted = plan.wanted();
        let keyed = wanted.iter().zip(found).filter(|(wanted, _)| wanted.is_keyed());
        let layers = keyed.map(|(wanted, found)| {
            let stored = matches!(found, Found::Image { .. });
            Need::new(wanted, stored, made(plan, wanted, cx))
        });
        gather.into.add(Needs {
            service: plan.service.clone(),
            store: store.map(|store| (store.repository().clone(), store.format())),
            records: project.records.as_ref().map(|(path, _)| path.clone()),
            base,
            layers: layers.collect(),
        });
    }
}

/// Graphs that go on from the cache of the build that was.
fn made(plan: &Plan, wanted: &Wanted<'_>, cx: &Context) -> Made {
    let cx = &Context {
        no_cache: false,
        ..cx.clone()
    };
    if let Some(tree) = lower::bytecode_tree(plan, wanted, cx) {
        return Made::Tree(lower::marshal(&tree).into_pb());
    }
    let built = wanted.layer.packages.iter().enumerate();
    let built = built.filter(|(_, index)| plan.packages[**index].artifact.is_built());
    let graph = |(place, index): (usize, &usize)| {
        let wheel = lower::wheel(plan, *index, cx);
        (place, lower::marshal(&wheel).into_pb())
    };
    Made::Wheels(built.map(graph).collect())
}
