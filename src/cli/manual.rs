//! `tollgate completions` and `tollgate man`: both from the arguments themselves.

use super::arguments::Arguments;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tollgate", &mut out);
    super::finish(&String::from_utf8_lossy(&out), 0)
}

/// The main page to standard output, or all of them into a folder.
pub(super) fn pages(folder: Option<&Path>) -> ExitCode {
    let command = Arguments::command();
    let Some(folder) = folder else {
        let mut out = Vec::new();
        return match clap_mangen::Man::new(command).render(&mut out) {
            Ok(()) => super::finish(&String::from_utf8_lossy(&out), 0),
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
    super::complain(&format!("the manual cannot be written: {error}\n"));
    ExitCode::FAILURE
}
