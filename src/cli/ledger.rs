//! `tollgate ledger verify`: whether counters and roll-ups are what the records add up to.

use super::output::finish;
use super::serve::DEFAULT_CONFIG;
use crate::config::{self, Env, Overrides};
use crate::store::{Store, Verified};
use clap::{Args, Subcommand};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to do with the ledger.
#[derive(Args)]
pub(super) struct Ledger {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Recompute all sums from the records, and end with 1 if a counter or a roll-up differs
    Verify(Verify),
}

/// Whose ledger to verify.
#[derive(Args)]
struct Verify {
    /// Configuration file, LiteLLM's YAML
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    config: Option<PathBuf>,
    /// Folder of the database file [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Ledger) -> ExitCode {
    let LedgerCommand::Verify(arguments) = &arguments.command;
    let (text, code) = verify(arguments);
    finish(&text, code)
}

/// The text to print, and the exit code: 1 if anything differs or nothing could be compared.
fn verify(arguments: &Verify) -> (String, u8) {
    match verified(arguments) {
        Ok(verified) => (report(&verified), u8::from(!verified.differences.is_empty())),
        Err(fault) => (format!("fault: {fault}\n"), 1),
    }
}

fn verified(arguments: &Verify) -> Result<Verified, String> {
    let path = arguments.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
    let env = Env::from_process().with_dotenv_file(Path::new(".env"));
    let overrides = Overrides { data_dir: arguments.data_dir.clone(), ..Overrides::default() };
    let compiled = config::load(&path, &env, &overrides).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let (server, ledger) = (compiled.config.server, compiled.config.spending.ledger);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let store = Store::connect(&server.database).map_err(|error| error.to_string())?;
        let verified = store.verify_usage(ledger.keeps_rows, ledger.retention).await;
        store.close().await;
        verified.map_err(|error| error.to_string())
    })
}

fn report(verified: &Verified) -> String {
    let mut out = String::new();
    for difference in &verified.differences {
        _ = writeln!(out, "difference: {difference}");
    }
    let Verified { calls, cost, counters, adjusted, days, skipped, differences } = verified;
    _ = writeln!(out, "{calls} calls for ${cost}; {counters} counters, {days} days compared");
    if *adjusted > 0 {
        _ = writeln!(
            out,
            "{adjusted} counters were set by hand, imported, or hold records that were deleted"
        );
    }
    if *skipped > 0 {
        _ = writeln!(out, "{skipped} days not compared: their records are not kept any more");
    }
    _ = writeln!(
        out,
        "{}",
        if differences.is_empty() { "the books agree" } else { "the books do NOT agree" }
    );
    out
}
