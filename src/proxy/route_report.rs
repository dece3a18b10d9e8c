//! `x-tollgate-route`: why a call went where it went, for a client that asks.
//!
//! It names deployments by id only, in ASCII, and no more than fits a header.

use crate::runtime::{Considered, Group};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::fmt::Write;

/// The question and the answer.
pub(super) const ROUTE: HeaderName = HeaderName::from_static("x-tollgate-route");

/// So many attempts are told, each with so many deployments.
const MOST_ATTEMPTS: usize = 4;
const MOST_ROWS: usize = 8;

/// The choices of one call.
#[derive(Debug, Default)]
pub(super) struct RouteReport(Vec<Value>);

impl RouteReport {
    /// One for a call whose client asks.
    pub(super) fn asked(headers: &HeaderMap) -> Option<Box<Self>> {
        let asked = headers.get(ROUTE)?.as_bytes();
        matches!(asked, b"1" | b"true").then(Box::default)
    }

    /// Takes note of a choice. The chosen one is told in any case, of the others the first few.
    pub(super) fn note(&mut self, group: &Group, rows: &[Considered<'_>], picked: Option<usize>) {
        if self.0.len() >= MOST_ATTEMPTS {
            return;
        }
        let is_picked = |at: &usize| Some(*at) == picked;
        let first = (0..rows.len()).filter(is_picked);
        let others = (0..rows.len()).filter(|at| !is_picked(at));
        let told = first.chain(others).take(MOST_ROWS).filter_map(|at| rows.get(at)).map(Considered::told);
        let told: Vec<Value> = told.collect();
        let picked = picked.and_then(|at| rows.get(at)).map(|row| row.deployment.target.id.as_str());
        self.0.push(json!({
            "group": &*group.name,
            "strategy": group.choice().entry.name(),
            "picked": picked,
            "considered": told,
            "more": rows.len().saturating_sub(MOST_ROWS),
        }));
    }

    /// The header's value: a list with an entry for each attempt.
    pub(super) fn value(&self) -> HeaderValue {
        HeaderValue::try_from(ascii(&Value::from(self.0.clone()).to_string()))
            .unwrap_or(HeaderValue::from_static("[]"))
    }
}

/// JSON with every character beyond ASCII escaped.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
            continue;
        }
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_fit_a_header() {
        let names = json!(["modèle", "模型", "🦀", "a\u{7f}b", "c\nd"]);
        let told = ascii(&names.to_string());
        assert!(HeaderValue::try_from(told.as_str()).is_ok());
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), names);
    }

    #[test]
    fn only_who_asks_is_told() {
        let ask = |value: &'static str| {
            let headers = HeaderMap::from_iter([(ROUTE, HeaderValue::from_static(value))]);
            RouteReport::asked(&headers).is_some()
        };
        assert!(ask("1") && ask("true") && !ask("0") && RouteReport::asked(&HeaderMap::new()).is_none());
    }
}
