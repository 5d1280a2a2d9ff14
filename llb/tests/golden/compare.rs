//! Reads the Go side's output and compares.

use crate::Case;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buildkit_llb::{Definition, digest_of, encode_op};
use buildkit_proto::pb;
use prost::Message as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Golden {
    ops: Option<Vec<String>>,
    metadata: Value,
    source: Value,
}

/// Checks every case of a group; the Go side has to have the same ones.
pub(crate) fn check(group: &str, cases: Vec<Case>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/golden/{group}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut golden: BTreeMap<String, Golden> = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for (name, state, options) in cases {
        let want = golden
            .remove(name)
            .unwrap_or_else(|| panic!("`{name}` is not in {group}.json"));
        if let Err(difference) = compare(&state.marshal(&options), &want) {
            wrong.push(format!("{name}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(golden.is_empty(), "not built here: {:?}", golden.keys());
}

fn compare(definition: &Definition, want: &Golden) -> Result<(), String> {
    let got = definition.to_pb();
    let ops: Vec<Vec<u8>> = want
        .ops
        .iter()
        .flatten()
        .map(|op| STANDARD.decode(op).unwrap())
        .collect();
    for (index, (got, want)) in got.def.iter().zip(&ops).enumerate() {
        if got != want {
            return Err(format!("op {index}\n got {}\nwant {}", show(got), show(want)));
        }
        if encode_op(pb::Op::decode(got.as_slice()).unwrap()) != *got {
            return Err(format!(
                "op {index} changes when decoded and encoded: {}",
                show(got)
            ));
        }
    }
    if got.def.len() != ops.len() {
        return Err(format!("{} ops, want {}", got.def.len(), ops.len()));
    }
    equal("metadata", &metadata(&got), &want.metadata)?;
    equal(
        "source",
        &got.source.as_ref().map_or(Value::Null, source),
        &with_places_only(&want.source),
    )?;
    let digest = digest_of(ops.last().map_or(&[], Vec::as_slice));
    equal("digest", &json!(definition.digest()), &json!(digest))
}

/// Go names every operation among the locations, also those that have none. Here those are left out: `prost` would
/// write them without a value, which the daemon reads as a nil pointer.
fn with_places_only(source: &Value) -> Value {
    let mut source = source.clone();
    if let Some(locations) = source.get_mut("locations").and_then(Value::as_object_mut) {
        locations.retain(|_, places| places.as_array().is_some_and(|places| !places.is_empty()));
    }
    source
}

fn equal(what: &str, got: &Value, want: &Value) -> Result<(), String> {
    if got == want {
        Ok(())
    } else {
        Err(format!("{what}\n got {got}\nwant {want}"))
    }
}

fn show(op: &[u8]) -> String {
    format!("{:?}\n     {op:02x?}", pb::Op::decode(op))
}

fn metadata(definition: &pb::Definition) -> Value {
    let one = |metadata: &pb::OpMetadata| {
        json!({
            "ignore_cache": metadata.ignore_cache,
            "description": metadata.description,
            "export_cache": metadata.export_cache.map(|export| export.value),
            "caps": metadata.caps,
            "progress_group": metadata.progress_group.as_ref().map(|group| json!([group.id, group.name, group.weak])),
            "linux_resources": metadata.linux_resources.as_ref().map(|r| json!([
                r.memory, r.memory_swap, r.cpu_shares, r.cpu_period, r.cpu_quota, r.cpuset_cpus, r.cpuset_mems,
            ])),
        })
    };
    definition
        .metadata
        .iter()
        .map(|(digest, metadata)| (digest.clone(), one(metadata)))
        .collect()
}

fn source(source: &pb::Source) -> Value {
    let info = |info: &pb::SourceInfo| json!({"filename": info.filename, "language": info.language, "data": STANDARD.encode(&info.data)});
    let range = |range: &pb::Range| {
        let (start, end) = (range.start.unwrap(), range.end.unwrap());
        json!([start.line, start.character, end.line, end.character])
    };
    let location = |location: &pb::Location| json!({"info": location.source_index, "ranges": location.ranges.iter().map(range).collect::<Vec<_>>()});
    let locations = |locations: &pb::Locations| locations.locations.iter().map(location).collect::<Value>();
    json!({
        "infos": source.infos.iter().map(info).collect::<Vec<_>>(),
        "locations": source.locations.iter().map(|(digest, l)| (digest.clone(), locations(l))).collect::<Value>(),
    })
}
