//! Caches that live in a directory of this machine: their index is kept here, their blobs come and go over the session.
//!
//! A `local` cache is an OCI layout; `index.json` names the cache's manifest by a tag (`latest` unless `tag=` says
//! otherwise). An import tells the engine the manifest's digest; after an export the index is written. A cache that is not
//! there (the first build of a new machine) is left out.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::spec::Cache;

/// The annotation that holds a manifest's tag.
const TAG: &str = "org.opencontainers.image.ref.name";
const DEFAULT_TAG: &str = "latest";

/// Caches as the engine wants them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Caches {
    pub(super) imports: Vec<Cache>,
    pub(super) exports: Vec<Cache>,
    /// Layouts to be served, by the engine's id for them.
    pub(super) stores: BTreeMap<String, PathBuf>,
    /// Layouts whose index is to be written afterwards, with the tag.
    indexes: Vec<(PathBuf, String)>,
}

impl Caches {
    /// Makes ready what is on this machine.
    pub(super) fn prepare(imports: &[Cache], exports: &[Cache]) -> io::Result<Self> {
        let mut caches = Self::default();
        for cache in imports {
            caches.import(cache.clone())?;
        }
        for cache in exports {
            caches.export(cache.clone())?;
        }
        Ok(caches)
    }

    fn import(&mut self, mut cache: Cache) -> io::Result<()> {
        if cache.kind == "local" {
            let dir = attribute(&cache, "src");
            if !cache.attributes.contains_key("digest") {
                let tag = cache.attributes.get("tag").map_or(DEFAULT_TAG, String::as_str);
                let Some(digest) = tagged(Path::new(&dir), tag)? else {
                    return Ok(());
                };
                cache.attributes.insert("digest".to_owned(), digest);
            }
            self.stores.insert(format!("local:{dir}"), dir.into());
        }
        self.imports.push(cache);
        Ok(())
    }

    fn export(&mut self, cache: Cache) -> io::Result<()> {
        if cache.kind == "local" {
            let dir = attribute(&cache, "dest");
            fs_err::create_dir_all(&dir)?;
            let tag = cache.attributes.get("tag").map_or(DEFAULT_TAG, String::as_str);
            self.indexes.push((dir.clone().into(), tag.to_owned()));
            self.stores.insert(format!("local:{dir}"), dir.into());
        }
        self.exports.push(cache);
        Ok(())
    }

    /// Writes the indexes of exported caches. `manifest` is the descriptor in the engine's answer, as JSON.
    pub(super) fn finish(&self, manifest: &str) -> io::Result<()> {
        let manifest: Value = serde_json::from_str(manifest)?;
        self.indexes
            .iter()
            .try_for_each(|(dir, tag)| write_index(dir, tag, &manifest))
    }
}

/// The imports as the `cache-imports` frontend option holds them.
pub fn imports_option(imports: &[Cache]) -> String {
    let entry = |cache: &Cache| json!({"Type": cache.kind, "Attrs": cache.attributes});
    Value::from(imports.iter().map(entry).collect::<Vec<_>>()).to_string()
}

/// The folder of a local cache that is to be imported and is not there.
pub fn absent(import: &Cache) -> Option<&str> {
    let folder = import.attributes.get("src").filter(|_| import.kind == "local")?;
    let tag = import.attributes.get("tag").map_or(DEFAULT_TAG, String::as_str);
    // One that cannot be read is an error of the import.
    let known =
        import.attributes.contains_key("digest") || !matches!(tagged(Path::new(folder), tag), Ok(None));
    (!known).then_some(folder)
}

fn attribute(cache: &Cache, key: &str) -> String {
    cache.attributes.get(key).cloned().unwrap_or_default()
}

/// The digest of the manifest with `tag`, None where there is no layout.
fn tagged(dir: &Path, tag: &str) -> io::Result<Option<String>> {
    let text = match fs_err::read(dir.join("index.json")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let index: Value = serde_json::from_slice(&text)?;
    let manifests = index["manifests"].as_array().into_iter().flatten();
    let found = manifests
        .filter(|manifest| manifest["annotations"][TAG] == tag)
        .find_map(|m| m["digest"].as_str());
    Ok(found.map(str::to_owned))
}

fn write_index(dir: &Path, tag: &str, manifest: &Value) -> io::Result<()> {
    let path = dir.join("index.json");
    let mut index = match fs_err::read(&path) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(_) => json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}),
    };
    let mut manifests = index["manifests"].as_array().cloned().unwrap_or_default();
    manifests.retain(|other| other["annotations"][TAG] != tag);
    let mut manifest = manifest.clone();
    if !manifest["annotations"].is_object() {
        manifest["annotations"] = json!({});
    }
    manifest["annotations"][TAG] = tag.into();
    manifests.push(manifest);
    index["manifests"] = manifests.into();
    fs_err::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    // Another build may read it now: it sees the old one or the new one.
    let temporary = dir.join(format!("index.json.{}.tmp", std::process::id()));
    fs_err::write(&temporary, index.to_string())?;
    fs_err::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(key: &str, dir: &Path) -> Cache {
        Cache {
            kind: "local".into(),
            attributes: BTreeMap::from([(key.into(), dir.display().to_string())]),
        }
    }

    #[test]
    fn an_exported_cache_can_be_imported() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        assert!(
            Caches::prepare(&[local("src", &cache)], &[])
                .unwrap()
                .imports
                .is_empty(),
            "not there yet"
        );
        assert_eq!(absent(&local("src", &cache)), cache.to_str());

        let export = Caches::prepare(&[], &[local("dest", &cache)]).unwrap();
        for digest in ["sha256:1", "sha256:2"] {
            export
                .finish(&json!({"digest": digest, "size": 3, "mediaType": "m"}).to_string())
                .unwrap();
        }
        let import = Caches::prepare(&[local("src", &cache)], &[]).unwrap();
        assert_eq!(import.imports[0].attributes["digest"], "sha256:2");
        assert_eq!(absent(&local("src", &cache)), None);
        assert_eq!(
            import.stores.keys().collect::<Vec<_>>(),
            [&format!("local:{}", cache.display())]
        );
        let option = imports_option(&import.imports);
        assert!(
            option.starts_with(r#"[{"Attrs":{"digest":"sha256:2","src":"#),
            "{option}"
        );
    }
}
