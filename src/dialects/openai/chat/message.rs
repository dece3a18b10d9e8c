//! Messages, read.

use crate::dialects::hub::value::{invalid, list, object, take_optional_text, take_text, text};
use crate::dialects::hub::{Body, Call, CallResult, Media, Message, Part, Role, Source};
use crate::domain::ApiError;
use serde_json::{Map, Value};

/// Reads `messages`.
pub(super) fn messages(value: Value) -> Result<Vec<Message>, ApiError> {
    let mut messages = Vec::new();
    for (i, value) in list(value, "messages")?.into_iter().enumerate() {
        messages.push(message(value, &format!("messages[{i}]"))?);
    }
    Ok(messages)
}

fn message(value: Value, place: &str) -> Result<Message, ApiError> {
    let mut map = object(value, place)?;
    let role = take_text(&mut map, "role", place)?;
    let content = map.remove("content").unwrap_or_default();
    let parts = parts(content, &format!("{place}.content"))?;
    let name = take_optional_text(&mut map, "name", place)?;
    let cache = map.remove("cache_control");
    let mut message = match role.as_str() {
        "system" => Message::new(Role::System, parts),
        "developer" => Message::new(Role::Developer, parts),
        "user" => Message::new(Role::User, parts),
        "assistant" => Message::new(Role::Assistant, assistant(parts, &mut map, place)?),
        "tool" => {
            let id = take_text(&mut map, "tool_call_id", place)?;
            return Ok(result(id, name, parts, cache));
        }
        "function" => {
            let id = name.clone().ok_or_else(|| invalid(&format!("{place}.name"), "it is missing"))?;
            return Ok(result(id, name, parts, cache));
        }
        _ => {
            let what = "expected system, developer, user, assistant, tool or function";
            return Err(invalid(&format!("{place}.role"), what));
        }
    };
    message.name = name;
    // LiteLLM lets a message be marked as a whole; the mark then stands at its last part.
    if let (Some(cache), Some(last)) = (cache, message.parts.last_mut()) {
        last.cache.get_or_insert(cache);
    }
    Ok(message)
}

fn result(id: String, name: Option<String>, parts: Vec<Part>, cache: Option<Value>) -> Message {
    let body = Body::Result(CallResult { id, name, parts, failed: false });
    Message::new(Role::Tool, vec![Part { body, cache }])
}

/// What an assistant said, and before it what it thought, and after it what it called.
fn assistant(said: Vec<Part>, map: &mut Map<String, Value>, place: &str) -> Result<Vec<Part>, ApiError> {
    let mut parts = thoughts(map);
    parts.extend(said);
    if let Some(Value::String(refusal)) = map.remove("refusal") {
        parts.push(Body::Refusal(refusal).into());
    }
    if let Some(Value::Object(call)) = map.remove("function_call") {
        let place = format!("{place}.function_call");
        parts.push(Body::Call(function_call(call, None, &place)?).into());
    }
    let calls = map.remove("tool_calls").filter(|calls| !calls.is_null());
    let calls = calls.map_or(Ok(Vec::new()), |calls| list(calls, &format!("{place}.tool_calls")))?;
    for (i, value) in calls.into_iter().enumerate() {
        let place = format!("{place}.tool_calls[{i}]");
        let mut call = object(value, &place)?;
        let id = take_text(&mut call, "id", &place)?;
        let function = object(call.remove("function").unwrap_or_default(), &format!("{place}.function"))?;
        let cache = call.remove("cache_control");
        let mut call_of = function_call(function, Some(id), &format!("{place}.function"))?;
        call_of.signature = signature(&call);
        parts.push(Part { body: Body::Call(call_of), cache });
    }
    Ok(parts)
}

/// Gemini's proof of thought, where its own OpenAI-compatible endpoint and LiteLLM put it.
fn signature(call: &Map<String, Value>) -> Option<String> {
    let own = call.get("extra_content").and_then(|extra| extra.pointer("/google/thought_signature"));
    let theirs = call.get("provider_specific_fields").and_then(|fields| fields.get("thought_signature"));
    own.or(theirs)?.as_str().map(str::to_owned)
}

fn function_call(
    mut function: Map<String, Value>,
    id: Option<String>,
    place: &str,
) -> Result<Call, ApiError> {
    let name = take_text(&mut function, "name", place)?;
    let arguments = match function.remove("arguments") {
        Some(Value::String(arguments)) => arguments,
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    // The old form has no ids; its results name the function.
    Ok(Call { id: id.unwrap_or_else(|| name.clone()), name, arguments, signature: None })
}

/// `thinking_blocks` as LiteLLM gives them to clients, else `reasoning_content`.
fn thoughts(map: &mut Map<String, Value>) -> Vec<Part> {
    let plain = map.remove("reasoning_content").or_else(|| map.remove("reasoning"));
    if let Some(Value::Array(blocks)) = map.remove("thinking_blocks") {
        return blocks.into_iter().filter_map(thought).map(Part::from).collect();
    }
    match plain {
        Some(Value::String(text)) if !text.is_empty() => {
            vec![Body::Reasoning { text, signature: None }.into()]
        }
        _ => Vec::new(),
    }
}

fn thought(block: Value) -> Option<Body> {
    let Value::Object(mut map) = block else { return None };
    let mut own = |name: &str| match map.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match own("type")?.as_str() {
        "thinking" => {
            Some(Body::Reasoning { text: own("thinking").unwrap_or_default(), signature: own("signature") })
        }
        "redacted_thinking" => own("data").map(Body::Redacted),
        _ => None,
    }
}

/// Reads `content`: a text, a list of parts, or nothing.
fn parts(value: Value, place: &str) -> Result<Vec<Part>, ApiError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(parts) => {
            let read = |(i, value)| part(value, &format!("{place}[{i}]"));
            parts.into_iter().enumerate().map(read).collect()
        }
        _ => Err(invalid(place, "expected a string or a list of parts")),
    }
}

fn part(value: Value, place: &str) -> Result<Part, ApiError> {
    if let Value::String(text) = value {
        return Ok(Part::text(text));
    }
    let mut map = object(value, place)?;
    let cache = map.remove("cache_control");
    let kind = take_text(&mut map, "type", place)?;
    let body = match kind.as_str() {
        "text" | "input_text" | "output_text" => Body::Text(take_text(&mut map, "text", place)?),
        "refusal" => Body::Refusal(take_text(&mut map, "refusal", place)?),
        "image_url" | "input_image" => Body::Image(located(&mut map, "image_url", place)?),
        "video_url" => Body::Video(located(&mut map, "video_url", place)?),
        "input_audio" => Body::Audio(audio(&mut map, place)?),
        "file" | "input_file" => file(map, place)?,
        "thinking" | "redacted_thinking" => {
            map.insert("type".to_owned(), Value::from(kind));
            thought(Value::Object(map)).ok_or_else(|| invalid(place, "not a thought"))?
        }
        _ => return Err(invalid(&format!("{place}.type"), &format!("'{kind}' is not known"))),
    };
    Ok(Part { body, cache })
}

fn located(map: &mut Map<String, Value>, name: &str, place: &str) -> Result<Media, ApiError> {
    let place = format!("{place}.{name}");
    let (url, kind) = match map.remove(name) {
        Some(Value::String(url)) => (url, None),
        Some(Value::Object(mut inner)) => {
            (take_text(&mut inner, "url", &place)?, take_optional_text(&mut inner, "format", &place)?)
        }
        _ => return Err(invalid(&place, "expected an object with a url")),
    };
    let mut media = Media::of_url(url);
    if let Some(kind) = kind {
        media.kind = kind;
    }
    Ok(media)
}

fn audio(map: &mut Map<String, Value>, place: &str) -> Result<Media, ApiError> {
    let place = format!("{place}.input_audio");
    let mut inner = object(map.remove("input_audio").unwrap_or_default(), &place)?;
    let data = take_text(&mut inner, "data", &place)?;
    let format = take_text(&mut inner, "format", &place)?;
    Ok(Media { kind: format!("audio/{format}"), source: Source::Data(data) })
}

fn file(mut map: Map<String, Value>, place: &str) -> Result<Body, ApiError> {
    let mut inner = match map.remove("file") {
        Some(value) => object(value, &format!("{place}.file"))?,
        None => map,
    };
    let name = take_optional_text(&mut inner, "filename", place)?;
    let kind = take_optional_text(&mut inner, "format", place)?;
    let mut media = match (inner.remove("file_data"), inner.remove("file_url"), inner.remove("file_id")) {
        (Some(data), _, _) => {
            let data = text(data, &format!("{place}.file_data"))?;
            match Media::of_url(data) {
                // Plain base64 is taken as well as a `data:` URL.
                Media { source: Source::Url(data), .. } if !data.contains("://") => {
                    Media { kind: String::new(), source: Source::Data(data) }
                }
                media => media,
            }
        }
        (None, Some(url), _) => Media::of_url(text(url, &format!("{place}.file_url"))?),
        (None, None, Some(id)) => by_id(text(id, &format!("{place}.file_id"))?),
        (None, None, None) => return Err(invalid(place, "expected file_data or file_id")),
    };
    if let Some(kind) = kind {
        media.kind = kind;
    } else if media.kind.is_empty() && !matches!(media.source, Source::Id(_)) {
        media.kind = kind_of(name.as_deref()).to_owned();
    }
    Ok(Body::File { media, name })
}

/// LiteLLM takes URLs as ids too.
fn by_id(id: String) -> Media {
    if id.starts_with("https://")
        || id.starts_with("http://")
        || id.starts_with("gs://")
        || id.starts_with("data:")
    {
        return Media::of_url(id);
    }
    Media { kind: String::new(), source: Source::Id(id) }
}

/// What a file's name says of it; most files that are sent are PDFs.
fn kind_of(name: Option<&str>) -> &'static str {
    match name.and_then(|name| name.rsplit_once('.')).map(|(_, end)| end) {
        Some("txt" | "md") => "text/plain",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}
