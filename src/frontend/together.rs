//! Whether what a service installs goes together: asked once it is known where its layers come from.
//!
//! What wheels need and which paths they write is known by whoever has their layers: a store's image says it, and a step that
//! unpacks them in the graph leaves it beside the layer. It is read while the image is being made. With a cache to import
//! from, layers may come from there whose steps then never run, so the graph is not asked: it was when they were made.

use unwheel::Facts;

use super::build::{Build, Service};
use super::judge::Judge;
use super::{Failure, Project};
use crate::diag::{Diagnostics, Severity};
use crate::layers::{Found, Kind};
use crate::lower;
use crate::python::{Interpreter, Pick};

impl Build<'_> {
    /// Says what does not go together in a lock that names no files, before the resolver looks for them.
    pub(super) async fn pinned_together(
        &self,
        project: &Project,
        interpreter: &Interpreter,
    ) -> Result<(), Failure> {
        self.say_all(self.judge(project, interpreter).pinned()?).await
    }

    /// The same as far as a lock with files tells, before any of them is fetched.
    pub(super) async fn locked_together(
        &self,
        project: &Project,
        interpreter: &Interpreter,
        packages: &[Pick],
    ) -> Result<(), Failure> {
        if project.lock.is_none() {
            return Ok(());
        }
        let found = self.judge(project, interpreter).packages(packages, &[])?;
        self.say_all(found).await
    }

    /// Says which packages of a service do not go together.
    pub(super) async fn together(&self, service: &Service, project: &Project) -> Result<(), Failure> {
        let plan = &service.plan;
        let judge = self.judge(project, &plan.interpreter);
        if !judge.is_asked() || plan.packages.is_empty() || self.only_gathers() {
            return Ok(());
        }
        let facts = self.facts(service).await?;
        self.say_all(judge.packages(&plan.packages, &facts)?).await
    }

    fn judge<'a>(&'a self, project: &'a Project, interpreter: &'a Interpreter) -> Judge<'a> {
        Judge {
            file: &self.loaded.file,
            manifest: &self.loaded.manifest,
            at: self.target.at,
            project,
            interpreter,
        }
    }

    /// All that was found, each once in a build; mistakes end it.
    pub(super) async fn say_all(&self, found: Diagnostics) -> Result<(), Failure> {
        let (mistakes, warnings) = found
            .into_iter()
            .partition::<Vec<_>, _>(|told| told.severity == Severity::Error);
        for warning in warnings {
            self.say(warning).await?;
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes.into_iter().collect::<Diagnostics>().into())
        }
    }

    /// What is known of the wheels, in the order in which layers are laid down.
    async fn facts(&self, service: &Service) -> Result<Vec<Facts>, Failure> {
        let Service { plan, found, cx, .. } = service;
        let tree = lower::facts(&service.facts, plan, cx).filter(|_| self.options.cache_imports.is_empty());
        let unpacked = match tree {
            Some(tree) => {
                let result = self.solve(lower::marshal(&tree)).await?;
                let line = self.bridge.read_file(&result, lower::FACTS_FILE).await?;
                Facts::from_line(&String::from_utf8_lossy(&line)).map_err(Failure::Internal)?
            }
            None => Vec::new(),
        };
        let mut unpacked = unpacked.into_iter();
        let layers = plan.layers.iter().zip(found);
        let wheels = layers.filter(|(layer, _)| layer.kind == Kind::Wheels);
        let mut all = Vec::new();
        for (layer, found) in wheels {
            match found {
                Found::Image { facts, .. } | Found::Layout { facts, .. } => {
                    // One that cannot be read says nothing.
                    let read = facts.as_deref().map(Facts::from_line);
                    all.extend(read.and_then(Result::ok).unwrap_or_default());
                }
                Found::Unpack => all.extend(unpacked.by_ref().take(layer.packages.len())),
            }
        }
        Ok(all)
    }
}
