//! `tollgate doctor`: looks over a running deployment, step by step as its documents have people do by hand.

mod arguments;
mod finding;
mod report;
mod steps;
#[cfg(test)]
mod tests;
mod trouble;
mod visit;

pub(super) use arguments::Doctor;

use super::style::Style;
use crate::config::Env;
use report::Report;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;
use visit::Visit;

pub(super) fn run(arguments: &Doctor) -> ExitCode {
    let url = arguments.url.clone().unwrap_or_else(|| super::health::local(&Env::from_process()));
    let mut visit = Visit::new(arguments, &url);
    let report = Report::new(io::stdout(), Style::of_stdout(), arguments.json, url);
    match look_over(&mut visit, report) {
        Ok(true) => ExitCode::SUCCESS,
        // Nobody reads any more, or something failed.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn look_over<W: Write>(visit: &mut Visit<'_>, mut report: Report<W>) -> io::Result<bool> {
    report.begin()?;
    for (name, step) in steps::ALL {
        report.start(name)?;
        let began = Instant::now();
        let found = step(visit);
        report.end(name, &found, began.elapsed(), &visit.secrets())?;
    }
    report.finish()
}
