//! What is built: a service or a base, and for which platforms.

use buildkit_llb::Platform;

use super::load::Loaded;
use super::{Failure, Options};
use crate::bridge::Engine;
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::manifest::types::items;
use crate::manifest::{Manifest, Service};

/// What is built.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) service: Service,
    pub(super) at: Span,
    /// Only the base, without packages and code.
    pub(super) base_only: bool,
}

/// The service or base that was asked for; one service needs no asking.
pub(super) fn target(loaded: &Loaded<'_>, asked: Option<&str>) -> Result<Target, Failure> {
    let manifest = &loaded.manifest;
    let names = || {
        manifest
            .services
            .iter()
            .map(|(name, _)| name.value.clone())
            .collect::<Vec<_>>()
    };
    let bases = || {
        manifest
            .bases
            .iter()
            .map(|(name, _)| format!("base:{}", name.value))
            .collect::<Vec<_>>()
    };
    let listed = || [names(), bases()].concat().join(", ");
    let Some(asked) = asked else {
        let [(name, service)] = manifest.services.as_slice() else {
            return Err(Diagnostic::error("the manifest has several services; which one?")
                .help(format!("name one with `--target`: {}", listed()))
                .into());
        };
        return Ok(Target {
            name: name.value.clone(),
            service: service.clone(),
            at: name.span,
            base_only: false,
        });
    };
    if let Some(name) = asked.strip_prefix("base:") {
        if let Some((key, _)) = manifest.bases.iter().find(|(key, _)| key.value == name) {
            let service = Service {
                base: Some(key.clone()),
                ..Service::default()
            };
            return Ok(Target {
                name: asked.to_owned(),
                service,
                at: key.span,
                base_only: true,
            });
        }
    } else if let Some((key, service)) = manifest.services.iter().find(|(key, _)| key.value == asked) {
        return Ok(Target {
            name: asked.to_owned(),
            service: service.clone(),
            at: key.span,
            base_only: false,
        });
    }
    let known = [names(), bases()].concat();
    Err(Diagnostic::error(format!(
        "there is no service `{asked}` in `{}`",
        loaded.file.name()
    ))
    .maybe_help(did_you_mean(asked, known.iter().map(String::as_str)))
    .help(format!("known: {}", listed()))
    .into())
}

/// The platforms asked for, else the manifest's, else the engine's own.
pub(super) fn platforms(
    engine: &Engine,
    manifest: &Manifest,
    options: &Options,
) -> Result<Vec<Platform>, Failure> {
    let mut platforms = options.platforms.clone();
    if platforms.is_empty() {
        let named = items(manifest.platforms.as_ref())
            .iter()
            .filter_map(|text| text.parse::<Platform>().ok());
        platforms = named.collect();
    }
    if platforms.is_empty() {
        let own = engine.platforms.first().cloned();
        platforms.push(own.ok_or_else(|| Failure::Internal("the engine names no platform".to_owned()))?);
    }
    platforms.sort();
    platforms.dedup();
    if options.multi_platform == Some(false) && platforms.len() > 1 {
        return Err(
            Diagnostic::error("several platforms were asked for, and `multi-platform` is off").into(),
        );
    }
    Ok(platforms)
}
