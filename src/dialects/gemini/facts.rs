//! A whole answer between two who both speak this dialect: what it cost.

use super::answer;
use crate::dialects::json::{Members, Span};
use crate::dialects::openai::{AnswerFacts, last_object};
use crate::domain::Usage;
use serde_json::{Map, Value};

/// Reads an answer, also one of `countTokens`, which costs nothing.
#[must_use]
pub fn facts(body: &[u8]) -> AnswerFacts {
    let mut facts = AnswerFacts::default();
    let Ok(members) = Members::of(body) else { return facts };
    facts.is_json_object = true;
    for member in members {
        let Ok(member) = member else { return AnswerFacts::default() };
        let Span { start, end } = member.value;
        match &*member.name_bytes(body) {
            b"responseId" => facts.id = Some(member.value),
            b"candidates" => facts.text_bytes = (end - start) as u64,
            b"usageMetadata" => facts.usage = counts(member.value.of(body)),
            b"totalTokens" => facts.usage = Some(Usage::default()),
            _ => {}
        }
    }
    facts
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
