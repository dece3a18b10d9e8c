//! Answers as values: what is said, its usage, and the plain (not streamed) bodies.

use super::json::{base64, push_string};
use super::lane::Limit;
use super::request::{Asked, words};
use super::script::Script;
use super::{After, Behaviour, Kind, Text, UsageReport};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::{Display, Write as _};
use std::ops::Range;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT_HTML: &str = "text/html";

/// A plain answer.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
}

/// The endpoint's way of saying things.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Chat,
    Completion,
    Messages,
    Responses,
    Contents,
}

/// What is going to be said.
pub(super) struct Answer {
    pub(super) form: Form,
    pub(super) model: String,
    pub(super) id: u64,
    pub(super) text: String,
    pub(super) pieces: Vec<Range<usize>>,
    pub(super) reasoning: &'static [&'static str],
    /// The tool to call instead.
    pub(super) tool: Option<String>,
    pub(super) usage: Option<(u64, u64)>,
    /// The events of its stream, in those forms that are scripted whole.
    pub(super) events: Vec<Value>,
}

// === impl Form ===

impl Form {
    /// Whether streams hold the counts whoever asks.
    const fn always_counts(self) -> bool {
        matches!(self, Self::Messages | Self::Responses | Self::Contents)
    }
}

// === impl Response ===

impl Response {
    pub(super) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: JSON, headers: String::new(), body: body.into() }
    }

    pub(super) fn with_header(mut self, name: &str, value: impl Display) -> Self {
        // Writing to a String cannot fail.
        let _written = write!(self.headers, "{name}: {value}\r\n");
        self
    }

    pub(super) fn with_limit(self, limit: Option<Limit>) -> Self {
        let Some(limit) = limit else { return self };
        self.with_header("x-ratelimit-limit-requests", limit.of)
            .with_header("x-ratelimit-remaining-requests", limit.remaining)
            .with_header("x-ratelimit-reset-requests", format_args!("{}ms", limit.reset.as_millis()))
    }

    /// Head and body, as sent.
    pub(super) fn render(&self, after: After) -> Vec<u8> {
        let mut out = head(self.status, self.content_type, &self.headers, after);
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        out.extend_from_slice(&self.body);
        out
    }

    /// Status line and headers of a stream.
    pub(super) fn render_stream_head(&self, after: After) -> Vec<u8> {
        let mut out = head(200, "text/event-stream; charset=utf-8", &self.headers, after);
        out.extend_from_slice(b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
        out
    }
}

fn head(status: u16, content_type: &str, headers: &str, after: After) -> Vec<u8> {
    let reason =
        http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Other");
    let close = if after == After::Close { "connection: close\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\nserver: simulator\r\n{headers}{close}"
    )
    .into_bytes()
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(form: Form, asked: &Asked<'_>, behaviour: &Behaviour, body: &[u8], id: u64) -> Self {
        let tool = (behaviour.kind == Kind::ToolCalls && !asked.has_tool_result()).then(|| asked.tool());
        let text = match (&tool, behaviour.kind) {
            (Some(_), _) => TOOL_ARGUMENTS.to_owned(),
            (None, Kind::Echo) => format!("{} {}", body.len(), sha256(body)),
            (None, _) => text(behaviour),
        };
        let pieces = match behaviour.text {
            Text::Bytes(_) if tool.is_none() => even_pieces(&text, behaviour.chunks),
            _ => word_pieces(&text),
        };
        let reasoning = if behaviour.kind == Kind::Reasoning { REASONING } else { &[] };
        let spoken = words(text.as_bytes()) + u64::try_from(reasoning.len()).unwrap_or(0);
        let told = match behaviour.usage {
            UsageReport::Never => false,
            UsageReport::Always => true,
            UsageReport::AsAsked => form.always_counts() || !asked.streams() || asked.wants_usage(),
        };
        let usage = told.then(|| (asked.prompt_words(), spoken));
        let model = asked.model.to_string();
        let mut answer = Self { form, model, id, text, pieces, reasoning, tool, usage, events: Vec::new() };
        answer.events = match form {
            Form::Responses if asked.streams() => answer.response_events(),
            Form::Contents if asked.streams() => answer.content_events(),
            _ => Vec::new(),
        };
        answer
    }

    /// The body of an answer that is not streamed.
    pub(super) fn plain(&self) -> Vec<u8> {
        match self.form {
            Form::Messages => return self.message(),
            Form::Responses => return self.response().to_string().into_bytes(),
            Form::Contents => return self.content().to_string().into_bytes(),
            Form::Chat | Form::Completion => {}
        }
        let mut out = Vec::with_capacity(512 + self.text.len());
        match self.form {
            Form::Chat => out.extend_from_slice(b"{\"id\":\"chatcmpl-sim-"),
            _ => out.extend_from_slice(b"{\"id\":\"cmpl-sim-"),
        }
        out.extend_from_slice(format!("{}\",\"object\":", self.id).as_bytes());
        push_string(&mut out, if self.form == Form::Chat { "chat.completion" } else { "text_completion" });
        out.extend_from_slice(format!(",\"created\":{CREATED},\"model\":").as_bytes());
        push_string(&mut out, &self.model);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,");
        self.push_choice(&mut out);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        push_string(&mut out, self.finish_reason());
        out.extend_from_slice(b"}]");
        if self.usage.is_some() {
            out.extend_from_slice(b",\"usage\":");
            self.push_usage(&mut out);
        }
        out.extend_from_slice(b",\"system_fingerprint\":\"fp_sim\"}");
        out
    }

    fn push_choice(&self, out: &mut Vec<u8>) {
        if self.form == Form::Completion {
            out.extend_from_slice(b"\"text\":");
            return push_string(out, &self.text);
        }
        out.extend_from_slice(b"\"message\":{\"role\":\"assistant\",\"content\":");
        if let Some(tool) = &self.tool {
            let call = json!({ "name": tool, "arguments": self.text });
            let call = json!([{ "id": TOOL_CALL_ID, "type": "function", "function": call }]);
            out.extend_from_slice(format!("null,\"tool_calls\":{call}").as_bytes());
        } else {
            push_string(out, &self.text);
        }
        if !self.reasoning.is_empty() {
            out.extend_from_slice(b",\"reasoning_content\":");
            push_string(out, &self.reasoning.concat());
        }
        out.extend_from_slice(b",\"refusal\":null}");
    }

    pub(super) fn push_usage(&self, out: &mut Vec<u8>) {
        let (prompt, completion) = self.usage.unwrap_or_default();
        let (total, reasoning) = (prompt + completion, self.reasoning.len());
        out.extend_from_slice(
            format!(
                "{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{total},\
                 \"prompt_tokens_details\":{{\"cached_tokens\":0}},\
                 \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning}}}}}"
            )
            .as_bytes(),
        );
    }

    pub(super) const fn finish_reason(&self) -> &'static str {
        if self.tool.is_some() { "tool_calls" } else { "stop" }
    }
}

/// Embeddings of `asked`: the same small vector for every input.
pub(super) fn embeddings(asked: &Asked<'_>) -> Vec<u8> {
    let dimensions = asked.dimensions.unwrap_or(8).min(8192);
    let vector: Vec<f32> = (0..dimensions).map(|i| if i % 2 == 0 { 0.25 } else { -0.5 }).collect();
    let embedding = if asked.wants_base64() {
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        Value::from(base64(&bytes))
    } else {
        Value::from(vector)
    };
    let data: Vec<_> = (0..asked.inputs())
        .map(|index| json!({ "object": "embedding", "index": index, "embedding": embedding }))
        .collect();
    let tokens = asked.prompt_words();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    json!({ "object": "list", "data": data, "model": asked.model, "usage": usage }).to_string().into_bytes()
}

/// The list of models, or one of them.
pub(super) fn models(script: &Script, one: Option<&str>) -> Vec<u8> {
    let model =
        |name: &str| json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "simulator" });
    let body = match one {
        Some(name) => model(name),
        None => {
            let data: Vec<_> = script.models.iter().map(|name| model(name)).collect();
            json!({ "object": "list", "data": data })
        }
    };
    body.to_string().into_bytes()
}

/// What any other path gets in echo mode.
pub(super) fn echo(body: &[u8]) -> Vec<u8> {
    json!({ "bytes": body.len(), "sha256": sha256(body) }).to_string().into_bytes()
}

pub(super) fn sha256(body: &[u8]) -> String {
    Sha256::digest(body).iter().fold(String::new(), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}

fn text(behaviour: &Behaviour) -> String {
    match &behaviour.text {
        Text::Exact(text) => text.clone(),
        Text::Bytes(length) => {
            let mut text = FILLER.repeat(length.div_ceil(FILLER.len()));
            text.truncate(*length);
            text
        }
        Text::Words => {
            let mut text = String::with_capacity(behaviour.chunks * 7);
            for word in WORDS.iter().cycle().take(behaviour.chunks) {
                text.push_str(if text.is_empty() { "" } else { " " });
                text.push_str(word);
            }
            text
        }
    }
}

/// Ranges that begin at each word's leading space.
fn word_pieces(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(' ').filter(|(at, _)| *at > 0) {
        pieces.push(start..at);
        start = at;
    }
    if start < text.len() {
        pieces.push(start..text.len());
    }
    pieces
}

fn even_pieces(text: &str, count: usize) -> Vec<Range<usize>> {
    let size = text.len().div_ceil(count.max(1)).max(1);
    (0..text.len()).step_by(size).map(|start| start..text.len().min(start + size)).collect()
}

pub(super) const CREATED: u64 = 1_700_000_000;
pub(super) const TOOL_CALL_ID: &str = "call_sim_1";
const TOOL_ARGUMENTS: &str = r#"{"city": "Paris", "unit": "celsius"}"#;
const REASONING: &[&str] = &["Let", " me", " think", " first."];
const WORDS: &[&str] = &["Every", "call", "pays", "its", "toll", "and", "goes", "on."];
const FILLER: &str = "The quick brown fox jumps over the lazy dog near the river bank. ";
