//! Which names an archive may use, and the one spelling they are compared in.

use crate::error::Problem;

/// Returns the normal form of an entry's name: forward slashes, no empty and no `.` component, no trailing slash.
///
/// Refuses whatever could leave the target directory, and what different systems read differently.
pub(crate) fn normal(name: &[u8]) -> Result<String, Problem> {
    let Ok(name) = std::str::from_utf8(name) else {
        return Err(Problem::UnsafeName("not UTF-8"));
    };
    if name.contains('\0') {
        return Err(Problem::UnsafeName("contains NUL"));
    }
    if name.chars().any(char::is_control) {
        return Err(Problem::UnsafeName("contains a control character"));
    }
    if name.contains('\\') {
        return Err(Problem::UnsafeName("contains a backslash"));
    }
    if name.starts_with('/') {
        return Err(Problem::UnsafeName("absolute path"));
    }
    if matches!(name.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic()) {
        return Err(Problem::UnsafeName("starts with a drive letter"));
    }
    let mut normal = String::with_capacity(name.len());
    for component in name.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err(Problem::UnsafeName("contains `..`")),
            component => {
                if !normal.is_empty() {
                    normal.push('/');
                }
                normal.push_str(component);
            }
        }
    }
    if normal.is_empty() {
        return Err(Problem::UnsafeName("empty"));
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_pass_and_are_normalised() {
        for (name, expected) in [
            ("a/b.py", "a/b.py"),
            ("./a//b/", "a/b"),
            ("a/./b", "a/b"),
            ("..a/b..", "..a/b.."),
            ("fine i guess.py", "fine i guess.py"),
            ("ünï/🌈.py", "ünï/🌈.py"),
        ] {
            assert_eq!(normal(name.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn dangerous_names_are_refused() {
        for (name, why) in [
            (&b"/etc/passwd"[..], "absolute"),
            (b"a/../../b", "`..`"),
            (b"..", "`..`"),
            (b"a\\b", "backslash"),
            (b"C:/x", "drive"),
            (b"c:x", "drive"),
            (b"a\0b", "NUL"),
            (b"a\nb", "control"),
            (b"", "empty"),
            (b"./", "empty"),
            (b"\xff\xfe", "UTF-8"),
        ] {
            let message = normal(name).unwrap_err().to_string();
            assert!(message.contains(why), "{name:?}: {message}");
        }
    }
}
