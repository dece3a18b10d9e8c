//! The `tollgate` program: parses its arguments and runs the command they name.

use std::process::ExitCode;

fn main() -> ExitCode {
    tollgate::cli::run(std::env::args_os())
}
