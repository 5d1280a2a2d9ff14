//! Image references in their full form, since that is what the operation's bytes hold: `python:3.11` is
//! `docker.io/library/python:3.11`.

/// A text that is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an image reference: {problem}")]
pub struct ReferenceError {
    /// What was found.
    pub found: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

const DOCKER_HUB: &str = "docker.io";

/// The full form of an image reference: with registry and repository, and `:latest` if it names neither tag nor digest.
///
/// The rules are those of the distribution project's reference package, which every Docker tool uses.
pub fn normalize_reference(text: &str) -> Result<String, ReferenceError> {
    parse(text).map_err(|problem| ReferenceError {
        found: text.to_owned(),
        problem,
    })
}

fn parse(text: &str) -> Result<String, &'static str> {
    if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("a bare digest; expected `name@sha256:…`");
    }
    let (domain, rest) = split_domain(text);
    let (name_and_tag, digest) = match rest.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (rest.as_str(), None),
    };
    let (path, tag) = match name_and_tag.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (name_and_tag, None),
    };
    if path.chars().any(char::is_uppercase) {
        return Err("the repository must be lower case");
    }
    if !is_domain(domain) {
        return Err("the registry is not a host with an optional port");
    }
    if !path.split('/').all(is_path_component) {
        return Err(
            "the repository may have lower-case letters and digits, with `.`, `_`, `__` or `-` between",
        );
    }
    if domain.len() + 1 + path.len() > 255 {
        return Err("the name is longer than 255 characters");
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("the tag may have letters, digits, `_`, `.` and `-`, at most 128");
    }
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err("the digest must look like `sha256:` and 64 hexadecimal digits");
    }
    let latest = if tag.is_none() && digest.is_none() {
        ":latest"
    } else {
        ""
    };
    Ok(format!("{domain}/{rest}{latest}"))
}

/// The registry and what follows; a first part that is no host belongs to the repository on Docker Hub.
fn split_domain(text: &str) -> (&str, String) {
    let is_host =
        |part: &str| part == "localhost" || part.contains(['.', ':']) || part.chars().any(char::is_uppercase);
    let (domain, rest) = match text.split_once('/') {
        Some(("index.docker.io", rest)) => (DOCKER_HUB, rest),
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => (DOCKER_HUB, text),
    };
    let official = domain == DOCKER_HUB && !rest.contains('/');
    (
        domain,
        if official {
            format!("library/{rest}")
        } else {
            rest.to_owned()
        },
    )
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let port_ok = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let label_ok = |label: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        edge(label.chars().next())
            && edge(label.chars().next_back())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let host_ok = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => !v6.is_empty() && v6.chars().all(|c| c.is_ascii_hexdigit() || c == ':'),
        None => host.split('.').all(label_ok),
    };
    host_ok && port_ok
}

/// Runs of lower-case letters and digits with separators between them: one dot, one or two underscores, or dashes.
fn is_path_component(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators_ok = part
        .split(word)
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-'));
    part.starts_with(word) && part.ends_with(word) && separators_ok
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hash)) = digest.split_once(':') else {
        return false;
    };
    let length_ok = match algorithm {
        "sha256" => hash.len() == 64,
        "sha384" => hash.len() == 96,
        "sha512" => hash.len() == 128,
        _ => false,
    };
    length_ok && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::normalize_reference;

    #[test]
    fn gives_the_full_form() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, want) in [
            ("python", "docker.io/library/python:latest".to_owned()),
            (
                "python:3.11-slim",
                "docker.io/library/python:3.11-slim".to_owned(),
            ),
            ("index.docker.io/a/b", "docker.io/a/b:latest".to_owned()),
            ("docker.io/python", "docker.io/library/python:latest".to_owned()),
            ("localhost/x", "localhost/x:latest".to_owned()),
            (
                "localhost:5000/a__b/c-d:T",
                "localhost:5000/a__b/c-d:T".to_owned(),
            ),
            ("[::1]:5000/a", "[::1]:5000/a:latest".to_owned()),
            (&format!("ghcr.io/o/w@{digest}"), format!("ghcr.io/o/w@{digest}")),
            (
                &format!("ghcr.io/o/w:1@{digest}"),
                format!("ghcr.io/o/w:1@{digest}"),
            ),
        ] {
            assert_eq!(normalize_reference(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        let bare = "0a".repeat(32);
        for text in [
            "",
            "Python",
            "a//b",
            "a:",
            "a@sha256:12",
            ":5000/a",
            "a b",
            "a/-b",
            "a___b",
            "ex-.com/a",
            "a/b:-t",
            &bare,
        ] {
            assert!(normalize_reference(text).is_err(), "{text}");
        }
    }
}
