//! The items of an output.

use crate::dialects::proof;
use serde_json::{Value, json};

/// Something that was said.
pub(super) fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
}

/// A part of what was said.
pub(super) fn part(refuses: bool, text: &str) -> Value {
    if refuses {
        json!({ "type": "refusal", "refusal": text })
    } else {
        json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
    }
}

/// A part of what was thought.
pub(super) fn summary(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

/// A thought, with its proof if there is one.
pub(super) fn thought(id: &str, text: &str, signature: Option<&str>) -> Value {
    let words = if text.is_empty() { Vec::new() } else { vec![summary(text)] };
    let mut item = json!({ "id": id, "type": "reasoning", "summary": words });
    if let Some(signature) = signature {
        item["encrypted_content"] = proof::of_signature(signature).into();
    }
    item
}

/// A thought that only its provider can read.
pub(super) fn redacted(id: &str, data: &str) -> Value {
    json!({ "id": id, "type": "reasoning", "summary": [], "encrypted_content": proof::of_redacted(data) })
}

/// A call of a function.
pub(super) fn call(id: &str, status: &str, call_id: &str, name: &str, arguments: &str) -> Value {
    json!({
        "id": id, "type": "function_call", "status": status, "arguments": arguments, "call_id": call_id,
        "name": name,
    })
}
