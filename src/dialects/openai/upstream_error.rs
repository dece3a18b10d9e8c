//! An upstream's error body, in whichever of its many shapes.

use crate::domain::{Failure, UpstreamClass};
use serde_json::Value;
use std::time::Duration;

const LONGEST_MESSAGE: usize = 2000;
/// Error bodies over this are not looked into.
const LARGEST_BODY: usize = 1 << 20;

const CONTEXT_CODES: [&str; 3] =
    ["context_length_exceeded", "context_window_exceeded", "string_above_max_length"];
const CONTEXT_PHRASES: [&str; 12] = [
    "maximum context length",
    "context window",
    "context length",
    "prompt is too long",
    "input is too long",
    "input length and `max_tokens` exceed",
    "longer than the model's context",
    "exceeds the maximum number of tokens",
    "exceed the context",
    "exceeds the available context",
    "reduce the length of the messages",
    "range of input length should be",
];
const POLICY_CODES: [&str; 5] =
    ["content_filter", "content_policy_violation", "data_inspection_failed", "sensitive_content", "1301"];
const POLICY_PHRASES: [&str; 4] = [
    "content management policy",
    "content_policy_violation",
    "rejected by our safety system",
    "rejected as a result of our safety system",
];

/// Reads a failed answer. What looks like a credential in its words is masked.
#[must_use]
pub fn read_failure(status: u16, body: &[u8], retry_after: Option<Duration>) -> Failure {
    let words = (body.len() <= LARGEST_BODY).then(|| serde_json::from_slice(body).ok()).flatten();
    let words = words.as_ref().map(Words::of).unwrap_or_default();
    let base = UpstreamClass::of_status(status).unwrap_or(UpstreamClass::Internal);
    // Of some words nothing can be shown.
    let said = words.message.map(|message| presentable(&message)).filter(|shown| !shown.trim().is_empty());
    let message = said.unwrap_or_else(|| phrase(base).to_owned());
    let class = if status == 400 { refine(base, &words.code, &message) } else { base };
    let own = |word: Option<String>| word.map(|w| presentable(&w)).filter(|w| !w.is_empty());
    Failure {
        class,
        status: Some(status),
        message,
        kind: own(words.kind),
        param: own(words.param),
        retry_after,
    }
}

/// The failure an event in the middle of a stream reports; its status is the one it names, or 500.
#[must_use]
pub fn read_event_failure(data: &[u8]) -> Failure {
    let value: Option<Value> = serde_json::from_slice(data).ok();
    let code = value.as_ref().map(Words::of).unwrap_or_default().code;
    let status = code.parse().ok().filter(|s| (400..600).contains(s)).unwrap_or(500);
    read_failure(status, data, None)
}

#[derive(Default)]
struct Words {
    message: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    code: String,
}

impl Words {
    fn of(body: &Value) -> Self {
        let body = body.get(0).unwrap_or(body);
        let error = body.get("error").filter(|e| !e.is_null());
        let inner = error.filter(|e| e.is_object()).unwrap_or(body);
        let at = |keys: &[&str]| keys.iter().find_map(|k| word(inner.get(*k)?));
        let stated = error.and_then(|e| e.as_str().map(str::to_owned));
        Self {
            message: stated.or_else(|| at(&["message", "detail", "error_msg", "msg", "error_description"])),
            kind: inner.get("type").and_then(Value::as_str).map(str::to_owned),
            param: inner.get("param").and_then(Value::as_str).map(str::to_owned),
            code: at(&["code", "error_code", "type"]).unwrap_or_default(),
        }
    }
}

/// A value as words: strings as they are, and FastAPI's lists of faults as JSON.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn refine(base: UpstreamClass, code: &str, message: &str) -> UpstreamClass {
    let message = message.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|p| message.contains(p));
    if CONTEXT_CODES.contains(&code) {
        UpstreamClass::ContextWindow
    } else if POLICY_CODES.contains(&code) || says(&POLICY_PHRASES) {
        UpstreamClass::ContentPolicy
    } else if says(&CONTEXT_PHRASES) {
        UpstreamClass::ContextWindow
    } else {
        base
    }
}

const fn phrase(class: UpstreamClass) -> &'static str {
    use UpstreamClass as C;
    match class {
        C::BadRequest | C::ContextWindow | C::ContentPolicy => "Bad request",
        C::Authentication => "Unauthorized",
        C::PermissionDenied => "Forbidden",
        C::NotFound => "Not found",
        C::Timeout => "Request timeout",
        C::Conflict => "Conflict",
        C::Unprocessable => "Unprocessable entity",
        C::RateLimit => "Too many requests",
        C::Internal => "Internal server error",
        C::BadGateway => "Bad gateway",
        C::Unavailable => "Service unavailable",
        C::Connection => "Connection error.",
    }
}

/// An upstream's words as a client may see them: no credentials, no control characters, not too long.
fn presentable(words: &str) -> String {
    let start: String = words.chars().take(2 * LONGEST_MESSAGE).collect();
    let plain = |c: char| if c.is_whitespace() { Some(' ') } else { Some(c).filter(|c| !c.is_control()) };
    let mut shown = mask(&start.chars().filter_map(plain).collect::<String>());
    if let Some((cut, _)) = shown.char_indices().nth(LONGEST_MESSAGE) {
        shown.truncate(cut);
    }
    shown
}

const MASK: &str = "***";
const KEY_WORDS: [&str; 8] =
    ["key", "token", "secret", "password", "bearer", "authorization", "credential", "auth"];
/// For how many words after a key word a long run is taken for its value.
const KEY_REACH: u8 = 4;

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '+')
}

fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    let mut reach = 0_u8;
    let mut bearer = false;
    while let Some(first) = rest.chars().next() {
        let word = is_word(first);
        // A token behind `Bearer` may hold any character but a space.
        let end =
            if word && bearer { rest.find(char::is_whitespace) } else { rest.find(|c| is_word(c) != word) };
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        if !word {
            masked.push_str(part);
            continue;
        }
        let secret = (bearer && (part.len() >= 16 || part.bytes().any(|b| b.is_ascii_digit())))
            || is_secret(part, reach > 0);
        masked.push_str(if secret { MASK } else { part });
        let lower = part.to_ascii_lowercase();
        bearer = lower == "bearer";
        reach = if !secret && KEY_WORDS.iter().any(|k| lower.contains(k)) {
            KEY_REACH
        } else {
            reach.saturating_sub(1)
        };
    }
    masked
}

fn is_secret(word: &str, after_key_word: bool) -> bool {
    let digits = word.bytes().any(|b| b.is_ascii_digit());
    let begins = |prefixes: &[&str]| prefixes.iter().any(|p| word.starts_with(p));
    (begins(&["sk-", "sk_"]) && word.len() >= 8)
        || (begins(&["gsk_", "xai-", "hf_", "pk-", "AIza"]) && word.len() >= 16 && digits)
        || (word.starts_with("eyJ") && word.len() >= 20)
        || (after_key_word && word.len() >= 20 && digits)
}
