//! A whole answer: what it cost, and under which name it is given.

use super::{choices, tokens};
use crate::dialects::json::{Members, Span, put_text, text};
use crate::domain::Usage;
use bytes::Bytes;
use std::sync::Arc;

/// What an answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// The upstream's own counts.
    pub usage: Option<Usage>,
    /// Bytes of text in the choices, for an estimate; zero when there is usage.
    pub text_bytes: u64,
    /// Whether the body is a JSON object at all.
    pub is_json_object: bool,
    /// Where its `id` is.
    pub(in crate::dialects) id: Option<Span>,
}

impl AnswerFacts {
    /// The answer's `id`, if it is a text of a sensible length.
    #[must_use]
    pub fn id(&self, body: &[u8]) -> Option<Arc<str>> {
        response_id(self.id?.of(body))
    }
}

impl AnswerFacts {
    /// What `note` makes of the members of an answer, by name; nothing, if it is no JSON object.
    pub(in crate::dialects) fn of(body: &[u8], mut note: impl FnMut(&mut Self, &[u8], Span)) -> Self {
        let mut facts = Self::default();
        let Ok(members) = Members::of(body) else { return facts };
        facts.is_json_object = true;
        for member in members {
            let Ok(member) = member else { return Self::default() };
            note(&mut facts, &member.name_bytes(body), member.value);
        }
        facts
    }
}

/// Longest `id` that is kept, in bytes.
const LONGEST_ID: usize = 256;

/// The `id` that a JSON value holds.
pub(super) fn response_id(value: &[u8]) -> Option<Arc<str>> {
    let id = text(value)?;
    (!id.is_empty() && id.len() <= LONGEST_ID).then(|| Arc::from(&*id))
}

/// Reads an answer.
#[must_use]
pub fn read(body: &[u8]) -> AnswerFacts {
    let mut given = None;
    let mut facts = AnswerFacts::of(body, |facts, name, value| match name {
        b"usage" => facts.usage = tokens::read(body, value),
        b"choices" => given = Some(value),
        b"id" => facts.id = Some(value),
        _ => {}
    });
    // The text is looked at only when nobody counted it.
    if let (true, None, Some(given)) = (facts.is_json_object, facts.usage, given) {
        facts.text_bytes = choices::read(given.of(body)).text_bytes;
    }
    facts
}

/// The answer with its top-level `model` changed to `to`; the same `Bytes` if it has none or says so
/// already.
#[must_use]
pub fn rename_model(body: Bytes, to: &str) -> Bytes {
    let Some(span) = model_span(&body) else { return body };
    if text(span.of(&body)).is_some_and(|model| model == to) {
        return body;
    }
    let mut renamed = Vec::with_capacity(body.len() + to.len() + 2);
    renamed.extend_from_slice(&body[..span.start]);
    put_text(&mut renamed, to);
    renamed.extend_from_slice(&body[span.end..]);
    Bytes::from(renamed)
}

fn model_span(body: &[u8]) -> Option<Span> {
    let mut members = Members::of(body).ok()?.map_while(Result::ok);
    members.find(|m| m.is(body, "model")).map(|m| m.value)
}
