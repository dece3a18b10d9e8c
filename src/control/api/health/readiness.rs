//! `GET /health/readiness`: 200 while requests are welcome, 503 once the process is going away. A database that is
//! away does not make it unready: known keys go on, and all replicas would leave at once. The probe asks nobody.

use crate::control::Control;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::atomic::Ordering;

pub(in crate::control) async fn run(State(control): State<Control>) -> Response {
    if control.draining.load(Ordering::Relaxed) {
        let going = json!({ "detail": "Service Unhealthy (shutting down)" });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(going)).into_response();
    }
    let snapshot = control.runtime.load();
    Json(json!({
        "status": "healthy",
        "db": if control.store.answers() { "connected" } else { "Not connected" },
        "cache": null,
        "litellm_version": crate::domain::LITELLM_VERSION,
        "success_callbacks": snapshot.config.server.callbacks,
        "use_aiohttp_transport": false,
        "log_level": log_level(control.log_level),
        "is_detailed_debug": control.log_level >= log::LevelFilter::Debug,
        "tollgate_version": env!("CARGO_PKG_VERSION"),
        "config_generation": snapshot.generation,
    }))
    .into_response()
}

/// Python's name of a level.
fn log_level(level: log::LevelFilter) -> &'static str {
    match level {
        log::LevelFilter::Off | log::LevelFilter::Error => "ERROR",
        log::LevelFilter::Warn => "WARNING",
        log::LevelFilter::Info => "INFO",
        log::LevelFilter::Debug | log::LevelFilter::Trace => "DEBUG",
    }
}
