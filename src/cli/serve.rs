//! `tollgate serve`: reads the configuration and serves it.

use super::logging;
use crate::config::{self, Compiled, ConfigError, Env, Overrides, Status};
use crate::server::{self, Source, Startup};
use clap::Args;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What is served when nothing is named.
pub(super) const DEFAULT_CONFIG: &str = "conf/tollgate.yaml";

/// How to serve.
#[derive(Args, Clone, Default)]
pub(super) struct Serve {
    /// Configuration file, LiteLLM's YAML
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1, or $HOST]
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<IpAddr>,
    /// Port to listen on [default: 4000, or $PORT]
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Data-plane threads [default: one for each core]
    #[arg(long, value_name = "N", visible_alias = "num_workers", env = "NUM_WORKERS")]
    workers: Option<usize>,
    /// Folder for the database file and the journal [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Take the listening socket over from the process that serves now, which is then told so by SIGQUIT
    #[arg(long)]
    upgrade: bool,
    /// Where both processes meet for that [default: upgrade/PORT.sock in the data folder]
    #[arg(long, value_name = "FILE")]
    upgrade_sock: Option<PathBuf>,
    /// Serve on a public address even without a master key, or with a sample one
    #[arg(long)]
    allow_insecure: bool,
    /// Log more
    #[arg(long)]
    debug: bool,
    /// Log much more; no level logs a secret or a prompt
    #[arg(long, visible_alias = "detailed_debug")]
    detailed_debug: bool,
}

pub(super) fn run(arguments: &Serve) -> ExitCode {
    logging::start(arguments.debug, arguments.detailed_debug);
    let path = arguments.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
    let overrides = Overrides {
        host: arguments.host,
        port: arguments.port,
        workers: arguments.workers,
        allow_insecure: arguments.allow_insecure,
        access_log: None,
        data_dir: arguments.data_dir.clone(),
    };
    let compiled = match load(&path, &overrides) {
        Ok(compiled) => compiled,
        Err(faults) => {
            log::error!("{} cannot be served:\n{faults}", path.display());
            return ExitCode::FAILURE;
        }
    };
    for warning in &compiled.warnings {
        log::warn!("{warning}");
    }
    for row in compiled.audit.iter().filter(|row| row.status != Status::Honoured) {
        log::warn!("{row}");
    }
    let startup = Startup { upgrade: arguments.upgrade, upgrade_sock: arguments.upgrade_sock.clone() };
    let source: Source = Arc::new(move || read(&path, &overrides).map(|compiled| compiled.config));
    match server::run(compiled.config, source, &startup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads `.env` and the environment anew each time, so that a reload sees a rotated key.
fn read(path: &Path, overrides: &Overrides) -> Result<Compiled, Vec<ConfigError>> {
    let env = Env::from_process().with_dotenv_file(Path::new(".env"));
    config::load(path, &env, overrides)
}

/// Reads as serving does; faults are lines.
pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Compiled, String> {
    read(path, overrides).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
        lines.join("\n")
    })
}
