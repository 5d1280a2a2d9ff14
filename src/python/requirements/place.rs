//! Requirements that say where a package is rather than which version: paths, addresses, commits.

use super::lines::Word;
use super::unquoted;
use crate::diag::Span;
use crate::manifest::ProjectPath;
use crate::python::artifact::Checkout;
use crate::python::locate::commit;
use crate::python::name::PackageName;

/// What a requirement says of the place.
pub(super) enum Place {
    /// Nothing: an index has it.
    None,
    /// An address, with the name where it is given.
    Url(Option<PackageName>),
    /// A path, relative to the file.
    Local { path: String, span: Span, file: bool },
    /// A commit, and extras that were written in the fragment.
    Commit {
        checkout: Checkout,
        extras: String,
        span: Span,
    },
    /// Something that cannot be built.
    Wrong {
        span: Span,
        message: String,
        help: String,
    },
}

const ARCHIVES: [&str; 8] = [
    ".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz",
];

/// Systems that pip knows and nobody here builds from.
const OTHER_SYSTEMS: [&str; 3] = ["hg+", "svn+", "bzr+"];

/// Looks at the words of a requirement.
pub(super) fn place(words: &[Word]) -> Place {
    let Some((name, target)) = target(words) else {
        return Place::None;
    };
    let text = unquoted(&target.text);
    let wrong = |message: String, help: &str| Place::Wrong {
        span: target.span,
        message,
        help: help.to_owned(),
    };
    if let Some(address) = text.strip_prefix("git+") {
        return git(address, &target).unwrap_or_else(|(message, help)| wrong(message, help));
    }
    if OTHER_SYSTEMS.iter().any(|system| text.starts_with(system)) {
        return wrong(
            format!("`{text}` cannot be built"),
            "of repositories, git ones are supported; publish others to an index",
        );
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Place::Url(name);
    }
    if text.starts_with("file:") || text.starts_with('/') {
        return wrong(
            format!("`{text}` is a place on one machine"),
            "write the path relative to this file, inside the repository",
        );
    }
    if text.contains("://") {
        return wrong(
            format!("`{text}` cannot be fetched"),
            "addresses are `https:` ones, or `git+https:` with a commit",
        );
    }
    if !is_path(text, name.is_some()) {
        return Place::None;
    }
    let (path, _extras) = split_extras(text);
    let start = target.span.start + target.text.find(path).unwrap_or(0);
    Place::Local {
        path: path.to_owned(),
        span: Span::new(start, start + path.len()),
        file: is_archive(path),
    }
}

/// The word that says the place, and the name before its `@`.
fn target(words: &[Word]) -> Option<(Option<PackageName>, Word)> {
    let end = words
        .iter()
        .position(|word| word.text.starts_with(';'))
        .unwrap_or(words.len());
    let words = &words[..end];
    let named = |name: &str| split_extras(name).0.parse::<PackageName>().ok();
    match words {
        [name, at, place, ..] if at.text == "@" => Some((named(&name.text), place.clone())),
        [name, place, ..] if name.text.ends_with('@') => {
            Some((named(name.text.trim_end_matches('@')), place.clone()))
        }
        [name, place, ..] if place.text.starts_with('@') && place.text.len() > 1 => {
            Some((named(&name.text), tail(place, 1)))
        }
        [only, ..] => {
            let text = only.text.as_str();
            // `name@place` in one word; `git+ssh://git@host` is none.
            let split = text
                .find('@')
                .filter(|at| named(&text[..*at]).is_some() && !text[..*at].contains('/'));
            match split {
                Some(at) if text.len() > at + 1 => Some((named(&text[..at]), tail(only, at + 1))),
                _ => Some((None, without_marker(only))),
            }
        }
        [] => None,
    }
}

fn tail(word: &Word, from: usize) -> Word {
    Word {
        text: word.text[from..].to_owned(),
        span: Span::new(
            word.span
                .end
                .saturating_sub(word.text.len() - from)
                .max(word.span.start),
            word.span.end,
        ),
    }
}

/// A marker may follow a path without a blank; an address ends at a blank.
fn without_marker(word: &Word) -> Word {
    match word.text.find(';').filter(|_| !word.text.contains("://")) {
        Some(at) => Word {
            text: word.text[..at].to_owned(),
            span: Span::new(word.span.start, word.span.start + at),
        },
        None => word.clone(),
    }
}

/// What pip takes for a path: it begins with a dot, has a slash, or is the name of an archive.
fn is_path(text: &str, after_at: bool) -> bool {
    let (path, _) = split_extras(text);
    after_at || path.starts_with('.') || path.contains('/') || is_archive(path)
}

/// Whether a name is that of a wheel or a source distribution.
pub fn is_archive(name: &str) -> bool {
    ARCHIVES.iter().any(|ending| name.ends_with(ending))
}

/// `path[extra,other]`.
fn split_extras(text: &str) -> (&str, &str) {
    match text.find('[').filter(|_| text.ends_with(']')) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    }
}

/// `https://host/path.git@commit#egg=name[extra]&subdirectory=folder`.
fn git(address: &str, target: &Word) -> Result<Place, (String, &'static str)> {
    let (url, fragment) = address.split_once('#').unwrap_or((address, ""));
    let path_at = url.find("://").map_or(0, |at| at + 3);
    let slash = url[path_at..].find('/').map_or(url.len(), |at| path_at + at);
    let (url, revision) = match url[slash..].rfind('@') {
        Some(at) => (&url[..slash + at], &url[slash + at + 1..]),
        None => (url, ""),
    };
    if url.contains("${") {
        return Err((
            format!("`{url}` depends on a variable"),
            "credentials of repositories are secrets of the build: `--secret id=GIT_AUTH_TOKEN`",
        ));
    }
    if !["https://", "http://", "ssh://", "git://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err((
            format!("`git+{url}` cannot be fetched"),
            "expected `git+https://…@commit` or `git+ssh://…@commit`",
        ));
    }
    let commit = commit(revision).ok_or_else(|| {
        let what = if revision.is_empty() {
            "names no commit".to_owned()
        } else {
            format!("names `{revision}`, not a commit")
        };
        (
            format!("`git+{url}` {what}"),
            "branches and tags move: pin it with `@` and the full commit id, as `git ls-remote` prints it",
        )
    })?;
    let part = |key: &str| fragment.split('&').find_map(|part| part.strip_prefix(key));
    let subdirectory = part("subdirectory=").map(str::parse::<ProjectPath>).transpose();
    let extras = part("egg=").map_or("", |egg| split_extras(egg).1);
    Ok(Place::Commit {
        checkout: Checkout {
            url: url.to_owned(),
            commit,
            subdirectory: subdirectory.map_err(|_| {
                (
                    format!("`{fragment}` leaves the repository"),
                    "name a folder of it",
                )
            })?,
        },
        extras: extras.to_owned(),
        span: target.span,
    })
}
