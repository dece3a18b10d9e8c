//! Floor 3: from files and environment to one immutable [`Config`].
//!
//! `yaml` reads text into a tree with positions, `env` reads `.env` and the process environment,
//! `compile` turns both into a [`Config`] and reports every fault at once. Nothing here does more
//! I/O than reading those files, and `compile` does none.
//!
//! A new key is a line in `audit/keys.rs` and its use in `compile/`.

mod dotenv;
pub mod env;
pub mod error;
pub mod file;
pub mod model;
mod python;
mod resolve;
mod scalar;
pub mod tree;
pub mod yaml;

pub use env::Env;
pub(crate) use error::did_you_mean;
pub use error::{ConfigError, Place, Warning};
pub use file::ConfigFile;
pub use model::{
    AccessLogTarget, Alias, Config, HealthCheck, ModelInfo, RouterConfig, ServerConfig, Strategy,
};
