//! What the model may call, and must, as clients write it.

use super::names::camels;
use super::schema;
use crate::dialects::hub::value::{invalid, list, object, take_optional_text, take_text};
use crate::dialects::hub::{Function, Request, Tool, ToolChoice};
use crate::domain::ApiError;
use serde_json::{Value, json};

/// Reads `tools`. Those that Google runs itself cannot be had from others.
pub(super) fn offer(value: Value) -> Result<Vec<Tool>, ApiError> {
    let mut tools = Vec::new();
    for (i, tool) in list(value, "tools")?.into_iter().enumerate() {
        let place = format!("tools[{i}]");
        for (name, value) in camels(object(tool, &place)?) {
            if value.is_null() {
                continue;
            }
            if name != "functionDeclarations" {
                let what =
                    format!("the model's provider has no tool '{name}': only functions can be offered");
                return Err(invalid(&place, &what));
            }
            for function in list(value, &place)? {
                tools.push(Tool::Function(declared(function, &place)?));
            }
        }
    }
    Ok(tools)
}

fn declared(value: Value, place: &str) -> Result<Function, ApiError> {
    let mut map = camels(object(value, place)?);
    let given = |value: Option<Value>| value.filter(|value| !value.is_null());
    let own = given(map.remove("parametersJsonSchema"));
    let schema = own.or_else(|| given(map.remove("parameters")).map(schema::read));
    Ok(Function {
        name: take_text(&mut map, "name", place)?,
        description: take_optional_text(&mut map, "description", place)?,
        schema: schema.unwrap_or_else(|| json!({ "type": "object", "properties": {} })),
        strict: None,
        cache: None,
    })
}

/// Reads `toolConfig`; the tools are known by then.
pub(super) fn choose(request: &mut Request, value: Value) -> Result<(), ApiError> {
    let place = "toolConfig.functionCallingConfig";
    let config = camels(object(value, "toolConfig")?).remove("functionCallingConfig").unwrap_or_default();
    if config.is_null() {
        return Ok(());
    }
    let mut map = camels(object(config, place)?);
    let names = match map.remove("allowedFunctionNames") {
        None | Some(Value::Null) => Vec::new(),
        Some(names) => list(names, place)?,
    };
    let mode = take_optional_text(&mut map, "mode", place)?.unwrap_or_default().to_ascii_uppercase();
    if !names.is_empty() {
        request.tools.retain(|tool| match tool {
            Tool::Function(function) => names.iter().any(|name| *name == function.name),
            Tool::Native(_) => true,
        });
    }
    let only = match names.as_slice() {
        [Value::String(name)] => Some(name.clone()),
        _ => None,
    };
    request.tool_choice = match (mode.as_str(), only) {
        ("" | "MODE_UNSPECIFIED", _) => None,
        ("AUTO" | "VALIDATED", _) => Some(ToolChoice::Auto),
        ("NONE", _) => Some(ToolChoice::None),
        ("ANY", Some(name)) => Some(ToolChoice::Named(name)),
        ("ANY", None) => Some(ToolChoice::Required),
        _ => return Err(invalid(&format!("{place}.mode"), "expected AUTO, ANY, NONE or VALIDATED")),
    };
    Ok(())
}
