//! The simulated upstream as a program of its own, for tests that kill processes.
//! Prints the address it listens on as its first line.

#[path = "../simulator.rs"]
mod simulator;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match simulator::Args::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: {error}");
            ExitCode::FAILURE
        }
    }
}
