//! Ctrl-C: once to end in order, twice to leave.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::report::Printer;

/// A token that is cancelled by the first SIGINT or SIGTERM. The second one ends the process at once; what it
/// started by itself (a private engine) is then ended by the next command.
pub(super) fn cancelled_by_signals() -> CancellationToken {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        let (Ok(mut interrupts), Ok(mut ends)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        let mut again = false;
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = ends.recv() => {}
            }
            if again {
                leave();
            }
            again = true;
            token.cancel();
            Printer::new().note("stopping the build, Ctrl-C again leaves at once");
        }
    });
    cancel
}

#[expect(
    clippy::exit,
    reason = "the user asked twice; nothing in order is wanted any more"
)]
fn leave() {
    std::process::exit(Failure::Interrupted.code().into());
}
