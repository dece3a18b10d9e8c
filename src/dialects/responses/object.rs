//! The `response` object, which a whole answer is and three events of each stream hold, and errors.

use crate::dialects::hub::Stop;
use crate::dialects::json::put_text;
use crate::dialects::{Given, openai};
use crate::domain::{ApiError, ErrorKind, UpstreamClass, Usage};
use bytes::Bytes;
use serde_json::{Value, json};

/// What a response repeats of its request, and what it says where the request said nothing.
const ECHOED: [(&str, &str); 15] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// What answers repeat of a request, as members of an object, each with a comma after it.
pub(super) fn echo(request: &openai::Request) -> Bytes {
    written(|name| request.value(name).filter(|value| *value != b"null"))
}

fn written<'a>(said: impl Fn(&str) -> Option<&'a [u8]>) -> Bytes {
    let mut out = Vec::with_capacity(512);
    for (name, otherwise) in ECHOED {
        out.extend_from_slice(format!("\"{name}\":").as_bytes());
        let value = said(name).unwrap_or(otherwise.as_bytes());
        // A line of an event holds it: line ends in JSON are blanks between its words.
        out.extend(value.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        out.push(b',');
    }
    Bytes::from(out)
}

/// How a response is doing.
pub(super) struct Standing<'a> {
    pub(super) status: &'a str,
    pub(super) error: Option<Value>,
    pub(super) incomplete: Option<&'a str>,
    pub(super) usage: Option<Usage>,
}

impl Standing<'_> {
    pub(super) const UNDER_WAY: Self =
        Self { status: "in_progress", error: None, incomplete: None, usage: None };

    /// As it ended.
    pub(super) fn ended(stop: &Stop, usage: Option<Usage>) -> Self {
        let incomplete = match stop {
            Stop::Length => Some("max_output_tokens"),
            Stop::Filter | Stop::Refusal => Some("content_filter"),
            Stop::End | Stop::Sequence(_) | Stop::Calls | Stop::Pause => None,
        };
        let status = if incomplete.is_some() { "incomplete" } else { "completed" };
        Self { status, error: None, incomplete, usage }
    }

    /// As it broke.
    pub(super) fn failed(error: &ApiError) -> Self {
        let told = json!({ "code": code(error), "message": error.message });
        Self { status: "failed", error: Some(told), incomplete: None, usage: None }
    }
}

/// Who a response is.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) id: &'a str,
    pub(super) created: i64,
    pub(super) model: &'a str,
    /// What it repeats of its request; empty repeats nothing.
    pub(super) echo: &'a [u8],
}

impl<'a> Who<'a> {
    pub(super) fn of(id: &'a str, given: &'a Given) -> Self {
        Self { id, created: given.created, model: &given.model, echo: &given.echo }
    }
}

/// The id of a response that the gateway names.
pub(super) fn id(given: &Given) -> String {
    format!("resp_{}", given.id.replace('-', ""))
}

/// The id of the item at this place of a response's output.
pub(super) fn item_id(kind: &str, response: &str, at: usize) -> String {
    format!("{kind}_{}_{at}", response.strip_prefix("resp_").unwrap_or(response))
}

/// Writes a response with these items.
pub(super) fn put(out: &mut Vec<u8>, who: Who<'_>, standing: &Standing<'_>, items: &[String]) {
    out.extend_from_slice(b"{\"id\":");
    put_text(out, who.id);
    out.extend_from_slice(format!(",\"object\":\"response\",\"created_at\":{},", who.created).as_bytes());
    let incomplete = standing.incomplete.map(|reason| json!({ "reason": reason }));
    let usage = standing.usage.as_ref().map(counts);
    let told = |value: &Option<Value>| value.as_ref().map_or_else(|| "null".to_owned(), Value::to_string);
    let state = format!(
        "\"status\":\"{}\",\"error\":{},\"incomplete_details\":{},\"usage\":{},\"model\":",
        standing.status,
        told(&standing.error),
        told(&incomplete),
        told(&usage)
    );
    out.extend_from_slice(state.as_bytes());
    put_text(out, who.model);
    out.extend_from_slice(b",\"background\":false,\"previous_response_id\":null,\"store\":false,");
    if who.echo.is_empty() {
        out.extend_from_slice(&written(|_| None))
    } else {
        out.extend_from_slice(who.echo)
    }
    out.extend_from_slice(b"\"output\":[");
    out.extend_from_slice(items.join(",").as_bytes());
    out.extend_from_slice(b"]}");
}

/// The counts by the names of this API.
fn counts(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt,
        "input_tokens_details": { "cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write },
        "output_tokens": usage.completion,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.total(),
    })
}

/// OpenAI's word for a failure of a response.
fn code(error: &ApiError) -> &'static str {
    match error.kind {
        ErrorKind::RateLimited | ErrorKind::NoDeployments | ErrorKind::Upstream(UpstreamClass::RateLimit) => {
            "rate_limit_exceeded"
        }
        ErrorKind::Upstream(UpstreamClass::ContextWindow) => "context_length_exceeded",
        ErrorKind::Upstream(UpstreamClass::BadRequest | UpstreamClass::ContentPolicy) => "invalid_prompt",
        _ => "server_error",
    }
}

/// Begins an event.
pub(super) fn begin(kind: &str, number: u64, out: &mut Vec<u8>) {
    for piece in
        ["event: ", kind, "\ndata: {\"type\":\"", kind, "\",\"sequence_number\":", &number.to_string()]
    {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Writes the event that ends a broken stream: OpenAI's own members, and `error`, by which its clients know one.
pub(super) fn error_event(error: &ApiError, number: u64, out: &mut Vec<u8>) {
    begin("error", number, out);
    let told: Value = serde_json::from_str(&error.to_json()).unwrap_or_default();
    let told = json!({
        "code": code(error), "message": error.message, "param": error.param, "error": told["error"],
    });
    out.push(b',');
    out.extend_from_slice(told.to_string().trim_start_matches('{').as_bytes());
    out.extend_from_slice(b"\n\n");
}
