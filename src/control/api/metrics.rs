//! `GET /metrics`: everything Prometheus scrapes.

use crate::control::Control;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

pub(in crate::control) async fn run(State(control): State<Control>) -> Response {
    let balances = control.directory.balances(&control.runtime.load().house);
    let text = control.telemetry.metrics.render(&balances);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
