//! A small wheel, written entry by entry.

use sha2::{Digest as _, Sha256};

use crate::layers::key::hex;

/// The wheel `NAME-1-py3-none-any.whl` with one module that holds `text`; its bytes and their digest.
pub(super) fn wheel(name: &str, text: &str) -> (Vec<u8>, String) {
    let module = format!("{name}.py");
    let info = format!("{name}-1.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n");
    let tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let mut files = vec![
        (module, text.to_owned()),
        (format!("{info}/METADATA"), metadata),
        (format!("{info}/WHEEL"), tags.to_owned()),
    ];
    let record = files.iter().fold(String::new(), |all, (path, text)| {
        use base64::Engine as _;
        let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        all + &format!("{path},sha256={digest},{}\n", text.len())
    });
    files.push((format!("{info}/RECORD"), format!("{record}{info}/RECORD,,\n")));
    let bytes = zip(&files);
    let digest = hex(&Sha256::digest(&bytes));
    (bytes, digest)
}

/// An archive of stored entries.
fn zip(files: &[(String, String)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let number = |value: usize| u32::try_from(value).unwrap();
    for (name, text) in files {
        let at = number(bytes.len());
        let (name, text) = (name.as_bytes(), text.as_bytes());
        // Version, flags, method, time, date; then checksum, sizes, lengths of name and extra field.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32(text).to_le_bytes());
        common.extend(number(text.len()).to_le_bytes());
        common.extend(number(text.len()).to_le_bytes());
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name);
        bytes.extend(text);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((0o100_644_u32 << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(name);
    }
    let (start, count) = (number(bytes.len()), u16::try_from(files.len()).unwrap());
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(number(directory.len()).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| {
        if crc & 1 == 1 {
            0xEDB8_8320 ^ (crc >> 1)
        } else {
            crc >> 1
        }
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc))
    })
}
