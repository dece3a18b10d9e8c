//! `tollgate backup`: a copy of the SQLite database, whole and consistent, while the gateway goes on.

use super::output::{complain, finish};
use super::serve::{DEFAULT_CONFIG, load};
use crate::config::Overrides;
use crate::store::{Store, StoreError, Target};
use clap::Args;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Why there is no copy. No text holds a credential.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error("the configuration cannot be used:\n{0}")]
    Config(String),
    #[error("the data is in PostgreSQL; copy it with pg_dump")]
    Postgres,
    #[error("there is no database at {0} yet")]
    Missing(String),
    #[error("{0}: {1}")]
    File(String, io::Error),
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What to copy, and where to.
#[derive(Args)]
pub(super) struct Backup {
    /// The copy; it must not be there yet
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Configuration file, LiteLLM's YAML
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    config: Option<PathBuf>,
    /// Folder of the database file [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Backup) -> ExitCode {
    match copy(arguments) {
        Ok(bytes) => finish(&format!("{}: {bytes} bytes, and it is sound\n", arguments.to.display()), 0),
        Err(error) => {
            complain(&format!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn copy(arguments: &Backup) -> Result<u64, BackupError> {
    let path = arguments.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
    let overrides = Overrides { data_dir: arguments.data_dir.clone(), ..Overrides::default() };
    let settings = load(&path, &overrides).map_err(BackupError::Config)?.config.server.database;
    let Target::Sqlite(from) = &settings.target else { return Err(BackupError::Postgres) };
    if !from.exists() {
        return Err(BackupError::Missing(from.display().to_string()));
    }
    let to = &arguments.to;
    let fault = |error| BackupError::File(to.display().to_string(), error);
    // It holds what the database holds, so it is for its owner alone from the first byte on.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(fault)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
    let copied = runtime.block_on(async {
        let store = Store::connect(&settings)?;
        let copied = store.copy_to(to).await;
        store.close().await;
        copied
    });
    if copied.is_err() {
        drop(fs::remove_file(to));
    }
    copied?;
    synced(to).map_err(fault)
}

/// The size of the file, once it is on the disk.
fn synced(file: &Path) -> io::Result<u64> {
    let copy = File::open(file)?;
    copy.sync_all()?;
    Ok(copy.metadata()?.len())
}
