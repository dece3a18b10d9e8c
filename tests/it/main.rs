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
mod books;
mod budgets;
mod canary;
mod chaos;
mod cli;
mod contents;
mod cooldown;
mod databases;
mod dependencies;
mod deposits;
mod dialects;
mod docker;
mod doctor;
mod documents;
mod errors;
mod explain;
mod fallbacks;
mod first_run;
mod golden;
mod harness;
mod heads;
mod hedge;
mod held;
mod hostile;
mod import;
mod init;
mod keys;
mod leaving;
mod ledger_away;
mod ledger_crash;
mod ledger_full;
mod limits;
mod local_servers;
mod media;
mod meetings;
mod memory;
mod metering;
mod metrics;
mod mock;
mod models_db;
mod observability;
mod ollama;
mod outage;
mod parallel;
mod passing;
mod people;
mod pooler;
mod providers;
mod queue;
mod realtime;
mod reload;
mod replicas;
mod responses;
mod retries;
mod search;
mod second_seed;
mod seeds;
mod serving;
mod shares;
mod sinks;
mod size;
mod stack;
mod strategies;
mod streams;
mod support;
mod surface;
mod systemd;
mod timeouts;
mod together;
mod upgrade;
mod vendors;
mod vertex;
mod wires;
