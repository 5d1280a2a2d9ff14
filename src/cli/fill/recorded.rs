//! Records of layers into locks.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::Filled;
use crate::cli::Failure;
use crate::cli::project::ProjectArgs;
use crate::layers::{Format, LayerKey, Needs, Recorded, RecordedBase, Records, oci, with_records};
use crate::report::Printer;
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

/// Writes the records of each lock's layers into it, in place of those it had; a lock is replaced as a whole. What it says of
/// bases stays where nothing is known of them.
pub(in crate::cli) fn write(project: &ProjectArgs, needs: &[Needs], filled: &Filled) -> Result<(), Failure> {
    let local = |error: std::io::Error| Failure::Local(error.to_string());
    let mut locks = BTreeMap::<_, Vec<&Needs>>::new();
    for one in needs {
        if let Some(lock) = &one.lock {
            locks.entry(lock).or_default().push(one);
        }
    }
    for (lock, needs) in locks {
        if !is_pylock(lock.as_str()) {
            Printer::new().note(&format!(
                "note: `{lock}` belongs to another tool, layers are not recorded in it"
            ));
            continue;
        }
        let path = project.context.join(lock.as_str());
        let old = fs_err::read_to_string(&path).map_err(local)?;
        let new = with_records(&old, &layers(&needs, filled), &bases(&needs, filled, &old)?);
        if new == old {
            continue;
        }
        let folder = path.parent().unwrap_or(std::path::Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(local)?;
        file.write_all(new.as_bytes()).map_err(local)?;
        let mode = fs_err::metadata(&path).map_err(local)?.permissions();
        fs_err::set_permissions(file.path(), mode).map_err(local)?;
        file.persist(&path).map_err(|error| local(error.error))?;
    }
    Ok(())
}

fn layers(needs: &[&Needs], filled: &Filled) -> Vec<Recorded> {
    let needed = |record: &&Recorded| {
        let mut layers = needs.iter().flat_map(|one| &one.layers);
        layers.any(|need| need.layer.key == record.key)
    };
    filled.layers.iter().filter(needed).cloned().collect()
}

fn bases(needs: &[&Needs], filled: &Filled, old: &str) -> Result<Vec<RecordedBase>, Failure> {
    if needs.iter().all(|one| one.base.is_none()) {
        let old = Records::parse(old).map_err(Failure::Manifest)?;
        return Ok(old.bases().to_vec());
    }
    let needed = |record: &&RecordedBase| {
        let mut bases = needs.iter().filter_map(|one| one.base.as_ref());
        bases.any(|base| base.key == record.key)
    };
    Ok(filled.bases.iter().filter(needed).cloned().collect())
}

/// `pylock.toml` or `pylock.NAME.toml`, as the format's specification has it.
fn is_pylock(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let parts = name.split('.').collect::<Vec<_>>();
    matches!(parts.as_slice(), ["pylock", "toml"] | ["pylock", _, "toml"])
}
