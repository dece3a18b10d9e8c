//! What the gateway costs, compared with a bare Pingora pass-through on the same machine in the same minute.
//!
//! `cargo run --release -p tollgate-bench` starts a simulated upstream, the bare proxy and
//! `target/release/tollgate` (built if it is missing: build it yourself after a change), each a process of its
//! own, and measures them in turns, A/B/A/B, so that drift of the machine hits both. `--quick` takes a minute.
//! The proxies have one half of the cores, load generator and simulator the other.
//!
//! How to read the table. `cost` is CPU time of the proxy's process per request or per chunk of a stream
//! (head and end of the stream included), or resident memory per stream left open; the median of the rounds.
//! `ratio` is cost over the cost of the bare proxy in the same round, the median again: the only figure to
//! compare between machines. `p50` and `p99` are latencies (of streams: until the first event) minus those of
//! the simulator asked directly; where clients only wait for a busy processor there are none. `RSS` and `HWM`
//! are what the process held after the last round; a round lasts until the process is at rest, so that calls booked
//! in a database later are paid for. To see the noise of a machine, run with `--subject bare`.
//!
//! `tollgate` is asked with its master key; it keeps an access log, metrics, a journal and all sums, but no row for each
//! call (`disable_spend_logs`).
//!
//! The scenarios `keys-…` add one with all of the ledger, which is asked with virtual keys, all with limits and budgets, as have their
//! user and team: `keys` knows one, `keys-1m` a million, of which one, a thousand or a hundred thousand are used in
//! turn. They are kept in a file; with `TOLLGATE_TEST_DATABASE_URL` also on that Postgres, in a schema of its own,
//! whose own CPU time is not seen.
//!
//! `--traces` adds a gateway that sends traces of one call in a hundred to a collector.
//!
//! `--only NAME` measures one scenario, `--targets` fails when a budget is exceeded, `--json FILE` keeps all figures.
//! A failed request fails the run.

mod bare;
mod client;
mod keyring;
mod load;
mod process;
mod report;
mod run;
mod scenario;
mod simulator;
mod target;
mod traces;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use target::Target;

#[derive(Parser, Debug)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the bare pass-through.
    Bare(bare::Args),
    /// Run the simulated upstream.
    Simulator(simulator::Args),
}

/// What to measure, and how.
#[derive(clap::Args, Debug)]
struct Options {
    /// One short round of each scenario.
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose name begins so.
    #[arg(long)]
    only: Option<String>,
    /// The gateway's binary; by default beside this one.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// What is compared with the bare proxy: `tollgate`; to see the noise, `bare`; `unbuffered` is a variant of it.
    #[arg(long, default_value = "tollgate")]
    subject: String,
    /// Measure the gateway with traces of one call in a hundred, too.
    #[arg(long)]
    traces: bool,
    /// Measure nginx too, if it is installed.
    #[arg(long)]
    nginx: bool,
    /// Fail when a budget is exceeded.
    #[arg(long)]
    targets: bool,
    /// Write all figures to a file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A Postgres server for virtual keys.
    #[arg(long, env = "TOLLGATE_TEST_DATABASE_URL", hide_env_values = true)]
    server: Option<String>,
    /// Rounds of each scenario.
    #[arg(long)]
    rounds: Option<usize>,
    /// Workers of each proxy; by default half of the cores.
    #[arg(long)]
    workers: Option<usize>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Bare(args)) => args.run(),
        Some(Command::Simulator(args)) => args.run().map(|()| ExitCode::SUCCESS),
        None => measure(&cli.options),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::FAILURE
    })
}

fn measure(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let subject = match options.subject.as_str() {
        "tollgate" => Target::Tollgate,
        "bare" => Target::Bare,
        "unbuffered" => Target::Unbuffered,
        other => return Err(format!("there is no subject `{other}`").into()),
    };
    let mut targets = vec![Target::Bare, subject];
    if options.traces {
        targets.push(Target::Traced);
    }
    if options.nginx && process::installed("nginx") {
        targets.push(Target::Nginx);
    }
    let rows = run::run(options, &targets)?;
    if let Some(path) = &options.json {
        let rows: Vec<_> = rows.iter().map(report::Row::json).collect();
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    let overruns: Vec<_> = rows.iter().flat_map(report::Row::overruns).collect();
    for overrun in &overruns {
        eprintln!("over budget: {overrun}");
    }
    Ok(if options.targets && !overruns.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
