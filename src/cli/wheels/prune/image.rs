//! Images by name, and their layers.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::cli::Failure;
use crate::registry::{Registry, Remote};

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    layers: Vec<Part>,
    #[serde(default)]
    manifests: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    digest: String,
}

/// The repository of an image, and its digest or tag in it.
pub(super) fn find(registry: &Registry, image: &str) -> Result<(Remote, String), String> {
    let full = buildkit_llb::normalize_reference(image).map_err(|error| error.to_string())?;
    let (name, digest) = full
        .split_once('@')
        .map_or((full.as_str(), None), |(name, digest)| (name, Some(digest)));
    let slash = name.rfind('/').unwrap_or_default();
    let (name, tag) = match name[slash..].find(':') {
        Some(at) => (&name[..slash + at], Some(&name[slash + at + 1..])),
        None => (name, None),
    };
    let remote = registry.repository(&name.parse()?);
    Ok((remote, digest.or(tag).unwrap_or("latest").to_owned()))
}

/// The digests of an image's layers, on all its platforms.
pub(super) async fn layers_of(registry: &Registry, image: &str) -> Result<BTreeSet<String>, Failure> {
    let found = find(registry, image);
    let (remote, reference) =
        found.map_err(|reason| Failure::Usage(format!("`{image}` is not an image reference: {reason}")))?;
    let mut wanted = vec![reference];
    let mut layers = BTreeSet::new();
    while let Some(reference) = wanted.pop() {
        let manifest = remote.manifest(&reference).await?;
        let manifest = manifest.ok_or_else(|| {
            Failure::Registry(format!(
                "there is no image {reference} in {}",
                remote.repository()
            ))
        })?;
        let parsed: Image = serde_json::from_slice(&manifest.bytes)
            .map_err(|error| Failure::Registry(format!("{image} is not an image: {error}")))?;
        layers.extend(parsed.layers.into_iter().map(|part| part.digest));
        wanted.extend(parsed.manifests.into_iter().map(|part| part.digest));
    }
    Ok(layers)
}
