//! `tollgate import litellm`: what LiteLLM's database holds, brought over.

use super::output::print;
use super::serve::{DEFAULT_CONFIG, load};
use crate::config::{Compiled, Env, Overrides, parse_and_compile};
use crate::limits::Zone;
use crate::store::import::{ImportError, Options, Report, Source, import};
use crate::store::{DatabaseSettings, Store, StoreError, Target};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Why nothing was brought over. No text holds a credential.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the configuration cannot be used:\n{0}")]
    Config(String),
    #[error("--from: {0}")]
    From(#[from] crate::store::InvalidUrl),
    #[error("--from: {0}")]
    Source(ImportError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Import(ImportError),
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] std::io::Error),
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
    from: String,
    /// Configuration file that names the database to bring it into
    #[arg(short, long, value_name = "FILE", env = "CONFIG_FILE_PATH")]
    config: Option<PathBuf>,
    /// Folder for the database file [default: the platform's, or $STATE_DIRECTORY]
    #[arg(long, value_name = "FOLDER", env = "TOLLGATE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Do it; else only say what would be done
    #[arg(long)]
    apply: bool,
    /// Also write over what was made, changed or removed here since
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(import: &Import) -> ExitCode {
    let Import::Litellm(arguments) = import;
    super::logging::quiet();
    match bring_over(arguments) {
        Ok(report) if print(&text(&report, arguments.apply)) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            log::error!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn text(report: &Report, apply: bool) -> String {
    let end = match (report.is_idle(), apply) {
        (true, _) => "Nothing to do: everything is here.",
        (false, true) => "Done.",
        (false, false) => "Nothing was written yet; add --apply to do this.",
    };
    format!("{report}{end}\n")
}

fn bring_over(arguments: &ImportLiteLlm) -> Result<Report, Failure> {
    let config = compile(arguments)?.config;
    let zone =
        config.spending.time_zone.as_deref().and_then(|name| Zone::named(name).ok()).unwrap_or(Zone::UTC);
    let options = Options {
        apply: arguments.apply,
        overwrite: arguments.overwrite,
        zone,
        vault: config.stored.vault.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut source = open(&arguments.from).await?;
        let store = target(&config.server.database, arguments.apply).await?;
        let report = import(store.as_ref(), &mut source, &options).await.map_err(Failure::Import)?;
        if let Some(store) = store {
            store.close().await;
        }
        Ok(report)
    })
}

async fn open(from: &str) -> Result<Source, Failure> {
    if from.contains("://") {
        let settings = DatabaseSettings::postgres(from)?;
        return Source::connect(&settings).await.map_err(Failure::Source);
    }
    Source::folder(Path::new(from)).map_err(Failure::Source)
}

/// A dry run makes neither a file nor a table.
async fn target(settings: &DatabaseSettings, apply: bool) -> Result<Option<Store>, Failure> {
    if apply {
        return Ok(Some(Store::open(settings).await?));
    }
    let is_missing = matches!(&settings.target, Target::Sqlite(file) if !file.exists());
    Ok(if is_missing { None } else { Some(Store::connect(settings)?) })
}

/// The settings that `serve` would have; without a configuration file those of the environment.
fn compile(arguments: &ImportLiteLlm) -> Result<Compiled, Failure> {
    let overrides = Overrides { data_dir: arguments.data_dir.clone(), ..Overrides::default() };
    let default = Path::new(DEFAULT_CONFIG);
    match &arguments.config {
        Some(path) => load(path, &overrides).map_err(Failure::Config),
        None if default.exists() => load(default, &overrides).map_err(Failure::Config),
        None => {
            let env = Env::from_process().with_dotenv_file(Path::new(".env"));
            parse_and_compile("{}", &env, &overrides).map_err(|faults| {
                Failure::Config(
                    faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n"),
                )
            })
        }
    }
}
