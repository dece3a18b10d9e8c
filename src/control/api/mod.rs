//! The handlers, a folder for each resource and a file for each verb.

pub(super) mod budgets;
pub(super) mod config;
pub(super) mod customers;
pub(super) mod explain;
pub(super) mod health;
pub(super) mod keyrows;
pub(super) mod keys;
pub(super) mod metrics;
pub(super) mod models;
pub(super) mod openapi;
pub(super) mod organizations;
pub(super) mod responses;
pub(super) mod salt;
pub(super) mod search;
pub(super) mod spend;
pub(super) mod teams;
pub(super) mod users;

use axum::Json;
use serde_json::{Value, json};

/// `GET /`: where a person who opened the address in a browser has landed.
pub(super) async fn home() -> &'static str {
    "tollgate: an OpenAI-compatible gateway. The API is below /v1, metrics at /metrics, health at /health/readiness.\n"
}

/// `GET /test`.
pub(super) async fn test() -> Json<Value> {
    Json(json!({ "route": "/test" }))
}
