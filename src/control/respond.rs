//! Errors of the control plane as HTTP answers.

use crate::domain::{ApiError, ErrorKind};
use crate::endpoints;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// An error on its way to the client.
pub(super) struct Failed(pub(super) ApiError);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/json");
        let mut response = (status, [(CONTENT_TYPE, json)], self.0.to_json()).into_response();
        if let Some(after) = self.0.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

/// No such path; a path that calls models takes POST only.
pub(super) async fn unknown(uri: Uri) -> Response {
    if endpoints::find(uri.path()).is_none() {
        return Failed(ApiError::new(ErrorKind::NotFound, "Not Found")).into_response();
    }
    let mut response = wrong_method().await;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// The path exists, the method does not.
pub(super) async fn wrong_method() -> Response {
    Failed(ApiError::new(ErrorKind::MethodNotAllowed, "Method Not Allowed")).into_response()
}
