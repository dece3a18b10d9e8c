//! The body of a management call.

use super::{Field, Refusal, read};
use crate::control::fields::has_nul;
use crate::store::Doc;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde_json::{Value, json};

/// Largest body.
const LARGEST: usize = 4 * 1024 * 1024;

/// A JSON object as it was sent.
pub(in crate::control) struct Input(Doc);

impl<S: Sync> FromRequest<S> for Input {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = to_bytes(request.into_body(), LARGEST).await;
        let body = body.map_err(|_| Refusal::bad("the body is too large"))?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(fault("missing", "Field required"));
        }
        let value: Value =
            serde_json::from_slice(&body).map_err(|_| fault("json_invalid", "JSON decode error"))?;
        if has_nul(&value) {
            return Err(Refusal::bad("a text holds a NUL character, which no database can keep"));
        }
        match value {
            Value::Object(doc) => Ok(Self(doc)),
            _ => {
                let words = "Input should be a valid dictionary or object to extract fields from";
                Err(fault("model_attributes_type", words))
            }
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
}

fn fault(kind: &str, words: &str) -> Refusal {
    Refusal::Fields(vec![json!({ "type": kind, "loc": ["body"], "msg": words, "input": null })])
}
