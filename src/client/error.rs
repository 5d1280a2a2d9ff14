//! What can go wrong between this command and an engine, sorted by what the user can do about it.

use std::error::Error as StdError;
use std::fmt::Write as _;

use buildkit_proto::errdefs::{self, Detail as _};
use buildkit_proto::rpc;
use prost::Message as _;
use tonic::{Code, Status};

use super::connect::Attempt;

/// A build that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No engine answers.
    #[error("no BuildKit engine found")]
    NoEngine(Vec<Attempt>),
    /// The engine went away during the build.
    #[error("the engine at `{address}` went away: {reason}")]
    Gone {
        /// The engine.
        address: String,
        /// The transport's error.
        reason: String,
    },
    /// The engine or the frontend refused or failed.
    #[error("{}", .0.message)]
    Failed(Box<Failure>),
    /// Something on this machine: a destination, a secret's file, a configuration.
    #[error("{0}")]
    Local(String),
    /// The user ended it.
    #[error("interrupted")]
    Cancelled,
}

/// A failed build, with everything the engine told about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// The engine's message, without the wrapping of calls.
    pub message: String,
    /// The places in the user's files that it comes from, the innermost first.
    pub sources: Vec<Snippet>,
    /// The digest of the step that failed.
    pub step: Option<String>,
    /// What to try, where it is known here and not by the engine.
    pub help: Option<String>,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailureKind {
    /// A step, a wheel, a source: anything of the build itself.
    #[default]
    Build,
    /// The manifest or a lock is wrong.
    Manifest,
    /// A registry refused or cannot be reached.
    Registry,
    /// The build asks for what it is not allowed, such as the host's network.
    Permission,
}

/// Part of a file to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snippet {
    /// Its name as the user knows it.
    pub file: String,
    /// Its whole text.
    pub text: String,
    /// The places.
    pub places: Vec<Place>,
}

/// A place in a file: lines and columns from 1. Without columns it is whole lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// First and last line.
    pub lines: (u32, u32),
    /// Column in the first line, and the one behind the end in the last.
    pub columns: Option<(u32, u32)>,
}

impl Failure {
    /// Unpacks a status with the details BuildKit attaches.
    pub fn from_status(status: &Status) -> Self {
        let details = rpc::Status::decode(status.details()).unwrap_or_default();
        let mut sources: Vec<Snippet> = Vec::new();
        for source in errdefs::Source::all(&details).iter().filter_map(snippet) {
            match sources.iter_mut().find(|other| other.is_of(&source)) {
                Some(other) => other.places.extend(source.places),
                None => sources.push(source),
            }
        }
        let step = errdefs::Vertex::all(&details).pop().map(|vertex| vertex.digest);
        let message = message(status.message());
        Self {
            kind: kind(status.code(), &message),
            message,
            sources,
            step,
            help: None,
        }
    }
}

impl Snippet {
    fn is_of(&self, other: &Self) -> bool {
        (&self.file, &self.text) == (&other.file, &other.text)
    }
}

fn snippet(source: &errdefs::Source) -> Option<Snippet> {
    let info = source.info.as_ref()?;
    let text = String::from_utf8_lossy(&info.data).into_owned();
    Some(Snippet {
        file: info.filename.clone(),
        text,
        places: source.ranges.iter().filter_map(place).collect(),
    })
}

/// BuildKit leaves an end out, and columns are zero, where they are not known.
fn place(range: &errdefs::Range) -> Option<Place> {
    let counted = |number: i32| u32::try_from(number).ok().filter(|number| *number > 0);
    let first = counted(range.start.line)?;
    let last = counted(range.end.line).unwrap_or(first).max(first);
    let columns = counted(range.start.character).zip(counted(range.end.character));
    Some(Place {
        lines: (first, last),
        columns,
    })
}

/// The engine's message without what says only which calls it came through.
fn message(raw: &str) -> String {
    let mut rest = raw.trim();
    while let Some(inner) = [
        "failed to solve: ",
        "failed to compute cache key: ",
        "rpc error: ",
    ]
    .iter()
    .find_map(|prefix| rest.strip_prefix(prefix))
    {
        rest = match inner.strip_prefix("code = ") {
            Some(coded) => coded.split_once(" desc = ").map_or(coded, |(_, message)| message),
            None => inner,
        };
    }
    if rest.is_empty() {
        "the engine gave no reason".to_owned()
    } else {
        rest.to_owned()
    }
}

/// The engine has no codes for these; the texts are those of BuildKit, containerd's resolver and registries.
fn kind(code: Code, message: &str) -> FailureKind {
    const REGISTRY: [&str; 10] = [
        "failed to push",
        "failed to authorize",
        "failed to fetch oauth token",
        "failed to fetch anonymous token",
        "insufficient_scope",
        "pull access denied",
        "push access denied",
        "no basic auth credentials",
        "failed to do request",
        "unexpected status from",
    ];
    let has = |text: &str| message.contains(text);
    if has("is not allowed") && has("entitlement") || has("granting entitlement") {
        FailureKind::Permission
    } else if REGISTRY.iter().any(|text| has(text))
        || has("401 Unauthorized")
        || has("403 Forbidden")
        || code == Code::Unauthenticated
    {
        FailureKind::Registry
    } else {
        FailureKind::Build
    }
}

/// True if the status was made here because the connection broke, and not sent by the engine.
pub(super) fn is_transport(status: &Status) -> bool {
    status.source().is_some() || (status.code() == Code::Unavailable && status.metadata().is_empty())
}

/// An error with its causes on one line, each only once: transports repeat themselves.
pub(super) fn reason(error: &(dyn StdError + 'static)) -> String {
    let mut text = match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_unpacked() {
        let source = errdefs::Source {
            info: Some(errdefs::SourceInfo {
                filename: "wheelwright.yaml".into(),
                data: b"a\nb\nc\n".to_vec(),
                ..Default::default()
            }),
            ranges: vec![errdefs::Range {
                start: errdefs::Position {
                    line: 2,
                    character: 0,
                },
                end: errdefs::Position::default(),
            }],
        };
        let vertex = errdefs::Vertex {
            digest: "sha256:1".into(),
        };
        let details = rpc::Status {
            details: vec![source.to_any(), vertex.to_any()],
            ..Default::default()
        };
        let text = "failed to solve: process \"x\" did not complete successfully: exit code: 1";
        let status = Status::with_details(Code::Unknown, text, details.encode_to_vec().into());
        let failure = Failure::from_status(&status);
        assert_eq!(
            failure.message,
            "process \"x\" did not complete successfully: exit code: 1"
        );
        assert_eq!(failure.step.as_deref(), Some("sha256:1"));
        assert_eq!(failure.sources[0].places[0].lines, (2, 2));
        assert_eq!(failure.sources[0].places[0].columns, None);
        assert_eq!(failure.kind, FailureKind::Build);
    }

    #[test]
    fn refusals_are_told_apart() {
        let of = |text: &str| Failure::from_status(&Status::unknown(text)).kind;
        assert_eq!(
            of("failed to push r.example/a:1: 401 Unauthorized"),
            FailureKind::Registry
        );
        assert_eq!(
            of("granting entitlement network.host is not allowed by build daemon configuration"),
            FailureKind::Permission
        );
        assert_eq!(of("hash mismatch"), FailureKind::Build);
    }
}
