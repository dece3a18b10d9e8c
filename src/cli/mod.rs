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
mod running;
mod serve;
mod style;
mod top;

use crate::config::Env;
use arguments::{Arguments, Command, Import, LedgerCommand};
use clap::Parser;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
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
        Some(Command::Check(check)) => print_check(&check),
        Some(Command::Doctor(doctor)) => doctor::run(&doctor),
        Some(Command::Top(top)) => top::run(&top),
        Some(Command::Health(health)) => health::run(&health),
        Some(Command::Ledger(arguments::Ledger { command: LedgerCommand::Verify(verify) })) => {
            let (text, code) = ledger::verify(&verify);
            finish(&text, code)
        }
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::Ollama(ollama)) => ollama::run(&ollama),
        Some(Command::Backup(backup)) => backup::run(&backup),
        Some(Command::Completions(completions)) => manual::completions(completions.shell),
        Some(Command::Man(man)) => manual::pages(man.folder.as_deref()),
        Some(Command::Import(Import::Litellm(import))) => import::run(&import),
    }
}

fn print_check(arguments: &arguments::Check) -> ExitCode {
    let path = arguments.file.clone().unwrap_or_else(|| PathBuf::from(serve::DEFAULT_CONFIG));
    if let Some(url) = &arguments.against_running {
        let (text, code) = running::run(&path, url);
        return finish(&text, code);
    }
    let env = Env::from_process().with_dotenv_file(Path::new(".env"));
    let (text, code) = check::run(&path, arguments.strict, &env);
    finish(&text, code)
}

/// Prints a command's result and ends with its code.
fn finish(text: &str, code: u8) -> ExitCode {
    if print(text) { ExitCode::from(code) } else { ExitCode::FAILURE }
}

/// Writes to standard output; false if nobody reads it any more.
fn print(text: &str) -> bool {
    std::io::stdout().write_all(text.as_bytes()).is_ok()
}

/// Writes to standard error. If nobody reads it there is nobody to tell.
fn complain(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}
