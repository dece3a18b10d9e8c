//! Answers to calls that no route takes.

use super::input::Refusal;
use crate::domain::{ApiError, ErrorKind};
use crate::endpoints;
use axum::http::Uri;
use axum::http::header::{ALLOW, HeaderValue};
use axum::response::{IntoResponse, Response};

/// No such path; a path that calls models takes POST only.
pub(super) async fn unknown(uri: Uri) -> Response {
    if endpoints::find(uri.path()).is_none() {
        return Refusal::Api(ApiError::new(ErrorKind::NotFound, "Not Found")).into_response();
    }
    let mut response = wrong_method().await;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// The path exists, the method does not.
pub(super) async fn wrong_method() -> Response {
    Refusal::Api(ApiError::new(ErrorKind::MethodNotAllowed, "Method Not Allowed")).into_response()
}
