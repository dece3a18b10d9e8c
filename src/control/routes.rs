//! The permission table: each route of the control plane and who may call it.

use super::{Control, api};
use axum::routing::{MethodRouter, get, post};

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
    Route { path: "/spend/logs", access: Access::Key, handler: || get(api::spend::logs::run) },
    Route { path: "/spend/logs/v2", access: Access::Key, handler: || get(api::spend::search::run) },
    Route { path: "/spend/logs/ui", access: Access::Key, handler: || get(api::spend::search::run) },
    Route { path: "/spend/logs/ui/{id}", access: Access::Key, handler: || get(api::spend::search::content) },
    Route { path: "/spend/keys", access: Access::Key, handler: || get(api::spend::top::keys) },
    Route { path: "/spend/users", access: Access::Key, handler: || get(api::spend::top::users) },
    Route { path: "/spend/tags", access: Access::Key, handler: || get(api::spend::top::tags) },
    Route { path: "/spend/calculate", access: Access::Key, handler: || post(api::spend::calculate::run) },
    Route { path: "/global/spend", access: Access::Key, handler: || get(api::spend::global::spend) },
    Route { path: "/global/spend/logs", access: Access::Key, handler: || get(api::spend::global::logs) },
    Route { path: "/global/spend/keys", access: Access::Key, handler: || get(api::spend::global::keys) },
    Route { path: "/global/spend/models", access: Access::Key, handler: || get(api::spend::global::models) },
    Route { path: "/global/spend/teams", access: Access::Key, handler: || get(api::spend::global::teams) },
    Route {
        path: "/global/spend/provider",
        access: Access::Key,
        handler: || get(api::spend::global::provider),
    },
    Route { path: "/global/spend/tags", access: Access::Key, handler: || get(api::spend::global::tags) },
    Route {
        path: "/global/spend/end_users",
        access: Access::Key,
        handler: || post(api::spend::global::end_users),
    },
    Route { path: "/global/spend/report", access: Access::Key, handler: || get(api::spend::report::run) },
    Route { path: "/global/spend/reset", access: Access::Key, handler: || post(api::spend::global::reset) },
    Route {
        path: "/global/spend/refresh",
        access: Access::Key,
        handler: || post(api::spend::global::refresh),
    },
    Route { path: "/global/activity", access: Access::Key, handler: || get(api::spend::activity::run) },
    Route {
        path: "/global/activity/model",
        access: Access::Key,
        handler: || get(api::spend::activity::by_model),
    },
    Route {
        path: "/global/activity/cache_hits",
        access: Access::Key,
        handler: || get(api::spend::activity::cache_hits),
    },
    Route { path: "/user/daily/activity", access: Access::Key, handler: || get(api::spend::daily::run) },
    Route {
        path: "/user/daily/activity/aggregated",
        access: Access::Key,
        handler: || get(api::spend::daily::run),
    },
    Route { path: "/team/daily/activity", access: Access::Key, handler: || get(api::spend::daily::run) },
    Route { path: "/tag/daily/activity", access: Access::Key, handler: || get(api::spend::daily::run) },
    Route { path: "/customer/daily/activity", access: Access::Key, handler: || get(api::spend::daily::run) },
    Route { path: "/end_user/daily/activity", access: Access::Key, handler: || get(api::spend::daily::run) },
    Route {
        path: "/organization/daily/activity",
        access: Access::Key,
        handler: || get(api::spend::daily::run),
    },
];
