//! The layers that services need, as far as their locks tell without an engine.

use std::collections::{BTreeMap, BTreeSet};

use buildkit_llb::Platform;

use crate::cli::Failure;
use crate::cli::plan::plans;
use crate::cli::project::{Opened, ProjectArgs};
use crate::diag::Spanned;
use crate::layers::{LayerKey, Wanted};
use crate::manifest::ProjectPath;
use crate::plan::Plan;

/// The services asked for, planned.
#[derive(Debug)]
pub(super) struct Asked {
    /// A plan for each service and platform, with the lock that it is from.
    pub(super) plans: Vec<(ProjectPath, Plan)>,
    /// Services without a lock: what they need is known only in a build.
    pub(super) unlocked: Vec<String>,
}

impl Asked {
    /// Plans the services that are named, or all, for the platforms that are named, or the manifest's.
    pub(super) fn new(
        project: &ProjectArgs,
        opened: &Opened,
        names: &[String],
        platforms: &[Platform],
    ) -> Result<Self, Failure> {
        let mut asked = Self {
            plans: Vec::new(),
            unlocked: Vec::new(),
        };
        for name in services(opened, names)? {
            let service = opened.manifest.service(name).cloned().unwrap_or_default();
            let Some((lock, _)) = project.gather(opened, (name, &service))?.0.lock else {
                asked.unlocked.push(name.value.clone());
                continue;
            };
            let mut made = Vec::new();
            for platform in platforms {
                made.extend(plans(project, opened, name, Some(platform))?);
            }
            if platforms.is_empty() {
                made = plans(project, opened, name, None)?;
            }
            asked
                .plans
                .extend(made.into_iter().map(|plan| (lock.clone(), plan)));
        }
        Ok(asked)
    }

    /// Each layer once, in the order of the plans.
    pub(super) fn layers(&self) -> Vec<Wanted<'_>> {
        let mut seen = BTreeSet::new();
        let wanted = self.plans.iter().flat_map(|(_, plan)| plan.wanted());
        wanted
            .filter(|wanted| seen.insert(wanted.layer.key.clone()))
            .collect()
    }

    /// The keys of each lock's layers.
    pub(super) fn by_lock(&self) -> BTreeMap<&ProjectPath, BTreeSet<&LayerKey>> {
        let mut locks = BTreeMap::<_, BTreeSet<_>>::new();
        for (lock, plan) in &self.plans {
            let keys = plan.layers.iter().map(|layer| &layer.key);
            locks.entry(lock).or_default().extend(keys);
        }
        locks
    }
}

/// The services asked for that have a lock, and those that have none.
pub(super) fn locked(
    project: &ProjectArgs,
    opened: &Opened,
    names: &[String],
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (mut locked, mut unlocked) = (Vec::new(), Vec::new());
    for name in services(opened, names)? {
        let service = opened.manifest.service(name).cloned().unwrap_or_default();
        let has_one = project.gather(opened, (name, &service))?.0.lock.is_some();
        let list = if has_one { &mut locked } else { &mut unlocked };
        list.push(name.value.clone());
    }
    Ok((locked, unlocked))
}

/// The services that are named, each once; all when none is.
fn services<'o>(opened: &'o Opened, names: &[String]) -> Result<Vec<&'o Spanned<String>>, Failure> {
    if names.is_empty() {
        return Ok(opened.names().collect());
    }
    for name in names {
        opened.name(name)?;
    }
    Ok(opened
        .names()
        .filter(|name| names.contains(&name.value))
        .collect())
}
