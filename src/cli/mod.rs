//! The command line: one file a command, each an `Args` and one function.
//!
//! Commands return what is to be printed or a [`Failure`]; only this file prints and decides the exit status.

pub mod build;
pub mod cache;
pub mod check;
pub mod completions;
mod conflicts;
pub mod engine;
mod failure;
mod fill;
mod interrupt;
pub mod lock;
mod network;
pub mod plan;
pub mod project;
pub mod schema;
pub mod wheels;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

pub use self::failure::{EXIT_CODES, Failure};
use crate::diag;
use crate::frontend::process;
use crate::report::Printer;

/// Build images of Python services: one wheel, one layer
///
/// Turns the services of a `wheelwright.yaml` into BuildKit graphs and has an engine build them. Any BuildKit will do:
/// a buildkitd, Docker, or what `docker buildx` points at.
#[derive(Debug, Parser)]
#[command(name = "wheelwright", version, after_help = EXIT_CODES, max_term_width = 110, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::BuildArgs>),
    Lock(Box<lock::LockArgs>),
    Check(check::CheckArgs),
    Plan(plan::PlanArgs),
    Wheels(Box<wheels::WheelsCommand>),
    Schema(schema::SchemaArgs),
    Cache(cache::CacheArgs),
    Engine(engine::EngineCommand),
    Completions(completions::CompletionsArgs),
    /// What runs in the frontend image
    #[command(hide = true)]
    Frontend,
}

/// Runs the process's command.
pub fn main() -> ExitCode {
    // The frontend image has no arguments: BuildKit starts its entrypoint as it is.
    let asked = std::env::args_os().len() == 1 && process::is_asked();
    let command = if asked {
        Command::Frontend
    } else {
        Cli::parse().command
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return ExitCode::FAILURE;
    };
    let outcome = runtime.block_on(run(command));
    // Threads that read a pipe may never end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    if let Some(text) = failure.text() {
        Printer::new().note(&text);
    }
    failure.exit_code()
}

async fn run(command: Command) -> Result<(), Failure> {
    let printer = Printer::new();
    match command {
        Command::Build(args) => build::run(&args).await?,
        Command::Lock(args) => lock::run(&args).await?,
        Command::Check(args) => {
            let checked = check::run(&args).await?;
            if !checked.warnings.is_empty() {
                printer.note(&diag::render_all(&checked.warnings, true));
            }
            printer.note(&checked.summary());
        }
        Command::Plan(args) => {
            let planned = plan::run(&args)?;
            if !planned.warnings.is_empty() {
                printer.note(&diag::render_all(&planned.warnings, true));
            }
            printer.raw(planned.text.as_bytes());
        }
        Command::Wheels(args) => printer.raw(wheels::run(&args).await?.as_bytes()),
        Command::Schema(args) => printer.raw(schema::run(&args).as_bytes()),
        Command::Cache(args) => printer.raw(cache::run(&args)?.as_bytes()),
        Command::Engine(args) => printer.raw(engine::run(&args).await?.as_bytes()),
        Command::Completions(args) => printer.raw(&completions::run(&args)),
        Command::Frontend => process::run()
            .await
            .map_err(|error| Failure::Local(error.to_string()))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
