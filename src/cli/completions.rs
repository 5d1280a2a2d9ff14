//! `wheelwright completions`: scripts for shells.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Print a completion script for a shell
///
/// For example: `wheelwright completions bash > /etc/bash_completion.d/wheelwright`
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// The script.
pub fn run(args: &CompletionsArgs) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "wheelwright", &mut script);
    script
}
