//! `GET /health/readiness`: 200 while requests are welcome, 503 once the process is going away. A database that is
//! away does not make it unready: known keys go on, and all replicas would leave at once. Nor does a file that was
//! refused: what was served before is still served, and the reason is told. The probe asks nobody.

use crate::control::Control;
use crate::runtime::RefusedFile;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

pub(in crate::control) async fn run(State(control): State<Control>) -> Response {
    if control.draining.load(Ordering::Relaxed) {
        let going = json!({ "detail": "Service Unhealthy (shutting down)" });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(going)).into_response();
    }
    let snapshot = control.runtime.load();
    let refused = control.reloader.refused();
    let mut ready = json!({
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
    });
    if let Some(refused) = refused {
        ready["config_refused"] = shown(&refused);
    }
    Json(ready).into_response()
}

/// Faults that are told at most.
const MOST: usize = 10;

fn shown(refused: &RefusedFile) -> Value {
    json!({
        "at": humantime::format_rfc3339_seconds(refused.at.max(SystemTime::UNIX_EPOCH)).to_string(),
        "count": refused.faults.len(),
        "faults": refused.faults.iter().take(MOST).map(ToString::to_string).collect::<Vec<_>>(),
    })
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
