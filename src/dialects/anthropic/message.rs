//! Messages, written.

use crate::dialects::hub::value::invalid;
use crate::dialects::hub::{Body, CallResult, Media, Message, Part, Role, Source};
use crate::domain::ApiError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Takes out what the operator says: a text, or blocks if there are several or one is marked for the cache.
pub(super) fn system(messages: &mut Vec<Message>) -> Option<Value> {
    let mut said = Vec::new();
    messages.retain_mut(|message| {
        let operator = matches!(message.role, Role::System | Role::Developer);
        if operator {
            said.append(&mut message.parts);
        }
        !operator
    });
    let texts = |part: Part| match part.body {
        Body::Text(text) if !text.is_empty() => Some((text, part.cache)),
        _ => None,
    };
    let mut said: Vec<_> = said.into_iter().filter_map(texts).collect();
    if said.len() == 1 && said.first().is_some_and(|(_, cache)| cache.is_none()) {
        return said.pop().map(|(text, _)| text.into());
    }
    let blocks: Vec<Value> = said
        .into_iter()
        .map(|(text, cache)| cached(json!({ "type": "text", "text": text }), cache))
        .collect();
    (!blocks.is_empty()).then(|| blocks.into())
}

/// Writes the conversation: turns of user and assistant, with results in the user's.
pub(super) fn conversation(messages: Vec<Message>) -> Result<Vec<Value>, ApiError> {
    let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for message in messages {
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let mut blocks = Vec::with_capacity(message.parts.len());
        for part in message.parts {
            blocks.extend(block(part)?);
        }
        match turns.last_mut() {
            Some((last, said)) if *last == role => said.append(&mut blocks),
            _ if blocks.is_empty() => {}
            _ => turns.push((role, blocks)),
        }
    }
    // An answer that was begun must not end in white space.
    if let Some(("assistant", blocks)) = turns.last_mut()
        && let Some(Value::String(text)) = blocks.last_mut().and_then(|block| block.get_mut("text"))
    {
        text.truncate(text.trim_end().len());
    }
    Ok(turns.into_iter().map(|(role, blocks)| json!({ "role": role, "content": content(blocks) })).collect())
}

/// A lone text is a string.
fn content(mut blocks: Vec<Value>) -> Value {
    let plain =
        |block: &Value| block.as_object().is_some_and(|map| map.len() == 2) && block["type"] == "text";
    if blocks.len() == 1 && blocks.first().is_some_and(plain) {
        return blocks.pop().and_then(|mut block| block.get_mut("text").map(Value::take)).unwrap_or_default();
    }
    blocks.into()
}

fn cached(mut block: Value, cache: Option<Value>) -> Value {
    if let Some(cache) = cache {
        block["cache_control"] = cache;
    }
    block
}

/// One part; nothing if it says nothing here.
fn block(part: Part) -> Result<Option<Value>, ApiError> {
    let block = match part.body {
        Body::Text(text) | Body::Refusal(text) if text.is_empty() => return Ok(None),
        Body::Text(text) | Body::Refusal(text) => json!({ "type": "text", "text": text }),
        Body::Image(media) => json!({ "type": "image", "source": image(media) }),
        Body::File { media, name } => document(media, name)?,
        // A thought counts only with its provider's signature.
        Body::Reasoning { text, signature: Some(signature) } if !signature.is_empty() => {
            json!({ "type": "thinking", "thinking": text, "signature": signature })
        }
        Body::Reasoning { .. } => return Ok(None),
        Body::Redacted(data) => json!({ "type": "redacted_thinking", "data": data }),
        Body::Call(call) => {
            let input = call.object();
            json!({ "type": "tool_use", "id": id(&call.id), "name": call.name, "input": input })
        }
        Body::Result(result) => self::result(result)?,
        Body::Audio(_) => return Err(invalid("messages", "the model's provider takes no audio")),
        Body::Video(_) => return Err(invalid("messages", "the model's provider takes no video")),
    };
    Ok(Some(cached(block, part.cache)))
}

fn result(result: CallResult) -> Result<Value, ApiError> {
    let mut blocks = Vec::with_capacity(result.parts.len());
    for part in result.parts {
        blocks.extend(block(part)?);
    }
    let mut written = json!({ "type": "tool_result", "tool_use_id": id(&result.id) });
    if !blocks.is_empty() {
        written["content"] = content(blocks);
    }
    if result.failed {
        written["is_error"] = true.into();
    }
    Ok(written)
}

/// Ids of other providers may hold what Anthropic's may not.
fn id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let id: String = id.chars().map(plain).collect();
    if id.is_empty() { "call".to_owned() } else { id }
}

fn image(media: Media) -> Value {
    match media.source {
        Source::Data(data) => {
            let kind = if media.kind.is_empty() { kind_of_image(&data) } else { &media.kind };
            json!({ "type": "base64", "media_type": kind, "data": data })
        }
        Source::Url(url) => json!({ "type": "url", "url": url }),
        Source::Id(id) | Source::Text(id) => json!({ "type": "file", "file_id": id }),
    }
}

/// By how each kind begins, in base64.
fn kind_of_image(data: &str) -> &'static str {
    const STARTS: [(&str, &str); 3] =
        [("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    STARTS.iter().find(|(start, _)| data.starts_with(start)).map_or("image/png", |(_, kind)| kind)
}

fn document(media: Media, name: Option<String>) -> Result<Value, ApiError> {
    let source = match media.source {
        Source::Id(id) => json!({ "type": "file", "file_id": id }),
        Source::Url(url) => json!({ "type": "url", "url": url }),
        Source::Text(text) => json!({ "type": "text", "media_type": "text/plain", "data": text }),
        Source::Data(data) if media.kind.starts_with("text/") || media.kind == "application/json" => {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| invalid("messages", "a file's text is not UTF-8 in base64"))?;
            json!({ "type": "text", "media_type": "text/plain", "data": text })
        }
        Source::Data(data) if media.kind.starts_with("image/") => {
            return Ok(json!({ "type": "image", "source":
                { "type": "base64", "media_type": media.kind, "data": data } }));
        }
        Source::Data(data) => {
            let kind = if media.kind.is_empty() { "application/pdf" } else { &media.kind };
            json!({ "type": "base64", "media_type": kind, "data": data })
        }
    };
    let mut document = json!({ "type": "document", "source": source });
    if let Some(name) = name {
        document["title"] = name.into();
    }
    Ok(document)
}
