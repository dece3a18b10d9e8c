//! A whole answer, read; also what it has in common with a stream.

use crate::dialects::hub::{Answer, Body, Call, Stop};
use crate::dialects::unreadable;
use crate::domain::{Failure, UpstreamClass, Usage};
use serde_json::{Map, Value};

pub(super) fn decode(body: &[u8]) -> Result<Answer, Failure> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(body) else {
        return Err(unreadable("Expecting value: line 1 column 1 (char 0)"));
    };
    let Some(Value::Object(mut message)) = map.remove("message") else {
        return Err(unreadable("the upstream's answer has no message"));
    };
    let stop = stop(map.get("finish_reason").and_then(Value::as_str).unwrap_or("COMPLETE"))?;
    let mut content = Vec::new();
    let plan = said(&mut message, "tool_plan");
    content.extend(plan.map(|text| Body::Reasoning { text, signature: None }));
    for block in list(&mut message, "content") {
        content.extend(read_block(block));
    }
    content.extend(list(&mut message, "tool_calls").into_iter().filter_map(read_call).map(Body::Call));
    let usage = map.get("usage").and_then(usage);
    Ok(Answer { id: said(&mut map, "id").unwrap_or_default(), model: String::new(), content, stop, usage })
}

fn list(map: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match map.remove(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// A text that is not empty.
pub(super) fn said(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    match map.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn read_block(block: Value) -> Option<Body> {
    let Value::Object(mut block) = block else { return None };
    match said(&mut block, "thinking") {
        Some(text) => Some(Body::Reasoning { text, signature: None }),
        None => said(&mut block, "text").map(Body::Text),
    }
}

pub(super) fn read_call(call: Value) -> Option<Call> {
    let Value::Object(mut call) = call else { return None };
    let Some(Value::Object(mut function)) = call.remove("function") else { return None };
    Some(Call {
        id: said(&mut call, "id").unwrap_or_default(),
        name: said(&mut function, "name")?,
        arguments: said(&mut function, "arguments").unwrap_or_default(),
        signature: None,
    })
}

/// Why the model ended; some reasons are failures.
pub(super) fn stop(reason: &str) -> Result<Stop, Failure> {
    Ok(match reason {
        "MAX_TOKENS" => Stop::Length,
        "STOP_SEQUENCE" => Stop::Sequence(None),
        "TOOL_CALL" => Stop::Calls,
        "ERROR_TOXIC" => Stop::Filter,
        "ERROR" => return Err(unreadable("the upstream reports that generation failed")),
        "TIMEOUT" => {
            return Err(Failure::without_answer(
                UpstreamClass::Timeout,
                "the upstream reports that generation took too long",
            ));
        }
        _ => Stop::End,
    })
}

/// The counts: what is billed, else all tokens, among which are those of Cohere's own template.
pub(super) fn usage(usage: &Value) -> Option<Usage> {
    let counts = |name: &str| {
        let counts = usage.get(name)?.as_object()?;
        let count = |name: &str| counts.get(name).and_then(whole);
        Some((count("input_tokens")?, count("output_tokens")?))
    };
    let (prompt, completion) = counts("billed_units").or_else(|| counts("tokens"))?;
    let cached = usage.get("cached_tokens").and_then(whole).unwrap_or_default().min(prompt);
    Some(Usage { prompt, completion, cached, ..Usage::default() })
}

/// Cohere writes counts with a decimal point now and then.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count; anything else is cut to one"
)]
fn whole(number: &Value) -> Option<u64> {
    number.as_u64().or_else(|| number.as_f64().map(|count| count as u64))
}
