//! A wheel layer as an image: one layer, a config and a manifest, the same bytes wherever they are made.
//!
//! A store and a session hand layers to an engine in this form, and a lock may record the manifest's digest, so the
//! documents hold what the layer is and nothing of who made it when. They are written here, not by a JSON library's
//! idea of a map: fields in a fixed order, no spaces.
//!
//! The config's platform is `unknown/unknown`, as BuildKit's own attestation manifests have it. A layer of pure
//! wheels fits every architecture and is one image for all of them; engines look at the platform when they choose
//! from an index, not when they are given a manifest by digest (seen on BuildKit 0.32 and Docker 28.5), and a
//! runtime that is asked to run such an image says no, as it should.

mod base;
mod read;

pub use base::{
    BASE_FACTS, BASE_IMAGE, BASE_KEY, BASE_PLATFORM, base_catalog_label, base_image, base_key, base_named,
    base_tag,
};
pub use read::ImageConfig;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::key::hex;
use super::wanted::title;
use super::{BYTECODE, Format, Kind, LAYOUT, LayerKey, Wanted};

/// Media type of the manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the config.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Label of the config and annotation of the manifest that hold the layer's key.
pub const KEY: &str = "io.wheelwright.layer.key";

/// Label of the config that holds what is known of the layer's wheels ([`unwheel::Facts`]), so that nobody has to fetch the
/// layer to see whether they go together with others.
pub const FACTS: &str = "io.wheelwright.layer.facts";

/// The media type of a layer.
pub fn media_type(format: Format) -> &'static str {
    match format {
        Format::Gzip | Format::Estargz => "application/vnd.oci.image.layer.v1.tar+gzip",
        Format::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}

/// The tag of a layer in a store: one layer may be there in several formats.
pub fn tag(format: Format, key: &LayerKey) -> String {
    format!("{format}-{key}")
}

/// Label of a catalog that names a layer; its value is the digest of the layer's image.
pub fn catalog_label(format: Format, key: &LayerKey) -> String {
    format!("io.wheelwright.catalog.{}", tag(format, key))
}

/// What is known of a layer that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// What it is made of.
    pub key: LayerKey,
    /// How it is packed.
    pub format: Format,
    /// Digest of the packed bytes, `sha256:…`.
    pub digest: String,
    /// Digest of the tar, `sha256:…`.
    pub diff_id: String,
    /// Packed bytes.
    pub size: u64,
    /// Bytes of the tar.
    pub unpacked: u64,
    /// Digest of an estargz layer's table of contents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toc_digest: Option<String>,
    /// What is known of its wheels, as one line; nothing for layers that hold no wheels.
    pub facts: Option<String>,
    /// The licences of its wheels by name, as far as they say.
    pub licenses: BTreeMap<String, String>,
}

/// What is in a layer, for people and registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What of its wheels it holds.
    pub kind: Kind,
    /// Its wheels, sorted by name.
    pub wheels: Vec<Wheel>,
    /// Path of the venv.
    pub venv: String,
    /// The interpreter's minor version.
    pub python: String,
}

/// One wheel of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wheel {
    /// Package.
    pub name: String,
    /// Version.
    pub version: String,
    /// Digest of the file in hex.
    pub sha256: String,
    /// Licence as the wheel's metadata has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
}

impl Contents {
    /// What a layer that was made holds.
    pub fn of(wanted: &Wanted<'_>, record: &LayerRecord) -> Self {
        let wheels = wanted.packages().map(|pick| Wheel {
            name: pick.name.to_string(),
            version: pick.version.clone(),
            sha256: pick.artifact.identity(),
            license: record.licenses.get(pick.name.as_str()).cloned(),
        });
        Self {
            kind: wanted.layer.kind,
            wheels: wheels.collect(),
            venv: wanted.venv.to_owned(),
            python: wanted.minor.to_string(),
        }
    }

    /// `numpy 2.4.0`, or all names where there are several; `bytecode of …` where it is only that.
    pub fn title(&self) -> String {
        titled(self.kind, self.names())
    }

    fn names(&self) -> String {
        let wheels = self.wheels.iter();
        title(wheels.map(|wheel| (wheel.name.as_str(), wheel.version.as_str())))
    }

    /// Who made it is told by the versions of what makes it: two releases that lay wheels down alike make equal images.
    fn tool(&self) -> String {
        match self.kind {
            Kind::Wheels => format!("wheelwright, layout {LAYOUT}"),
            Kind::Bytecode => format!("wheelwright, layout {LAYOUT}, bytecode {BYTECODE}"),
        }
    }
}

/// The title of a layer's image before it is made.
pub fn title_of(wanted: &Wanted<'_>) -> String {
    titled(wanted.layer.kind, wanted.title())
}

fn titled(kind: Kind, names: String) -> String {
    match kind {
        Kind::Wheels => names,
        Kind::Bytecode => format!("bytecode of {names}"),
    }
}

/// A document of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its media type.
    pub media_type: &'static str,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An image of one layer, but for the layer's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerImage {
    /// The config.
    pub config: Document,
    /// The manifest.
    pub manifest: Document,
}

/// The image of a layer.
pub fn image(record: &LayerRecord, contents: &Contents) -> LayerImage {
    let config = document(CONFIG, &config(record, contents));
    let manifest = document(MANIFEST, &manifest(record, contents, &config));
    LayerImage { config, manifest }
}

/// The catalog of a folder with layers: an image without a layer whose labels name the layers' images, as documents, and
/// the folder's `index.json`, where it is `latest`.
pub fn catalog(labels: &BTreeMap<String, String>) -> ([Document; 2], Vec<u8>) {
    let config = serde_json::json!({
        "architecture": "unknown", "os": "unknown",
        "config": {"Labels": labels}, "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = document(CONFIG, &config);
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.bytes.len()},
    });
    let manifest = document(MANIFEST, &manifest);
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": MANIFEST, "digest": manifest.digest, "size": manifest.bytes.len(),
            "annotations": {"org.opencontainers.image.ref.name": "latest"},
        }],
    });
    ([config, manifest], json(&index))
}

#[derive(Serialize)]
struct Config<'a> {
    architecture: &'static str,
    os: &'static str,
    #[serde(rename = "config")]
    settings: Settings<'a>,
    rootfs: Rootfs<'a>,
    history: [History; 1],
}

#[derive(Serialize)]
struct Settings<'a> {
    #[serde(rename = "Labels")]
    labels: Labels<'a>,
}

#[derive(Serialize)]
struct Labels<'a> {
    #[serde(rename = "io.wheelwright.layer.key")]
    key: &'a LayerKey,
    #[serde(
        rename = "io.wheelwright.layer.facts",
        skip_serializing_if = "Option::is_none"
    )]
    facts: Option<&'a str>,
}

#[derive(Serialize)]
struct Rootfs<'a> {
    r#type: &'static str,
    diff_ids: [&'a str; 1],
}

#[derive(Serialize)]
struct History {
    created_by: String,
}

fn config<'a>(record: &'a LayerRecord, contents: &Contents) -> Config<'a> {
    Config {
        architecture: "unknown",
        os: "unknown",
        settings: Settings {
            labels: Labels {
                key: &record.key,
                facts: record.facts.as_deref(),
            },
        },
        rootfs: Rootfs {
            r#type: "layers",
            diff_ids: [&record.diff_id],
        },
        history: [History {
            created_by: format!("[{}] {}", contents.kind.name(), contents.names()),
        }],
    }
}

#[derive(Serialize)]
struct Manifest<'a> {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    #[serde(rename = "mediaType")]
    media_type: &'static str,
    config: Descriptor<'a, ()>,
    layers: [Descriptor<'a, Option<Stargz<'a>>>; 1],
    annotations: Annotations<'a>,
}

#[derive(Serialize)]
struct Descriptor<'a, A: Serialize + Empty> {
    #[serde(rename = "mediaType")]
    media_type: &'static str,
    digest: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Empty::empty")]
    annotations: A,
}

trait Empty {
    fn empty(&self) -> bool;
}

impl Empty for () {
    fn empty(&self) -> bool {
        true
    }
}

impl<T> Empty for Option<T> {
    fn empty(&self) -> bool {
        self.is_none()
    }
}

/// What the stargz snapshotter asks for before it mounts a layer that it has not downloaded.
#[derive(Serialize)]
struct Stargz<'a> {
    #[serde(rename = "containerd.io/snapshot/stargz/toc.digest")]
    toc: &'a str,
    #[serde(rename = "io.containers.estargz.uncompressed-size")]
    unpacked: String,
}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "io.wheelwright.layer.key")]
    key: &'a LayerKey,
    #[serde(rename = "io.wheelwright.layer.python")]
    python: &'a str,
    #[serde(rename = "io.wheelwright.layer.tool")]
    tool: String,
    #[serde(rename = "io.wheelwright.layer.unpacked")]
    unpacked: String,
    #[serde(rename = "io.wheelwright.layer.venv")]
    venv: &'a str,
    #[serde(rename = "io.wheelwright.layer.wheels")]
    wheels: String,
    #[serde(
        rename = "org.opencontainers.image.licenses",
        skip_serializing_if = "Option::is_none"
    )]
    licenses: Option<String>,
    #[serde(rename = "org.opencontainers.image.title")]
    title: String,
    #[serde(
        rename = "org.opencontainers.image.version",
        skip_serializing_if = "Option::is_none"
    )]
    version: Option<&'a str>,
}

fn manifest<'a>(record: &'a LayerRecord, contents: &'a Contents, config: &'a Document) -> Manifest<'a> {
    let stargz = record.toc_digest.as_deref().map(|toc| Stargz {
        toc,
        unpacked: record.unpacked.to_string(),
    });
    let single = match contents.wheels.as_slice() {
        [wheel] => Some(wheel),
        _ => None,
    };
    Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: Descriptor {
            media_type: CONFIG,
            digest: &config.digest,
            size: config.bytes.len() as u64,
            annotations: (),
        },
        layers: [Descriptor {
            media_type: media_type(record.format),
            digest: &record.digest,
            size: record.size,
            annotations: stargz,
        }],
        annotations: Annotations {
            key: &record.key,
            python: &contents.python,
            tool: contents.tool(),
            unpacked: record.unpacked.to_string(),
            venv: &contents.venv,
            wheels: String::from_utf8_lossy(&json(&contents.wheels)).into_owned(),
            licenses: licenses(&contents.wheels),
            title: contents.title(),
            version: single.map(|wheel| wheel.version.as_str()),
        },
    }
}

/// All licences, each once.
fn licenses(wheels: &[Wheel]) -> Option<String> {
    let mut all = wheels
        .iter()
        .filter_map(|wheel| wheel.license.as_deref())
        .collect::<Vec<_>>();
    all.sort_unstable();
    all.dedup();
    Some(all.join(" AND ")).filter(|text| !text.is_empty())
}

fn document(media_type: &'static str, value: &impl Serialize) -> Document {
    let bytes = json(value);
    Document {
        media_type,
        digest: format!("sha256:{}", hex(&Sha256::digest(&bytes))),
        bytes,
    }
}

/// Structs of strings and numbers do not fail to be written.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        Contents {
            kind: Kind::Wheels,
            wheels: vec![Wheel {
                name: "numpy".to_owned(),
                version: "2.4.0".to_owned(),
                sha256: "a".repeat(64),
                license: Some("BSD-3-Clause".to_owned()),
            }],
            venv: "/opt/venv".to_owned(),
            python: "3.11".to_owned(),
        }
    }

    fn record(format: Format) -> LayerRecord {
        LayerRecord {
            key: LayerKey::new(["a"], "/opt/venv", "3.11"),
            format,
            digest: format!("sha256:{}", "1".repeat(64)),
            diff_id: format!("sha256:{}", "2".repeat(64)),
            size: 10,
            unpacked: 20,
            toc_digest: (format == Format::Estargz).then(|| format!("sha256:{}", "3".repeat(64))),
            facts: Some("AA==".to_owned()),
            licenses: BTreeMap::new(),
        }
    }

    /// These bytes are in registries and locks: whoever changes them raises the layout's version.
    #[test]
    fn the_documents_are_stable_to_the_byte() {
        let image = image(&record(Format::Gzip), &contents());
        let text = |document: &Document| String::from_utf8(document.bytes.clone()).unwrap();
        insta::assert_snapshot!(format!(
            "{}\n{}\n\n{}\n{}",
            image.config.digest,
            text(&image.config),
            image.manifest.digest,
            text(&image.manifest)
        ));
    }

    #[test]
    fn estargz_layers_say_where_their_table_is() {
        let image = image(&record(Format::Estargz), &contents());
        let manifest: serde_json::Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        let annotations = &manifest["layers"][0]["annotations"];
        assert_eq!(annotations["io.containers.estargz.uncompressed-size"], "20");
        assert_eq!(
            annotations["containerd.io/snapshot/stargz/toc.digest"],
            format!("sha256:{}", "3".repeat(64))
        );
    }
}
