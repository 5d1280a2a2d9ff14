//! What a store keeps: what locks, images and bases say they need.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::cli::Failure;
use crate::cli::project::Opened;
use crate::cli::wheels::asked::Asked;
use crate::layers::{LayerKey, Records, sidecar};
use crate::plan;
use crate::registry::Registry;
use crate::store::{Stored, StoredBase};

use super::image;

/// How long the registry of a base image may take to say its digest.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Layers, and what is known of bases, by their keys.
    keys: BTreeSet<LayerKey>,
    /// Layers all of whose wheels one of these names.
    locks: Vec<String>,
    /// Layers by their own digests.
    pub(super) layers: BTreeSet<String>,
    /// What is known of bases by the digests of their images; all of it when nobody can say them.
    bases: Option<BTreeSet<String>>,
}

impl Kept {
    /// What the services of a manifest need.
    pub(super) fn asked(&mut self, asked: &Asked, context: &Path) -> Result<(), Failure> {
        let wanted = asked.layers();
        self.keys
            .extend(wanted.into_iter().map(|wanted| wanted.layer.key.clone()));
        for lock in &asked.locks {
            self.lock(&context.join(lock.as_str()))?;
        }
        Ok(())
    }

    /// What a lock could need, and what is recorded in it or beside it.
    pub(super) fn lock(&mut self, path: &Path) -> Result<(), Failure> {
        let local = |error: std::io::Error| Failure::Local(error.to_string());
        let text = fs_err::read_to_string(path).map_err(local)?;
        self.recorded(path, &text)?;
        self.locks.push(text);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = name.parse().ok().and_then(|name| sidecar::beside(&name));
        if let Some(beside) = beside {
            let beside = path.with_file_name(beside.as_str());
            match fs_err::read_to_string(&beside) {
                Ok(text) => self.recorded(&beside, &text)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(local(error)),
            }
        }
        Ok(())
    }

    fn recorded(&mut self, path: &Path, text: &str) -> Result<(), Failure> {
        let records = Records::parse(text)
            .map_err(|reason| Failure::Manifest(format!("error: `{}`: {reason}", path.display())))?;
        self.keys
            .extend(records.layers().iter().map(|record| record.key.clone()));
        self.keys
            .extend(records.bases().iter().map(|record| record.key.clone()));
        Ok(())
    }

    /// The bases of the manifest's services, by the digests that their images have now. Why nobody can say them, if so.
    pub(super) async fn bases_of(&mut self, opened: &Opened, registry: &Registry) -> Result<(), String> {
        let services = opened.manifest.services.iter();
        let images = services.map(|(_, service)| plan::stand(&opened.manifest, service).image);
        let mut digests = BTreeSet::new();
        for name in images.collect::<BTreeSet<_>>() {
            digests.insert(
                digest(&name, registry)
                    .await
                    .map_err(|reason| format!("`{name}`: {reason}"))?,
            );
        }
        self.bases = Some(digests);
        Ok(())
    }

    /// Whether a layer is kept.
    pub(super) fn keeps(&self, layer: &Stored) -> bool {
        // A lock that names all wheels of a layer may be that of another project, with other groups: better one too many.
        let named = |lock: &String| {
            !layer.wheels.is_empty()
                && layer
                    .wheels
                    .iter()
                    .all(|wheel| lock.contains(in_locks(&wheel.sha256)))
        };
        self.keys.contains(&layer.key) || self.layers.contains(&layer.layer) || self.locks.iter().any(named)
    }

    /// Whether what is known of a base is kept.
    pub(super) fn keeps_base(&self, base: &StoredBase) -> bool {
        let known = self.bases.as_ref();
        self.keys.contains(&base.key) || known.is_none_or(|digests| digests.contains(&base.image))
    }
}

/// The words of a package's identity that locks have, too: the digest of a file, or a commit.
fn in_locks(identity: &str) -> &str {
    let mut words = identity.split(' ');
    match words.next() {
        Some("git") => words.nth(1).unwrap_or(identity),
        _ => identity,
    }
}

/// The digest that an image has now.
async fn digest(name: &str, registry: &Registry) -> Result<String, String> {
    let (remote, reference) = image::find(registry, name)?;
    if reference.starts_with("sha256:") {
        return Ok(reference);
    }
    let asked = tokio::time::timeout(PATIENCE, remote.has_manifest(&reference)).await;
    let asked = asked.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
    match asked.map_err(|error| error.to_string())? {
        Some(digest) if digest.starts_with("sha256:") => Ok(digest),
        Some(_) => Err("its registry does not say its digest".to_owned()),
        None => Err("it is not there".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_found_in_locks_by_what_it_is_built_from() {
        assert_eq!(in_locks("0123"), "0123");
        assert_eq!(in_locks("git https://git.example/a.git 89ab sub"), "89ab");
    }
}
