//! Which wheels share a layer.
//!
//! An exec costs about 50 ms and each layer costs a little at every start, so not every wheel can be a layer of
//! its own. Heavy wheels are: they hold nine tenths of the bytes. Light ones are spread over a fixed number of
//! groups by a hash of their *name*, so that a new version stays in its group and changes no other.

use sha2::{Digest, Sha256};

use super::{LayerKey, Reason, WheelLayer};
use crate::python::Pick;

/// How many layers there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// A wheel of at least this many bytes gets a layer of its own…
    pub heavy_bytes: u64,
    /// …as long as there are not more of them than this; the largest come first.
    pub heavy: usize,
    /// Groups for the light ones.
    pub buckets: u32,
}

impl Default for Budget {
    /// 20 heavy wheels and 16 groups: past these 36 layers there is almost nothing left to win.
    fn default() -> Self {
        Self {
            heavy_bytes: 1 << 20,
            heavy: 20,
            buckets: 16,
        }
    }
}

/// Groups packages (sorted by name) into layers: heavy ones first, largest first, then the groups.
pub fn group(packages: &[Pick], venv: &str, minor: &str, budget: Budget) -> Vec<WheelLayer> {
    let heavy = heavy(packages, budget);
    let layer = |members: Vec<usize>, reason| {
        let files = || members.iter().map(|index| packages[*index].artifact.file());
        WheelLayer {
            key: LayerKey::new(files().map(|file| file.sha256.hex()), venv, minor),
            bytes: files().map(|file| file.size).sum(),
            packages: members,
            reason,
        }
    };
    let mut layers = heavy
        .iter()
        .map(|index| layer(vec![*index], Reason::Heavy))
        .collect::<Vec<_>>();
    for bucket in 0..budget.buckets {
        let members = (0..packages.len())
            .filter(|index| {
                !heavy.contains(index) && bucket_of(packages[*index].name.as_str(), budget) == bucket
            })
            .collect::<Vec<_>>();
        if !members.is_empty() {
            layers.push(layer(members, Reason::Light { bucket }));
        }
    }
    layers
}

fn heavy(packages: &[Pick], budget: Budget) -> Vec<usize> {
    let size = |index: &usize| packages[*index].artifact.file().size;
    let mut heavy = (0..packages.len())
        .filter(|index| size(index) >= budget.heavy_bytes)
        .collect::<Vec<_>>();
    heavy.sort_by_key(|index| (std::cmp::Reverse(size(index)), *index));
    heavy.truncate(budget.heavy);
    heavy
}

fn bucket_of(name: &str, budget: Budget) -> u32 {
    let digest = Sha256::digest(name.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % budget.buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::choose::{Artifact, Locked};

    fn pick(name: &str, size: u64, sha: char) -> Pick {
        Pick {
            name: name.parse().unwrap(),
            version: "1".to_owned(),
            artifact: Artifact::Wheel(Locked {
                filename: format!("{name}-1-py3-none-any.whl"),
                url: format!("https://files.example/{name}"),
                sha256: sha.to_string().repeat(64).parse().unwrap(),
                size,
            }),
        }
    }

    #[test]
    fn a_new_version_changes_only_its_own_layer() {
        let names = [
            "anyio",
            "fastapi",
            "httpx",
            "numpy",
            "pydantic",
            "starlette",
            "uvicorn",
        ];
        let packages = |changed: &str| {
            names
                .iter()
                .map(|name| {
                    pick(
                        name,
                        if *name == "numpy" { 20 << 20 } else { 9000 },
                        if *name == changed { 'b' } else { 'a' },
                    )
                })
                .collect::<Vec<_>>()
        };
        let keys = |changed: &str| group(&packages(changed), "/opt/venv", "3.11", Budget::default());
        let before = keys("");
        assert_eq!(before[0].reason, Reason::Heavy);
        assert_eq!(before[0].packages, [3]);
        assert_eq!(
            before.iter().map(|layer| layer.packages.len()).sum::<usize>(),
            names.len()
        );
        let after = keys("fastapi");
        let changed = before
            .iter()
            .zip(&after)
            .filter(|(a, b)| a.key != b.key)
            .collect::<Vec<_>>();
        assert_eq!(changed.len(), 1);
        assert!(changed[0].0.packages.contains(&1));
    }

    #[test]
    fn the_budget_holds() {
        let packages = (0..200u64)
            .map(|i| pick(&format!("p{i:03}"), (2 << 20) + i, 'a'))
            .collect::<Vec<_>>();
        let layers = group(&packages, "/opt/venv", "3.11", Budget::default());
        assert_eq!(layers.len(), 36);
        assert_eq!(layers[0].packages, [199], "the largest comes first");
    }
}
