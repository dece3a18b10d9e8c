//! A whole answer, read.

use crate::dialects::hub::{Answer, Body, Call, Media, Stop};
use crate::dialects::json::Span;
use crate::dialects::openai::tokens;
use crate::dialects::unreadable;
use crate::domain::{Failure, Usage};
use serde_json::{Map, Value};

pub(super) fn decode(body: &[u8]) -> Result<Answer, Failure> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(unreadable("Expecting value: line 1 column 1 (char 0)"));
    };
    let choice = match map.remove("choices") {
        Some(Value::Array(choices)) => choices.into_iter().next(),
        _ => None,
    };
    let Some(Value::Object(mut choice)) = choice else {
        return Err(unreadable("the upstream's answer has no choices"));
    };
    let content = match choice.remove("message") {
        Some(Value::Object(message)) => content(message),
        _ => Vec::new(),
    };
    let calls = content.iter().any(|body| matches!(body, Body::Call(_)));
    Ok(Answer {
        id: taken(&mut map, "id").unwrap_or_default(),
        model: taken(&mut map, "model").unwrap_or_default(),
        stop: stop(choice.get("finish_reason").and_then(Value::as_str).unwrap_or("stop"), calls),
        content,
        usage: map.get("usage").and_then(usage),
    })
}

/// What a finish reason means. Some servers say `stop` after calls.
pub(super) fn stop(reason: &str, calls: bool) -> Stop {
    match reason {
        "length" | "max_tokens" => Stop::Length,
        "content_filter" => Stop::Filter,
        "tool_calls" | "function_call" => Stop::Calls,
        _ if calls => Stop::Calls,
        _ => Stop::End,
    }
}

pub(super) fn usage(value: &Value) -> Option<Usage> {
    let text = value.is_object().then(|| value.to_string())?;
    tokens::read(text.as_bytes(), Span { start: 0, end: text.len() })
}

pub(super) fn taken(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    match map.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn content(mut message: Map<String, Value>) -> Vec<Body> {
    let mut content = Vec::new();
    let thought = taken(&mut message, "reasoning_content").or_else(|| taken(&mut message, "reasoning"));
    if let Some(text) = thought.filter(|text| !text.is_empty()) {
        content.push(Body::Reasoning { text, signature: None });
    }
    match message.remove("content") {
        Some(Value::String(text)) if !text.is_empty() => content.push(Body::Text(text)),
        Some(Value::Array(parts)) => content.extend(parts.into_iter().filter_map(part)),
        _ => {}
    }
    content.extend(taken(&mut message, "refusal").filter(|text| !text.is_empty()).map(Body::Refusal));
    if let Some(Value::Array(images)) = message.remove("images") {
        let url = |image: &Value| image.pointer("/image_url/url").and_then(Value::as_str).map(str::to_owned);
        content.extend(images.iter().filter_map(url).map(|url| Body::Image(Media::of_url(url))));
    }
    if let Some(Value::Array(calls)) = message.remove("tool_calls") {
        content.extend(calls.into_iter().filter_map(call).map(Body::Call));
    }
    if let Some(Value::Object(function)) = message.remove("function_call") {
        content.extend(function_call(function, String::new()).map(Body::Call));
    }
    content
}

/// Mistral's models that think give their content as parts.
fn part(value: Value) -> Option<Body> {
    let Value::Object(mut map) = value else { return None };
    match taken(&mut map, "type")?.as_str() {
        "text" => taken(&mut map, "text").map(Body::Text),
        "thinking" => {
            let text = match map.remove("thinking")? {
                Value::String(text) => text,
                Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
                _ => return None,
            };
            Some(Body::Reasoning { text, signature: taken(&mut map, "signature") })
        }
        _ => None,
    }
}

fn call(value: Value) -> Option<Call> {
    let Value::Object(mut map) = value else { return None };
    let id = taken(&mut map, "id").unwrap_or_default();
    match map.remove("function")? {
        Value::Object(function) => function_call(function, id),
        _ => None,
    }
}

fn function_call(mut function: Map<String, Value>, id: String) -> Option<Call> {
    let name = taken(&mut function, "name")?;
    let arguments = match function.remove("arguments") {
        Some(Value::String(arguments)) => arguments,
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    let id = if id.is_empty() { format!("call_{name}") } else { id };
    Some(Call { id, name, arguments, signature: None })
}
