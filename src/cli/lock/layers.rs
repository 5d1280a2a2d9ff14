//! Records of layers in locks, for `--layers`.

use super::{LockArgs, State};
use crate::cli::Failure;
use crate::cli::build::{self, Shared};
use crate::cli::fill::{Exports, recorded};
use crate::cli::interrupt::cancelled_by_signals;
use crate::cli::project::Opened;
use crate::report::{Printer, plural};

/// Records the layers of the services that have locks.
pub(super) async fn record(args: &LockArgs, state: &State, opened: &Opened) -> Result<(), Failure> {
    let build = args.of_layers(state.of_layers());
    let shared = Shared::new(&build)?;
    let cancel = cancelled_by_signals();
    let engine = tokio::select! {
        engine = build.engine.connect() => engine?,
        () = cancel.cancelled() => return Err(Failure::Interrupted),
    };
    let work = async {
        let needs = build::needs(&build, opened, &shared, (&engine, &cancel)).await?;
        let exports = Exports {
            engine: &engine,
            request: shared.exports(),
            cancel: &cancel,
        };
        let filled = build::records(&build, &opened.manifest, &exports, &needs).await?;
        recorded::write(&args.project, &needs, &filled, state.partial)?;
        Printer::new().note(&format!("{} recorded", plural(filled.layers.len(), "layer")));
        Ok(())
    };
    let done = work.await;
    engine.close().await;
    done
}
