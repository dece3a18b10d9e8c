//! A whole answer, read; also what it has in common with a line of a stream.

use crate::dialects::hub::{Answer, Body, Call, Stop};
use crate::dialects::{openai, unreadable};
use crate::domain::{Failure, Usage};
use serde_json::{Map, Value};

pub(super) fn decode(body: &[u8]) -> Result<Answer, Failure> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(unreadable("Expecting value: line 1 column 1 (char 0)"));
    };
    if map.contains_key("error") {
        return Err(openai::upstream_error::read_event_failure(body));
    }
    let Some(Value::Object(mut message)) = map.remove("message") else {
        return Err(unreadable("the upstream's answer has no message"));
    };
    let mut content = Vec::new();
    content.extend(said(&mut message, "thinking").map(|text| Body::Reasoning { text, signature: None }));
    content.extend(said(&mut message, "content").map(Body::Text));
    content.extend(calls(&mut message).map(Body::Call));
    let called = content.iter().any(|body| matches!(body, Body::Call(_)));
    let model = said(&mut map, "model").unwrap_or_default();
    Ok(Answer { id: String::new(), model, content, stop: stop(&map, called), usage: usage(&map) })
}

/// A text that is not empty.
pub(super) fn said(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    match map.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

pub(super) fn calls(message: &mut Map<String, Value>) -> impl Iterator<Item = Call> + use<> {
    let calls = match message.remove("tool_calls") {
        Some(Value::Array(calls)) => calls,
        _ => Vec::new(),
    };
    calls.into_iter().filter_map(call)
}

/// Older servers give their calls no ids.
fn call(call: Value) -> Option<Call> {
    let Value::Object(mut call) = call else { return None };
    let id = said(&mut call, "id").unwrap_or_default();
    let Some(Value::Object(mut function)) = call.remove("function") else { return None };
    let name = said(&mut function, "name")?;
    let arguments = match function.remove("arguments") {
        Some(Value::String(text)) => text,
        Some(value @ Value::Object(_)) => value.to_string(),
        _ => "{}".to_owned(),
    };
    Some(Call { id, name, arguments, signature: None })
}

pub(super) fn stop(map: &Map<String, Value>, called: bool) -> Stop {
    match map.get("done_reason").and_then(Value::as_str) {
        Some("length") => Stop::Length,
        _ if called => Stop::Calls,
        _ => Stop::End,
    }
}

/// The counts; that of a prompt which was in the cache whole may be missing.
pub(super) fn usage(map: &Map<String, Value>) -> Option<Usage> {
    let count = |name: &str| map.get(name).and_then(Value::as_u64);
    let (prompt, completion) = (count("prompt_eval_count"), count("eval_count"));
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    Some(Usage {
        prompt: prompt.unwrap_or_default(),
        completion: completion.unwrap_or_default(),
        ..Usage::default()
    })
}
