//! `tollgate serve`: reads the configuration and serves it.

use super::arguments::Serve;
use super::logging;
use crate::config::{self, Compiled, ConfigError, Env, Overrides, Status};
use crate::server::{self, Source, Startup};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What is served when nothing is named.
pub(super) const DEFAULT_CONFIG: &str = "conf/tollgate.yaml";

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
