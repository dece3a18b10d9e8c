//! A request, written.

use super::param::named;
use super::write::tool_call;
use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{
    Body, CallResult, Format, Function, Media, Message, Part, Request, Role, Schema, Source, Tool, ToolChoice,
};
use crate::dialects::{Ask, Encoded};
use crate::domain::ApiError;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

pub(super) fn encode(request: &mut Request, ask: &Ask<'_>) -> Result<Encoded, ApiError> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("model", ask.model.into());
    let mut messages = Vec::with_capacity(request.messages.len());
    for message in std::mem::take(&mut request.messages) {
        write_message(message, ask, &mut messages)?;
    }
    put("messages", messages.into());
    if !request.tools.is_empty() {
        let tools = std::mem::take(&mut request.tools).into_iter().enumerate();
        put("tools", tools.map(|(i, tool)| write_tool(i, tool)).collect::<Result<Vec<_>, _>>()?.into());
        if let Some(choice) = &request.tool_choice {
            put("tool_choice", write_choice(choice));
        }
        if let Some(parallel) = request.parallel_calls {
            put("parallel_tool_calls", parallel.into());
        }
    }
    match std::mem::take(&mut request.format) {
        Format::Text => None,
        Format::Json => put("response_format", json!({ "type": "json_object" })),
        Format::Schema(schema) => put("response_format", write_schema(schema)),
    };
    if let Some(most) = request.max_tokens {
        put(max_tokens_name(ask), most.into());
    }
    if !request.stop.is_empty() {
        put("stop", std::mem::take(&mut request.stop).into());
    }
    if let Some(effort) = request.reasoning.and_then(|reasoning| reasoning.effort()) {
        put("reasoning_effort", effort.word().into());
    }
    if let Some(user) = request.user.take() {
        put("user", user.into());
    }
    for (param, value) in std::mem::take(&mut request.params) {
        put(param.name(), value);
    }
    if request.stream {
        put("stream", true.into());
        if ask.shape.params.takes_stream_options {
            put("stream_options", json!({ "include_usage": true }));
        }
    }
    Ok(Encoded { path: Cow::Borrowed("/chat/completions"), headers: Vec::new(), body })
}

/// OpenAI's models that think know only the newer name, and other servers only the older one.
fn max_tokens_name(ask: &Ask<'_>) -> &'static str {
    let thinks = ["o1", "o3", "o4", "gpt-5"].iter().any(|start| ask.model.starts_with(start));
    if ask.provider == "openai" && thinks { "max_completion_tokens" } else { "max_tokens" }
}

/// Providers whose models want to see their own thoughts again; others refuse the member.
const RECALLED: [&str; 3] = ["deepseek", "hosted_vllm", "moonshot"];

fn write_message(message: Message, ask: &Ask<'_>, out: &mut Vec<Value>) -> Result<(), ApiError> {
    let role = match message.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => return write_assistant(message, ask, out),
        Role::Tool => return write_results(message, out),
    };
    let mut written = json!({ "role": role, "content": content(message.parts)? });
    if let Some(name) = message.name {
        written["name"] = name.into();
    }
    out.push(written);
    Ok(())
}

fn write_assistant(message: Message, ask: &Ask<'_>, out: &mut Vec<Value>) -> Result<(), ApiError> {
    let (mut said, mut calls, mut thoughts) = (Vec::new(), Vec::new(), String::new());
    for part in message.parts {
        match part.body {
            Body::Call(call) => calls.push(tool_call(&call)),
            Body::Reasoning { text, .. } => thoughts.push_str(&text),
            Body::Redacted(_) => {}
            Body::Refusal(text) => said.push(Part::text(text)),
            _ => said.push(part),
        }
    }
    let content = if said.is_empty() && !calls.is_empty() { Value::Null } else { content(said)? };
    let mut written = json!({ "role": "assistant", "content": content });
    if !calls.is_empty() {
        written["tool_calls"] = calls.into();
    }
    if !thoughts.is_empty() && RECALLED.contains(&ask.provider) {
        written["reasoning_content"] = thoughts.into();
    }
    out.push(written);
    Ok(())
}

/// Every result is a message of its own. Only text fits into one: pictures follow as the user's.
fn write_results(message: Message, out: &mut Vec<Value>) -> Result<(), ApiError> {
    let mut shown = Vec::new();
    for part in message.parts {
        let Body::Result(CallResult { id, parts, failed, .. }) = part.body else { continue };
        let (texts, media): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.body.text().is_some());
        let text: String = texts.iter().filter_map(|part| part.body.text()).collect();
        let text = match (text.is_empty(), failed, media.is_empty()) {
            (false, _, _) => text,
            (true, true, _) => "The call failed.".to_owned(),
            (true, false, true) => text,
            (true, false, false) => "The result follows.".to_owned(),
        };
        out.push(json!({ "role": "tool", "tool_call_id": id, "content": text }));
        shown.extend(media);
    }
    if !shown.is_empty() {
        out.push(json!({ "role": "user", "content": content(shown)? }));
    }
    Ok(())
}

/// One text is a string; anything else is a list of parts.
fn content(mut parts: Vec<Part>) -> Result<Value, ApiError> {
    if parts.len() == 1
        && let Some(Part { body: Body::Text(text), .. }) = parts.first_mut()
    {
        return Ok(Value::String(std::mem::take(text)));
    }
    if parts.is_empty() {
        return Ok(Value::String(String::new()));
    }
    parts.into_iter().map(|part| write_part(part.body)).collect::<Result<Vec<_>, _>>().map(Value::from)
}

fn write_part(body: Body) -> Result<Value, ApiError> {
    Ok(match body {
        Body::Text(text) | Body::Refusal(text) => json!({ "type": "text", "text": text }),
        Body::Image(media) => {
            json!({ "type": "image_url", "image_url": { "url": media.into_url("image/png") } })
        }
        Body::Video(media) => {
            json!({ "type": "video_url", "video_url": { "url": media.into_url("video/mp4") } })
        }
        Body::Audio(media) => audio(&media)?,
        Body::File { media, name } => file(media, name),
        Body::Reasoning { .. } | Body::Redacted(_) | Body::Call(_) | Body::Result(_) => {
            return Err(invalid("messages", "a thought, a call or a result stands where none can"));
        }
    })
}

fn audio(media: &Media) -> Result<Value, ApiError> {
    let Source::Data(data) = &media.source else {
        return Err(invalid("messages", "audio must be sent in base64 to this provider"));
    };
    let format = media.kind.rsplit('/').next().filter(|format| !format.is_empty()).unwrap_or("wav");
    Ok(json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } }))
}

fn file(media: Media, name: Option<String>) -> Value {
    let name = name.unwrap_or_else(|| "document.pdf".to_owned());
    match media.source {
        Source::Id(id) => json!({ "type": "file", "file": { "file_id": id } }),
        Source::Text(text) => json!({ "type": "text", "text": text }),
        Source::Data(_) | Source::Url(_) => {
            let data = media.into_url("application/pdf");
            json!({ "type": "file", "file": { "filename": name, "file_data": data } })
        }
    }
}

fn write_tool(i: usize, tool: Tool) -> Result<Value, ApiError> {
    let Function { name, description, schema, strict, .. } = match tool {
        Tool::Function(function) => function,
        Tool::Native(native) => {
            let kind = native.get("type").and_then(Value::as_str).unwrap_or_default();
            return Err(invalid(
                &format!("tools[{i}]"),
                &format!("the model's provider has no tool '{kind}'"),
            ));
        }
    };
    let mut function = named(&name);
    if let Some(description) = description {
        function.insert("description".to_owned(), description.into());
    }
    function.insert("parameters".to_owned(), schema);
    if let Some(strict) = strict {
        function.insert("strict".to_owned(), strict.into());
    }
    Ok(json!({ "type": "function", "function": function }))
}

fn write_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({ "type": "function", "function": named(name) }),
    }
}

fn write_schema(schema: Schema) -> Value {
    let mut inner = named(&schema.name);
    if let Some(description) = schema.description {
        inner.insert("description".to_owned(), description.into());
    }
    inner.insert("schema".to_owned(), schema.schema);
    if let Some(strict) = schema.strict {
        inner.insert("strict".to_owned(), strict.into());
    }
    json!({ "type": "json_schema", "json_schema": inner })
}
