//! A whole answer between two who both speak this dialect: what it cost.

use super::tokens::Counts;
use crate::dialects::openai::AnswerFacts;

/// Reads an answer, also one of `count_tokens`, which costs nothing.
#[must_use]
pub fn facts(body: &[u8]) -> AnswerFacts {
    AnswerFacts::of(body, |facts, name, value| match name {
        b"id" => facts.id = Some(value),
        b"content" => facts.text_bytes = value.of(body).len() as u64,
        b"usage" => {
            let mut counts = Counts::default();
            counts.take(&serde_json::from_slice(value.of(body)).unwrap_or_default());
            facts.usage = counts.usage();
        }
        b"input_tokens" => facts.usage = Some(crate::domain::Usage::default()),
        _ => {}
    })
}
