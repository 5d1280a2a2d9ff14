//! The `wheelwright` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    wheelwright::cli::main()
}
