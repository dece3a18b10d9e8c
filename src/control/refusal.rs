//! Why a handler does not do what it is asked: an error of the table, or fields of the wrong type.

use super::respond::Failed;
use crate::domain::{ApiError, ErrorKind};
use crate::store::StoreError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What a handler answers instead.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An error in LiteLLM's shape.
    Error(Box<ApiError>),
    /// Faults of single fields, in FastAPI's shape.
    Fields(Vec<Value>),
}

impl Refusal {
    /// A request that makes no sense; `param` is the field at fault.
    pub(super) fn bad(param: &str, words: impl Into<String>) -> Self {
        let mut error = ApiError::new(ErrorKind::InvalidRequest, words).with_param(param);
        error.kind_word = Some("bad_request_error".to_owned());
        error.into()
    }

    /// Something that is not there.
    pub(super) fn missing(param: &str, words: impl Into<String>) -> Self {
        ApiError::new(ErrorKind::Missing, words).with_param(param).into()
    }

    /// Something of somebody else.
    pub(super) fn forbidden(words: impl Into<String>) -> Self {
        ApiError::new(ErrorKind::Forbidden, words).into()
    }

    /// The same with LiteLLM's word for it.
    pub(super) fn forbidden_as(kind: &str, words: &str) -> Self {
        let mut error = ApiError::new(ErrorKind::Forbidden, words);
        error.kind_word = Some(kind.to_owned());
        error.into()
    }

    /// What is said, for answers that name several refusals.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Error(error) => error.message.clone(),
            Self::Fields(detail) => Value::from(detail.clone()).to_string(),
        }
    }

    /// A fault of ours.
    pub(super) fn internal(words: &str) -> Self {
        ApiError::new(ErrorKind::Internal, words).into()
    }

    /// A field that must be there.
    pub(super) fn lacks(field: &str, input: Value) -> Self {
        Self::Fields(vec![json!({
            "type": "missing", "loc": ["body", field], "msg": "Field required", "input": input,
        })])
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Error(Box::new(error))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let (kind, words) = match &error {
            StoreError::Away(_) => (ErrorKind::DatabaseAway, "The database cannot be reached."),
            StoreError::Taken(_) => return Self::bad("None", format!("{error}.")),
            StoreError::Full => (ErrorKind::DatabaseAway, "The disk of the database is full."),
            StoreError::Newer { .. } | StoreError::File(..) | StoreError::Refused(_) => {
                (ErrorKind::Internal, "The database refused this; the log says why.")
            }
        };
        log::error!("an admin call failed: {error}");
        ApiError::new(kind, words).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => Failed(*error).into_response(),
            Self::Fields(detail) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": detail }))).into_response()
            }
        }
    }
}
