//! Floor 3: from files and environment to one immutable [`Config`].
//!
//! `yaml` reads text into a tree with positions, `env` reads `.env` and the process environment,
//! `compile` turns both into a [`Config`] and reports every fault at once. Nothing here does more
//! I/O than reading those files, and `compile` does none.
//!
//! A new key is a line in `audit/settings.rs` or `audit/entries.rs` and its use in `compile/`.

pub mod audit;
pub mod compile;
pub mod diff;
mod dotenv;
pub mod env;
pub mod error;
mod field;
pub mod file;
mod groups;
pub mod model;
mod python;
mod resolve;
mod scalar;
mod settings;
pub mod tree;
pub mod yaml;

pub use audit::{AuditRow, Status};
#[cfg(test)]
pub(crate) use compile::is_own_path;
pub use compile::{Compiled, Overrides, StoredModels, compile, is_placeholder, parse_and_compile};
pub use diff::{Plan, diff};
pub use dotenv::{Assignment, assignments};
pub use env::Env;
pub(crate) use error::did_you_mean;
pub use error::{ConfigError, Place, Warning};
pub use file::ConfigFile;
pub use groups::{GroupConfig, Groups};
pub use model::{
    AccessLogTarget, Alias, Config, Filters, HealthCheck, KeyTerm, KeyTerms, LangfuseConfig, LedgerConfig,
    MetricsConfig, ModelInfo, OtelConfig, QueueConfig, RealtimeConfig, RouterConfig, SearchLoop,
    ServerConfig, SinkAddress, SpendingConfig, TelemetryConfig,
};
pub use settings::{Changed, Settings};

/// Reads a file with everything it includes, and compiles it.
///
/// # Errors
/// Every fault of [`ConfigFile::read`], or else of [`compile()`].
pub fn load(path: &std::path::Path, env: &Env, overrides: &Overrides) -> Result<Compiled, Vec<ConfigError>> {
    compile(&ConfigFile::read(path)?, env, overrides)
}

#[cfg(test)]
mod seed_tests;
#[cfg(test)]
mod telemetry_tests;
