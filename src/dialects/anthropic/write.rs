//! A whole answer, written.

use super::tokens;
use crate::dialects::Given;
use crate::dialects::hub::{Answer, Body, Stop};
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) fn write(answer: &Answer, given: &Given) -> Bytes {
    let id = if answer.id.is_empty() { &*given.id } else { &answer.id };
    let content: Vec<Value> = answer.content.iter().filter_map(block).collect();
    let (reason, sequence) = reason(&answer.stop);
    let body = json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": &*given.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": tokens::write(&answer.usage.unwrap_or_default()),
    });
    Bytes::from(body.to_string())
}

/// Anthropic's word for it, and the text that ended the answer.
pub(super) fn reason(stop: &Stop) -> (&'static str, Option<&str>) {
    match stop {
        Stop::End => ("end_turn", None),
        Stop::Sequence(sequence) => ("stop_sequence", sequence.as_deref()),
        Stop::Length => ("max_tokens", None),
        Stop::Calls => ("tool_use", None),
        Stop::Filter | Stop::Refusal => ("refusal", None),
        Stop::Pause => ("pause_turn", None),
    }
}

fn block(body: &Body) -> Option<Value> {
    Some(match body {
        Body::Text(text) | Body::Refusal(text) => json!({ "type": "text", "text": text }),
        Body::Reasoning { text, signature } => {
            json!({ "type": "thinking", "thinking": text, "signature": signature.as_deref().unwrap_or_default() })
        }
        Body::Redacted(data) => json!({ "type": "redacted_thinking", "data": data }),
        Body::Call(call) => {
            json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.object() })
        }
        Body::Image(_) | Body::Audio(_) | Body::Video(_) | Body::File { .. } | Body::Result(_) => {
            return None;
        }
    })
}
