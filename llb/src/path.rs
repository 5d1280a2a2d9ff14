//! Slash paths, cleaned as Go's `path` package does it, because they end up in digests.

/// The shortest equal path: no empty or `.` parts, no `..` that can be resolved, no trailing slash; `.` if nothing is
/// left.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// `path` seen from the root directory.
pub(crate) fn absolute(path: &str) -> String {
    clean(&format!("/{path}"))
}

/// Like [`absolute`], but a trailing `/` or `/.` stays: a copy to `dir/` differs from one to `dir`.
pub(crate) fn absolute_keep_slash(path: &str) -> String {
    let mut out = absolute(path);
    if path.ends_with('/') && !out.ends_with('/') {
        out.push('/');
    } else if path.ends_with("/.") {
        if out != "/" {
            out.push('/');
        }
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{absolute, absolute_keep_slash, clean};

    #[test]
    fn cleans_as_go_does() {
        for (path, want) in [
            ("", "."),
            ("/", "/"),
            ("a//b/./c/..", "a/b"),
            ("/../a", "/a"),
            ("../../a", "../../a"),
            ("a/../..", ".."),
            ("/a/", "/a"),
        ] {
            assert_eq!(clean(path), want, "{path}");
        }
        assert_eq!(absolute("a/../b"), "/b");
        assert_eq!(absolute(""), "/");
    }

    #[test]
    fn keeps_what_marks_a_directory() {
        for (path, want) in [
            ("a/", "/a/"),
            ("/", "/"),
            ("/a/.", "/a/."),
            ("/.", "/."),
            ("/a", "/a"),
            ("a//", "/a/"),
            (".", "/"),
        ] {
            assert_eq!(absolute_keep_slash(path), want, "{path}");
        }
    }
}
