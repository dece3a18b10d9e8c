//! Errors, read and written.

use crate::dialects::openai::read_failure;
use crate::domain::{ApiError, Failure, UpstreamClass};
use serde_json::{Value, json};
use std::time::Duration;

/// The word for a status, and back.
const TYPES: [(u16, &str); 10] = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (500, "api_error"),
    (504, "timeout_error"),
    (529, "overloaded_error"),
];

/// Reads a failed answer.
pub(super) fn classify(status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
    let mut failure = read_failure(status, body, retry_after);
    // A server that has too much to do, and not one that is broken.
    if status == 529 {
        failure.class = UpstreamClass::Unavailable;
    }
    // It says 400, but it is the key that is at fault.
    if failure.class == UpstreamClass::BadRequest && failure.message.contains("credit balance is too low") {
        failure.class = UpstreamClass::PermissionDenied;
    }
    failure
}

/// The failure that an event reports.
pub(super) fn of_event(event: &Value, data: &[u8]) -> Failure {
    let word = event.pointer("/error/type").and_then(Value::as_str).unwrap_or_default();
    let status = TYPES.iter().find(|(_, own)| *own == word).map_or(500, |(status, _)| *status);
    classify(status, data, None)
}

/// Writes an error as clients of this dialect expect it.
pub(super) fn body(error: &ApiError) -> Value {
    let status = error.status();
    let kind = TYPES.iter().find(|(own, _)| *own == status).map(|(_, word)| *word);
    let kind = kind.unwrap_or(match status {
        408 => "timeout_error",
        503 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    });
    json!({ "type": "error", "error": { "type": kind, "message": error.message } })
}
