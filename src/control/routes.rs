//! The permission table: each route of the control plane and who may call it.

use super::{Control, api};
use axum::routing::{MethodRouter, get};

/// What it takes to call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// Any valid key.
    Key,
    /// Any valid key, if the configuration asks for one (`require_auth_for_metrics_endpoint`).
    KeyIfConfigured,
}

/// A row of the table.
pub struct Route {
    /// axum's pattern.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    pub(super) handler: fn() -> MethodRouter<Control>,
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
