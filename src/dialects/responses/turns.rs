//! The conversation: items that become turns.

use crate::dialects::hub::value::{invalid, object, take_optional_text, take_text};
use crate::dialects::hub::{Body, Call, CallResult, Media, Message, Part, Role, Source};
use crate::dialects::proof::{self, Proof};
use crate::domain::ApiError;
use serde_json::{Map, Value};

/// Reads `input`: a text, or a list of items.
pub(super) fn read(value: Value, place: &str) -> Result<Vec<Message>, ApiError> {
    let items = match value {
        Value::String(text) => return Ok(vec![Message::new(Role::User, vec![Part::text(text)])]),
        Value::Array(items) => items,
        _ => return Err(invalid(place, "expected a string or a list of items")),
    };
    let mut messages: Vec<Message> = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        let place = format!("{place}[{i}]");
        let Some((role, parts)) = item_of(object(item, &place)?, &place)? else { continue };
        match messages.last_mut() {
            // What the model did in one turn stands in several items, and so do results.
            Some(last) if last.role == role && matches!(role, Role::Assistant | Role::Tool) => {
                last.parts.extend(parts);
            }
            _ => messages.push(Message::new(role, parts)),
        }
    }
    Ok(messages)
}

/// One item; nothing if it means nothing to other providers.
fn item_of(mut map: Map<String, Value>, place: &str) -> Result<Option<(Role, Vec<Part>)>, ApiError> {
    let kind = take_optional_text(&mut map, "type", place)?.unwrap_or_else(|| "message".to_owned());
    Ok(Some(match kind.as_str() {
        "message" => {
            let role = match take_text(&mut map, "role", place)?.as_str() {
                "user" => Role::User,
                "assistant" => Role::Assistant,
                // Most other servers know one word for the operator only.
                "system" | "developer" => Role::System,
                _ => {
                    return Err(invalid(
                        &format!("{place}.role"),
                        "expected user, assistant, system or developer",
                    ));
                }
            };
            (role, parts(map.remove("content").unwrap_or_default(), &format!("{place}.content"))?)
        }
        "function_call" => {
            let call = Call {
                id: take_text(&mut map, "call_id", place)?,
                name: take_text(&mut map, "name", place)?,
                arguments: take_optional_text(&mut map, "arguments", place)?.unwrap_or_default(),
                signature: None,
            };
            (Role::Assistant, vec![Body::Call(call).into()])
        }
        "function_call_output" => {
            let id = take_text(&mut map, "call_id", place)?;
            let parts = parts(map.remove("output").unwrap_or_default(), &format!("{place}.output"))?;
            (Role::Tool, vec![Body::Result(CallResult { id, name: None, parts, failed: false }).into()])
        }
        "reasoning" => match thought(map, place)? {
            Some(thought) => (Role::Assistant, vec![thought.into()]),
            None => return Ok(None),
        },
        "item_reference" => {
            return Err(invalid(place, "the model's provider keeps no items: send them whole"));
        }
        "compaction" | "compaction_summary" => {
            return Err(invalid(place, "only the provider that wrote it can read it"));
        }
        // What OpenAI's own tools did in turns before; what came of it is in the text.
        "web_search_call"
        | "file_search_call"
        | "code_interpreter_call"
        | "image_generation_call"
        | "mcp_list_tools"
        | "mcp_call" => return Ok(None),
        _ => {
            let what = format!("'{kind}' means nothing to the model's provider");
            return Err(invalid(&format!("{place}.type"), &what));
        }
    }))
}

/// A thought: its words, and its provider's proof if it went through here.
fn thought(mut map: Map<String, Value>, place: &str) -> Result<Option<Body>, ApiError> {
    let sealed = take_optional_text(&mut map, "encrypted_content", place)?;
    let words = |value: Option<Value>| -> String {
        let parts = value.as_ref().and_then(Value::as_array).into_iter().flatten();
        parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
    };
    let (content, summary) = (words(map.remove("content")), words(map.remove("summary")));
    let text = if content.is_empty() { summary } else { content };
    Ok(match sealed.as_deref().and_then(proof::open) {
        Some(Proof::Redacted(data)) => Some(Body::Redacted(data)),
        Some(Proof::Signature(signature)) => Some(Body::Reasoning { text, signature: Some(signature) }),
        None if text.is_empty() => None,
        None => Some(Body::Reasoning { text, signature: None }),
    })
}

/// Reads `content` or `output`: a text, or a list of parts.
fn parts(value: Value, place: &str) -> Result<Vec<Part>, ApiError> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(parts) => {
            let parts = parts.into_iter().enumerate();
            parts.map(|(i, value)| part(value, &format!("{place}[{i}]")).map(Part::from)).collect()
        }
        _ => Err(invalid(place, "expected a string or a list of parts")),
    }
}

fn part(value: Value, place: &str) -> Result<Body, ApiError> {
    let mut map = object(value, place)?;
    let kind = take_text(&mut map, "type", place)?;
    Ok(match kind.as_str() {
        "input_text" | "output_text" | "text" => Body::Text(take_text(&mut map, "text", place)?),
        "refusal" => Body::Refusal(take_text(&mut map, "refusal", place)?),
        "input_image" => Body::Image(media(&mut map, &["image_url"], place)?),
        "input_file" => {
            let name = take_optional_text(&mut map, "filename", place)?;
            Body::File { media: media(&mut map, &["file_data", "file_url"], place)?, name }
        }
        "input_audio" => {
            let mut audio = object(map.remove("input_audio").unwrap_or_default(), place)?;
            let format = take_text(&mut audio, "format", place)?;
            let data = take_text(&mut audio, "data", place)?;
            Body::Audio(Media { kind: format!("audio/{format}"), source: Source::Data(data) })
        }
        _ => return Err(invalid(&format!("{place}.type"), &format!("'{kind}' is not known"))),
    })
}

/// What one of these members holds, or the id of a file.
fn media(map: &mut Map<String, Value>, names: &[&str], place: &str) -> Result<Media, ApiError> {
    for name in names {
        if let Some(url) = take_optional_text(map, name, place)? {
            return Ok(Media::of_url(url));
        }
    }
    match take_optional_text(map, "file_id", place)? {
        Some(id) => Ok(Media { kind: String::new(), source: Source::Id(id) }),
        None => Err(invalid(place, &format!("expected {} or file_id", names.join(", ")))),
    }
}
