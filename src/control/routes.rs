//! The permission table: each route of the control plane, its methods, and who may call it.

use super::api::{self, keys};
use super::verbs::{Verbs, get, post};

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
    Route { path: "/docs", access: Access::Public, handler: || get(api::openapi::docs) },
    Route { path: "/health", access: Access::Key, handler: || get(api::health::upstreams::run) },
    Route { path: "/health/liveliness", access: Access::Public, handler: || get(api::health::alive::run) },
    Route { path: "/health/liveness", access: Access::Public, handler: || get(api::health::alive::run) },
    Route { path: "/health/readiness", access: Access::Public, handler: || get(api::health::readiness::run) },
    Route {
        path: "/key/aliases",
        access: Access::Own,
        handler: || get(keys::aliases::run).about("List key aliases"),
    },
    Route {
        path: "/key/block",
        access: Access::Admin,
        handler: || post(keys::block::block).about("Block a key"),
    },
    Route {
        path: "/key/bulk_update",
        access: Access::Admin,
        handler: || post(keys::bulk::run).about("Change several keys"),
    },
    Route {
        path: "/key/delete",
        access: Access::Manage,
        handler: || post(keys::delete::run).about("Delete keys"),
    },
    Route {
        path: "/key/generate",
        access: Access::Manage,
        handler: || post(keys::generate::run).about("Make a key"),
    },
    Route {
        path: "/key/health",
        access: Access::Key,
        handler: || post(keys::health::run).about("Check the key of the call"),
    },
    Route {
        path: "/key/info",
        access: Access::Own,
        handler: || get(keys::info::by_query).post(keys::info::by_body).about("Show a key"),
    },
    Route { path: "/key/list", access: Access::Own, handler: || get(keys::list::run).about("List keys") },
    Route {
        path: "/key/regenerate",
        access: Access::Manage,
        handler: || post(keys::regenerate::by_body).about("Replace a key"),
    },
    Route {
        path: "/key/service-account/generate",
        access: Access::Admin,
        handler: || post(keys::generate::service_account).about("Make a key of a team"),
    },
    Route {
        path: "/key/unblock",
        access: Access::Admin,
        handler: || post(keys::block::unblock).about("Unblock a key"),
    },
    Route {
        path: "/key/update",
        access: Access::Manage,
        handler: || post(keys::update::run).about("Change a key"),
    },
    Route {
        path: "/key/{key}/regenerate",
        access: Access::Manage,
        handler: || post(keys::regenerate::by_path).about("Replace a key"),
    },
    Route {
        path: "/key/{key}/reset_spend",
        access: Access::Admin,
        handler: || post(keys::reset::run).about("Set what a key has spent"),
    },
    Route { path: "/metrics", access: Access::KeyIfConfigured, handler: || get(api::metrics::run) },
    Route { path: "/metrics/", access: Access::KeyIfConfigured, handler: || get(api::metrics::run) },
    Route { path: "/models", access: Access::Key, handler: || get(api::models::list::run) },
    Route { path: "/models/{*id}", access: Access::Key, handler: || get(api::models::retrieve::run) },
    Route {
        path: "/openapi.json",
        access: Access::Public,
        handler: || get(api::openapi::run).about("Describe this API"),
    },
    Route { path: "/test", access: Access::Public, handler: || get(api::test) },
    Route { path: "/v1/models", access: Access::Key, handler: || get(api::models::list::run) },
    Route { path: "/v1/models/{*id}", access: Access::Key, handler: || get(api::models::retrieve::run) },
    Route {
        path: "/v2/key/info",
        access: Access::Own,
        handler: || post(keys::info::many).about("Show keys"),
    },
];
