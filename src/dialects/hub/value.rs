//! Reads JSON values as what they have to be, or says which one is something else.

use crate::domain::{ApiError, ErrorKind};
use serde_json::{Map, Value};

/// What a client wrote is not of the form that this API takes; `param` is where.
#[must_use]
pub fn invalid(param: &str, what: &str) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, format!("Invalid value for '{param}': {what}."))
        .with_param(param)
}

/// A text.
///
/// # Errors
/// If it is something else.
pub fn text(value: Value, param: &str) -> Result<String, ApiError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(invalid(param, "expected a string")),
    }
}

/// An object.
///
/// # Errors
/// If it is something else.
pub fn object(value: Value, param: &str) -> Result<Map<String, Value>, ApiError> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(invalid(param, "expected an object")),
    }
}

/// A list.
///
/// # Errors
/// If it is something else.
pub fn list(value: Value, param: &str) -> Result<Vec<Value>, ApiError> {
    match value {
        Value::Array(list) => Ok(list),
        _ => Err(invalid(param, "expected a list")),
    }
}

/// A boolean.
///
/// # Errors
/// If it is something else.
pub fn boolean(value: &Value, param: &str) -> Result<bool, ApiError> {
    value.as_bool().ok_or_else(|| invalid(param, "expected a boolean"))
}

/// A whole number that is not negative.
///
/// # Errors
/// If it is something else.
pub fn count(value: &Value, param: &str) -> Result<u64, ApiError> {
    value.as_u64().ok_or_else(|| invalid(param, "expected a whole number"))
}

/// Takes a member that must be a text.
///
/// # Errors
/// If it is missing or something else.
pub fn take_text(map: &mut Map<String, Value>, name: &str, place: &str) -> Result<String, ApiError> {
    match map.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(invalid(&format!("{place}.{name}"), "expected a string")),
        None => Err(invalid(&format!("{place}.{name}"), "it is missing")),
    }
}

/// Takes a member that may be a text, missing or null.
///
/// # Errors
/// If it is something else.
pub fn take_optional_text(
    map: &mut Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Option<String>, ApiError> {
    match map.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(invalid(&format!("{place}.{name}"), "expected a string")),
    }
}
