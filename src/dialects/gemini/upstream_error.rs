//! A failed answer, read.

use crate::dialects::openai;
use crate::domain::{Failure, UpstreamClass};
use serde_json::Value;
use std::time::Duration;

/// Reads the body of a failed answer. Google says that a key is of no use with 400, and when to come back in the
/// body; a stream's error comes in a list.
pub(super) fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let parsed = match parsed {
        Value::Array(list) => list.into_iter().next().unwrap_or_default(),
        other => other,
    };
    let told = if parsed.is_object() { parsed.to_string().into_bytes() } else { body.to_vec() };
    let details = || parsed.pointer("/error/details").and_then(Value::as_array).into_iter().flatten();
    let retry_after = retry_after.or_else(|| details().find_map(delay));
    let mut failure = openai::read_failure(status, &told, retry_after);
    let bad_key = details()
        .any(|detail| detail.get("reason").is_some_and(|reason| reason == "API_KEY_INVALID"))
        || failure.message.contains("API key not valid");
    if bad_key {
        failure.class = UpstreamClass::Authentication;
    }
    failure
}

/// A failure in the middle of a stream.
pub(super) fn of_stream(data: &[u8]) -> Failure {
    let parsed: Value = serde_json::from_slice(data).unwrap_or_default();
    let code =
        parsed.pointer("/error/code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    read(code.filter(|code| *code >= 400).unwrap_or(500), data, None)
}

/// `retryDelay` of a `RetryInfo`: seconds with an `s`.
fn delay(detail: &Value) -> Option<Duration> {
    let seconds = detail.get("retryDelay")?.as_str()?.strip_suffix('s')?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}
