//! `GET /v1/models`: every public name, aliases first, wildcards as they are written.

use super::model;
use crate::control::Control;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(in crate::control) async fn run(State(control): State<Control>) -> Json<Value> {
    let snapshot = control.runtime.load();
    let data: Vec<Value> = snapshot.public_names().map(model).collect();
    Json(json!({ "data": data, "object": "list" }))
}
