//! The image that compiles bytecode.

use std::collections::BTreeMap;

use buildkit_llb::{Source, State, normalize_reference};

use super::{Failure, base};
use crate::bridge::{Bridge, ImageQuery, Place, ResolvedImage};
use crate::diag::{Diagnostic, Spanned};
use crate::lower::{Compiler, Context};
use crate::manifest::PythonMinor;

/// Patch versions that newer ones have superseded, by minor version of Python 3: nobody builds their images anew, so
/// `python:3.11.10-slim` is what it is, and a patched `python:3.11-slim` compiles nothing again.
const SUPERSEDED: [(u32, u32); 7] = [(8, 19), (9, 20), (10, 15), (11, 10), (12, 7), (13, 1), (14, 0)];

/// Finds it: the one that the manifest names, else `python:X.Y.Z-slim`, else `python:X.Y-slim`. Where none of these can be
/// had, as without Docker's registry, the service's own base compiles: the same bytecode, made anew when the base is
/// patched. `root` is that base on the engine's own platform.
pub(super) async fn find(
    bridge: &dyn Bridge,
    cx: &Context,
    named: Option<&Spanned<String>>,
    minor: PythonMinor,
    root: &State,
) -> Result<Compiler, Failure> {
    if let Some(image) = named {
        let reference = normalize_reference(image).map_err(|error| {
            Diagnostic::error(format!("`{}` is not an image reference", image.value))
                .at(&cx.file, image.span)
                .help(error.to_string())
        })?;
        let found = base::image(bridge, &query(cx, reference), &cx.file, image.span).await?;
        return Ok(from_image(cx, &found));
    }
    let superseded = SUPERSEDED
        .iter()
        .find(|(of, _)| minor.major == 3 && *of == minor.minor);
    let pinned = superseded.map(|(_, patch)| format!("{minor}.{patch}"));
    for version in pinned.into_iter().chain([minor.to_string()]) {
        let reference = format!("docker.io/library/python:{version}-slim");
        match bridge.resolve_image(&query(cx, reference)).await {
            Ok(found) => return Ok(from_image(cx, &found)),
            Err(error) if error.is_unavailable() => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(Compiler {
        root: root.clone(),
        path: path(&cx.base_environment),
    })
}

fn query(cx: &Context, reference: String) -> ImageQuery {
    ImageQuery {
        reference,
        platform: cx.build_platform.clone(),
        mode: cx.resolve_mode,
        place: Place::Registry,
        log_name: None,
        keyed: false,
    }
}

fn from_image(cx: &Context, found: &ResolvedImage) -> Compiler {
    let root = Source::image(&found.reference)
        .platform(cx.build_platform.clone())
        .resolve_mode(cx.resolve_mode)
        .name(format!("[bytecode] {}", found.reference))
        .build();
    Compiler {
        root,
        path: path(&base::environment(&found.config)),
    }
}

fn path(environment: &BTreeMap<String, String>) -> String {
    environment.get("PATH").cloned().unwrap_or_default()
}
