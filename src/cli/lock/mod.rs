//! `wheelwright lock`: resolves services together, in the build, and writes one lock a service.

mod args;
mod changes;
mod layers;
mod state;
mod write;

pub use self::args::LockArgs;
use self::state::State;
use super::build::export;
use super::{Failure, diag};
use crate::report::Printer;

/// Locks, or with `--check` only looks.
pub(super) async fn run(args: &LockArgs) -> Result<(), Failure> {
    let printer = Printer::new();
    let opened = args.project.open()?;
    if opened.warnings.iter().next().is_some() {
        printer.note(&diag::render_all(&opened.warnings, true));
    }
    let state = State::read(args, &opened)?;
    let mut stale = state.stale(&opened);
    let requirements = !stale.is_empty() || !args.upgrade.is_empty();
    if args.check {
        stale.extend(state.stale_projects(&opened));
        if !stale.is_empty() {
            return Err(Failure::Stale(diag::render_all(&stale, true)));
        }
    }
    if args.check || (!requirements && state.is_sure()) {
        if !state.is_nothing() {
            printer.note(&format!("{} up to date", state.count()));
        }
        if args.layers {
            layers::record(args, &state, &opened).await?;
        }
        return Ok(());
    }
    let folder = tempfile::tempdir().map_err(|error| Failure::Local(error.to_string()))?;
    export(&args.build(), &state.target(requirements), folder.path()).await?;
    let written = write::all(folder.path(), &args.project.context)?;
    for line in changes::told(&state, &written) {
        printer.note(&line);
    }
    let unused = opened.unused(&args.project)?;
    if unused.iter().next().is_some() {
        printer.note(&diag::render_all(&unused, true));
    }
    if args.layers {
        layers::record(args, &state, &opened).await?;
    }
    Ok(())
}
