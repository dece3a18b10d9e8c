//! The permission table: each route of the control plane, its methods, and who may call it.

use super::api;
use super::verbs::{Verbs, get};

pub use crate::auth::Access;

/// A row of the table. A path may have several rows, each with methods of its own.
pub struct Route {
    /// axum's pattern.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    pub(super) handler: fn() -> Verbs,
}

/// All routes.
pub static ALL: &[Route] = &[
    Route { path: "/", access: Access::Public, handler: || get(api::home) },
    Route { path: "/health", access: Access::Key, handler: || get(api::health::upstreams::run) },
    Route { path: "/health/liveliness", access: Access::Public, handler: || get(api::health::alive::run) },
    Route { path: "/health/liveness", access: Access::Public, handler: || get(api::health::alive::run) },
    Route { path: "/health/readiness", access: Access::Public, handler: || get(api::health::readiness::run) },
    Route { path: "/metrics", access: Access::KeyIfConfigured, handler: || get(api::metrics::run) },
    Route { path: "/metrics/", access: Access::KeyIfConfigured, handler: || get(api::metrics::run) },
    Route { path: "/models", access: Access::Key, handler: || get(api::models::list::run) },
    Route { path: "/models/{*id}", access: Access::Key, handler: || get(api::models::retrieve::run) },
    Route { path: "/test", access: Access::Public, handler: || get(api::test) },
    Route { path: "/v1/models", access: Access::Key, handler: || get(api::models::list::run) },
    Route { path: "/v1/models/{*id}", access: Access::Key, handler: || get(api::models::retrieve::run) },
];
