//! Files that the engine could not download: told as the user knows them, by package, file, index and what the server answered.
//!
//! An engine that knows a file's digest looks at no status, so an error's text is to it a file with another digest. Asked for
//! the same address without a digest, it looks at the status and says it.

use std::time::Duration;

use super::Failure;
use super::build::{Build, Service};
use crate::bridge::BridgeError;
use crate::lower::{self, Context};
use crate::manifest::Auth;
use crate::plan::Indexes;
use crate::python::{Locked, Pick};

/// How long a server that gave something else may take to answer again.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the engine begins when a file has another digest than the one that was asked for.
const MISMATCH: &str = "digest mismatch ";
/// How it ends when it looks at the status.
const STATUS: &str = "invalid response status ";

impl Build<'_> {
    /// The same failure, in other words if it is a download of the engine's. Places and steps travel on.
    pub(super) async fn explained(&self, failure: Failure, service: &Service) -> Failure {
        let Failure::Engine(mut error) = failure else {
            return failure;
        };
        let vertex = error.vertex();
        let found = vertex.and_then(|vertex| lower::downloaded(&service.plan, &vertex, &service.cx));
        if let Some((pick, file)) = found {
            error.status.message = self.told(&error, pick, file, &service.cx).await;
        }
        Failure::Engine(error)
    }

    async fn told(&self, error: &BridgeError, pick: &Pick, file: &Locked, cx: &Context) -> String {
        let url = file.url().unwrap_or_default();
        let said = match found_digest(&error.status.message) {
            None => Said::Nothing(error.status.message.clone()),
            Some(found) => match self.status(url, file, cx).await {
                Some(status) => Said::Status(status),
                None => Said::Other(found),
            },
        };
        let (reason, help) = (said.reason(file), said.help(url, &cx.indexes));
        let version = if pick.version.is_empty() { "" } else { " " };
        let index = cx.indexes.on_server(url).next();
        let index = index.map_or(String::new(), |index| format!("index `{}`, ", index.name));
        format!(
            "`{}` of `{}{version}{}` could not be downloaded: {index}{}: {reason}\n  help: {help}",
            file.filename,
            pick.name,
            pick.version,
            shown(&cx.indexes.mirrored(url)),
        )
    }

    /// The status that the server answers with; none if it is a good one, or nobody can say.
    async fn status(&self, url: &str, file: &Locked, cx: &Context) -> Option<u16> {
        let tree = lower::unchecked(url, &file.filename, cx)?;
        let asked = async {
            self.bridge
                .evaluate(&self.solve(lower::marshal(&tree)).await?)
                .await
                .map_err(Failure::from)
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Err(Failure::Engine(error))) => status_in(&error.status.message),
            _ => None,
        }
    }
}

/// What a server did in place of giving the file.
enum Said {
    /// It answered with an error.
    Status(u16),
    /// It gave another file, of this digest.
    Other(String),
    /// It gave none; the engine's words.
    Nothing(String),
}

impl Said {
    fn reason(&self, file: &Locked) -> String {
        match self {
            Self::Status(status) => format!("the server answers with status {status}{}", meaning(*status)),
            Self::Other(found) => format!("digest mismatch: expected {}, found {found}", file.sha256),
            Self::Nothing(words) => words.rsplit("\": ").next().unwrap_or_default().to_owned(),
        }
    }

    fn help(&self, url: &str, indexes: &Indexes) -> String {
        match self {
            Self::Status(401 | 403) => match indexes.auth(url) {
                Some(Auth::Header { header }) => format!(
                    "the header in the secret `{}` is refused: it is wrong or has run out, or does not allow this file",
                    header.value
                ),
                _ => match indexes.on_server(url).next() {
                    Some(index) => format!(
                        "give index `{}` an `auth: {{secret: ID}}` and the build a `--secret id=ID,src=FILE`; see docs/indexes.md",
                        index.name
                    ),
                    None => "declare the index in `indexes` with `auth: {secret: ID}`, and give the build a \
                             `--secret id=ID,src=FILE`; see docs/indexes.md"
                        .to_owned(),
                },
            },
            Self::Status(404 | 410) => "the file is not there any more, or `mirrors` lead elsewhere: `wheelwright lock` looks \
                                        for one that is"
                .to_owned(),
            Self::Status(_) => "try again later, or take the file from elsewhere with `mirrors`; see docs/indexes.md".to_owned(),
            Self::Other(_) => "it is not the file that the lock names: it has changed since, or a server on the way answers \
                               with a page of its own; `curl -I` with the address shows what"
                .to_owned(),
            Self::Nothing(_) => "the engine cannot reach the server, or was left by it; try again, or see `mirrors` and proxies \
                                 in docs/indexes.md"
                .to_owned(),
        }
    }
}

/// The digest that a file has in place of the right one.
fn found_digest(message: &str) -> Option<String> {
    let (_, rest) = message.split_once(MISMATCH)?;
    let rest = rest.split([' ', ',']).find(|word| word.starts_with("sha256:"))?;
    Some(rest.trim_end_matches(':').to_owned())
}

fn status_in(message: &str) -> Option<u16> {
    let (_, rest) = message.split_once(STATUS)?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn meaning(status: u16) -> &'static str {
    match status {
        401 => " (it wants a login)",
        403 => " (this login may not have it)",
        404 => " (not found)",
        410 => " (gone)",
        429 => " (too many requests)",
        500.. => " (it failed itself)",
        _ => "",
    }
}

/// An address without what may be secret in it: user, password, query.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_words_are_read() {
        let older = "digest mismatch sha256:01: sha256:02";
        let newer = "digest mismatch for http://files.example/a.whl: sha256:01 (expected: sha256:02)";
        for words in [older, newer] {
            assert_eq!(
                found_digest(&format!("failed to load: {words}")).as_deref(),
                Some("sha256:01")
            );
        }
        assert_eq!(found_digest("unexpected EOF"), None);
        assert_eq!(
            status_in("failed to load cache key: invalid response status 404"),
            Some(404)
        );
        assert_eq!(status_in("unexpected EOF"), None);
    }

    #[test]
    fn secrets_in_addresses_are_not_shown() {
        assert_eq!(
            shown("https://user:word@files.example:8443/a/b.whl?signature=1#sha256=00"),
            "https://files.example:8443/a/b.whl"
        );
    }
}
