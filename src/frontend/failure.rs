//! Why a request failed, and how BuildKit is told: with places, so that clients underline the manifest.

use std::any::Any;

use buildkit_proto::errdefs::{self, Detail as _};
use buildkit_proto::rpc;

use crate::bridge::BridgeError;
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceFile, Span};
use crate::layers::LayerError;

/// gRPC codes.
const UNKNOWN: i32 = 2;
const INVALID_ARGUMENT: i32 = 3;
const UNIMPLEMENTED: i32 = 12;

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// Mistakes in the user's files or options.
    #[error("{}", summary(.0))]
    Mistakes(Diagnostics),
    /// The engine said no; its details travel on.
    #[error(transparent)]
    Engine(#[from] BridgeError),
    /// A request that this frontend does not know.
    #[error("unsupported request {0}")]
    Request(String),
    /// A capability that this frontend does not have.
    #[error("unsupported frontend capability {0}")]
    Capability(String),
    /// Neither user nor engine: a defect.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<Diagnostics> for Failure {
    fn from(mistakes: Diagnostics) -> Self {
        Self::Mistakes(mistakes)
    }
}

impl From<Diagnostic> for Failure {
    fn from(mistake: Diagnostic) -> Self {
        Self::Mistakes(mistake.into())
    }
}

impl From<LayerError> for Failure {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Mismatch(mismatch) => Diagnostic::error(mismatch.to_string()).into(),
            LayerError::Broken(broken) => {
                let mistakes = broken.into_iter().map(|broken| {
                    Diagnostic::error(broken.message).maybe_help(broken.help.map(str::to_owned))
                });
                mistakes.collect::<Diagnostics>().into()
            }
        }
    }
}

impl Failure {
    pub(super) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self::Internal(
            text.or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default(),
        )
    }

    /// The status that is returned to BuildKit.
    pub fn status(&self) -> rpc::Status {
        let (code, details) = match self {
            Self::Mistakes(mistakes) => (INVALID_ARGUMENT, mistakes.iter().filter_map(source).collect()),
            Self::Engine(error) => return advised(error.status.clone()),
            Self::Request(name) => (
                UNIMPLEMENTED,
                vec![errdefs::Subrequest { name: name.clone() }.to_any()],
            ),
            Self::Capability(name) => (
                UNIMPLEMENTED,
                vec![errdefs::FrontendCap { name: name.clone() }.to_any()],
            ),
            Self::Internal(_) => (UNKNOWN, Vec::new()),
        };
        rpc::Status {
            code,
            message: self.to_string(),
            details,
        }
    }
}

const FORWARD: &str =
    "the repository wants a key: `--ssh default` forwards your agent, whose keys `ssh-add -l` shows";

/// What an engine says, with what to do about it where that is known.
fn advised(mut status: rpc::Status) -> rpc::Status {
    let known = [
        (
            "could not read Username for",
            "the repository wants a login: give the build a token with `--secret id=GIT_AUTH_TOKEN,src=FILE`, or a whole header as \
             `GIT_AUTH_HEADER`; see docs/inputs.md",
        ),
        ("no SSH key \"", FORWARD),
        ("Permission denied (publickey", FORWARD),
    ];
    let help = known
        .iter()
        .find_map(|(words, help)| status.message.contains(words).then_some(help));
    if let Some(help) = help {
        status.message = format!("{}\n  help: {help}", status.message.trim_end());
    }
    status
}

/// Every error on a line of its own with its place, its advice below.
fn summary(mistakes: &Diagnostics) -> String {
    let errors = mistakes
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error);
    let lines = errors.flat_map(|error| {
        let places = error.places().map(|place| format!("  {place}"));
        let help = error.help.iter().map(|help| format!("  help: {help}"));
        std::iter::once(error.summary()).chain(places).chain(help)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The place of a diagnostic as BuildKit's typed detail.
fn source(diagnostic: &Diagnostic) -> Option<prost_types::Any> {
    let (file, span) = diagnostic.place.as_ref()?;
    let info = errdefs::SourceInfo {
        filename: file.name().to_owned(),
        data: file.text().as_bytes().to_vec(),
        definition: None,
        language: language(file.name()).to_owned(),
    };
    Some(
        errdefs::Source {
            info: Some(info),
            ranges: vec![range(file, *span)],
        }
        .to_any(),
    )
}

/// A place in a file as BuildKit counts: lines and characters from 1.
pub(super) fn range(file: &SourceFile, span: Span) -> errdefs::Range {
    let position = |offset| {
        let at = file.position(offset);
        let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
        errdefs::Position {
            line: number(at.line),
            character: number(at.column),
        }
    };
    errdefs::Range {
        start: position(span.start),
        end: position(span.end),
    }
}

/// A file's language by linguist's name.
pub(super) fn language(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("toml") => "TOML",
        Some("txt") => "Text",
        _ => "YAML",
    }
}
