//! Floor 3: from files and environment to one immutable [`Config`].
//!
//! `yaml` reads text into a tree with positions, `env` reads `.env` and the process environment,
//! `compile` turns both into a [`Config`] and reports every fault at once. Nothing here does more
//! I/O than reading those files, and `compile` does none.

pub mod model;

pub use model::{
    AccessLogTarget, Alias, Config, HealthCheck, ModelInfo, RouterConfig, ServerConfig, Strategy,
};
