//! Locks that are made from requirement files: where they are, and whether they still fit.
//!
//! A service with requirements has its lock at `lock:`, else in `pylock.SERVICE.toml` at the repository's root. While there
//! is none, builds resolve the requirements; once there is one, it must fit.

use super::lock::is_uv_lock;
use crate::diag::{Diagnostic, SourceFile, Span};
use crate::manifest::types::items;
use crate::manifest::{Manifest, ProjectPath, Service};
use crate::plan::Indexes;
use crate::python::{PackageName, Pick, Stamp, pylock, uv_lock};

/// Packages that are named in a line.
const NAMED: usize = 8;

/// The lock that a service's requirements are locked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it is, or would be.
    pub path: ProjectPath,
    /// Its text, when it is there.
    pub text: Option<SourceFile>,
    /// What it has to be made from now; without interpreter and platforms.
    pub now: Stamp,
    /// Where the manifest speaks of it.
    pub at: Span,
}

impl Made {
    /// Where a service's lock is made; none when the service has no name of its own.
    pub(super) fn place(manifest: &Manifest, name: &str, service: &Service) -> Option<ProjectPath> {
        if let Some(lock) = &service.lock {
            return Some(lock.value.clone());
        }
        manifest.service(name)?;
        // The part between the dots must hold none (PEP 751).
        format!("pylock.{}.toml", name.replace('.', "-")).parse().ok()
    }

    /// Whether a lock is there that does not say what it was made from.
    pub fn is_foreign(&self) -> bool {
        self.text.as_ref().is_some_and(|text| Stamp::of(text).is_none())
    }

    /// Names and versions of the lock, when it is there and can be read.
    pub fn versions(&self) -> Vec<(PackageName, String)> {
        self.text.as_ref().map_or_else(Vec::new, locked_versions)
    }

    /// What a build without the lock says of the packages that it found.
    pub(super) fn unlocked(&self, service: &str, packages: &[Pick]) -> String {
        let named = packages
            .iter()
            .take(NAMED)
            .map(|pick| format!("{} {}", pick.name, pick.version));
        let mut named = named.collect::<Vec<_>>();
        if packages.len() > NAMED {
            named.push(format!("and {} more", packages.len() - NAMED));
        }
        format!(
            "service `{service}` has no lock, its packages were resolved in this build: {}; `wheelwright lock` keeps them in `{}`",
            named.join(", "),
            self.path
        )
    }

    /// Why the lock does not fit; nothing when it fits, when it is not there, and when something else wrote it.
    pub fn stale(&self, python: &str, platforms: &[String]) -> Vec<String> {
        let recorded = self.text.as_ref().and_then(Stamp::of);
        let now = Stamp {
            python: python.to_owned(),
            platforms: platforms.to_vec(),
            ..self.now.clone()
        };
        recorded.map_or_else(Vec::new, |stamp| stamp.stale(&now))
    }

    /// The same as a mistake in the manifest of `service`.
    pub fn check(
        &self,
        manifest: &SourceFile,
        service: &str,
        python: &str,
        platforms: &[String],
    ) -> Option<Diagnostic> {
        let reasons = self.stale(python, platforms);
        if reasons.is_empty() {
            return None;
        }
        let stale = Diagnostic::error(format!(
            "the lock `{}` of service `{service}` is stale",
            self.path
        ))
        .at(manifest, self.at)
        .label("locked from these");
        let stale = reasons.into_iter().fold(stale, Diagnostic::help);
        Some(stale.help(format!("`wheelwright lock {service}` makes it anew")))
    }
}

/// Names and versions of a lock; none when it cannot be read.
pub fn locked_versions(lock: &SourceFile) -> Vec<(PackageName, String)> {
    if is_uv_lock(lock) {
        return uv_lock::parse(lock).map_or_else(|_| Vec::new(), |lock| uv_lock::versions(&lock));
    }
    let Ok(lock) = pylock::parse(lock) else {
        return Vec::new();
    };
    let packages = lock.packages.iter();
    packages
        .filter_map(|package| Some((package.name.get_ref().parse().ok()?, package.version.clone()?)))
        .collect()
}

/// Services with one answer get equal versions, as far as can be told without their interpreters.
pub fn lock_group(manifest: &Manifest, service: &Service) -> String {
    let group = service
        .lock_group
        .as_ref()
        .map_or("", |group| group.value.as_str());
    let base = service.base.as_ref().and_then(|name| manifest.base(&name.value));
    let image = service
        .image
        .as_ref()
        .or(base.and_then(|base| base.image.as_ref()));
    let image = image.map_or("", |image| image.value.as_str());
    format!("{group} {} {image}", torch(manifest, service).unwrap_or_default())
}

/// What of the manifest decides a service's lock, besides the text of files.
pub(super) fn settings(
    manifest: &Manifest,
    service: &Service,
    requirements: &[ProjectPath],
    constraints: &[ProjectPath],
) -> Stamp {
    let mut stamp = Stamp::default();
    let paths = |paths: &[ProjectPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    stamp.setting("requirements", paths(requirements));
    stamp.setting("constraints", paths(constraints));
    stamp.setting("build_constraints", paths(&build_constraints(manifest)));
    stamp.setting("indexes", Indexes::of(manifest, Vec::new()).lines());
    stamp.setting("exclude_newer", exclude_newer(manifest));
    stamp.setting("torch", torch(manifest, service));
    stamp.setting(
        "lock_group",
        service.lock_group.as_ref().map(|group| group.value.clone()),
    );
    stamp
}

/// Which build of PyTorch a service takes: the nearest that says so.
pub(super) fn torch(manifest: &Manifest, service: &Service) -> Option<String> {
    let base = service.base.as_ref().and_then(|name| manifest.base(&name.value));
    let nearest = service
        .torch
        .as_ref()
        .or(base.and_then(|base| base.torch.as_ref()))
        .or(manifest.torch.as_ref());
    nearest.map(|torch| torch.value.to_string())
}

pub(super) fn exclude_newer(manifest: &Manifest) -> Option<String> {
    manifest
        .exclude_newer
        .as_ref()
        .map(|moment| moment.value.to_string())
}

pub(super) fn build_constraints(manifest: &Manifest) -> Vec<ProjectPath> {
    let list = items(manifest.build_constraints.as_ref());
    list.iter().map(|path| path.value.clone()).collect()
}
