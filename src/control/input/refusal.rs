//! Why an admin call is not done: an error in LiteLLM's shape, or members of the wrong type.

use crate::auth::Role;
use crate::domain::{ApiError, ErrorKind};
use crate::store::{SealError, StoreError};
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What a handler answers with.
pub(in crate::control) type Answer = Result<Json<Value>, Refusal>;

/// Why an admin call is not done.
#[derive(Debug)]
pub(in crate::control) enum Refusal {
    /// An error in LiteLLM's shape.
    Api(ApiError),
    /// FastAPI's list of members that are wrong or missing.
    Fields(Vec<Value>),
}

impl Refusal {
    /// Something in the call cannot be done.
    pub(in crate::control) fn bad(words: impl Into<String>) -> Self {
        Self::Api(ApiError::new(ErrorKind::InvalidRequest, words))
    }

    /// What the call is about is not there.
    pub(in crate::control) fn missing(words: impl Into<String>) -> Self {
        Self::Api(ApiError::new(ErrorKind::Missing, words))
    }

    /// It is not the caller's to see or change.
    pub(in crate::control) fn forbidden(words: impl Into<String>) -> Self {
        Self::Api(ApiError::new(ErrorKind::Forbidden, words))
    }

    /// The same with another of LiteLLM's words for it.
    pub(in crate::control) fn forbidden_as(kind: &str, words: &str) -> Self {
        let mut error = ApiError::new(ErrorKind::Forbidden, words);
        error.kind_word = Some(kind.to_owned());
        Self::Api(error)
    }

    /// A member that makes no sense, in the words of LiteLLM's management of keys.
    pub(in crate::control) fn bad_member(param: &str, words: impl Into<String>) -> Self {
        let mut error = ApiError::new(ErrorKind::InvalidRequest, words).with_param(param);
        error.kind_word = Some("bad_request_error".to_owned());
        Self::Api(error)
    }

    /// LiteLLM's words to whoever is no admin.
    pub(in crate::control) fn not_admin(route: &str, role: Role, user: Option<&str>) -> Self {
        let words = format!(
            "Authentication Error, Only proxy admin can be used to generate, delete, update info for new \
             keys/users/teams. Route={route}. Your role={}. Your user_id={}",
            role.as_str(),
            user.unwrap_or("unknown")
        );
        Self::Api(ApiError::new(ErrorKind::AdminOnly, words))
    }

    /// A fault of ours.
    pub(in crate::control) fn internal(words: &str) -> Self {
        Self::Api(ApiError::new(ErrorKind::Internal, words))
    }

    /// It is there already.
    pub(in crate::control) fn taken(words: impl Into<String>) -> Self {
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
            Self::Api(error) => told(&error),
            Self::Fields(list) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": list }))).into_response()
            }
        }
    }
}

fn told(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(CONTENT_TYPE, json)], error.to_json()).into_response();
    if let Some(after) = error.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let (kind, words) = match &error {
            StoreError::Taken(_) => return Self::taken(error.to_string()),
            StoreError::Away(_) => (ErrorKind::DatabaseAway, "The database cannot be reached."),
            StoreError::Full => (ErrorKind::DatabaseAway, "The disk of the database is full."),
            StoreError::Newer { .. } | StoreError::File(..) | StoreError::Refused(_) => {
                (ErrorKind::Internal, "The database refused the call; the log says why.")
            }
        };
        log::error!("an admin call failed: {error}");
        Self::Api(ApiError::new(kind, words))
    }
}

impl From<SealError> for Refusal {
    fn from(error: SealError) -> Self {
        Self::bad(error.to_string())
    }
}
