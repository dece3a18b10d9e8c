//! Floor 7: the command line, one file for each command. `serve` is the default.
//!
//! This is the one floor that prints; everything below logs or returns.

mod arguments;
mod backup;
mod check;
mod demo;
mod doctor;
mod health;
mod http;
mod import;
mod init;
mod ledger;
mod logging;
mod manual;
mod ollama;
mod output;
mod running;
mod serve;
mod style;
mod top;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that the arguments name and says how the process ends: 0 is well, 1 a fault,
/// 2 wrong arguments or a strict check that found something.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output and succeeds; clap knows which is which.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    match arguments.command {
        None => serve::run(&arguments.serve),
        Some(Command::Serve(serve)) => serve::run(&serve),
        Some(Command::Init(init)) => init::run(&init),
        Some(Command::Check(check)) => check::run(&check),
        Some(Command::Doctor(doctor)) => doctor::run(&doctor),
        Some(Command::Top(top)) => top::run(&top),
        Some(Command::Health(health)) => health::run(&health),
        Some(Command::Ledger(ledger)) => ledger::run(&ledger),
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::Ollama(ollama)) => ollama::run(&ollama),
        Some(Command::Backup(backup)) => backup::run(&backup),
        Some(Command::Completions(completions)) => manual::completions(&completions, Arguments::command()),
        Some(Command::Man(man)) => manual::pages(&man, Arguments::command()),
        Some(Command::Import(import)) => import::run(&import),
    }
}
