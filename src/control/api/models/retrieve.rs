//! `GET /v1/models/{id}`: one public name.

use super::{may_see, model};
use crate::auth::Principal;
use crate::control::Control;
use crate::control::input::Refusal;
use crate::domain::{ApiError, ErrorKind};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

pub(in crate::control) async fn run(
    State(control): State<Control>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Response {
    let snapshot = control.runtime.load();
    let known = snapshot.public_names().any(|name| name == id) || snapshot.resolve(&id).is_some();
    if known && may_see(&snapshot, &principal, &id) {
        return Json(model(&id)).into_response();
    }
    let words = format!("The model `{id}` does not exist or is not accessible");
    Refusal::Api(ApiError::new(ErrorKind::NotFound, words)).into_response()
}
