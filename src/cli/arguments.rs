//! The arguments, under LiteLLM's names where both have them.

use super::doctor::Doctor;
use super::init::Init;
use super::ollama::Ollama;
use super::top::Top;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::net::IpAddr;
use std::path::PathBuf;

/// An AI gateway: many upstream keys behind one OpenAI-compatible endpoint.
#[derive(Parser)]
#[command(name = "tollgate", version, about, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Serve (the default)
    Serve(Serve),
    /// Make .env with all secrets, or add and remove upstream keys in it
    Init(Init),
    /// Read a configuration and say what is honoured, ignored and unsupported
    Check(Check),
    /// Look over a running deployment: what works, what does not, and what to do about it
    Doctor(Doctor),
    /// Watch a running gateway: calls, tokens, deployments, the ledger
    Top(Top),
    /// Ask a running gateway whether it lives, for a container's health check
    Health(Health),
    /// The spend ledger
    Ledger(Ledger),
    /// Try it without any key: simulated upstreams, one streamed answer, then serve on
    Demo(Demo),
    /// The models of an Ollama server, and the configuration's entries for them
    Ollama(Ollama),
    /// Copy the SQLite database to a file, also while it is in use
    Backup(Backup),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page, or write one for each command into a folder
    Man(Man),
    /// Move in from another gateway
    #[command(subcommand)]
    Import(Import),
}

/// From where to move in.
#[derive(Subcommand)]
pub(super) enum Import {
    /// Bring over keys, users, teams, customers, budgets, models and what they spent from LiteLLM
    Litellm(ImportLiteLlm),
}

/// What to bring over from LiteLLM, and into what.
#[derive(Args)]
pub(super) struct ImportLiteLlm {
    /// LiteLLM's database (postgres://…), or a folder with its tables as CSV files; it is only read
    #[arg(long, value_name = "URL|FOLDER", env = "LITELLM_DATABASE_URL", hide_env_values = true)]
    pub(super) from: String,
    /// Configuration file that names the database to bring it into
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    pub(super) config: Option<PathBuf>,
    /// Folder for the database file [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Do it; else only say what would be done
    #[arg(long)]
    pub(super) apply: bool,
    /// Also write over what was made, changed or removed here since
    #[arg(long)]
    pub(super) overwrite: bool,
}

/// How to serve.
#[derive(Args, Clone, Default)]
pub(super) struct Serve {
    /// Configuration file, LiteLLM's YAML
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    pub(super) config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1, or $HOST]
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<IpAddr>,
    /// Port to listen on [default: 4000, or $PORT]
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Data-plane threads [default: one for each core]
    #[arg(long, value_name = "N", visible_alias = "num_workers", env = "NUM_WORKERS")]
    pub(super) workers: Option<usize>,
    /// Folder for the database file and the journal [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Take the listening socket over from the process that serves now, which is then told so by SIGQUIT
    #[arg(long)]
    pub(super) upgrade: bool,
    /// Where both processes meet for that [default: upgrade/PORT.sock in the data folder]
    #[arg(long, value_name = "FILE")]
    pub(super) upgrade_sock: Option<PathBuf>,
    /// Serve on a public address even without a master key, or with a sample one
    #[arg(long)]
    pub(super) allow_insecure: bool,
    /// Log more
    #[arg(long)]
    pub(super) debug: bool,
    /// Log much more; no level logs a secret or a prompt
    #[arg(long, visible_alias = "detailed_debug")]
    pub(super) detailed_debug: bool,
}

/// What to check.
#[derive(Args)]
pub(super) struct Check {
    /// Configuration file [default: conf/tollgate.yaml]
    pub(super) file: Option<PathBuf>,
    /// End with 2 if anything is ignored, unsupported or unknown
    #[arg(long)]
    pub(super) strict: bool,
    /// Ask the process that serves now what a reload of its file would change [default: where the file says it listens]
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "strict")]
    pub(super) against_running: Option<String>,
}

/// What to do with the ledger.
#[derive(Args)]
pub(super) struct Ledger {
    #[command(subcommand)]
    pub(super) command: LedgerCommand,
}

#[derive(Subcommand)]
pub(super) enum LedgerCommand {
    /// Recompute all sums from the records, and end with 1 if a counter or a roll-up differs
    Verify(Verify),
}

/// Whose ledger to verify.
#[derive(Args)]
pub(super) struct Verify {
    /// Configuration file, LiteLLM's YAML
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    pub(super) config: Option<PathBuf>,
    /// Folder of the database file [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

/// Whom to ask.
#[derive(Args)]
pub(super) struct Health {
    /// Where the gateway is [default: http://127.0.0.1:4000, or $PORT there]
    #[arg(value_name = "URL")]
    pub(super) url: Option<String>,
    /// Ask whether it is ready for calls, not just alive
    #[arg(long)]
    pub(super) ready: bool,
    /// Longest wait, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) timeout: u64,
}

/// What to copy, and where to.
#[derive(Args)]
pub(super) struct Backup {
    /// The copy; it must not be there yet
    #[arg(value_name = "FILE")]
    pub(super) to: PathBuf,
    /// Configuration file, LiteLLM's YAML
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    pub(super) config: Option<PathBuf>,
    /// Folder of the database file [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

/// For which shell.
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: Shell,
}

/// Where to put the manual.
#[derive(Args)]
pub(super) struct Man {
    /// Folder for one page for each command, instead of the main one to standard output
    #[arg(value_name = "FOLDER")]
    pub(super) folder: Option<PathBuf>,
}

/// How to demonstrate.
#[derive(Args)]
pub(super) struct Demo {
    /// Port to listen on
    #[arg(long, value_name = "PORT", default_value_t = 4000)]
    pub(super) port: u16,
    /// Stop after the first answer instead of serving on
    #[arg(long)]
    pub(super) once: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound_and_serve_is_the_default() {
        Arguments::command().debug_assert();
        let bare = Arguments::try_parse_from(["tollgate", "-c", "x.yaml", "--port", "1"]).unwrap();
        assert!(bare.command.is_none() && bare.serve.port == Some(1));
        let named = Arguments::try_parse_from(["tollgate", "serve", "--host", "::1"]).unwrap();
        assert!(matches!(named.command, Some(Command::Serve(serve)) if serve.host.is_some()));
        assert!(Arguments::try_parse_from(["tollgate", "demo", "--port", "70000"]).is_err());
    }
}
