//! What the model may call, and must.

use crate::dialects::hub::value::{invalid, list, object, take_optional_text, take_text};
use crate::dialects::hub::{Function, Request, Tool, ToolChoice};
use crate::domain::ApiError;
use serde_json::{Value, json};

/// Reads `tools`. Those that OpenAI runs itself cannot be had from others.
pub(super) fn offer(request: &mut Request, value: Value) -> Result<(), ApiError> {
    let tools = list(value, "tools")?.into_iter().enumerate();
    request.tools =
        tools.map(|(i, tool)| function(tool, &format!("tools[{i}]"))).collect::<Result<_, _>>()?;
    Ok(())
}

fn function(value: Value, place: &str) -> Result<Tool, ApiError> {
    let mut map = object(value, place)?;
    let kind = take_text(&mut map, "type", place)?;
    if kind != "function" {
        let what =
            format!("the model's provider has no tool '{kind}' by this API: only functions can be offered");
        return Err(invalid(&format!("{place}.type"), &what));
    }
    let schema = map.remove("parameters").filter(|schema| !schema.is_null());
    Ok(Tool::Function(Function {
        name: take_text(&mut map, "name", place)?,
        description: take_optional_text(&mut map, "description", place)?,
        schema: schema.unwrap_or_else(|| json!({ "type": "object", "properties": {} })),
        strict: map.get("strict").and_then(Value::as_bool),
        cache: None,
    }))
}

/// Reads `tool_choice`; gives the list of tools that it leaves, if it has one.
pub(super) fn choose(request: &mut Request, value: Value) -> Result<Option<Value>, ApiError> {
    let place = "tool_choice";
    let word = |word: &str| match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" => Some(ToolChoice::Required),
        _ => None,
    };
    let bad = || invalid(place, "expected auto, none, required or a function");
    let mut map = match value {
        Value::String(text) => {
            request.tool_choice = Some(word(&text).ok_or_else(bad)?);
            return Ok(None);
        }
        other => object(other, place)?,
    };
    let mut allowed = None;
    request.tool_choice = Some(match take_text(&mut map, "type", place)?.as_str() {
        "function" => ToolChoice::Named(take_text(&mut map, "name", place)?),
        "allowed_tools" => {
            let mode = take_optional_text(&mut map, "mode", place)?.unwrap_or_else(|| "auto".to_owned());
            allowed = map.remove("tools");
            word(&mode).ok_or_else(bad)?
        }
        _ => return Err(bad()),
    });
    Ok(allowed)
}

/// Leaves the tools that are allowed.
pub(super) fn narrow(request: &mut Request, allowed: &Value) {
    let named =
        |name: &str| allowed.as_array().is_some_and(|list| list.iter().any(|tool| tool["name"] == name));
    request.tools.retain(|tool| matches!(tool, Tool::Function(function) if named(&function.name)));
}
