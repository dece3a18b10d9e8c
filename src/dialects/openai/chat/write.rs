//! A whole answer, written.

use crate::dialects::Given;
use crate::dialects::hub::{Answer, Body, Call, Stop};
use crate::domain::Usage;
use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) fn write(answer: &Answer, given: &Given) -> Bytes {
    let id = if answer.id.is_empty() { &*given.id } else { &answer.id };
    let choice =
        json!({ "finish_reason": reason(&answer.stop), "index": 0, "message": message(&answer.content) });
    let mut body = json!({
        "id": id,
        "created": given.created,
        "model": &*given.model,
        "object": "chat.completion",
        "choices": [choice],
    });
    if let Some(counts) = &answer.usage {
        body["usage"] = usage(counts);
    }
    Bytes::from(body.to_string())
}

/// OpenAI's word for it.
pub(super) const fn reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::Pause => "stop",
        Stop::Length => "length",
        Stop::Calls => "tool_calls",
        Stop::Filter | Stop::Refusal => "content_filter",
    }
}

/// The counts as OpenAI names them, and those of Anthropic's caches as LiteLLM does.
pub(super) fn usage(usage: &Usage) -> Value {
    let mut prompt = json!({ "cached_tokens": usage.cached, "audio_tokens": usage.audio_prompt });
    let mut written = json!({
        "completion_tokens": usage.completion,
        "prompt_tokens": usage.prompt,
        "total_tokens": usage.total(),
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_completion,
        },
    });
    if usage.cache_write > 0 {
        prompt["cache_creation_tokens"] = usage.cache_write.into();
        written["cache_creation_input_tokens"] = usage.cache_write.into();
        written["cache_read_input_tokens"] = usage.cached.into();
    }
    written["prompt_tokens_details"] = prompt;
    written
}

fn message(content: &[Body]) -> Value {
    let mut message = Map::new();
    let (mut text, mut refusal, mut thoughts) = (String::new(), String::new(), String::new());
    let (mut calls, mut blocks, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for body in content {
        match body {
            Body::Text(more) => text.push_str(more),
            Body::Refusal(more) => refusal.push_str(more),
            Body::Reasoning { text: more, signature } => {
                thoughts.push_str(more);
                blocks.extend(signature.as_ref().map(|signature| thinking_block(more, signature)));
            }
            Body::Redacted(data) => blocks.push(json!({ "type": "redacted_thinking", "data": data })),
            Body::Call(call) => calls.push(tool_call(call)),
            Body::Image(media) => {
                let url = media.clone().into_url("image/png");
                images
                    .push(json!({ "type": "image_url", "image_url": { "url": url }, "index": images.len() }));
            }
            Body::Audio(_) | Body::Video(_) | Body::File { .. } | Body::Result(_) => {}
        }
    }
    let empty = text.is_empty() && (!calls.is_empty() || !refusal.is_empty());
    message.insert("content".to_owned(), if empty { Value::Null } else { text.into() });
    message.insert("role".to_owned(), "assistant".into());
    let mut put = |name: &str, value: Value, there: bool| {
        if there {
            message.insert(name.to_owned(), value);
        }
    };
    put("refusal", refusal.as_str().into(), !refusal.is_empty());
    put("reasoning_content", thoughts.as_str().into(), !thoughts.is_empty());
    let (has_blocks, has_calls, has_images) = (!blocks.is_empty(), !calls.is_empty(), !images.is_empty());
    put("thinking_blocks", blocks.into(), has_blocks);
    put("tool_calls", calls.into(), has_calls);
    put("images", images.into(), has_images);
    Value::Object(message)
}

/// A signed thought, in the form in which LiteLLM's clients keep it for the next turn.
pub(super) fn thinking_block(text: &str, signature: &str) -> Value {
    json!({ "type": "thinking", "thinking": text, "signature": signature })
}

/// A call; its proof of thought stands where LiteLLM puts it.
pub(super) fn tool_call(call: &Call) -> Value {
    let mut written = json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": if call.arguments.is_empty() { "{}" } else { &call.arguments } },
    });
    if let Some(signature) = &call.signature {
        written["provider_specific_fields"] = json!({ "thought_signature": signature });
    }
    written
}
