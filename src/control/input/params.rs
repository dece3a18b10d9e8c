//! The query of an admin call.

use super::Refusal;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::HashMap;

/// Names and values of the query; an empty value is as good as none.
pub(in crate::control) struct Params(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|_| Refusal::bad("the query cannot be read"))?;
        if query.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(Refusal::bad("a text holds a NUL character, which no database can keep"));
        }
        Ok(Self(query))
    }
}

/// The same with names and types of its own; a query that does not have them is refused as pydantic does.
pub(in crate::control) struct Asked<T>(pub(in crate::control) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Self(asked)).map_err(|error| {
            Refusal::Fields(vec![json!({
                "type": "value_error", "loc": ["query"], "msg": error.body_text(), "input": null,
            })])
        })
    }
}

impl Params {
    /// A value that is not empty.
    pub(in crate::control) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A value that must be there.
    pub(in crate::control) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| fault(name, "missing", "Field required", None))
    }

    /// A whole number from 1 to `most`; `default` if there is none.
    pub(in crate::control) fn count(&self, name: &str, default: u32, most: u32) -> Result<u32, Refusal> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let read: i64 = text.parse().map_err(|_| {
            let words = "Input should be a valid integer, unable to parse string as an integer";
            fault(name, "int_parsing", words, Some(text))
        })?;
        match u32::try_from(read) {
            Ok(count) if (1..=most).contains(&count) => Ok(count),
            _ if read < 1 => {
                let words = "Input should be greater than or equal to 1";
                Err(fault(name, "greater_than_equal", words, Some(text)))
            }
            _ => {
                let words = format!("Input should be less than or equal to {most}");
                Err(fault(name, "less_than_equal", &words, Some(text)))
            }
        }
    }
}

fn fault(name: &str, kind: &str, words: &str, input: Option<&str>) -> Refusal {
    Refusal::Fields(vec![json!({ "type": kind, "loc": ["query", name], "msg": words, "input": input })])
}
