//! `wheelwright check`: everything that can be known of a project without an engine.

use clap::Args;

use super::plan::plans;
use super::project::ProjectArgs;
use crate::diag::Diagnostics;
use crate::frontend::{Failure, listed};
use crate::plan;

/// Check the manifest, the files it names, requirement files and locks
///
/// Nothing is built and no engine is needed. All mistakes are told at once.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    project: ProjectArgs,
}

/// What a check found that is not an error.
#[derive(Debug)]
pub struct Checked {
    /// Number of services.
    pub services: usize,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Checks a project.
pub async fn run(args: &CheckArgs) -> Result<Checked, Failure> {
    let opened = args.project.open()?;
    let mut mistakes = Diagnostics::default();
    let mut warnings = Vec::new();
    for (name, service) in &opened.manifest.services {
        match args.project.gather(&opened, (name, service)) {
            Err(Failure::Mistakes(found)) => mistakes.extend(found),
            Err(other) => return Err(other),
            Ok((project, _)) if project.lock.is_some() => match plans(&args.project, &opened, name, None) {
                Ok(plans) => warnings.extend(
                    plans
                        .iter()
                        .flat_map(|plan| plan::warnings(&opened.file, &opened.manifest, service, plan)),
                ),
                Err(Failure::Mistakes(found)) => mistakes.extend(found),
                Err(other) => return Err(other),
            },
            Ok(_) => {}
        }
        match listed::check(&opened.file, &args.project.context, service).await {
            Err(Failure::Mistakes(found)) => mistakes.extend(found),
            other => other?,
        }
    }
    let services = opened.manifest.services.len();
    let (services, _) = mistakes.unique().finish(Some(services))?;
    let unused = opened.unused(&args.project)?;
    let warnings = opened.warnings.iter().cloned().chain(warnings);
    let warnings = warnings.chain(unused.iter().cloned());
    Ok(Checked {
        services,
        warnings: warnings.collect::<Diagnostics>().unique(),
    })
}
