//! The details that BuildKit attaches to errors.
//!
//! They are JSON in an `Any` whose type name has no host of its own and ends in `+json`, since the daemon registers them
//! with containerd's typeurl. The JSON is that of Go's `encoding/json`: empty fields left out, bytes as base64.

use crate::{pb, rpc};
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The start of every type name.
const PREFIX: &str = "github.com/moby/buildkit/errdefs.";

/// A detail that can be attached to a status.
pub trait Detail: Serialize + DeserializeOwned {
    /// Its name in the type name, such as `Source`.
    const NAME: &'static str;

    /// Packs it as the daemon does.
    fn to_any(&self) -> prost_types::Any {
        prost_types::Any {
            type_url: format!("{PREFIX}{}+json", Self::NAME),
            // These types have string keys and no failing serialisers, so this cannot fail.
            value: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// Unpacks it; `None` if `any` is another type or not readable.
    fn from_any(any: &prost_types::Any) -> Option<Self> {
        let name = any.type_url.strip_prefix(PREFIX)?.strip_suffix("+json")?;
        if name == Self::NAME {
            serde_json::from_slice(&any.value).ok()
        } else {
            None
        }
    }

    /// Every detail of this type in a status, in its order.
    fn all(status: &rpc::Status) -> Vec<Self> {
        status.details.iter().filter_map(Self::from_any).collect()
    }
}

/// Where in a file the error is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<SourceInfo>,
    /// The lines that matter.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ranges: Vec<Range>,
}

/// A source file with its text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// Its name as the user knows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filename: String,
    /// Its whole text.
    #[serde(default, with = "base64_bytes", skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<u8>,
    /// The graph that the file came from, as Go writes it; handed through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<serde_json::Value>,
    /// Its language by linguist's name, such as `YAML`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
}

/// Part of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Its first position.
    #[serde(default)]
    pub start: Position,
    /// Its last position.
    #[serde(default)]
    pub end: Position,
}

/// One place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub line: i32,
    /// The character in the line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub character: i32,
}

/// The step that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vertex {
    /// Its digest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// The frontend that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontend {
    /// Its kind, such as `gateway.v0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// A capability that the frontend was asked for and has not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendCap {
    /// Its id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A request that the frontend does not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subrequest {
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl Detail for Source {
    const NAME: &'static str = "Source";
}

impl Detail for Vertex {
    const NAME: &'static str = "Vertex";
}

impl Detail for Frontend {
    const NAME: &'static str = "Frontend";
}

impl Detail for FrontendCap {
    const NAME: &'static str = "FrontendCap";
}

impl Detail for Subrequest {
    const NAME: &'static str = "Subrequest";
}

/// Without the graph that the file came from, which no client prints.
impl From<&pb::SourceInfo> for SourceInfo {
    fn from(info: &pb::SourceInfo) -> Self {
        Self {
            filename: info.filename.clone(),
            data: info.data.clone(),
            definition: None,
            language: info.language.clone(),
        }
    }
}

impl From<&pb::Range> for Range {
    fn from(range: &pb::Range) -> Self {
        let position = |p: Option<&pb::Position>| {
            p.map_or_else(Position::default, |p| Position {
                line: p.line,
                character: p.character,
            })
        };
        Self {
            start: position(range.start.as_ref()),
            end: position(range.end.as_ref()),
        }
    }
}

impl From<Range> for pb::Range {
    fn from(range: Range) -> Self {
        let position = |p: Position| {
            Some(pb::Position {
                line: p.line,
                character: p.character,
            })
        };
        Self {
            start: position(range.start),
            end: position(range.end),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// Go writes `null` for an absent list in places.
fn null_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

mod base64_bytes {
    use super::{Deserialize, Deserializer, STANDARD, Serializer};
    use base64::Engine as _;
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text: Option<String> = Option::deserialize(d)?;
        STANDARD
            .decode(text.unwrap_or_default())
            .map_err(D::Error::custom)
    }
}
