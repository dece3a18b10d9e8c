//! A whole answer between two who both speak this dialect: what it cost.

use super::answer;
use crate::dialects::openai::{AnswerFacts, last_object};
use crate::domain::Usage;
use serde_json::{Map, Value};

/// Reads an answer, also one of `countTokens`, which costs nothing.
#[must_use]
pub fn facts(body: &[u8]) -> AnswerFacts {
    AnswerFacts::of(body, |facts, name, value| match name {
        b"responseId" => facts.id = Some(value),
        b"candidates" => facts.text_bytes = value.of(body).len() as u64,
        b"usageMetadata" => facts.usage = counts(value.of(body)),
        b"totalTokens" => facts.usage = Some(Usage::default()),
        _ => {}
    })
}

/// The counts in the end of a large answer.
#[must_use]
pub fn usage_in_tail(tail: &[u8]) -> Option<Usage> {
    counts(last_object(tail, b"\"usageMetadata\"")?.of(tail))
}

/// Reads a `usageMetadata` object.
pub(super) fn counts(value: &[u8]) -> Option<Usage> {
    let value: Value = serde_json::from_slice(value).ok()?;
    answer::usage(&Map::from_iter([("usageMetadata".to_owned(), value)]))
}
