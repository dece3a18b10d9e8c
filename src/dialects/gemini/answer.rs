//! A whole answer, read; also what it has in common with a piece of a stream.

use crate::dialects::hub::{Answer, Body, Call, Media, Source, Stop};
use crate::dialects::unreadable;
use crate::domain::{Failure, Usage};
use serde_json::{Map, Value};

pub(super) fn decode(body: &[u8]) -> Result<Answer, Failure> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(unreadable("Expecting value: line 1 column 1 (char 0)"));
    };
    let id = text(&map, "responseId");
    let usage = usage(&map);
    let model = text(&map, "modelVersion");
    let Some(mut candidate) = candidate(&mut map) else {
        // A prompt that is refused is answered with nothing but the reason.
        return if is_blocked(&map) {
            Ok(Answer { id, model, content: Vec::new(), stop: Stop::Filter, usage })
        } else {
            Err(unreadable("the upstream's answer has no candidates"))
        };
    };
    let mut content = Vec::new();
    for part in parts(&mut candidate) {
        take(part, &id, &mut content);
    }
    let calls = content.iter().any(|body| matches!(body, Body::Call(_)));
    let reason = candidate.get("finishReason").and_then(Value::as_str).unwrap_or("STOP");
    Ok(Answer { id, model, stop: stop(reason, calls), content, usage })
}

pub(super) fn candidate(map: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    match map.remove("candidates")? {
        Value::Array(candidates) => match candidates.into_iter().next()? {
            Value::Object(candidate) => Some(candidate),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn is_blocked(map: &Map<String, Value>) -> bool {
    map.get("promptFeedback").and_then(|feedback| feedback.get("blockReason")).is_some()
}

pub(super) fn parts(candidate: &mut Map<String, Value>) -> Vec<Value> {
    match candidate.get_mut("content").and_then(|content| content.get_mut("parts")) {
        Some(Value::Array(parts)) => std::mem::take(parts),
        _ => Vec::new(),
    }
}

pub(super) fn text(map: &Map<String, Value>, name: &str) -> String {
    map.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A part as the hub knows it, joined to the one before it where both are text.
fn take(part: Value, id: &str, content: &mut Vec<Body>) {
    let Value::Object(mut part) = part else { return };
    let proof = part.get("thoughtSignature").and_then(Value::as_str).map(str::to_owned);
    let thought = part.get("thought").and_then(Value::as_bool).unwrap_or_default();
    match (part.remove("text"), part.remove("functionCall"), part.remove("inlineData")) {
        (Some(Value::String(text)), _, _) if thought => match content.last_mut() {
            Some(Body::Reasoning { text: before, signature }) => {
                before.push_str(&text);
                *signature = proof.or_else(|| signature.take());
            }
            _ => content.push(Body::Reasoning { text, signature: proof }),
        },
        (Some(Value::String(text)), _, _) if !text.is_empty() => match content.last_mut() {
            Some(Body::Text(before)) => before.push_str(&text),
            _ => content.push(Body::Text(text)),
        },
        (_, Some(Value::Object(call)), _) => {
            let count = content.iter().filter(|body| matches!(body, Body::Call(_))).count();
            content.push(Body::Call(read_call(&call, id, count, proof)));
        }
        (_, _, Some(Value::Object(data))) => content.push(Body::Image(Media {
            kind: text(&data, "mimeType"),
            source: Source::Data(text(&data, "data")),
        })),
        _ => {}
    }
}

/// A call; Gemini seldom names its calls, so most get a name from the answer's.
pub(super) fn read_call(
    call: &Map<String, Value>,
    answer: &str,
    count: usize,
    signature: Option<String>,
) -> Call {
    let own = text(call, "id");
    let id = if own.is_empty() { format!("call_{answer}_{count}") } else { own };
    let arguments = call.get("args").map_or_else(|| "{}".to_owned(), Value::to_string);
    Call { id, name: text(call, "name"), arguments, signature }
}

pub(super) fn stop(reason: &str, calls: bool) -> Stop {
    match reason {
        "MAX_TOKENS" => Stop::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Stop::Filter,
        _ if calls => Stop::Calls,
        _ => Stop::End,
    }
}

/// The counts. Thoughts are produced, though Gemini counts them apart.
pub(super) fn usage(map: &Map<String, Value>) -> Option<Usage> {
    let counts = map.get("usageMetadata")?.as_object()?;
    let count = |name: &str| counts.get(name).and_then(Value::as_u64).unwrap_or_default();
    let heard = |name: &str| {
        let details = counts.get(name).and_then(Value::as_array).into_iter().flatten();
        let mut audio = details.filter(|detail| detail.get("modality").is_some_and(|kind| kind == "AUDIO"));
        audio.find_map(|detail| detail.get("tokenCount")?.as_u64()).unwrap_or_default()
    };
    let thoughts = count("thoughtsTokenCount");
    Some(Usage {
        prompt: count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        completion: count("candidatesTokenCount").saturating_add(thoughts),
        cached: count("cachedContentTokenCount"),
        reasoning: thoughts,
        audio_prompt: heard("promptTokensDetails"),
        audio_completion: heard("candidatesTokensDetails"),
        ..Usage::default()
    })
}
