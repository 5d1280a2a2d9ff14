//! `wheelwright check`: everything that can be known of a project without an engine.

use std::collections::BTreeSet;

use clap::Args;

use super::cache::CachePlace;
use super::conflicts::{by_severity, of_plan};
use super::plan::plans;
use super::project::{Opened, ProjectArgs};
use super::{Failure, network};
use crate::cli::build::secrets;
use crate::diag::{Diagnostics, Spanned};
use crate::frontend::{self, listed};
use crate::layers::local::MetadataFinder;
use crate::manifest::Service;
use crate::plan;
use crate::report::plural;

/// Check the manifest, the files it names, requirement files and locks
///
/// Nothing is built and no engine is needed. All mistakes are told at once. Packages that do not go together are found by what
/// locks say of them, and by the metadata of wheels that were downloaded before; `--online` asks the indexes for the rest.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// Ask the indexes what locked wheels need
    ///
    /// Only metadata is fetched and kept in the cache: as indexes offer it beside wheels (PEP 658), else the part of a wheel that
    /// holds it. Nothing else of `check` uses the network.
    #[arg(long)]
    online: bool,
    /// Secret that an index's `auth` or `ca_certificates` names: `id=ID,src=FILE` or `id=ID,env=NAME`
    #[arg(long = "secret", value_name = "SECRET", requires = "online")]
    secrets: Vec<String>,
    /// Fetch addresses that begin with FROM from TO instead
    #[arg(
        long = "mirror",
        env = "WHEELWRIGHT_MIRRORS",
        value_name = "FROM=TO",
        value_delimiter = ' '
    )]
    mirrors: Vec<String>,
    #[command(flatten)]
    cache: CachePlace,
}

/// What a check found that is not an error.
#[derive(Debug)]
pub struct Checked {
    /// Number of services.
    pub services: usize,
    /// Warnings.
    pub warnings: Diagnostics,
    /// Locked wheels whose needs nobody could be asked for.
    pub unknown: BTreeSet<String>,
    /// Whether indexes were asked.
    pub online: bool,
}

/// Packages that are named in a line.
const NAMED: usize = 8;

impl Checked {
    /// How it ended, in a line or two.
    pub(super) fn summary(&self) -> String {
        let services = match self.services {
            1 => "1 service is".to_owned(),
            count => format!("{count} services are"),
        };
        let text = format!("{services} well described");
        if self.unknown.is_empty() {
            return text;
        }
        let named = self.unknown.iter().take(NAMED).cloned();
        let mut named = named.collect::<Vec<_>>();
        if self.unknown.len() > NAMED {
            named.push(format!("and {} more", self.unknown.len() - NAMED));
        }
        let wheels = plural(self.unknown.len(), "wheel");
        let named = named.join(", ");
        if self.online {
            format!("{text}\nnote: the indexes do not say what {wheels} need: {named}")
        } else {
            format!(
                "{text}\nnote: what {wheels} need is not known here, `--online` asks the indexes: {named}"
            )
        }
    }
}

/// Checks a project.
pub(super) async fn run(args: &CheckArgs) -> Result<Checked, Failure> {
    let opened = args.project.open()?;
    let mut found = Found::default();
    let finder = args.finder(&opened)?;
    for service in &opened.manifest.services {
        if let Err(failure) = args.service(&opened, service, &finder, &mut found).await {
            found.take(failure)?;
        }
        let listed = listed::check(&opened.file, &args.project.context, &service.1).await;
        if let Err(failure) = listed {
            found.take(failure)?;
        }
    }
    let services = opened.manifest.services.len();
    let mistakes = found.mistakes.unique().finish(Some(services));
    let (services, _) = mistakes.map_err(frontend::Failure::from)?;
    if let Some(failed) = found.failed.first() {
        let count = found.failed.len();
        let what = plural(count, "wheel");
        return Err(Failure::Local(format!(
            "what {what} need cannot be asked: {failed}"
        )));
    }
    let unused = opened.unused(&args.project)?;
    let warnings = opened.warnings.iter().cloned().chain(found.warnings);
    let warnings = warnings.chain(unused.iter().cloned());
    Ok(Checked {
        services,
        warnings: warnings.collect::<Diagnostics>().unique(),
        unknown: found.unknown,
        online: args.online,
    })
}

/// What was found so far.
#[derive(Default)]
struct Found {
    mistakes: Diagnostics,
    warnings: Diagnostics,
    unknown: BTreeSet<String>,
    failed: Vec<String>,
}

impl Found {
    /// Mistakes are gathered; whatever else went wrong ends the check.
    fn take(&mut self, failure: frontend::Failure) -> Result<(), frontend::Failure> {
        match failure {
            frontend::Failure::Mistakes(mistakes) => self.mistakes.extend(mistakes),
            other => return Err(other),
        }
        Ok(())
    }
}

impl CheckArgs {
    async fn service(
        &self,
        opened: &Opened,
        (name, service): &(Spanned<String>, Service),
        finder: &MetadataFinder,
        found: &mut Found,
    ) -> Result<(), frontend::Failure> {
        let gathered = self.project.gather(opened, (name, service))?;
        let project = &gathered.project;
        if project.lock.is_none() && project.pins.is_none() {
            return Ok(());
        }
        for plan in plans(opened, name, &gathered, None)? {
            let warnings = plan::warnings(&opened.file, &opened.manifest, service, &plan);
            found.warnings.extend(warnings.into_iter().collect());
            let known = finder.of(&plan.wanted()).await;
            let (mistakes, warnings) = by_severity(of_plan(opened, project, &plan, &known.facts)?);
            found.mistakes.extend(mistakes);
            found.warnings.extend(warnings);
            found.unknown.extend(known.unknown);
            found.failed.extend(known.failed.iter().map(ToString::to_string));
        }
        Ok(())
    }

    /// A cache is made only to keep what indexes said; one that cannot be used knows nothing.
    fn finder(&self, opened: &Opened) -> Result<MetadataFinder, Failure> {
        let is_there = self.cache.path().is_ok_and(|path| path.is_dir());
        let cache = (is_there || self.online)
            .then(|| self.cache.open().ok())
            .flatten();
        let online = self.online.then(|| {
            let secrets = secrets(&self.secrets)?;
            network::fetch(&opened.manifest, &self.mirrors.join(" "), &secrets).map_err(Failure::Local)
        });
        Ok(MetadataFinder::new(cache, online.transpose()?))
    }
}
