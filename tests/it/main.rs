//! One binary for all behaviour tests; one file a promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::too_many_lines,
    reason = "a test that cannot go on fails"
)]

mod addresses;
mod auth;
mod bodies;
mod budgets;
mod canary;
mod cli;
mod cooldown;
mod databases;
mod errors;
mod harness;
mod held;
mod hostile;
mod import;
mod keys;
mod leaving;
mod ledger_away;
mod ledger_crash;
mod limits;
mod memory;
mod metering;
mod metrics;
mod models_db;
mod outage;
mod parallel;
mod passing;
mod people;
mod pooler;
mod queue;
mod retries;
mod seeds;
mod serving;
mod shares;
mod size;
mod strategies;
mod streams;
mod support;
mod surface;
mod timeouts;
