//! A whole answer, read.

use super::tokens::Counts;
use crate::dialects::hub::{Answer, Body, Call, JSON_TOOL, Stop};
use crate::dialects::unreadable;
use crate::domain::Failure;
use serde_json::{Map, Value};

pub(super) fn decode(body: &[u8]) -> Result<Answer, Failure> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(unreadable("Expecting value: line 1 column 1 (char 0)"));
    };
    let Some(Value::Array(blocks)) = map.remove("content") else {
        return Err(unreadable("the upstream's answer has no content"));
    };
    let mut counts = Counts::default();
    counts.take(map.get("usage").unwrap_or(&Value::Null));
    let content: Vec<Body> = blocks.into_iter().filter_map(block).collect();
    let calls = content.iter().any(|body| matches!(body, Body::Call(_)));
    let reason = map.get("stop_reason").and_then(Value::as_str).unwrap_or("end_turn");
    let stop = stop(reason, map.get("stop_sequence").and_then(Value::as_str), calls);
    let mut own = |name| taken(&mut map, name).unwrap_or_default();
    Ok(Answer { id: own("id"), model: own("model"), content, stop, usage: counts.usage() })
}

pub(super) fn taken(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    match map.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// What a stop reason means. A call of nothing but the function that stands for the answer's form is the end.
pub(super) fn stop(reason: &str, sequence: Option<&str>, calls: bool) -> Stop {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "stop_sequence" => Stop::Sequence(sequence.map(str::to_owned)),
        "tool_use" if calls => Stop::Calls,
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        _ => Stop::End,
    }
}

/// A block; what the provider's own tools did is not for clients of other dialects.
fn block(block: Value) -> Option<Body> {
    let Value::Object(mut map) = block else { return None };
    match taken(&mut map, "type")?.as_str() {
        "text" => taken(&mut map, "text").map(Body::Text),
        "thinking" => Some(Body::Reasoning {
            text: taken(&mut map, "thinking").unwrap_or_default(),
            signature: taken(&mut map, "signature"),
        }),
        "redacted_thinking" => taken(&mut map, "data").map(Body::Redacted),
        "tool_use" => {
            let (id, name) = (taken(&mut map, "id").unwrap_or_default(), taken(&mut map, "name")?);
            let arguments = map.remove("input").unwrap_or_default().to_string();
            if name == JSON_TOOL {
                return Some(Body::Text(arguments));
            }
            Some(Body::Call(Call { id, name, arguments, signature: None }))
        }
        _ => None,
    }
}
