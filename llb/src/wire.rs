//! Operations as bytes, in Go's order.
//!
//! Go's protobuf writes a message's fields by number but members of a oneof last, and a map entry's key and value even
//! when they are empty. `prost` writes a oneof at its lowest number and leaves empty map values out. Of BuildKit's graph
//! messages that matters for two: `Op`, whose oneof has numbers below the platform's, and `SourceOp`, whose attributes
//! are a map.

use buildkit_proto::pb;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, string};
use sha2::{Digest as _, Sha256};

/// The number of `Op.source`.
const SOURCE: u32 = 3;

/// The bytes of an operation as Go writes them; their sha256 is the operation's digest.
///
/// Exact for every operation but the nested build (`BuildOp`), which has maps of its own and which nothing here makes.
pub fn encode_op(mut op: pb::Op) -> Vec<u8> {
    let kind = op.op.take();
    let mut out = op.encode_to_vec();
    match kind {
        Some(pb::op::Op::Source(source)) => {
            let body = encode_source(&source);
            encode_key(SOURCE, WireType::LengthDelimited, &mut out);
            encode_varint(body.len() as u64, &mut out);
            out.extend_from_slice(&body);
        }
        Some(kind) => out.extend(
            pb::Op {
                op: Some(kind),
                ..pb::Op::default()
            }
            .encode_to_vec(),
        ),
        None => {}
    }
    out
}

fn encode_source(source: &pb::SourceOp) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut entry = Vec::with_capacity(128);
    if !source.identifier.is_empty() {
        string::encode(1, &source.identifier, &mut out);
    }
    for (key, value) in &source.attrs {
        entry.clear();
        string::encode(1, key, &mut entry);
        string::encode(2, value, &mut entry);
        encode_key(2, WireType::LengthDelimited, &mut out);
        encode_varint(entry.len() as u64, &mut out);
        out.extend_from_slice(&entry);
    }
    out
}

/// `sha256:` and the lower-case hexadecimal hash of `bytes`.
pub fn digest_of(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(7 + 64);
    out.push_str("sha256:");
    for byte in Sha256::digest(bytes) {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
    out
}
