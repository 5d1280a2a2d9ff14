//! Who is asked for a build's layers, and for what is known of its base.

use std::sync::OnceLock;

use super::base::Facts;
use super::build::Build;
use super::store::{Chosen, LayoutStore, RegistryStore, Stores};
use super::{Failure, Project, base, facts};
use crate::diag::{Diagnostic, Span};
use crate::layers::{Found, GraphProvider, KnownBase, Provider, Records, WheelsFrom, find};
use crate::lower::{self, Context};
use crate::plan::Plan;
use crate::python::pylock;

impl Build<'_> {
    /// The stores that this build asks; an engine that cannot merge asks none. A folder that the user hands over is asked
    /// whatever the order is.
    pub(super) fn stores<'s>(
        &'s self,
        cx: &'s Context,
        chosen: Option<&'s Chosen>,
        records: &'s Records,
    ) -> Stores<'s> {
        let named = chosen.is_some();
        if !cx.merge {
            return Stores {
                named,
                ..Stores::default()
            };
        }
        let in_order = self.request.layers.order.contains(&WheelsFrom::Store);
        let registry = chosen.filter(|_| in_order).map(|store| RegistryStore {
            bridge: self.bridge,
            store,
            records,
            platform: &cx.platform,
            is_filled: self.request.layers.gather.is_some(),
            silent: OnceLock::new(),
        });
        let layout = self.options.wheels_layout.as_ref().map(|layout| LayoutStore {
            bridge: self.bridge,
            layout,
            records,
            session: &cx.context.session,
            platform: &cx.platform,
        });
        Stores {
            named,
            layout,
            registry,
        }
    }

    /// What is known of the base: from a store, else from the engine. With its key, for whoever fills the store.
    pub(super) async fn of_base(
        &self,
        cx: &Context,
        stores: &Stores<'_>,
    ) -> Result<(Facts, Option<KnownBase>), Failure> {
        let (stand, python, wanted) = (self.stand(), self.python(), self.wanted(cx));
        let key = facts::key(&stand, &cx.image, &cx.platform, &python, &wanted);
        let stored = match &key {
            Some(key) => stores.base(key).await?,
            None => None,
        };
        let is_stored = stored.is_some();
        let facts = if let Some(facts) = stored {
            facts
        } else {
            let root = lower::stand_rootfs(&stand, &self.target.name, cx);
            let (caches, python) = (&self.options.cache_imports, (python.as_str(), stand.image_at));
            base::ask(self.bridge, cx, &root, python, &wanted, caches).await?
        };
        let known = key.zip(facts::digest(&cx.image)).map(|(key, image)| KnownBase {
            key,
            image: image.to_owned(),
            platform: cx.platform.to_string(),
            facts: serde_json::to_string(&facts).unwrap_or_default(),
            stored: is_stored,
        });
        Ok((facts, known))
    }

    /// Where the plan's wheel layers come from. An engine that cannot merge has one step that unpacks all of them,
    /// so nobody is asked.
    pub(super) async fn layers(
        &self,
        cx: &Context,
        plan: &Plan,
        stores: &Stores<'_>,
    ) -> Result<Vec<Found>, Failure> {
        if plan.layers.is_empty() {
            return Ok(Vec::new());
        }
        if !cx.merge {
            if stores.named {
                self.note("this engine cannot merge layers: the wheel store is not used".to_owned())
                    .await?;
            }
            return Ok(vec![Found::Unpack; plan.layers.len()]);
        }
        let mut providers: Vec<&dyn Provider> = Vec::new();
        providers.extend(stores.layout.as_ref().map(|store| store as &dyn Provider));
        for from in &self.request.layers.order {
            match from {
                WheelsFrom::Store => {
                    providers.extend(stores.registry.as_ref().map(|store| store as &dyn Provider));
                }
                WheelsFrom::Session => providers.extend(self.session().await?),
                WheelsFrom::Graph => providers.push(&GraphProvider),
            }
        }
        let founds = find(&providers, &plan.wanted()).await?;
        for note in founds.notes {
            self.note(note).await?;
        }
        Ok(founds.found)
    }

    /// Who makes layers in the caller's process, where the engine takes them.
    async fn session(&self) -> Result<Option<&dyn Provider>, Failure> {
        let session = self.request.layers.session.as_deref();
        if session.is_some() && !self.engine.has("source.ocilayout") {
            self.note("this engine takes no layers from the session: they are made in the build".to_owned())
                .await?;
            return Ok(None);
        }
        Ok(session.map(|session| session as &dyn Provider))
    }
}

/// What the lock says of layers.
pub(super) fn records(project: &Project) -> Result<Records, Diagnostic> {
    let Some((path, Some(file))) = &project.records else {
        return Ok(Records::default());
    };
    let in_lock = project.lock.as_ref().is_some_and(|(lock, _)| lock == path);
    let text = if in_lock { pylock::tools(file) } else { file.text() };
    Records::parse(text).map_err(|message| Diagnostic::error(message).at(file, Span::default()))
}
