//! `extends` between bases and `defaults` for services.
//!
//! One rule for all: a scalar replaces, a map is merged key by key, a list replaces unless it holds `"..."`,
//! which stands for the list it would have replaced.

use super::types::{Base, List, Manifest, Service, Table};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, Spanned, did_you_mean};

/// Replaces every base and service by its effective form.
pub(super) fn apply(file: &SourceFile, manifest: &mut Manifest, diagnostics: &mut Diagnostics) {
    let written = manifest.bases.clone();
    for (name, base) in &mut manifest.bases {
        match chain(file, &written, &name.value) {
            Ok(chain) => *base = chain.into_iter().reduce(over_base).unwrap_or_default(),
            Err(mistake) => mistake.into_iter().for_each(|mistake| diagnostics.push(mistake)),
        }
    }
    let defaults = manifest.defaults.clone().unwrap_or_default();
    for (_, service) in &mut manifest.services {
        *service = over_service(service.clone(), defaults.clone());
    }
}

/// A base, then what it extends, and so on. A mistake is told once, by the base whose `extends` it is; of a circle that is
/// the one that is declared first.
fn chain(file: &SourceFile, bases: &Table<Base>, name: &str) -> Result<Vec<Base>, Option<Diagnostic>> {
    let find = |name: &str| bases.iter().find(|(key, _)| key.value == name);
    let mut seen = vec![name.to_owned()];
    let mut chain = find(name)
        .map(|(_, base)| base.clone())
        .into_iter()
        .collect::<Vec<_>>();
    while let Some(parent) = chain.last().and_then(|base| base.extends.clone()) {
        if seen.contains(&parent.value) {
            let first = bases.iter().find(|(key, _)| seen.contains(&key.value));
            let is_told = parent.value == name && first.is_some_and(|(key, _)| key.value == name);
            return Err(is_told.then(|| circle(file, &seen, parent.span)));
        }
        let Some((_, base)) = find(&parent.value) else {
            return Err((chain.len() == 1).then(|| undeclared(file, bases, name, &parent)));
        };
        seen.push(parent.value.clone());
        chain.push(base.clone());
    }
    Ok(chain)
}

fn circle(file: &SourceFile, seen: &[String], span: Span) -> Diagnostic {
    let name = &seen[0];
    let title = format!("base `{name}` extends itself: {} -> {name}", seen.join(" -> "));
    Diagnostic::error(title)
        .at(file, span)
        .help("one base of the circle must name an `image` in place of `extends`")
}

fn undeclared(file: &SourceFile, bases: &Table<Base>, name: &str, parent: &Spanned<String>) -> Diagnostic {
    let title = format!("base `{name}` extends `{}`, which is not declared", parent.value);
    let known = bases.iter().map(|(key, _)| key.value.as_str());
    Diagnostic::error(title)
        .at(file, parent.span)
        .label("no base with this name")
        .maybe_help(did_you_mean(&parent.value, known))
}

fn over_base(child: Base, parent: Base) -> Base {
    Base {
        image: child.image.or(parent.image),
        extends: parent.extends,
        packages: list(child.packages, parent.packages),
        build_packages: list(child.build_packages, parent.build_packages),
        requirements: list(child.requirements, parent.requirements),
        constraints: list(child.constraints, parent.constraints),
        torch: child.torch.or(parent.torch),
        deny: list(child.deny, parent.deny),
        allow: list(child.allow, parent.allow),
        bytecode: child.bytecode.or(parent.bytecode),
        environment: table(child.environment, parent.environment),
    }
}

fn over_service(own: Service, defaults: Service) -> Service {
    let has_stand = own.base.is_some() || own.image.is_some();
    let has_lock = own.lock.is_some() || own.requirements.is_some() || own.project.is_some();
    Service {
        base: if has_stand { own.base } else { defaults.base },
        image: if has_stand { own.image } else { defaults.image },
        packages: list(own.packages, defaults.packages),
        build_packages: list(own.build_packages, defaults.build_packages),
        requirements: list(own.requirements, defaults.requirements),
        lock: if has_lock { own.lock } else { defaults.lock },
        project: if has_lock { own.project } else { defaults.project },
        extras: list(own.extras, defaults.extras),
        groups: list(own.groups, defaults.groups),
        lock_group: own.lock_group.or(defaults.lock_group),
        torch: own.torch.or(defaults.torch),
        constraints: list(own.constraints, defaults.constraints),
        bytecode: own.bytecode.or(defaults.bytecode),
        smoke: list(own.smoke, defaults.smoke),
        wheels: table(own.wheels, defaults.wheels),
        code: list(own.code, defaults.code),
        files: own.files.or(defaults.files),
        environment: table(own.environment, defaults.environment),
        user: own.user.or(defaults.user),
        working_dir: own.working_dir.or(defaults.working_dir),
        expose: list(own.expose, defaults.expose),
        volumes: list(own.volumes, defaults.volumes),
        labels: table(own.labels, defaults.labels),
        healthcheck: own.healthcheck.or(defaults.healthcheck),
        entrypoint: list(own.entrypoint, defaults.entrypoint),
        command: list(own.command, defaults.command),
        stop_signal: own.stop_signal.or(defaults.stop_signal),
    }
}

/// Puts inherited items where the child wrote `"..."`.
fn list<T: Clone>(child: Option<List<T>>, parent: Option<List<T>>) -> Option<List<T>> {
    let Some(mut child) = child else { return parent };
    if let (Some(at), Some(parent)) = (child.inherit_at, parent) {
        child.items.splice(at..at, parent.items);
        child.inherit_at = parent.inherit_at.map(|inner| at + inner);
    }
    Some(child)
}

/// The parent's entries with the child's over them.
fn table<T>(child: Option<Table<T>>, parent: Option<Table<T>>) -> Option<Table<T>> {
    let (child, parent) = match (child, parent) {
        (Some(child), Some(parent)) => (child, parent),
        (child, parent) => return child.or(parent),
    };
    let mut merged = parent;
    merged.retain(|(name, _)| !child.iter().any(|(own, _)| own.value == name.value));
    merged.extend(child);
    Some(merged)
}
