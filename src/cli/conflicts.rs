//! Packages that do not go together, as far as is known without a build.

use super::project::Opened;
use crate::diag::{Diagnostics, Severity};
use crate::frontend::judge::Judge;
use crate::frontend::{Failure, Project};
use crate::plan::Plan;

/// What does not go together in a plan; `facts` is what is known of its wheels besides its lock.
pub(super) fn of_plan(
    opened: &Opened,
    project: &Project,
    plan: &Plan,
    facts: &[unwheel::Facts],
) -> Result<Diagnostics, Failure> {
    let judge = Judge {
        file: &opened.file,
        manifest: &opened.manifest,
        at: plan.at,
        project,
        interpreter: &plan.interpreter,
    };
    let mut found = judge.pinned()?;
    if project.lock.is_some() {
        found.extend(judge.packages(&plan.packages, facts)?);
    }
    Ok(found)
}

/// Those that end a build, and those that are only told.
pub(super) fn by_severity(found: Diagnostics) -> (Diagnostics, Diagnostics) {
    let (mistakes, warnings) = found
        .into_iter()
        .partition::<Vec<_>, _>(|told| told.severity == Severity::Error);
    (mistakes.into_iter().collect(), warnings.into_iter().collect())
}
