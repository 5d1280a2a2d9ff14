//! The events of a run: the interface between who builds and who reports.

use std::sync::Arc;
use std::time::Duration;

use crate::client::status::Update;
use crate::client::{Failure, FailureKind};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The service it happened to; None for the run as a whole.
    pub service: Option<Arc<str>>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// An engine answers and the run begins.
    RunStarted {
        /// The engine's address.
        engine: String,
        /// BuildKit's version, as far as it is known.
        version: Option<String>,
        /// The services in the order of the results.
        services: Vec<Arc<str>>,
    },
    /// The service's build began.
    Started,
    /// The engine reports on one of its steps.
    Step(Update),
    /// The service is built.
    Finished(FinishedService),
    /// The service could not be built.
    Failed(FailedService),
    /// The service was not built, because another one failed or the user ended the run.
    Skipped {
        /// Why.
        reason: &'static str,
    },
    /// Nothing more happens.
    RunEnded,
}

/// A service that is built.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FinishedService {
    /// The image's digest, if an image was made.
    pub digest: Option<String>,
    /// Its names.
    pub names: Vec<String>,
    /// Files and directories that were written.
    pub files: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Nothing has changed since it was built, so that it was not built again.
    pub up_to_date: bool,
}

/// A service that could not be built.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FailedService {
    /// Why, with places and step; None when the engine went away or the user ended it.
    pub failure: Failure,
    /// How long it took to fail.
    pub took: Duration,
}

impl Event {
    /// An event of the whole run.
    pub fn run(kind: EventKind) -> Self {
        Self { service: None, kind }
    }

    /// An event of one service.
    pub fn of(service: &Arc<str>, kind: EventKind) -> Self {
        Self {
            service: Some(service.clone()),
            kind,
        }
    }
}

/// The word for a kind of failure in machine-readable output.
pub(super) fn kind_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Build => "build",
        FailureKind::Manifest => "manifest",
        FailureKind::Registry => "registry",
        FailureKind::Permission => "permission",
    }
}
