//! What commands print, and with which code they end.

use std::io::Write;
use std::process::ExitCode;

/// The command did what it was asked.
pub(super) const FINE: u8 = 0;
/// There are faults.
pub(super) const FAULTY: u8 = 1;

/// Prints a command's result and ends with its code.
pub(super) fn finish(text: &str, code: u8) -> ExitCode {
    if print(text) { ExitCode::from(code) } else { ExitCode::FAILURE }
}

/// Writes to standard output; false if nobody reads it any more.
pub(super) fn print(text: &str) -> bool {
    std::io::stdout().write_all(text.as_bytes()).is_ok()
}

/// Writes to standard error. If nobody reads it there is nobody to tell.
pub(super) fn complain(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}
