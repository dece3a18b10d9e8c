//! The program's own log, to standard error.
//!
//! Pingora's debug lines hold whole request heads, credentials included, and its error lines repeat
//! paths. So libraries are kept to errors at any level, and Pingora's proxy, whose failures are told here,
//! to nothing.

use env_logger::{Builder, Target, WriteStyle};
use log::LevelFilter;
use std::env;

/// Starts the log. `LITELLM_LOG` names the level; the flags beat it.
pub(super) fn start(debug: bool, detailed: bool) {
    let level = match (detailed, debug) {
        (true, _) => LevelFilter::Trace,
        (false, true) => LevelFilter::Debug,
        (false, false) => from_word(&env::var("LITELLM_LOG").unwrap_or_default()),
    };
    with_level(level);
}

fn with_level(level: LevelFilter) {
    let started = Builder::new()
        .filter_level(LevelFilter::Error)
        .filter_module("tollgate", level)
        .filter_module("pingora_proxy", LevelFilter::Off)
        .target(Target::Stderr)
        .write_style(WriteStyle::Auto)
        .format_target(false)
        .try_init();
    if started.is_ok() {
        // What readiness reports as the level is ours, not the libraries'.
        log::set_max_level(level.max(LevelFilter::Error));
    }
}

/// Starts the log for a command that talks to a person: warnings of ours only.
pub(super) fn quiet() {
    with_level(LevelFilter::Error);
}

fn from_word(word: &str) -> LevelFilter {
    match word.trim().to_ascii_uppercase().as_str() {
        "DEBUG" => LevelFilter::Debug,
        "TRACE" => LevelFilter::Trace,
        "ERROR" | "CRITICAL" => LevelFilter::Error,
        "WARNING" | "WARN" => LevelFilter::Warn,
        _ => LevelFilter::Info,
    }
}
