//! `wheelwright plan`: what a build would do, printed without an engine where the service has a lock.

use buildkit_llb::Platform;
use clap::{Args, ValueEnum};

use super::conflicts::{by_severity, of_plan};
use super::project::{Gathered, Opened, ProjectArgs};
use crate::diag::{Diagnostic, Diagnostics, Spanned};
use crate::frontend::{Failure, census, locked_picks};
use crate::manifest::Service;
use crate::manifest::types::items;
use crate::plan::{self, Accounts, Inputs, Plan};
use crate::python::{Anchor, Interpreter};

/// Show what a build would do
///
/// Services with a lock are planned whole; the base's Python is assumed (the manifest's minor version, glibc 2.36),
/// since no engine is asked. For services without a lock the packages are known only in the build.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// Services to plan; all when none is named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Platform to plan for
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// Explain the layers: which wheel is in which, why, its bytes, and which services share it
    #[arg(long)]
    layers: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Tree)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A tree for people
    Tree,
    /// JSON for programs
    Json,
}

/// What is planned, and what is to be said of it.
#[derive(Debug)]
pub struct Planned {
    /// The text to print.
    pub text: String,
    /// Packages that do not go together, as far as locks tell.
    pub warnings: Diagnostics,
}

/// Plans services.
pub fn run(args: &PlanArgs) -> Result<Planned, Failure> {
    let opened = args.project.open()?;
    let platform = args.platform.as_deref().map(platform).transpose()?;
    let mut plans = Vec::new();
    let (mut mistakes, mut warnings) = (Diagnostics::default(), Diagnostics::default());
    for name in names(args, &opened)? {
        let service = opened.manifest.service(name).cloned().unwrap_or_default();
        let gathered = args.project.gather(&opened, (name, &service))?;
        for plan in self::plans(&opened, name, &gathered, platform.as_ref())? {
            let (wrong, more) = by_severity(of_plan(&opened, &gathered.project, &plan, &[])?);
            mistakes.extend(wrong);
            warnings.extend(more);
            plans.push(plan);
        }
    }
    mistakes.unique().finish(Some(()))?;
    let text = match (args.format, args.layers) {
        (Format::Tree, false) => plans.iter().map(plan::tree).collect(),
        (Format::Tree, true) => plans.iter().map(plan::layer_tree).collect(),
        (Format::Json, false) => json(&plans)?,
        (Format::Json, true) => json(&plans.iter().map(plan::layer_list).collect::<Vec<_>>())?,
    };
    Ok(Planned {
        text,
        warnings: warnings.unique(),
    })
}

fn json<T: serde::Serialize>(plans: &[T]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(plans).map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(format!("{text}\n"))
}

fn names<'o>(args: &PlanArgs, opened: &'o Opened) -> Result<Vec<&'o Spanned<String>>, Failure> {
    if args.services.is_empty() {
        return Ok(opened.names().collect());
    }
    args.services.iter().map(|asked| opened.name(asked)).collect()
}

fn platform(text: &str) -> Result<Platform, Failure> {
    text.parse().map_err(|error| {
        Diagnostic::error(format!("`{text}` is not a platform"))
            .help(format!("{error}"))
            .into()
    })
}

/// A service's plans: for the platform asked, else for each of the manifest's, else for linux/amd64.
pub(super) fn plans(
    opened: &Opened,
    name: &Spanned<String>,
    gathered: &Gathered,
    asked: Option<&Platform>,
) -> Result<Vec<Plan>, Failure> {
    let service = opened.manifest.service(name).cloned().unwrap_or_default();
    let named = items(opened.manifest.platforms.as_ref())
        .iter()
        .filter_map(|text| text.parse().ok());
    let platforms: Vec<Platform> = asked
        .cloned()
        .map_or_else(|| named.collect(), |platform| vec![platform]);
    let platforms = if platforms.is_empty() {
        vec![platform("linux/amd64")?]
    } else {
        platforms
    };
    platforms
        .iter()
        .map(|platform| one(opened, name, &service, gathered, platform))
        .collect()
}

fn one(
    opened: &Opened,
    name: &Spanned<String>,
    service: &Service,
    Gathered { project, files }: &Gathered,
    platform: &Platform,
) -> Result<Plan, Failure> {
    let image = plan::stand(&opened.manifest, service).image;
    let minor = opened
        .manifest
        .python
        .as_ref()
        .map_or_else(|| census::minor_of(&image), |python| python.value);
    let interpreter = Interpreter::assumed_in(&image, minor, &platform.architecture);
    let text = platform.to_string();
    let wanted = opened.manifest.python.as_ref();
    let wanted = wanted.map_or_else(String::new, |python| python.value.to_string());
    let made = project.made.as_ref();
    let stale = made.and_then(|made| made.check(&opened.file, name, &wanted, std::slice::from_ref(&text)));
    if let Some(stale) = stale {
        return Err(stale.into());
    }
    let packages = match &project.lock {
        Some((path, lock)) => locked_picks(
            (lock, &project.selection),
            service,
            &interpreter,
            &text,
            Anchor::beside(path.as_str()),
        )?,
        None => Vec::new(),
    };
    let inputs = Inputs {
        file: &opened.file,
        manifest: &opened.manifest,
        name,
        service,
        at: name.span,
        platform: &text,
        image: &image,
        interpreter: &interpreter,
        assumed: true,
        accounts: &Accounts::default(),
        requirements: project.resolved_from(),
        packages,
        files,
        census: &census::take(&opened.file, &opened.manifest, files, &text),
    };
    Ok(plan::make(inputs)?)
}
