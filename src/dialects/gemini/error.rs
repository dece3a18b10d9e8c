//! Errors, as clients expect them.

use crate::domain::ApiError;
use serde_json::{Value, json};

/// Google's word for a status.
const fn word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

/// Writes an error.
pub(super) fn body(error: &ApiError) -> Value {
    let status = error.status();
    let mut told = json!({ "code": status, "message": error.message, "status": word(status) });
    if let Some(after) = error.retry_after {
        let delay = format!("{}s", after.as_secs() + u64::from(after.subsec_nanos() > 0));
        told["details"] =
            json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }]);
    }
    json!({ "error": told })
}
