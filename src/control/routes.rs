//! The permission table: each route of the control plane, its methods, and who may call it.

use super::api::{self, keys};
use super::verbs::{Verbs, delete, get, patch, post};

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
    Route { path: "/budget/delete", access: Access::Admin, handler: || post(api::budgets::delete::run) },
    Route { path: "/budget/info", access: Access::AdminOrViewer, handler: || post(api::budgets::info::run) },
    Route { path: "/budget/list", access: Access::AdminOrViewer, handler: || get(api::budgets::list::run) },
    Route { path: "/budget/new", access: Access::Admin, handler: || post(api::budgets::new::run) },
    Route {
        path: "/budget/settings",
        access: Access::AdminOrViewer,
        handler: || get(api::budgets::settings::run),
    },
    Route { path: "/budget/update", access: Access::Admin, handler: || post(api::budgets::update::run) },
    Route { path: "/customer/block", access: Access::Admin, handler: || post(api::customers::block::block) },
    Route { path: "/customer/delete", access: Access::Admin, handler: || post(api::customers::delete::run) },
    Route {
        path: "/customer/info",
        access: Access::AdminOrViewer,
        handler: || get(api::customers::info::run),
    },
    Route {
        path: "/customer/list",
        access: Access::AdminOrViewer,
        handler: || get(api::customers::list::run),
    },
    Route { path: "/customer/new", access: Access::Admin, handler: || post(api::customers::new::run) },
    Route {
        path: "/customer/unblock",
        access: Access::Admin,
        handler: || post(api::customers::block::unblock),
    },
    Route { path: "/customer/update", access: Access::Admin, handler: || post(api::customers::update::run) },
    Route { path: "/end_user/block", access: Access::Admin, handler: || post(api::customers::block::block) },
    Route { path: "/end_user/delete", access: Access::Admin, handler: || post(api::customers::delete::run) },
    Route {
        path: "/end_user/info",
        access: Access::AdminOrViewer,
        handler: || get(api::customers::info::run),
    },
    Route {
        path: "/end_user/list",
        access: Access::AdminOrViewer,
        handler: || get(api::customers::list::run),
    },
    Route { path: "/end_user/new", access: Access::Admin, handler: || post(api::customers::new::run) },
    Route {
        path: "/end_user/unblock",
        access: Access::Admin,
        handler: || post(api::customers::block::unblock),
    },
    Route { path: "/end_user/update", access: Access::Admin, handler: || post(api::customers::update::run) },
    Route { path: "/model/delete", access: Access::Admin, handler: || post(api::models::delete::run) },
    Route { path: "/model/info", access: Access::Key, handler: || get(api::models::info::run) },
    Route { path: "/model/new", access: Access::Admin, handler: || post(api::models::new::run) },
    Route { path: "/model/update", access: Access::Admin, handler: || post(api::models::update::run) },
    Route {
        path: "/model/{id}/update",
        access: Access::Admin,
        handler: || patch(api::models::update::patch),
    },
    Route { path: "/model_group/info", access: Access::Key, handler: || get(api::models::group_info::run) },
    Route { path: "/v1/model/info", access: Access::Key, handler: || get(api::models::info::run) },
    Route { path: "/v2/model/info", access: Access::Key, handler: || get(api::models::info::paged) },
    Route {
        path: "/organization/delete",
        access: Access::Admin,
        handler: || delete(api::organizations::delete::run),
    },
    Route { path: "/organization/info", access: Access::Own, handler: || get(api::organizations::info::run) },
    Route { path: "/organization/list", access: Access::Own, handler: || get(api::organizations::list::run) },
    Route {
        path: "/organization/member_add",
        access: Access::Admin,
        handler: || post(api::organizations::member_add::run),
    },
    Route {
        path: "/organization/new",
        access: Access::Admin,
        handler: || post(api::organizations::new::run),
    },
    Route {
        path: "/organization/update",
        access: Access::Admin,
        handler: || patch(api::organizations::update::run),
    },
    Route { path: "/team/available", access: Access::Own, handler: || get(api::teams::available::run) },
    Route { path: "/team/block", access: Access::Admin, handler: || post(api::teams::block::block) },
    Route { path: "/team/delete", access: Access::Admin, handler: || post(api::teams::delete::run) },
    Route { path: "/team/info", access: Access::Own, handler: || get(api::teams::info::run) },
    Route { path: "/team/list", access: Access::Own, handler: || get(api::teams::list::plain) },
    Route { path: "/team/member_add", access: Access::Manage, handler: || post(api::teams::member_add::run) },
    Route {
        path: "/team/member_delete",
        access: Access::Manage,
        handler: || post(api::teams::member_delete::run),
    },
    Route {
        path: "/team/member_update",
        access: Access::Manage,
        handler: || post(api::teams::member_update::run),
    },
    Route { path: "/team/model/add", access: Access::Admin, handler: || post(api::teams::model::add) },
    Route { path: "/team/model/delete", access: Access::Admin, handler: || post(api::teams::model::delete) },
    Route { path: "/team/new", access: Access::Admin, handler: || post(api::teams::new::run) },
    Route { path: "/team/unblock", access: Access::Admin, handler: || post(api::teams::block::unblock) },
    Route { path: "/team/update", access: Access::Manage, handler: || post(api::teams::update::run) },
    Route { path: "/v2/team/list", access: Access::Own, handler: || get(api::teams::list::paged) },
    Route {
        path: "/user/available_roles",
        access: Access::Own,
        handler: || get(api::users::available_roles::run),
    },
    Route {
        path: "/user/bulk_update",
        access: Access::Admin,
        handler: || post(api::users::bulk_update::run),
    },
    Route { path: "/user/delete", access: Access::Admin, handler: || post(api::users::delete::run) },
    Route { path: "/user/info", access: Access::Own, handler: || get(api::users::info::run) },
    Route { path: "/user/list", access: Access::Own, handler: || get(api::users::list::run) },
    Route { path: "/user/new", access: Access::Admin, handler: || post(api::users::new::run) },
    Route { path: "/user/update", access: Access::Manage, handler: || post(api::users::update::run) },
    Route { path: "/v2/user/info", access: Access::Own, handler: || get(api::users::info::flat) },
    Route { path: "/tollgate/salt/rotate", access: Access::Admin, handler: || post(api::salt::run) },
    Route {
        path: "/v2/key/info",
        access: Access::Own,
        handler: || post(keys::info::many).about("Show keys"),
    },
];
