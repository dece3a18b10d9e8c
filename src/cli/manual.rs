//! `tollgate completions` and `tollgate man`: both from the commands' own arguments.

use super::output::{complain, finish};
use clap::{Args, Command};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

/// For which shell.
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Where to put the manual.
#[derive(Args)]
pub(super) struct Man {
    /// Folder for one page for each command, instead of the main one to standard output
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions, mut command: Command) -> ExitCode {
    let mut out = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "tollgate", &mut out);
    finish(&String::from_utf8_lossy(&out), 0)
}

/// The main page to standard output, or all of them into a folder.
pub(super) fn pages(arguments: &Man, command: Command) -> ExitCode {
    let Some(folder) = &arguments.folder else {
        let mut out = Vec::new();
        return match clap_mangen::Man::new(command).render(&mut out) {
            Ok(()) => finish(&String::from_utf8_lossy(&out), 0),
            Err(error) => refused(&error),
        };
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refused(&error),
    }
}

fn refused(error: &std::io::Error) -> ExitCode {
    complain(&format!("the manual cannot be written: {error}\n"));
    ExitCode::FAILURE
}
