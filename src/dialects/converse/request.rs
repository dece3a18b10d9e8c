//! A request, written.

use super::{EVENT_STREAM, content, settings};
use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{Format, Function, JSON_TOOL, Message, Param, Request, Role, Tool, ToolChoice};
use crate::dialects::{Ask, Encoded};
use crate::domain::{ApiError, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What of a model's name stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Members of the body that clients may write themselves; all else they add is for the model.
const OWN: [&str; 6] = [
    "guardrailConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "additionalModelResponseFieldPaths",
    "serviceTier",
];

pub(super) fn encode(request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
    let mut body = Map::new();
    let (mut system, mut messages) = (Vec::new(), Vec::new());
    let mut documents = 0;
    for message in std::mem::take(&mut request.messages) {
        write_message(message, &mut documents, &mut system, &mut messages)?;
    }
    if messages.is_empty() {
        messages.push(json!({ "role": "user", "content": [{ "text": "." }] }));
    }
    if !system.is_empty() {
        body.insert("system".to_owned(), system.into());
    }
    body.insert("messages".to_owned(), messages.into());
    tools(request, ask, &mut body)?;
    settings::write(request, ask, &mut body)?;
    let mut rest = match request.other.remove("additionalModelRequestFields") {
        Some(Value::Object(own)) => own,
        _ => Map::new(),
    };
    if let Some(Value::Object(made)) = body.remove("additionalModelRequestFields") {
        rest.extend(made);
    }
    for (name, value) in std::mem::take(&mut request.other) {
        let into = if OWN.contains(&name.as_str()) { &mut body } else { &mut rest };
        into.insert(name, value);
    }
    if !rest.is_empty() {
        body.insert("additionalModelRequestFields".to_owned(), rest.into());
    }
    let how = if request.stream { "converse-stream" } else { "converse" };
    let path = format!("/model/{}/{how}", utf8_percent_encode(ask.model, PLAIN));
    let accept = if request.stream { EVENT_STREAM } else { "application/json" };
    Ok(Encoded { path: Cow::Owned(path), headers: vec![("accept", accept.to_owned())], body })
}

fn write_message(
    message: Message,
    documents: &mut usize,
    system: &mut Vec<Value>,
    messages: &mut Vec<Value>,
) -> Result<(), ApiError> {
    let role = match message.role {
        Role::System | Role::Developer => {
            for part in message.parts {
                let text = part.body.text().filter(|text| !text.is_empty());
                system.extend(text.map(|text| json!({ "text": text })));
                system.extend(part.cache.filter(|_| !system.is_empty()).map(|_| content::cache_point()));
            }
            return Ok(());
        }
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    };
    let mut blocks = Vec::with_capacity(message.parts.len());
    for part in message.parts {
        content::write(part, documents, &mut blocks)?;
    }
    if blocks.is_empty() {
        return Ok(());
    }
    // Turns alternate, and all results of a turn stand together.
    if let Some(last) = messages.last_mut()
        && last["role"] == role
        && let Some(Value::Array(before)) = last.get_mut("content")
    {
        before.append(&mut blocks);
        return Ok(());
    }
    messages.push(json!({ "role": role, "content": blocks }));
    Ok(())
}

fn tools(request: &mut Request, ask: &Ask<'_>, body: &mut Map<String, Value>) -> Result<(), ApiError> {
    if request.parallel_calls == Some(false) && request.tools.len() > 1 && !ask.shape.drop_params {
        let words = format!("{} cannot be kept from calling several functions at once.", ask.model);
        let error = ApiError::new(ErrorKind::UnsupportedParams, words);
        return Err(error.with_param(Param::ParallelToolCalls.name()));
    }
    let mut choice = request.tool_choice.take();
    // There is no word for calling nothing, but what is not there cannot be called.
    if choice == Some(ToolChoice::None) && !talks_of_calls(body) {
        request.tools.clear();
    }
    let mut written = Vec::new();
    for tool in std::mem::take(&mut request.tools) {
        let Tool::Function(function) = tool else {
            return Err(invalid("tools", "Bedrock's Converse takes functions only"));
        };
        let cached = function.cache.is_some();
        written.push(declaration(function));
        written.extend(cached.then(content::cache_point));
    }
    let schema = match std::mem::take(&mut request.format) {
        Format::Text => None,
        Format::Json => Some(json!({ "type": "object", "additionalProperties": true, "properties": {} })),
        Format::Schema(wanted) => Some(wanted.schema),
    };
    if let Some(schema) = schema {
        written.push(json!({ "toolSpec": { "name": JSON_TOOL, "inputSchema": { "json": schema } } }));
        // A model that thinks cannot be forced.
        let only = written.len() == 1 && request.reasoning.is_none();
        choice = only.then(|| ToolChoice::Named(JSON_TOOL.to_owned())).or(choice);
    }
    if written.is_empty() {
        return Ok(());
    }
    let mut config = json!({ "tools": written });
    match choice {
        None | Some(ToolChoice::None) => {}
        Some(ToolChoice::Auto) => config["toolChoice"] = json!({ "auto": {} }),
        Some(ToolChoice::Required) => config["toolChoice"] = json!({ "any": {} }),
        Some(ToolChoice::Named(name)) => config["toolChoice"] = json!({ "tool": { "name": name } }),
    }
    body.insert("toolConfig".to_owned(), config);
    Ok(())
}

/// A conversation with calls in it must declare functions.
fn talks_of_calls(body: &Map<String, Value>) -> bool {
    let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
    let mut blocks = messages.filter_map(|message| message.get("content")?.as_array()).flatten();
    blocks.any(|block| block.get("toolUse").is_some() || block.get("toolResult").is_some())
}

fn declaration(function: Function) -> Value {
    let mut written = json!({ "name": function.name });
    if let Some(description) = function.description.filter(|words| !words.is_empty()) {
        written["description"] = description.into();
    }
    written["inputSchema"] = json!({ "json": function.schema });
    json!({ "toolSpec": written })
}
