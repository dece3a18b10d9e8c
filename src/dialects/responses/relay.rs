//! Answers between two who both speak this dialect, read for the meter.

use super::object::{self, Standing, Who};
use crate::dialects::json::{Members, text};
use crate::dialects::openai::{AnswerFacts, read_failure, read_usage};
use crate::dialects::tee::{Known, Reader, Tee};
use crate::domain::{ApiError, Failure, Usage};
use serde_json::Value;

/// Relays one stream.
pub type Relay = Tee<Passing>;

/// Reads the events that pass by.
#[derive(Debug, Default)]
pub struct Passing {
    /// The number of the next event.
    number: u64,
    created: i64,
    model: String,
    usage: Option<Usage>,
}

impl Reader for Passing {
    fn read(&mut self, data: &[u8], known: &mut Known) {
        let Ok(members) = Members::of(data) else { return };
        let (mut kind, mut delta, mut response) = (None, None, None);
        for member in members.map_while(Result::ok) {
            let value = member.value.of(data);
            match &*member.name_bytes(data) {
                b"type" => kind = text(value),
                b"delta" => delta = Some(value),
                b"response" => response = Some(value),
                b"sequence_number" => self.number = number(value).map_or(self.number, |number| number + 1),
                _ => {}
            }
        }
        let Some(kind) = kind else { return };
        match (&*kind, response) {
            ("response.created", Some(response)) => self.start(response, known),
            ("response.completed" | "response.incomplete", Some(response)) => {
                self.usage = facts(response).usage.or(self.usage);
                (known.finished, known.done) = (true, true);
            }
            ("response.failed", Some(response)) => {
                self.usage = facts(response).usage.or(self.usage);
                known.failure = Some(Box::new(failure(response)));
            }
            ("error", _) => known.failure = Some(Box::new(failure(data))),
            _ if kind.ends_with(".delta") => {
                known.produce(delta.map_or(0, <[u8]>::len).saturating_sub(2));
            }
            _ => {}
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

impl Passing {
    fn start(&mut self, response: &[u8], known: &mut Known) {
        let response: Value = serde_json::from_slice(response).unwrap_or_default();
        known.name(response["id"].as_str());
        self.created = response["created_at"].as_i64().unwrap_or_default();
        self.model = response["model"].as_str().unwrap_or_default().to_owned();
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The failure that an event reports. Its code is a word.
fn failure(data: &[u8]) -> Failure {
    let said: Value = serde_json::from_slice(data).unwrap_or_default();
    let inner = if said["error"].is_object() { &said["error"] } else { &said };
    let status = match inner["code"].as_str().unwrap_or_default() {
        "rate_limit_exceeded" | "insufficient_quota" => 429,
        "context_length_exceeded" | "invalid_prompt" | "content_filter" => 400,
        word if word.starts_with("invalid_") => 400,
        "server_is_overloaded" => 503,
        word => word.parse().ok().filter(|status| (400..600).contains(status)).unwrap_or(500),
    };
    read_failure(status, data, None)
}

/// Tells the client of a relayed stream that it broke, with the numbers that come next.
pub fn failed(relay: &Relay, error: &ApiError, out: &mut Vec<u8>) {
    let Passing { number, created, model, .. } = relay.reader();
    let Some(id) = relay.id() else { return object::error_event(error, *number, out) };
    object::begin("response.failed", *number, out);
    out.extend_from_slice(b",\"response\":");
    let who = Who { id, created: *created, model, echo: b"" };
    object::put(out, who, &Standing::failed(error), &[]);
    out.extend_from_slice(b"}\n\n");
    object::error_event(error, number + 1, out);
}

/// Reads a whole answer.
#[must_use]
pub fn facts(body: &[u8]) -> AnswerFacts {
    AnswerFacts::of(body, |facts, name, value| match name {
        b"id" => facts.id = Some(value),
        b"output" => facts.text_bytes = value.of(body).len() as u64,
        b"usage" => facts.usage = read_usage(body, value),
        _ => {}
    })
}
