//! An event stream between two who both speak this dialect, read for the meter.

use super::facts::counts;
use super::upstream_error;
use crate::dialects::json::{Members, text};
use crate::dialects::tee::{Known, Reader, Tee};
use crate::domain::Usage;
use serde_json::Value;

/// Relays one stream.
pub type Relay = Tee<Passing>;

/// Reads the events that pass by.
#[derive(Debug, Default)]
pub struct Passing {
    named: bool,
    usage: Option<Usage>,
}

impl Reader for Passing {
    fn read(&mut self, data: &[u8], known: &mut Known) {
        let Ok(members) = Members::of(data) else { return };
        for member in members.map_while(Result::ok) {
            let value = member.value.of(data);
            match &*member.name_bytes(data) {
                b"error" => known.failure = Some(Box::new(upstream_error::of_stream(data))),
                b"candidates" => candidates(value, known),
                b"usageMetadata" => self.usage = counts(value).or(self.usage),
                b"promptFeedback" => {
                    let feedback: Value = serde_json::from_slice(value).unwrap_or_default();
                    known.finished |= feedback["blockReason"].is_string();
                }
                b"responseId" if !self.named => {
                    self.named = true;
                    known.name(text(value).as_deref());
                }
                _ => {}
            }
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

fn candidates(value: &[u8], known: &mut Known) {
    let candidates: Value = serde_json::from_slice(value).unwrap_or_default();
    let candidate = &candidates[0];
    known.finished |= candidate["finishReason"].is_string();
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        match part["text"].as_str() {
            Some(text) => known.produce(text.len()),
            None => known.produce(part.to_string().len()),
        }
    }
}
