//! Operations as bytes, in Go's order.
//!
//! Go's protobuf writes a message's fields by number but members of a oneof last, and a map entry's key and value even
//! when they are empty. `prost` writes a oneof at its lowest number and leaves empty map values out. Of BuildKit's graph
//! messages that matters for two: `Op`, whose oneof has numbers below the platform's, and `SourceOp`, whose attributes
//! are a map.

use buildkit_proto::pb;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use sha2::{Digest as _, Sha256};

/// The number of `Op.source`.
const SOURCE: u32 = 3;

/// The bytes of an operation as Go writes them; their sha256 is the operation's digest.
///
/// Exact for every operation but the nested build (`BuildOp`), which has maps of its own and which nothing here makes.
pub fn encode_op(mut op: pb::Op) -> Vec<u8> {
    let kind = op.op.take();
    if let Some(pb::op::Op::Source(source)) = kind {
        return encode_source(&op, &source.identifier, source.attrs.iter());
    }
    let kind = pb::Op {
        op: kind,
        ..pb::Op::default()
    };
    let mut out = Vec::with_capacity(op.encoded_len() + kind.encoded_len());
    for part in [op, kind] {
        part.encode_raw(&mut out);
    }
    out
}

/// The same of an operation that is a source with these attributes, sorted; `op` holds all but the source.
pub(crate) fn encode_source<'a, K: AsRef<str> + 'a>(
    op: &pb::Op,
    identifier: &str,
    attrs: impl Iterator<Item = (&'a K, &'a String)> + Clone,
) -> Vec<u8> {
    let entry = |key: &str, value: &str| field_len(1, key) + field_len(2, value);
    let entries = attrs.clone().map(|(key, value)| {
        let entry = entry(key.as_ref(), value);
        key_len(2) + encoded_len_varint(entry as u64) + entry
    });
    let name = if identifier.is_empty() {
        0
    } else {
        field_len(1, identifier)
    };
    let body = name + entries.sum::<usize>();
    let head = key_len(SOURCE) + encoded_len_varint(body as u64);
    let mut out = Vec::with_capacity(op.encoded_len() + head + body);
    op.encode_raw(&mut out);
    encode_key(SOURCE, WireType::LengthDelimited, &mut out);
    encode_varint(body as u64, &mut out);
    if !identifier.is_empty() {
        encode_field(1, identifier, &mut out);
    }
    for (key, value) in attrs {
        encode_key(2, WireType::LengthDelimited, &mut out);
        encode_varint(entry(key.as_ref(), value) as u64, &mut out);
        encode_field(1, key.as_ref(), &mut out);
        encode_field(2, value, &mut out);
    }
    out
}

fn field_len(number: u32, text: &str) -> usize {
    key_len(number) + encoded_len_varint(text.len() as u64) + text.len()
}

fn encode_field(number: u32, text: &str, out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
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
