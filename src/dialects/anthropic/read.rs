//! A request, read.

use crate::dialects::hub::value::{boolean, count, invalid, list, object, take_optional_text, take_text};
use crate::dialects::hub::{
    Body, Call, CallResult, Effort, Format, Function, Media, Message, Part, Reasoning, Request, Role, Schema,
    Source, Tool, ToolChoice,
};
use crate::dialects::openai::chat;
use crate::domain::ApiError;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Reads a request from its members.
pub(super) fn read(members: &[(Cow<'_, str>, &[u8])]) -> Result<Request, ApiError> {
    let mut request = Request::default();
    let mut system = Vec::new();
    for (name, value) in members {
        let value: Value =
            serde_json::from_slice(value).map_err(|error| invalid(name, &format!("not JSON: {error}")))?;
        match &**name {
            _ if value.is_null() => {}
            "system" => system = parts(value, "system")?,
            _ => set(&mut request, name, value)?,
        }
    }
    if !system.is_empty() {
        request.messages.insert(0, Message::new(Role::System, system));
    }
    Ok(request)
}

fn set(request: &mut Request, name: &str, value: Value) -> Result<(), ApiError> {
    match name {
        "messages" => request.messages = messages(value)?,
        "max_tokens" => request.max_tokens = Some(count(&value, name)?),
        "temperature" | "top_p" => chat::set(request, name, value)?,
        "stop_sequences" => chat::set(request, "stop", value)?,
        "stream" => request.stream = boolean(&value, name)?,
        "tools" => {
            let tools = list(value, name)?.into_iter().enumerate();
            request.tools =
                tools.map(|(i, value)| tool(value, &format!("tools[{i}]"))).collect::<Result<_, _>>()?;
        }
        "tool_choice" => choose(request, value)?,
        "thinking" => {
            // What `output_config` says of the effort is said more exactly.
            let thinking = chat::thinking(&value, name)?;
            request.reasoning.get_or_insert(thinking);
        }
        "output_config" => configure(request, value)?,
        "output_format" => request.format = format(value, name)?,
        "metadata" => request.user = take_optional_text(&mut object(value, name)?, "user_id", name)?,
        // Anthropic's own, and nothing to anybody else.
        "service_tier" | "container" | "context_management" | "betas" | "anthropic_beta"
        | "inference_geo" | "speed" | "cache_control" => {}
        "mcp_servers" => {
            if value.as_array().is_none_or(|servers| !servers.is_empty()) {
                return Err(invalid(name, "the model's provider calls no MCP servers"));
            }
        }
        _ => {
            request.other.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

fn configure(request: &mut Request, value: Value) -> Result<(), ApiError> {
    let mut map = object(value, "output_config")?;
    if let Some(effort) = map.get("effort").and_then(Value::as_str).and_then(Effort::of)
        && request.reasoning != Some(Reasoning::Off)
    {
        request.reasoning = Some(Reasoning::Effort(effort));
    }
    if let Some(value) = map.remove("format").filter(|format| !format.is_null()) {
        request.format = format(value, "output_config.format")?;
    }
    Ok(())
}

fn format(value: Value, place: &str) -> Result<Format, ApiError> {
    let mut map = object(value, place)?;
    match (take_text(&mut map, "type", place)?.as_str(), map.remove("schema")) {
        ("json_schema", Some(schema @ Value::Object(_))) => {
            let (name, description, strict) = ("response".to_owned(), None, Some(true));
            Ok(Format::Schema(Schema { name, description, schema, strict }))
        }
        _ => Err(invalid(place, "expected the type json_schema and a schema")),
    }
}

fn tool(value: Value, place: &str) -> Result<Tool, ApiError> {
    let mut map = object(value, place)?;
    if map.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "custom") {
        return Ok(Tool::Native(Value::Object(map)));
    }
    Ok(Tool::Function(Function {
        name: take_text(&mut map, "name", place)?,
        description: take_optional_text(&mut map, "description", place)?,
        schema: map
            .remove("input_schema")
            .filter(Value::is_object)
            .ok_or_else(|| invalid(&format!("{place}.input_schema"), "expected an object"))?,
        strict: map.get("strict").and_then(Value::as_bool),
        cache: map.remove("cache_control"),
    }))
}

fn choose(request: &mut Request, value: Value) -> Result<(), ApiError> {
    let mut map = object(value, "tool_choice")?;
    let kind = take_text(&mut map, "type", "tool_choice")?;
    request.tool_choice = Some(match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(take_text(&mut map, "name", "tool_choice")?),
        _ => return Err(invalid("tool_choice.type", "expected auto, any, tool or none")),
    });
    if let Some(Value::Bool(single)) = map.get("disable_parallel_tool_use") {
        request.parallel_calls = Some(!single);
    }
    Ok(())
}

fn messages(value: Value) -> Result<Vec<Message>, ApiError> {
    let mut messages = Vec::new();
    for (i, value) in list(value, "messages")?.into_iter().enumerate() {
        let place = format!("messages[{i}]");
        let mut map = object(value, &place)?;
        let role = take_text(&mut map, "role", &place)?;
        let parts = parts(map.remove("content").unwrap_or_default(), &format!("{place}.content"))?;
        match role.as_str() {
            "assistant" => messages.push(Message::new(Role::Assistant, parts)),
            "system" => messages.push(Message::new(Role::System, parts)),
            "user" => by_role(parts, &mut messages),
            _ => return Err(invalid(&format!("{place}.role"), "expected user or assistant")),
        }
    }
    Ok(messages)
}

/// A user's turn holds what functions returned, too: that becomes messages of its own.
fn by_role(parts: Vec<Part>, messages: &mut Vec<Message>) {
    let mut last: Option<Message> = None;
    for part in parts {
        let role = if matches!(part.body, Body::Result(_)) { Role::Tool } else { Role::User };
        match &mut last {
            Some(message) if message.role == role => message.parts.push(part),
            _ => messages.extend(last.replace(Message::new(role, vec![part]))),
        }
    }
    messages.extend(last);
}

/// Reads `content`: a text, or a list of blocks.
fn parts(value: Value, place: &str) -> Result<Vec<Part>, ApiError> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(blocks) => {
            let mut parts = Vec::with_capacity(blocks.len());
            for (i, value) in blocks.into_iter().enumerate() {
                parts.extend(part(value, &format!("{place}[{i}]"))?);
            }
            Ok(parts)
        }
        _ => Err(invalid(place, "expected a string or a list of blocks")),
    }
}

/// One block; nothing if it means nothing to other providers.
fn part(value: Value, place: &str) -> Result<Option<Part>, ApiError> {
    let mut map = object(value, place)?;
    let cache = map.remove("cache_control").filter(|cache| !cache.is_null());
    let kind = take_text(&mut map, "type", place)?;
    let body = match kind.as_str() {
        "text" => Body::Text(take_text(&mut map, "text", place)?),
        "image" => Body::Image(media(&mut map, place)?),
        "document" => {
            Body::File { media: media(&mut map, place)?, name: take_optional_text(&mut map, "title", place)? }
        }
        "thinking" => Body::Reasoning {
            text: take_text(&mut map, "thinking", place)?,
            signature: take_optional_text(&mut map, "signature", place)?,
        },
        "redacted_thinking" => Body::Redacted(take_text(&mut map, "data", place)?),
        "tool_use" => Body::Call(Call {
            id: take_text(&mut map, "id", place)?,
            name: take_text(&mut map, "name", place)?,
            arguments: map.remove("input").unwrap_or_else(|| json!({})).to_string(),
            signature: None,
        }),
        "tool_result" => Body::Result(result(map, place)?),
        "search_result" => Body::Text(search_result(map, place)?),
        // What Anthropic's own tools did in turns before; what came of it is in the text.
        "server_tool_use" | "mcp_tool_use" | "mcp_tool_result" | "container_upload" => return Ok(None),
        _ if kind.ends_with("_tool_result") => return Ok(None),
        _ => return Err(invalid(&format!("{place}.type"), &format!("'{kind}' is not known"))),
    };
    Ok(Some(Part { body, cache }))
}

fn result(mut map: Map<String, Value>, place: &str) -> Result<CallResult, ApiError> {
    let parts = match map.remove("content") {
        None | Some(Value::Null) => Vec::new(),
        Some(content) => parts(content, &format!("{place}.content"))?,
    };
    let failed = map.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    Ok(CallResult { id: take_text(&mut map, "tool_use_id", place)?, name: None, parts, failed })
}

fn search_result(mut map: Map<String, Value>, place: &str) -> Result<String, ApiError> {
    let title = take_optional_text(&mut map, "title", place)?.unwrap_or_default();
    let said = parts(map.remove("content").unwrap_or_else(|| json!([])), &format!("{place}.content"))?;
    Ok(format!("{title}\n{}", Message::new(Role::User, said).text()))
}

fn media(map: &mut Map<String, Value>, place: &str) -> Result<Media, ApiError> {
    let place = format!("{place}.source");
    let mut source = object(map.remove("source").unwrap_or_default(), &place)?;
    let kind = take_optional_text(&mut source, "media_type", &place)?.unwrap_or_default();
    let source = match take_text(&mut source, "type", &place)?.as_str() {
        "base64" => Source::Data(take_text(&mut source, "data", &place)?),
        "text" => Source::Text(take_text(&mut source, "data", &place)?),
        "url" => Source::Url(take_text(&mut source, "url", &place)?),
        "file" => Source::Id(take_text(&mut source, "file_id", &place)?),
        "content" => {
            let said = parts(source.remove("content").unwrap_or_default(), &format!("{place}.content"))?;
            Source::Text(Message::new(Role::User, said).text())
        }
        _ => return Err(invalid(&format!("{place}.type"), "expected base64, url, file or text")),
    };
    Ok(Media { kind, source })
}
