//! A request, read.

use super::{tools, turns};
use crate::dialects::hub::value::{count, invalid, object, take_optional_text, take_text};
use crate::dialects::hub::{Format, Message, Request, Role, Schema};
use crate::dialects::openai::chat;
use crate::domain::ApiError;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Reads a request from its members.
pub(super) fn read(members: &[(Cow<'_, str>, &[u8])]) -> Result<Request, ApiError> {
    let mut request = Request::default();
    let (mut instructions, mut allowed) = (None, None);
    for (name, value) in members {
        let value: Value =
            serde_json::from_slice(value).map_err(|error| invalid(name, &format!("not JSON: {error}")))?;
        match &**name {
            _ if value.is_null() => {}
            "instructions" => instructions = Some(value),
            "tool_choice" => allowed = tools::choose(&mut request, value)?,
            _ => set(&mut request, name, value)?,
        }
    }
    if let Some(allowed) = allowed {
        tools::narrow(&mut request, &allowed);
    }
    match instructions {
        None => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(said) => {
            let mut said = turns::read(said, "instructions")?;
            said.iter_mut().filter(|message| message.role == Role::User).for_each(as_operator);
            request.messages.splice(..0, said);
        }
    }
    Ok(request)
}

fn as_operator(message: &mut Message) {
    message.role = Role::System;
}

fn set(request: &mut Request, name: &str, value: Value) -> Result<(), ApiError> {
    match name {
        "input" => request.messages = turns::read(value, name)?,
        "max_output_tokens" => request.max_tokens = Some(count(&value, name)?),
        "temperature"
        | "top_p"
        | "parallel_tool_calls"
        | "user"
        | "stream"
        | "service_tier"
        | "safety_identifier"
        | "prompt_cache_key"
        | "prompt_cache_retention" => {
            chat::set(request, name, value)?;
        }
        "tools" => tools::offer(request, value)?,
        "text" => text(request, value)?,
        "reasoning" => reasoning(request, value)?,
        "top_logprobs" if value.as_u64() == Some(0) => {}
        "include" if !value.to_string().contains("logprobs") => {}
        "store" | "background" if value == Value::Bool(false) => {}
        "store"
        | "background"
        | "previous_response_id"
        | "conversation"
        | "prompt"
        | "top_logprobs"
        | "include" => return Err(of_openai(name)),
        // Said by many clients, and nothing to anybody else.
        "metadata" | "truncation" | "max_tool_calls" | "stream_options" => {}
        _ => {
            request.other.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

fn of_openai(name: &str) -> ApiError {
    let what = match name {
        "top_logprobs" | "include" => "the model's provider tells no log probabilities by this API",
        "prompt" => "the model's provider keeps no prompts",
        "background" => "the model's provider answers at once or not at all",
        _ => "the model's provider keeps no responses: send the whole conversation as input",
    };
    invalid(name, what)
}

fn reasoning(request: &mut Request, value: Value) -> Result<(), ApiError> {
    let effort = object(value, "reasoning")?.remove("effort").unwrap_or_default();
    chat::set(request, "reasoning_effort", effort)
}

fn text(request: &mut Request, value: Value) -> Result<(), ApiError> {
    let mut map = object(value, "text")?;
    if let Some(verbosity) = map.remove("verbosity") {
        chat::set(request, "verbosity", verbosity)?;
    }
    let Some(format) = map.remove("format").filter(|format| !format.is_null()) else { return Ok(()) };
    request.format = self::format(object(format, "text.format")?)?;
    Ok(())
}

fn format(mut map: Map<String, Value>) -> Result<Format, ApiError> {
    let place = "text.format";
    Ok(match take_text(&mut map, "type", place)?.as_str() {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => Format::Schema(Schema {
            name: take_optional_text(&mut map, "name", place)?.unwrap_or_else(|| "response".to_owned()),
            description: take_optional_text(&mut map, "description", place)?,
            schema: map
                .remove("schema")
                .filter(Value::is_object)
                .ok_or_else(|| invalid("text.format.schema", "expected an object"))?,
            strict: map.get("strict").and_then(Value::as_bool),
        }),
        _ => return Err(invalid("text.format.type", "expected text, json_object or json_schema")),
    })
}
