//! The text of files that people and editors wrote: UTF-8 unless they say something else, as pip reads them.

use std::path::Path;

/// Bytes as text. Text that was not plain UTF-8 begins with a byte order mark, so that its readers know.
pub fn decode(bytes: Vec<u8>) -> Result<String, String> {
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ if is_latin1(&bytes) => Ok(std::iter::once('\u{feff}')
            .chain(bytes.iter().map(|b| char::from(*b)))
            .collect()),
        _ => String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            format!("is not UTF-8: line {line} cannot be read")
        }),
    }
}

/// A file of the repository as text. Code is read only to see that it is there: whatever its encoding, it is no mistake.
pub fn of_file(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    if Path::new(name).extension().is_some_and(|kind| kind == "py") {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    decode(bytes)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let units = bytes.chunks(2).map(|pair| match pair {
        [a, b] => unit([*a, *b]),
        _ => 0xdc00,
    });
    let text = char::decode_utf16(std::iter::once(0xfeff).chain(units)).collect::<Result<String, _>>();
    text.map_err(|_| "is not UTF-16, though its byte order mark says so".to_owned())
}

/// `# -*- coding: latin-1 -*-` in one of the first two lines (PEP 263).
fn is_latin1(bytes: &[u8]) -> bool {
    let names = ["latin-1", "latin1", "iso-8859-1", "iso8859-1", "iso-8859-15"];
    let lines = bytes.split(|byte| *byte == b'\n').take(2);
    lines.filter(|line| line.first() == Some(&b'#')).any(|line| {
        let line = String::from_utf8_lossy(line).to_lowercase();
        let named = line
            .split_once("coding")
            .map(|(_, rest)| rest.trim_start_matches([':', '=', ' ']));
        named.is_some_and(|rest| names.iter().any(|name| rest.starts_with(name)))
    })
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn encodings_are_read() {
        let text = |bytes: &[u8]| decode(bytes.to_vec());
        assert_eq!(text("é".as_bytes()).as_deref(), Ok("é"));
        assert_eq!(text(b"\xff\xfea\0\xe9\0").as_deref(), Ok("\u{feff}aé"));
        assert_eq!(text(b"\xfe\xff\0a\0\xe9").as_deref(), Ok("\u{feff}aé"));
        assert_eq!(
            text(b"# -*- coding: latin-1 -*-\n\xe9").as_deref(),
            Ok("\u{feff}# -*- coding: latin-1 -*-\né")
        );
        assert!(text(b"\xff\xfea").is_err());
        assert_eq!(
            text(b"ab\nc\xff"),
            Err("is not UTF-8: line 2 cannot be read".to_owned())
        );
    }
}
