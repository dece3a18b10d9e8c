//! A whole answer between two who both speak this dialect: what it cost.

use super::tokens::Counts;
use crate::dialects::json::Members;
use crate::dialects::openai::AnswerFacts;

/// Reads an answer, also one of `count_tokens`, which costs nothing.
#[must_use]
pub fn facts(body: &[u8]) -> AnswerFacts {
    let mut facts = AnswerFacts::default();
    let Ok(members) = Members::of(body) else { return facts };
    facts.is_json_object = true;
    for member in members {
        let Ok(member) = member else { return AnswerFacts::default() };
        let value = member.value.of(body);
        match &*member.name_bytes(body) {
            b"id" => facts.id = Some(member.value),
            b"content" => facts.text_bytes = value.len() as u64,
            b"usage" => {
                let mut counts = Counts::default();
                counts.take(&serde_json::from_slice(value).unwrap_or_default());
                facts.usage = counts.usage();
            }
            b"input_tokens" => facts.usage = Some(crate::domain::Usage::default()),
            _ => {}
        }
    }
    facts
}
