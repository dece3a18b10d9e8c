//! The body of an admin call.

use super::{Field, Refusal, field, read};
use crate::domain::{ApiError, ErrorKind};
use crate::store::Doc;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde_json::{Value, json};

/// Largest body.
const LARGEST: usize = 4 * 1024 * 1024;

/// A JSON object as it was sent.
pub(in crate::control) struct Input(Doc);

/// The same where a call may also come without a body.
pub(in crate::control) struct MaybeInput(pub(in crate::control) Option<Input>);

impl<S: Sync> FromRequest<S> for Input {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = whole(request).await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(fault("missing", "Field required", &Value::Null));
        }
        object(&body).map(Self)
    }
}

impl<S: Sync> FromRequest<S> for MaybeInput {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = whole(request).await?;
        if body.is_empty() { Ok(Self(None)) } else { object(&body).map(|doc| Self(Some(Input(doc)))) }
    }
}

async fn whole(request: Request) -> Result<axum::body::Bytes, Refusal> {
    to_bytes(request.into_body(), LARGEST).await.map_err(|_| Refusal::bad("the body is too large"))
}

fn object(body: &[u8]) -> Result<Doc, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::new(ErrorKind::InvalidJson, format!("Invalid JSON payload: {error}")))?;
    if has_nul(&value) {
        return Err(Refusal::bad("a text holds a NUL character, which no database can keep"));
    }
    match value {
        Value::Object(doc) => Ok(doc),
        other => {
            let words = "Input should be a valid dictionary or object to extract fields from";
            Err(fault("model_attributes_type", words, &other))
        }
    }
}

impl Input {
    /// All members, as they came.
    pub(in crate::control) fn whole(self) -> Doc {
        self.0
    }

    /// The members that `fields` name, with the types they want.
    pub(in crate::control) fn read(&self, fields: &[&[Field]]) -> Result<Doc, Refusal> {
        read(&self.0, fields)
    }

    /// A member that must be there is not.
    pub(in crate::control) fn lacks(&self, name: &str) -> Refusal {
        Refusal::Fields(vec![field::missing(name, &self.0)])
    }
}

/// Postgres stores no NUL in texts and JSON.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn fault(kind: &str, words: &str, input: &Value) -> Refusal {
    Refusal::Fields(vec![json!({ "type": kind, "loc": ["body"], "msg": words, "input": input })])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_or_cannot_be_stored_is_refused() {
        let deep = format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500));
        for body in ["{", r#"{"text":"\u0000"}"#, r#"{"a":{"b":[{"\u0000":1}]}}"#, r#"{"a":"\ud800"}"#, &deep]
        {
            let Err(Refusal::Api(error)) = object(body.as_bytes()) else { panic!("{body} is taken") };
            assert_eq!(error.status(), 400, "{body}");
        }
        for body in ["[]", "\"x\"", "null"] {
            assert!(matches!(object(body.as_bytes()), Err(Refusal::Fields(_))), "{body:?}");
        }
        assert!(object(br#"{"a":1}"#).is_ok());
    }
}
