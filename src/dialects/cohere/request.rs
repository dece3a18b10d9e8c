//! A request, written.

use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{
    Body, Call, CallResult, Format, Function, Media, Message, Param, Reasoning, Request, Role, Source, Tool,
    ToolChoice,
};
use crate::dialects::{Ask, Encoded};
use crate::domain::{ApiError, ErrorKind};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

pub(super) fn encode(request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), ask.model.into());
    let mut messages = Vec::with_capacity(request.messages.len());
    for message in std::mem::take(&mut request.messages) {
        write_message(message, &mut messages)?;
    }
    body.insert("messages".to_owned(), messages.into());
    body.insert("stream".to_owned(), request.stream.into());
    tools(request, ask, &mut body)?;
    settings(request, &mut body);
    Ok(Encoded { path: Cow::Borrowed("/v2/chat"), headers: Vec::new(), body })
}

fn write_message(message: Message, written: &mut Vec<Value>) -> Result<(), ApiError> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    };
    let (mut content, mut calls, mut thought) = (Vec::new(), Vec::new(), String::new());
    for part in message.parts {
        match part.body {
            Body::Text(text) | Body::Refusal(text) if text.is_empty() => {}
            Body::Text(text) | Body::Refusal(text) => content.push(json!({ "type": "text", "text": text })),
            Body::Image(picture) => content.push(image(picture)),
            Body::File { media: Media { source: Source::Text(text), .. }, .. } => {
                content.push(json!({ "type": "text", "text": text }));
            }
            Body::Reasoning { text, .. } => thought.push_str(&text),
            Body::Redacted(_) => {}
            Body::Call(call) => calls.push(write_call(&call)),
            Body::Result(result) => written.push(write_result(&result)),
            Body::Audio(_) | Body::Video(_) | Body::File { .. } => {
                return Err(invalid("messages", "Cohere takes text and pictures only"));
            }
        }
    }
    if content.is_empty() && calls.is_empty() && message.role != Role::User {
        return Ok(());
    }
    let mut message = json!({ "role": role });
    if !content.is_empty() || calls.is_empty() {
        message["content"] = plain(content);
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
        // What the model thought before it called.
        if !thought.is_empty() {
            message["tool_plan"] = thought.into();
        }
    }
    written.push(message);
    Ok(())
}

/// A single text needs no list.
fn plain(mut content: Vec<Value>) -> Value {
    match content.as_mut_slice() {
        [] => "".into(),
        [only] if only["type"] == "text" => only["text"].take(),
        _ => content.into(),
    }
}

fn image(picture: Media) -> Value {
    json!({ "type": "image_url", "image_url": { "url": picture.into_url("image/png") } })
}

fn write_call(call: &Call) -> Value {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.as_str() };
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

fn write_result(result: &CallResult) -> Value {
    json!({ "role": "tool", "tool_call_id": result.id, "content": result.text() })
}

fn tools(request: &mut Request, ask: &Ask<'_>, body: &mut Map<String, Value>) -> Result<(), ApiError> {
    if request.tools.is_empty() {
        return Ok(());
    }
    if request.parallel_calls == Some(false) && request.tools.len() > 1 && !ask.shape.drop_params {
        let words = format!("{} cannot be kept from calling several functions at once.", ask.model);
        let error = ApiError::new(ErrorKind::UnsupportedParams, words);
        return Err(error.with_param(Param::ParallelToolCalls.name()));
    }
    let mut tools = std::mem::take(&mut request.tools);
    let choice = match request.tool_choice.take() {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Required) => Some("REQUIRED"),
        // A choice of one is no choice.
        Some(ToolChoice::Named(name)) => {
            tools.retain(|tool| matches!(tool, Tool::Function(function) if function.name == name));
            if tools.is_empty() {
                return Err(invalid("tool_choice", &format!("there is no function '{name}'")));
            }
            Some("REQUIRED")
        }
    };
    let strict = tools.iter().any(|tool| matches!(tool, Tool::Function(Function { strict: Some(true), .. })));
    body.insert("tools".to_owned(), tools.into_iter().map(tool).collect());
    if let Some(choice) = choice {
        body.insert("tool_choice".to_owned(), choice.into());
    }
    if strict {
        body.insert("strict_tools".to_owned(), true.into());
    }
    Ok(())
}

fn tool(tool: Tool) -> Value {
    match tool {
        Tool::Native(native) => native,
        Tool::Function(function) => {
            let mut written = json!({ "name": function.name });
            if let Some(description) = function.description {
                written["description"] = description.into();
            }
            written["parameters"] = function.schema;
            json!({ "type": "function", "function": written })
        }
    }
}

fn settings(request: &mut Request, body: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    if let Some(most) = request.max_tokens {
        put("max_tokens", most.into());
    }
    if !request.stop.is_empty() {
        put("stop_sequences", std::mem::take(&mut request.stop).into());
    }
    match std::mem::take(&mut request.format) {
        Format::Text => {}
        Format::Json => put("response_format", json!({ "type": "json_object" })),
        Format::Schema(wanted) => {
            put("response_format", json!({ "type": "json_object", "json_schema": wanted.schema }));
        }
    }
    if let Some(reasoning) = request.reasoning {
        put("thinking", thinking(reasoning));
    }
    for (param, value) in std::mem::take(&mut request.params) {
        put(if param == Param::TopP { "p" } else { param.name() }, value);
    }
    if let Some(top_k) = request.other.remove("top_k") {
        put("k", top_k);
    }
}

fn thinking(reasoning: Reasoning) -> Value {
    match (reasoning, reasoning.budget()) {
        (Reasoning::Off, _) => json!({ "type": "disabled" }),
        (_, Some(tokens)) => json!({ "type": "enabled", "token_budget": tokens }),
        (_, None) => json!({ "type": "enabled" }),
    }
}
