//! What is said when a run begins and when a service has ended; the same for all reporters that people read.

use std::sync::Arc;

use super::event::EventKind;
use super::printer::{FAINT, GOOD, NAME, WARN, styled};
use super::steps::Steps;
use super::{failure, text};

/// The line at the beginning of a run.
pub(super) fn opening(kind: &EventKind) -> Option<String> {
    let EventKind::RunStarted {
        engine,
        version,
        services,
    } = kind
    else {
        return None;
    };
    let version = version
        .as_deref()
        .map(|version| format!(" (BuildKit {version})"))
        .unwrap_or_default();
    let count = super::plural(services.len(), "service");
    Some(styled(FAINT, &format!("building {count} on {engine}{version}")))
}

/// What is said of a service that has ended, with what is known of its steps.
pub(super) fn closing(service: &Arc<str>, kind: &EventKind, steps: Option<&Steps>) -> Option<String> {
    let name = styled(NAME, &format!("[{service}]"));
    match kind {
        EventKind::Finished(finished) => {
            let summary = steps.filter(|_| !finished.up_to_date).map(Steps::summary);
            let text = text::finished(finished, summary);
            let word = if finished.up_to_date { "up to date" } else { "done" };
            Some(format!("{name} {}  {text}", styled(GOOD, word)))
        }
        EventKind::Failed(failed) => {
            let step = failed.failure.step.as_ref().and_then(|digest| steps?.get(digest));
            Some(failure::with_step(service, &failed.failure, step))
        }
        EventKind::Skipped { reason } => Some(format!("{name} {}: {reason}", styled(WARN, "not built"))),
        _ => None,
    }
}
