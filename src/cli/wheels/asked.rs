//! The layers that services need, as far as their locks tell without an engine.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use buildkit_llb::Platform;

use crate::cli::Failure;
use crate::cli::plan::plans;
use crate::cli::project::{Opened, ProjectArgs};
use crate::diag::Spanned;
use crate::layers::{Records, Wanted};
use crate::manifest::ProjectPath;
use crate::plan::Plan;

/// The services asked for, planned.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// A plan for each service and platform, with the file in which its layers are recorded.
    pub(super) plans: Vec<(ProjectPath, Plan)>,
    /// The locks of all services.
    pub(super) locks: BTreeSet<ProjectPath>,
    /// The files in which their layers are recorded, there or not.
    pub(super) records: BTreeSet<ProjectPath>,
    /// Services whose locks tell versions and no files: what they need is known only in a build.
    pub(super) pinned: Vec<String>,
    /// Services without a lock, of which nothing is known.
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
        let mut asked = Self::default();
        for name in services(opened, names)? {
            let service = opened.manifest.service(name).cloned().unwrap_or_default();
            let gathered = project.gather(opened, (name, &service))?;
            let found = &gathered.project;
            let Some((records, _)) = found.records.as_ref().filter(|_| found.is_locked()) else {
                asked.unlocked.push(name.value.clone());
                continue;
            };
            asked.records.insert(records.clone());
            let Some((lock, _)) = &found.lock else {
                asked.locks.extend(found.requirements.iter().cloned());
                asked.pinned.push(name.value.clone());
                continue;
            };
            asked.locks.insert(lock.clone());
            let mut made = Vec::new();
            for platform in platforms {
                made.extend(plans(opened, name, &gathered, Some(platform))?);
            }
            if platforms.is_empty() {
                made = plans(opened, name, &gathered, None)?;
            }
            asked
                .plans
                .extend(made.into_iter().map(|plan| (records.clone(), plan)));
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

    /// What is recorded of the layers.
    pub(super) fn recorded(&self, project: &ProjectArgs) -> Result<Vec<Records>, Failure> {
        let mut all = Vec::new();
        for file in &self.records {
            match fs_err::read_to_string(project.context.join(file.as_str())) {
                Ok(text) => all.push(
                    Records::parse(&text)
                        .map_err(|reason| Failure::Manifest(format!("error: `{file}`: {reason}")))?,
                ),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::Local(error.to_string())),
            }
        }
        Ok(all)
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
        let has_one = project.gather(opened, (name, &service))?.project.is_locked();
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
