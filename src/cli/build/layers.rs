//! Where the wheel layers of a run come from.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{BuildArgs, request};
use crate::cli::{Failure, network};
use crate::client::{Engine, Listed, SessionLayers, Update};
use crate::frontend::{self, Gather};
use crate::layers::local::Maker;
use crate::layers::{Format, Provider, WheelsFrom};
use crate::manifest::Manifest;
use crate::report::{Printer, Progress};

/// What all builds of a run share: what one makes, the others find.
pub(super) struct Layers {
    order: Vec<WheelsFrom>,
    maker: Option<Maker>,
    gather: Option<Gather>,
}

impl Layers {
    /// The places that are asked for, or those that suit the engine. One that is not on this machine may be far away,
    /// and nearer to the index.
    pub(super) fn new(
        args: &BuildArgs,
        manifest: &Manifest,
        engine: &Engine,
        gather: Option<Gather>,
    ) -> Self {
        let mut order = args.wheels_from.clone();
        if order.is_empty() {
            order = WheelsFrom::ALL.to_vec();
            if !engine.is_local() {
                order.retain(|from| *from != WheelsFrom::Session);
            }
        }
        let asked = order.contains(&WheelsFrom::Session);
        let maker = asked.then(|| maker(args, manifest)).and_then(|made| {
            let quiet = args.progress == Progress::Json;
            made.inspect_err(|reason| {
                if !quiet {
                    let text = format!("warning: wheel layers are made by the engine: {reason}");
                    Printer::new().note(&text);
                }
            })
            .ok()
        });
        Self { order, maker, gather }
    }

    /// The places that are asked.
    pub(super) fn order(&self) -> &[WheelsFrom] {
        &self.order
    }

    /// For one build: layers are packed as it asks and listed for its session alone.
    pub(super) fn of_one_build(&self, format: Format) -> OfOneBuild {
        let made = self.maker.clone().map(|maker| (maker, Arc::default()));
        OfOneBuild {
            order: self.order.clone(),
            format,
            made,
            gather: self.gather.clone(),
        }
    }

    /// Makes room in the cache, where something came into it. The builds are done, so nothing that goes wrong here is
    /// worth failing for.
    pub(super) fn prune(&self) {
        if let Some(maker) = &self.maker {
            let cache = maker.cache();
            if cache.has_grown() {
                drop(cache.prune(cache.limit()));
            }
        }
    }
}

pub(in crate::cli) fn maker(args: &BuildArgs, manifest: &Manifest) -> Result<Maker, String> {
    let said = |failure: Failure| failure.text().unwrap_or_default();
    let cache = args.cache.open().map_err(said)?;
    let secrets = request::secrets(&args.secrets).map_err(said)?;
    let mirrors = args
        .arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("WHEELWRIGHT_MIRRORS="));
    Ok(Maker::new(
        cache,
        network::fetch(manifest, mirrors.unwrap_or_default(), &secrets)?,
    ))
}

/// Where the wheel layers of one build come from; by default from the graph.
#[derive(Default)]
pub(super) struct OfOneBuild {
    order: Vec<WheelsFrom>,
    format: Format,
    made: Option<(Maker, Arc<Listed>)>,
    gather: Option<Gather>,
}

impl OfOneBuild {
    /// What the session has to serve.
    pub(super) fn listed(&self) -> Option<Arc<Listed>> {
        self.made.as_ref().map(|(_, listed)| listed.clone())
    }

    /// For the frontend; `updates` gets the steps that are done here.
    pub(super) fn providers(self, updates: UnboundedSender<Update>) -> frontend::Layers {
        let session = self.made.map(|(maker, listed)| {
            Arc::new(SessionLayers::new(maker, self.format, listed, updates)) as Arc<dyn Provider>
        });
        frontend::Layers {
            order: self.order,
            session,
            gather: self.gather,
        }
    }
}
