//! `wheelwright wheels`: the wheel store.

mod asked;
mod export;
mod ls;
mod mirror;
mod prune;
mod push;
mod store;
mod table;
mod verify;

use clap::{Args, Subcommand};

use super::Failure;

/// Fill, look at and tidy up the wheel store
///
/// A wheel store is a repository in a registry that holds wheel layers, each as an image of one layer, so that builds put
/// images together from layers that exist. The manifest names it as `wheel_store:`. No engine is needed here, but `push` makes use of one.
#[derive(Debug, Clone, Args)]
pub struct WheelsCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    Push(Box<push::PushArgs>),
    Ls(ls::LsArgs),
    Verify(verify::VerifyArgs),
    Prune(prune::PruneArgs),
    Mirror(mirror::MirrorArgs),
    Export(export::ExportArgs),
}

/// The text to print, where there is one.
pub(super) async fn run(command: &WheelsCommand) -> Result<String, Failure> {
    let cancel = super::interrupt::cancelled_by_signals();
    let work = async {
        match &command.command {
            Command::Push(args) => push::run(args, &cancel).await.map(|()| String::new()),
            Command::Ls(args) => ls::run(args).await,
            Command::Verify(args) => verify::run(args).await.map(|()| String::new()),
            Command::Prune(args) => prune::run(args).await,
            Command::Mirror(args) => mirror::run(args).await.map(|()| String::new()),
            Command::Export(args) => export::run(args).await.map(|()| String::new()),
        }
    };
    // What is under way ends with its future; what was stored stays stored.
    tokio::select! {
        outcome = work => outcome,
        () = cancel.cancelled() => Err(Failure::Interrupted),
    }
}
