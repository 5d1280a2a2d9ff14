//! Records of layers into locks, or beside them.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Filled;
use crate::cli::Failure;
use crate::cli::project::ProjectArgs;
use crate::layers::{Format, LayerKey, Needs, Recorded, RecordedBase, Records, oci, sidecar, with_records};
use crate::store::Store;

/// The record of a layer that is in the store.
pub(super) async fn read(
    store: &Store,
    format: Format,
    key: &LayerKey,
    digest: &str,
) -> Result<Recorded, Failure> {
    let tag = oci::tag(format, key);
    let stored = store.stored(&tag).await?;
    let stored = stored.ok_or_else(|| Failure::Local(format!("{tag} went away while it was read")))?;
    let stored = stored.map_err(|damage| Failure::Local(damage.to_string()))?;
    if !digest.is_empty() && stored.manifest != digest {
        return Err(Failure::Local(format!("{tag} was changed while it was read")));
    }
    let diff_id = store
        .diff_id(&stored)
        .await?
        .map_err(|damage| Failure::Local(damage.to_string()))?;
    Ok(Recorded {
        key: stored.key,
        format,
        manifest: stored.manifest,
        digest: stored.layer,
        diff_id,
        size: stored.size,
    })
}

/// Writes the records of each lock's layers where they belong, in place of those that are there; a file is replaced as a whole.
/// `partial` keeps what is there of other layers: not all services of the lock, or not all platforms, were asked for. What is
/// said of bases stays where nothing is known of them.
pub(in crate::cli) fn write(
    project: &ProjectArgs,
    needs: &[Needs],
    filled: &Filled,
    partial: bool,
) -> Result<(), Failure> {
    let local = |error: std::io::Error| Failure::Local(error.to_string());
    let mut files = BTreeMap::<_, Vec<&Needs>>::new();
    for one in needs {
        if let Some(file) = &one.records {
            files.entry(file).or_default().push(one);
        }
    }
    for (file, needs) in files {
        let path = project.context.join(file.as_str());
        let old = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => sidecar::beginning(file),
            Err(error) => return Err(local(error)),
        };
        let there =
            Records::parse(&old).map_err(|reason| Failure::Manifest(format!("error: `{file}`: {reason}")))?;
        let new = with_records(
            &old,
            &layers(&needs, filled, &there, partial),
            &bases(&needs, filled, &there, partial),
        );
        if new != old {
            replace(&path, &new).map_err(local)?;
        }
    }
    Ok(())
}

/// Replaces a file as a whole, with the permissions that it had.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    let mode = match fs_err::metadata(path) {
        Ok(old) => old.permissions(),
        Err(_) => std::fs::Permissions::from_mode(0o644),
    };
    fs_err::set_permissions(file.path(), mode)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn layers(needs: &[&Needs], filled: &Filled, there: &Records, partial: bool) -> Vec<Recorded> {
    let needed = |record: &&Recorded| {
        let mut layers = needs.iter().flat_map(|one| &one.layers);
        layers.any(|need| need.layer.key == record.key)
    };
    let new = filled.layers.iter().filter(needed);
    let is_new = |old: &&Recorded| {
        let mut new = filled.layers.iter().filter(needed);
        new.any(|record| record.key == old.key && record.format == old.format)
    };
    let kept = there.layers().iter().filter(|old| partial && !is_new(old));
    new.chain(kept).cloned().collect()
}

fn bases(needs: &[&Needs], filled: &Filled, there: &Records, partial: bool) -> Vec<RecordedBase> {
    let needed = |record: &&RecordedBase| {
        let mut bases = needs.iter().filter_map(|one| one.base.as_ref());
        bases.any(|base| base.key == record.key)
    };
    let keep = partial || needs.iter().all(|one| one.base.is_none());
    let new = filled.bases.iter().filter(needed);
    let is_new = |old: &&RecordedBase| {
        filled
            .bases
            .iter()
            .filter(needed)
            .any(|record| record.key == old.key)
    };
    let kept = there.bases().iter().filter(|old| keep && !is_new(old));
    new.chain(kept).cloned().collect()
}
