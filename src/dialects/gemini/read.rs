//! A request of a client, read.

use super::names::camel;
use super::{content, settings, tools};
use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{Message, Part, Request, Role};
use crate::domain::ApiError;
use serde_json::Value;
use std::borrow::Cow;

/// Reads a request from its members.
pub(super) fn read(members: &[(Cow<'_, str>, &[u8])]) -> Result<Request, ApiError> {
    let mut request = Request::default();
    let mut system = None;
    // The choice narrows the tools, wherever it stands.
    let mut choice = None;
    for (name, value) in members {
        let value: Value =
            serde_json::from_slice(value).map_err(|error| invalid(name, &format!("not JSON: {error}")))?;
        match &*camel(name) {
            _ if value.is_null() => {}
            "contents" => request.messages = content::messages(value)?,
            "systemInstruction" => system = operator(value)?,
            "tools" => request.tools = tools::offer(value)?,
            "toolConfig" => choice = Some(value),
            "generationConfig" => settings::read(&mut request, value)?,
            "cachedContent" => {
                return Err(invalid(name, "the model's provider keeps no contents: send them whole"));
            }
            // Google's own, and nothing to anybody else.
            "safetySettings" | "labels" | "serviceTier" => {}
            _ => {
                request.other.insert((**name).to_owned(), value);
            }
        }
    }
    if let Some(choice) = choice {
        tools::choose(&mut request, choice)?;
    }
    request.messages.splice(..0, system);
    Ok(request)
}

fn operator(value: Value) -> Result<Option<Message>, ApiError> {
    let parts = match value {
        Value::String(text) => vec![Part::text(text)],
        other => content::operator(other)?,
    };
    Ok((!parts.is_empty()).then(|| Message::new(Role::System, parts)))
}
