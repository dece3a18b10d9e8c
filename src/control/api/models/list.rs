//! `GET /v1/models`: every public name the key may call, aliases first, wildcards as they are written.

use super::{may_see, model};
use crate::auth::Principal;
use crate::control::Control;
use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
) -> Json<Value> {
    let snapshot = control.runtime.load();
    let names = snapshot.public_names().filter(|name| may_see(&snapshot, &principal, name));
    let data: Vec<Value> = names.map(model).collect();
    Json(json!({ "data": data, "object": "list" }))
}
