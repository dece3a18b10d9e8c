//! Refusals of management calls.

use crate::control::refusal;
use crate::control::respond::Failed;
use crate::domain::{ApiError, ErrorKind};
use crate::store::{SealError, StoreError};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What a handler answers with.
pub(in crate::control) type Answer = Result<Json<Value>, Refusal>;

/// Why a management call is not done.
#[derive(Debug)]
pub(in crate::control) enum Refusal {
    /// An error in LiteLLM's shape.
    Api(ApiError),
    /// FastAPI's list of members that are wrong or missing.
    Fields(Vec<Value>),
}

impl Refusal {
    /// Something in the call cannot be done.
    pub(in crate::control) fn bad(words: &str) -> Self {
        Self::Api(ApiError::new(ErrorKind::InvalidRequest, words))
    }

    /// What the call is about is not there.
    pub(in crate::control) fn missing(words: &str) -> Self {
        Self::Api(ApiError::new(ErrorKind::Missing, words))
    }

    /// It is not the caller's to see or change.
    pub(in crate::control) fn forbidden(words: &str) -> Self {
        Self::Api(ApiError::new(ErrorKind::Forbidden, words))
    }

    /// It is there already.
    pub(in crate::control) fn taken(words: &str) -> Self {
        Self::Api(ApiError::new(ErrorKind::Conflict, words))
    }

    /// Names the member at fault.
    pub(in crate::control) fn of(self, param: &str) -> Self {
        match self {
            Self::Api(error) => Self::Api(error.with_param(param)),
            other @ Self::Fields(_) => other,
        }
    }

    /// What is wrong, in words.
    pub(in crate::control) fn words(&self) -> String {
        match self {
            Self::Api(error) => error.message.clone(),
            Self::Fields(list) => Value::from(list.clone()).to_string(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Api(error) => Failed(error).into_response(),
            Self::Fields(list) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": list }))).into_response()
            }
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<refusal::Refusal> for Refusal {
    fn from(refusal: refusal::Refusal) -> Self {
        match refusal {
            refusal::Refusal::Error(error) => Self::Api(*error),
            refusal::Refusal::Fields(list) => Self::Fields(list),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Taken(_) => ErrorKind::Conflict,
            StoreError::Away(_) | StoreError::Full => ErrorKind::DatabaseAway,
            _ => ErrorKind::Internal,
        };
        if kind != ErrorKind::Conflict {
            log::error!("a management call failed: {error}");
        }
        let words = match kind {
            ErrorKind::Internal => "The database refused the call; the log says why.".to_owned(),
            _ => error.to_string(),
        };
        Self::Api(ApiError::new(kind, words))
    }
}

impl From<SealError> for Refusal {
    fn from(error: SealError) -> Self {
        Self::bad(&error.to_string())
    }
}
