//! A whole answer, written; also what it has in common with a piece of a stream.

use crate::dialects::hub::{Answer, Body, Source, Stop};
use crate::dialects::{Given, proof};
use crate::domain::Usage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) fn write(answer: &Answer, given: &Given) -> Bytes {
    let id = if answer.id.is_empty() { &*given.id } else { &answer.id };
    let parts: Vec<Value> = answer.content.iter().filter_map(part).collect();
    let candidate = json!({
        "content": { "parts": parts, "role": "model" }, "finishReason": reason(&answer.stop), "index": 0,
    });
    let mut body = json!({ "candidates": [candidate] });
    if let Some(usage) = &answer.usage {
        body["usageMetadata"] = counts(usage);
    }
    body["modelVersion"] = (*given.model).into();
    body["responseId"] = id.into();
    Bytes::from(body.to_string())
}

/// Google's word for why an answer ended.
pub(super) const fn reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::Calls | Stop::Pause => "STOP",
        Stop::Length => "MAX_TOKENS",
        Stop::Filter | Stop::Refusal => "SAFETY",
    }
}

/// The counts as Google names them: thoughts apart from what was said.
pub(super) fn counts(usage: &Usage) -> Value {
    let mut counts = json!({
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.completion.saturating_sub(usage.reasoning),
        "totalTokenCount": usage.total(),
    });
    for (name, count) in [("thoughtsTokenCount", usage.reasoning), ("cachedContentTokenCount", usage.cached)]
    {
        if count > 0 {
            counts[name] = count.into();
        }
    }
    counts
}

fn part(body: &Body) -> Option<Value> {
    Some(match body {
        Body::Text(text) | Body::Refusal(text) => json!({ "text": text }),
        Body::Reasoning { text, signature } => thought(text, signature.as_deref()),
        Body::Redacted(data) => redacted(data),
        Body::Call(call) => self::call(&call.id, &call.name, &call.object()),
        Body::Image(media) | Body::Audio(media) => match &media.source {
            Source::Data(data) => json!({ "inlineData": { "mimeType": media.kind, "data": data } }),
            Source::Url(url) => json!({ "fileData": { "mimeType": media.kind, "fileUri": url } }),
            Source::Id(_) | Source::Text(_) => return None,
        },
        Body::Video(_) | Body::File { .. } | Body::Result(_) => return None,
    })
}

/// A call of a function.
pub(super) fn call(id: &str, name: &str, arguments: &Value) -> Value {
    json!({ "functionCall": { "id": id, "name": name, "args": arguments } })
}

/// A thought, with its proof if there is one.
pub(super) fn thought(text: &str, signature: Option<&str>) -> Value {
    let mut part = json!({ "text": text, "thought": true });
    if let Some(signature) = signature {
        part["thoughtSignature"] = STANDARD.encode(proof::of_signature(signature)).into();
    }
    part
}

/// A thought that only its provider can read.
pub(super) fn redacted(data: &str) -> Value {
    let kept = STANDARD.encode(proof::of_redacted(data));
    json!({ "text": "", "thought": true, "thoughtSignature": kept })
}
