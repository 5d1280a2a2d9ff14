//! Bases without a shell: what is installed from wheels needs none, everything else does.

use super::Failure;
use crate::bridge::Bridge;
use crate::diag::{Diagnostic, Span};
use crate::lower::{self, Context};

/// How the engine begins when a step failed that a shell should have run.
const BY_SHELL: &str = "process \"/bin/sh ";

const HELP: &str = "system packages, requirements without a lock, and packages that have to be built need one; an image without a \
                    shell installs wheels from a lock: `wheelwright lock` on the same image with a shell makes one";

/// Whether a step failed that a shell should have run.
pub(super) fn may_be_missing(failure: &Failure) -> bool {
    matches!(failure, Failure::Engine(error) if error.status.message.contains(BY_SHELL))
}

/// Whether it failed since the image has no shell; `at` is where the image is named.
pub(super) async fn is_missing(bridge: &dyn Bridge, failure: &Failure, cx: &Context, at: Span) -> bool {
    if !may_be_missing(failure) {
        return false;
    }
    let image = lower::marshal(&lower::asked_image(cx, at)).into_pb();
    let Ok(image) = bridge.solve(image, &[]).await else {
        return false;
    };
    matches!(bridge.stat(&image, "/bin/sh").await, Ok(None))
}

/// The same failure, told as what it is.
pub(super) async fn told(bridge: &dyn Bridge, failure: Failure, cx: &Context, at: Span) -> Failure {
    if is_missing(bridge, &failure, cx, at).await {
        missing(cx, at).into()
    } else {
        failure
    }
}

fn missing(cx: &Context, at: Span) -> Diagnostic {
    Diagnostic::error(format!(
        "`{}` has no shell (/bin/sh), and a step of this build needs one",
        cx.image
    ))
    .at(&cx.file, at)
    .help(HELP)
}

/// An image that has no Python either.
pub(super) fn neither(cx: &Context, at: Span) -> Diagnostic {
    Diagnostic::error(format!(
        "`{}` has no shell (/bin/sh), and no `python3` on its PATH",
        cx.image
    ))
    .at(&cx.file, at)
    .help("use an image such as `python:3.11-slim`, or one without a shell that has `python3`")
}
