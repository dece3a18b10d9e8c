//! `GET /v1/models/{id}`: one public name.

use super::model;
use crate::control::Control;
use crate::control::respond::Failed;
use crate::domain::{ApiError, ErrorKind};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

pub(in crate::control) async fn run(State(control): State<Control>, Path(id): Path<String>) -> Response {
    let snapshot = control.runtime.load();
    if snapshot.public_names().any(|name| name == id) || snapshot.resolve(&id).is_some() {
        return Json(model(&id)).into_response();
    }
    let words = format!("The model `{id}` does not exist or is not accessible");
    Failed(ApiError::new(ErrorKind::NotFound, words)).into_response()
}
