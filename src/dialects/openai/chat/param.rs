//! One member of a request, by its name.

use super::message;
use crate::dialects::hub::value::{
    boolean, count, invalid, list, object, take_optional_text, take_text, text,
};
use crate::dialects::hub::{Effort, Format, Function, Param, Reasoning, Request, Schema, Tool, ToolChoice};
use crate::domain::{ApiError, ErrorKind};
use serde_json::{Map, Value, json};

/// A value that the gateway's own reader let pass, but that is no JSON after all.
pub(super) fn not_json(name: &str, error: &serde_json::Error) -> ApiError {
    ApiError::new(ErrorKind::InvalidJson, format!("Invalid JSON payload: in '{name}': {error}"))
}

/// Says a parameter by OpenAI's name. Null says nothing. What nobody here knows is kept as it is.
///
/// # Errors
/// If the value is not of the parameter's form.
pub fn set(request: &mut Request, name: &str, value: Value) -> Result<(), ApiError> {
    if value.is_null() {
        return Ok(());
    }
    match name {
        "messages" => request.messages = message::messages(value)?,
        "stream" => request.stream = boolean(&value, name)?,
        "tools" => {
            let tools = list(value, name)?.into_iter().enumerate();
            request.tools =
                tools.map(|(i, value)| tool(value, &format!("tools[{i}]"))).collect::<Result<_, _>>()?;
        }
        "functions" => {
            let functions = list(value, name)?.into_iter().enumerate();
            let read = |(i, value)| function(value, &format!("functions[{i}]")).map(Tool::Function);
            request.tools = functions.map(read).collect::<Result<_, _>>()?;
        }
        "tool_choice" | "function_call" => request.tool_choice = Some(tool_choice(value, name)?),
        "parallel_tool_calls" => request.parallel_calls = Some(boolean(&value, name)?),
        "response_format" => request.format = format(value, name)?,
        "reasoning_effort" => request.reasoning = Some(effort(&value, name)?),
        "thinking" => request.reasoning = Some(thinking(&value, name)?),
        "max_completion_tokens" => request.max_tokens = Some(count(&value, name)?),
        "max_tokens" => {
            let most = count(&value, name)?;
            request.max_tokens.get_or_insert(most);
        }
        "stop" => request.stop = stop(value, name)?,
        "user" => request.user = Some(text(value, name)?),
        _ => match Param::of(name) {
            Some(param) => request.params.push((param, checked(param, value)?)),
            None => {
                request.other.insert(name.to_owned(), value);
            }
        },
    }
    Ok(())
}

/// Whether a parameter of OpenAI's name was said.
#[must_use]
pub fn has(request: &Request, name: &str) -> bool {
    match name {
        "messages" | "stream" => true,
        "tools" | "functions" => !request.tools.is_empty(),
        "tool_choice" | "function_call" => request.tool_choice.is_some(),
        "parallel_tool_calls" => request.parallel_calls.is_some(),
        "response_format" => request.format != Format::Text,
        "reasoning_effort" | "thinking" => request.reasoning.is_some(),
        "max_tokens" | "max_completion_tokens" => request.max_tokens.is_some(),
        "stop" => !request.stop.is_empty(),
        "user" => request.user.is_some(),
        _ => match Param::of(name) {
            Some(param) => request.param(param).is_some(),
            None => request.other.contains_key(name),
        },
    }
}

fn checked(param: Param, value: Value) -> Result<Value, ApiError> {
    let fits = match param {
        Param::Temperature | Param::TopP | Param::FrequencyPenalty | Param::PresencePenalty => {
            value.is_number()
        }
        Param::N | Param::TopLogprobs => value.is_u64(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(invalid(param.name(), "expected a number")) }
}

fn tool(value: Value, place: &str) -> Result<Tool, ApiError> {
    let mut map = object(value, place)?;
    if map.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "function") {
        return Ok(Tool::Native(Value::Object(map)));
    }
    let Some(inner) = map.remove("function") else {
        return Err(invalid(&format!("{place}.function"), "it is missing"));
    };
    let mut function = function(inner, &format!("{place}.function"))?;
    function.cache = map.remove("cache_control").or(function.cache);
    Ok(Tool::Function(function))
}

fn function(value: Value, place: &str) -> Result<Function, ApiError> {
    let mut map = object(value, place)?;
    let schema = map.remove("parameters").filter(|schema| !schema.is_null());
    Ok(Function {
        name: take_text(&mut map, "name", place)?,
        description: take_optional_text(&mut map, "description", place)?,
        schema: schema.unwrap_or_else(|| json!({ "type": "object", "properties": {} })),
        strict: map.get("strict").and_then(Value::as_bool),
        cache: map.remove("cache_control"),
    })
}

fn tool_choice(value: Value, name: &str) -> Result<ToolChoice, ApiError> {
    let mut map = match value {
        Value::String(word) => {
            return choice(&word).ok_or_else(|| invalid(name, "expected auto, none or required"));
        }
        other => object(other, name)?,
    };
    let named = match map.remove("function") {
        Some(Value::Object(mut function)) => Some(take_text(&mut function, "name", name)?),
        _ => take_optional_text(&mut map, "name", name)?,
    };
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    let chosen = named.map(ToolChoice::Named).or_else(|| choice(kind));
    chosen.ok_or_else(|| invalid(name, "expected the name of a function"))
}

fn choice(word: &str) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" | "any" => Some(ToolChoice::Required),
        _ => None,
    }
}

fn format(value: Value, name: &str) -> Result<Format, ApiError> {
    let mut map = object(value, name)?;
    match map.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(match map.remove("response_schema") {
            Some(schema) => Format::Schema(bare_schema(schema)),
            None => Format::Json,
        }),
        Some("json_schema") => {
            schema(map.remove("json_schema").unwrap_or_default(), name).map(Format::Schema)
        }
        _ => Err(invalid(name, "expected the type text, json_object or json_schema")),
    }
}

fn bare_schema(schema: Value) -> Schema {
    Schema { name: "response".to_owned(), description: None, schema, strict: None }
}

fn schema(value: Value, name: &str) -> Result<Schema, ApiError> {
    let place = format!("{name}.json_schema");
    let mut map = object(value, &place)?;
    let Some(schema) = map.remove("schema").filter(Value::is_object) else {
        return Err(invalid(&format!("{place}.schema"), "expected an object"));
    };
    Ok(Schema {
        name: take_optional_text(&mut map, "name", &place)?.unwrap_or_else(|| "response".to_owned()),
        description: take_optional_text(&mut map, "description", &place)?,
        schema,
        strict: map.get("strict").and_then(Value::as_bool),
    })
}

fn effort(value: &Value, name: &str) -> Result<Reasoning, ApiError> {
    let word = value.as_str().or_else(|| value.get("effort")?.as_str());
    let read = match word {
        Some("none" | "disable") => Some(Reasoning::Off),
        Some("default" | "auto") => Some(Reasoning::Adaptive),
        Some(word) => Effort::of(word).map(Reasoning::Effort),
        None => None,
    };
    read.ok_or_else(|| invalid(name, "expected none, minimal, low, medium, high, xhigh or max"))
}

/// Anthropic's `thinking`, which LiteLLM takes from every client.
pub(in crate::dialects) fn thinking(value: &Value, name: &str) -> Result<Reasoning, ApiError> {
    match value.get("type").and_then(Value::as_str) {
        Some("disabled") => Ok(Reasoning::Off),
        Some("adaptive") => Ok(Reasoning::Adaptive),
        Some("enabled") => match value.get("budget_tokens") {
            None => Ok(Reasoning::Adaptive),
            Some(budget) => count(budget, &format!("{name}.budget_tokens")).map(Reasoning::Budget),
        },
        _ => Err(invalid(name, "expected the type enabled, adaptive or disabled")),
    }
}

fn stop(value: Value, name: &str) -> Result<Vec<String>, ApiError> {
    match value {
        Value::String(one) => Ok(vec![one]),
        Value::Array(many) => many.into_iter().map(|one| text(one, name)).collect(),
        _ => Err(invalid(name, "expected a string or a list of strings")),
    }
}

/// A tool's or a choice's map, for writing.
pub(super) fn named(name: &str) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), Value::from(name))])
}
