//! The `wheelwright` binary; without feature `command` it is the frontend alone.

use std::process::ExitCode;

#[cfg(feature = "command")]
fn main() -> ExitCode {
    wheelwright::cli::main()
}

#[cfg(not(feature = "command"))]
fn main() -> ExitCode {
    wheelwright::frontend::process::main()
}
