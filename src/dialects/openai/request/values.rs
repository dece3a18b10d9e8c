//! What the gateway's own parameters may be, and the errors of those that are not.

use crate::domain::{ApiError, ErrorKind};
use std::time::Duration;

/// A client's timeouts are held at this, so that a deadline can always be computed.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(7 * 24);

pub(in crate::dialects::openai) fn invalid(message: &str, param: &str) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, message).with_param(param)
}

pub(in crate::dialects::openai) fn banned(name: &str) -> ApiError {
    let message = format!(
        "Authentication Error, Rejected Request: {name} is not allowed in request body. Enable with \
         `general_settings::allow_client_side_credentials` on proxy config.yaml."
    );
    ApiError::new(ErrorKind::BannedParam, message)
}

pub(in crate::dialects::openai) fn boolean(value: &[u8], name: &str) -> Result<bool, ApiError> {
    match value {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(invalid(&format!("Invalid type for '{name}': expected a boolean."), name)),
    }
}

pub(super) fn names(value: &[u8], name: &str) -> Result<Vec<String>, ApiError> {
    serde_json::from_slice(value)
        .map_err(|_| invalid(&format!("Invalid type for '{name}': expected a list of strings."), name))
}

/// A number, or a string that holds one, as LiteLLM takes both.
fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

pub(in crate::dialects::openai) fn count(value: &[u8], name: &str) -> Result<u32, ApiError> {
    number(value)
        .ok_or_else(|| invalid(&format!("Invalid value for '{name}': expected a whole number."), name))
}

pub(in crate::dialects::openai) fn seconds(value: &[u8], name: &str) -> Result<Duration, ApiError> {
    number(value)
        .and_then(|n: f64| Duration::try_from_secs_f64(n).ok())
        .filter(|d| !d.is_zero())
        .map(|d| d.min(LONGEST_TIMEOUT))
        .ok_or_else(|| invalid(&format!("Invalid value for '{name}': expected seconds above zero."), name))
}
