//! `POST /key/health`: the key works, and no loggers of its own are kept.

use axum::Json;
use serde_json::{Value, json};

pub(in crate::control) async fn run() -> Json<Value> {
    Json(json!({ "key": "healthy", "logging_callbacks": null }))
}
