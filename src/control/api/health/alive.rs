//! `GET /health/liveliness`: the process answers.

use axum::Json;

pub(in crate::control) async fn run() -> Json<&'static str> {
    Json("I'm alive!")
}
