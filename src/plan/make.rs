//! A service's part of the manifest, its interpreter and its packages to a plan.

use super::account::Accounts;
use super::building::Building;
use super::{BasePlan, CodePlan, FileFrom, FilePlan, Files, Plan, VENV, checks, image};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::layers::{Budget, Census, MAX_LAYERS, WheelLayer, group, group_bytecode};
use crate::manifest::types::items;
use crate::manifest::{FileSource, List, Manifest, Mode, ProjectPath, Service};
use crate::python::own_files::{OwnFiles, PYPROJECT};
use crate::python::{Artifact, Interpreter, Pick};

/// What a plan is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The manifest's text, for messages.
    pub file: &'a SourceFile,
    /// The manifest.
    pub manifest: &'a Manifest,
    /// Name of the service.
    pub name: &'a str,
    /// What it says.
    pub service: &'a Service,
    /// Where it is declared.
    pub at: Span,
    /// Platform, such as linux/amd64.
    pub platform: &'a str,
    /// The base image: by digest where an engine was asked, else as written.
    pub image: &'a str,
    /// The base's interpreter.
    pub interpreter: &'a Interpreter,
    /// Whether nobody has looked at the base.
    pub assumed: bool,
    /// The base's users.
    pub accounts: &'a Accounts,
    /// Requirement files that the packages are resolved from; none with a lock.
    pub requirements: &'a [ProjectPath],
    /// What is installed, sorted by name.
    pub packages: Vec<Pick>,
    /// Files of the repository that were read.
    pub files: &'a Files,
    /// What all services of the project install on this platform.
    pub census: &'a Census,
}

/// Plans a service; mistakes are those that need the packages or the interpreter to be seen.
pub fn make(inputs: Inputs<'_>) -> Result<Plan, Diagnostics> {
    let service = inputs.service;
    let base = service
        .base
        .as_ref()
        .and_then(|name| inputs.manifest.base(&name.value));
    let mut mistakes = Diagnostics::default();
    checks::packages(&inputs, base, &mut mistakes);
    python(&inputs, &mut mistakes);
    let account = service.user.as_ref().map(|user| inputs.accounts.account(user));
    let minor = inputs.interpreter.minor.to_string();
    let layers = layers(&inputs, &minor);
    let plan = Plan {
        project: inputs.manifest.project().to_owned(),
        service: inputs.name.to_owned(),
        platform: inputs.platform.to_owned(),
        base: stand(inputs.manifest, service),
        interpreter: inputs.interpreter.clone(),
        assumed: inputs.assumed,
        venv: VENV.to_owned(),
        builds: building(&inputs).plans(&inputs.packages),
        requirements: inputs.requirements.to_vec(),
        packages: narrowed(inputs.packages, inputs.files),
        layers,
        image: image::settings(
            base,
            service,
            account.as_ref().map(|account| account.user.clone()),
        ),
        account,
        code: code(service),
        files: files(service),
        smoke: items(service.smoke.as_ref()).to_vec(),
        at: inputs.at,
    };
    mistakes.finish(Some(plan)).map(|(plan, _)| plan)
}

/// Packages at the repository's root with what they are made of, where the files that were read tell.
fn narrowed(mut packages: Vec<Pick>, files: &Files) -> Vec<Pick> {
    let text = |path: &str| files.get(&path.parse().ok()?)?.as_deref();
    for pick in &mut packages {
        if let Artifact::Directory(folder) = &mut pick.artifact
            && folder.path == ProjectPath::root()
            && let Some(own) = text(PYPROJECT).and_then(OwnFiles::of)
        {
            folder.only = own.list(text);
        }
    }
    packages
}

fn building<'a>(inputs: &Inputs<'a>) -> Building<'a> {
    Building {
        manifest: inputs.manifest,
        service: inputs.service,
        files: inputs.files,
        image: inputs.image,
        platform: inputs.platform,
        interpreter: inputs.interpreter,
    }
}

/// Wheel layers, then layers of bytecode.
fn layers(inputs: &Inputs<'_>, minor: &str) -> Vec<WheelLayer> {
    let identities = building(inputs).identities(&inputs.packages);
    let (name, packages, place) = (
        inputs.name,
        (&inputs.packages[..], &identities[..]),
        (VENV, minor),
    );
    let budget = budget(inputs.manifest);
    let mut layers = group(name, packages, place, inputs.census, &budget);
    if bytecode(inputs.manifest, inputs.service) {
        let services = inputs.manifest.services.iter();
        let without = services.filter(|(_, service)| !bytecode(inputs.manifest, service));
        let without = without.map(|(name, _)| name.value.clone()).collect();
        layers.extend(group_bytecode(
            name,
            packages,
            place,
            (inputs.census, &without),
            &budget,
        ));
    }
    layers
}

/// Whether a service has bytecode: as it says, else as its base says, else yes.
pub fn bytecode(manifest: &Manifest, service: &Service) -> bool {
    let base = service.base.as_ref().and_then(|name| manifest.base(&name.value));
    let said = service
        .bytecode
        .as_ref()
        .or(base.and_then(|base| base.bytecode.as_ref()));
    said.is_none_or(|said| said.value)
}

/// How many layers wheels may take, and which are alone; the same for all services.
fn budget(manifest: &Manifest) -> Budget {
    let layers = manifest.layers.as_ref();
    let max = layers.and_then(|layers| layers.max.as_ref());
    let own = items(layers.and_then(|layers| layers.own.as_ref()));
    let mut services = manifest.services.iter();
    Budget::of(
        max.map_or(MAX_LAYERS, |max| max.value),
        own.iter().filter_map(|name| name.parse().ok()).collect(),
        services.any(|(_, service)| bytecode(manifest, service)),
    )
}

fn python(inputs: &Inputs<'_>, mistakes: &mut Diagnostics) {
    let Some(wanted) = &inputs.manifest.python else {
        return;
    };
    if wanted.value != inputs.interpreter.minor && !inputs.assumed {
        mistakes.push(
            Diagnostic::error(format!(
                "the base image has Python {}, the manifest says {}",
                inputs.interpreter.version, wanted.value
            ))
            .at(inputs.file, wanted.span)
            .help("change `python:`, or use a base image with this Python"),
        );
    }
}

/// What a service stands on; known from the manifest alone.
pub fn stand(manifest: &Manifest, service: &Service) -> BasePlan {
    let base = service.base.as_ref().and_then(|name| manifest.base(&name.value));
    let image = service
        .image
        .as_ref()
        .or(base.and_then(|base| base.image.as_ref()));
    let packages = base.and_then(|base| base.packages.as_ref());
    let span = |list: Option<&List<String>>| list.map_or(Span::default(), |list| list.span);
    BasePlan {
        name: service.base.as_ref().map(|name| name.value.clone()),
        image: image.map(|image| image.value.clone()).unwrap_or_default(),
        packages: words(packages),
        service_packages: words(service.packages.as_ref()),
        image_at: image.map_or(Span::default(), |image| image.span),
        packages_at: span(packages),
        service_packages_at: span(service.packages.as_ref()),
    }
}

/// The paths of the repository that a service lists, and where they go.
pub fn code(service: &Service) -> Vec<CodePlan> {
    let folder = service.working_dir().trim_end_matches('/');
    items(service.code.as_ref())
        .iter()
        .map(|path| CodePlan {
            from: path.value.clone(),
            to: if path.as_str() == "." {
                format!("{folder}/")
            } else {
                format!("{folder}/{}", path.as_str())
            },
            at: path.span,
        })
        .collect()
}

/// The single files that a service lists.
pub fn files(service: &Service) -> Vec<FilePlan> {
    service
        .files
        .iter()
        .flatten()
        .map(|file| FilePlan {
            from: match &file.source {
                FileSource::Url { url, sha256 } => FileFrom::Url {
                    url: url.value.clone(),
                    sha256: sha256.value.clone(),
                },
                FileSource::Path { source } => FileFrom::Path(source.value.clone()),
            },
            to: file.target.value.clone(),
            mode: file.mode.as_ref().map_or(Mode(0o644), |mode| mode.value),
            at: file.place(),
        })
        .collect()
}

pub(super) fn words(list: Option<&List<String>>) -> Vec<String> {
    items(list).iter().map(|item| item.value.clone()).collect()
}
