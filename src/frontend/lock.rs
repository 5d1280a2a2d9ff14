//! A service's packages: from its lock, or from what the resolve stage makes of its requirements.

use std::collections::BTreeSet;
use std::sync::Arc;

use buildkit_llb::State;

use super::load::Loaded;
use super::{Failure, Project, made};
use crate::bridge::{Bridge, CacheImport};
use crate::diag::{Diagnostic, SourceFile};
use crate::lower::{self, Asked, Context, ResolveInputs};
use crate::manifest::Service;
use crate::python::choose::{Target, choose};
use crate::python::{Anchor, Interpreter, PackageName, Pick, Selection, pylock, uv_lock};

/// Packages that a service builds from source even where wheels exist.
pub(crate) fn from_source(service: &Service) -> BTreeSet<PackageName> {
    let settings = service.wheels.iter().flatten();
    let source = settings.filter(|(_, settings)| settings.source.as_ref().is_some_and(|source| source.value));
    source.filter_map(|(name, _)| name.parse().ok()).collect()
}

/// Whether a lock is uv's own.
pub(super) fn is_uv_lock(lock: &SourceFile) -> bool {
    lock.name().rsplit('/').next() == Some("uv.lock")
}

/// What is installed on a target, from a lock's text.
pub(crate) fn picks(
    (lock, selection): (&SourceFile, &Selection),
    service: &Service,
    interpreter: &Interpreter,
    platform: &str,
    anchor: Anchor<'_>,
) -> Result<Vec<Pick>, Failure> {
    let target = Target {
        interpreter,
        platform,
        from_source: &from_source(service),
        selection,
        anchor,
    };
    let packages = if is_uv_lock(lock) {
        let environment = interpreter.markers().map_err(Diagnostic::error)?;
        let parsed = uv_lock::parse(lock)?;
        Arc::new(uv_lock::locked(lock, &parsed, selection, anchor, &environment)?)
    } else {
        pylock::parse(lock)?
    };
    Ok(choose(lock, &packages, &target)?)
}

/// The packages of a service, sorted by name; none when it has neither lock nor requirements.
pub(super) async fn packages(
    bridge: &dyn Bridge,
    loaded: &Loaded<'_>,
    (name, service): (&str, &Service),
    project: &Project,
    interpreter: &Interpreter,
    (cx, rootfs): (&Context, State),
    caches: &[CacheImport],
) -> Result<Vec<Pick>, Failure> {
    let platform = cx.platform.to_string();
    let python = interpreter.minor.to_string();
    let made = project.made.as_ref();
    let stale =
        made.and_then(|made| made.check(&loaded.file, name, &python, std::slice::from_ref(&platform)));
    if let Some(stale) = stale {
        return Err(stale.into());
    }
    if let Some((path, lock)) = &project.lock {
        return picks(
            (lock, &project.selection),
            service,
            interpreter,
            &platform,
            Anchor::beside(path.as_str()),
        );
    }
    if project.requirements.is_empty() {
        return Ok(Vec::new());
    }
    let needs = &project.needs;
    let files = project.files.iter().cloned().collect::<Vec<_>>();
    let manifest = &loaded.manifest;
    let inputs = ResolveInputs {
        label: name,
        root: rootfs,
        interpreter,
        services: vec![Asked {
            name,
            requirements: &project.requirements,
            constraints: &project.constraints,
        }],
        torch: made::torch(manifest, service),
        exclude_newer: made::exclude_newer(manifest),
        build_constraints: &made::build_constraints(manifest),
        preferences: String::new(),
        report: false,
        refresh: "",
        files: needs.tree(cx, &format!("{name}-requirements"), &files),
        writable: needs.writable(cx),
        variables: needs.values(&cx.build_args),
        at: project.at,
    };
    let definition = lower::marshal(&lower::resolve(&inputs, cx));
    let result = bridge.solve(definition.into_pb(), caches).await?;
    let bytes = bridge.read_file(&result, &lower::lock_file(0, 1)).await?;
    let lock = SourceFile::new(format!("{name}/pylock.toml"), String::from_utf8_lossy(&bytes));
    let mut packages = std::sync::Arc::unwrap_or_clone(pylock::parse(&lock)?);
    packages.only(&lock, &needs.hashes)?;
    let target = Target {
        interpreter,
        platform: &platform,
        from_source: &from_source(service),
        selection: &project.selection,
        anchor: lower::RESOLVED,
    };
    Ok(needs.checkouts(choose(&lock, &packages, &target)?))
}
