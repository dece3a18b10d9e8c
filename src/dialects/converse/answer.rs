//! A whole answer, read; also what it has in common with a stream.

use crate::dialects::hub::{Answer, Body, Call, JSON_TOOL, Stop};
use crate::dialects::unreadable;
use crate::domain::{Failure, Usage};
use serde_json::{Map, Value};

pub(super) fn decode(body: &[u8]) -> Result<Answer, Failure> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(unreadable("Expecting value: line 1 column 1 (char 0)"));
    };
    let blocks = map.get_mut("output").and_then(|output| output.pointer_mut("/message/content"));
    let Some(Value::Array(blocks)) = blocks.map(Value::take) else {
        return Err(unreadable("the upstream's answer has no message"));
    };
    let content: Vec<Body> = blocks.into_iter().filter_map(block).collect();
    let calls = content.iter().any(|body| matches!(body, Body::Call(_)));
    let reason = map.get("stopReason").and_then(Value::as_str).unwrap_or("end_turn");
    let usage = map.get("usage").and_then(usage);
    Ok(Answer { id: String::new(), model: String::new(), stop: stop(reason, calls), content, usage })
}

/// Takes a text out.
pub(super) fn taken(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    match map.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn block(block: Value) -> Option<Body> {
    let Value::Object(mut block) = block else { return None };
    if let Some(text) = taken(&mut block, "text") {
        return Some(Body::Text(text));
    }
    if let Some(Value::Object(mut used)) = block.remove("toolUse") {
        let (id, name) = (taken(&mut used, "toolUseId").unwrap_or_default(), taken(&mut used, "name")?);
        let arguments = used.remove("input").unwrap_or_default().to_string();
        if name == JSON_TOOL {
            return Some(Body::Text(arguments));
        }
        return Some(Body::Call(Call { id, name, arguments, signature: None }));
    }
    let Some(Value::Object(mut thought)) = block.remove("reasoningContent") else { return None };
    if let Some(data) = taken(&mut thought, "redactedContent") {
        return Some(Body::Redacted(data));
    }
    let Some(Value::Object(mut words)) = thought.remove("reasoningText") else { return None };
    let text = taken(&mut words, "text").unwrap_or_default();
    Some(Body::Reasoning { text, signature: taken(&mut words, "signature") })
}

/// What a stop reason means. A call of nothing but the function that stands for the answer's form is the end.
pub(super) fn stop(reason: &str, calls: bool) -> Stop {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "stop_sequence" => Stop::Sequence(None),
        "guardrail_intervened" | "content_filtered" => Stop::Filter,
        "tool_use" if calls => Stop::Calls,
        _ => Stop::End,
    }
}

/// The counts; what the cache gave or took is counted beside the prompt, and by us as parts of it.
pub(super) fn usage(counts: &Value) -> Option<Usage> {
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    let (input, completion) = (count("inputTokens")?, count("outputTokens")?);
    let read = count("cacheReadInputTokens").unwrap_or_default();
    let written = count("cacheWriteInputTokens").unwrap_or_default();
    Some(Usage {
        prompt: input.saturating_add(read).saturating_add(written),
        completion,
        cached: read,
        cache_write: written,
        ..Usage::default()
    })
}
