//! An event stream between two who both speak this dialect, read for the meter.

use super::error::of_event;
use super::tokens::Counts;
use crate::dialects::json::{Members, text};
use crate::dialects::tee::{Known, Reader, Tee};
use crate::domain::Usage;
use serde_json::Value;

/// Relays one stream.
pub type Relay = Tee<Passing>;

/// Reads the events that pass by.
#[derive(Debug, Default)]
pub struct Passing {
    counts: Counts,
}

impl Reader for Passing {
    fn read(&mut self, data: &[u8], known: &mut Known) {
        let Ok(members) = Members::of(data) else { return };
        let mut kind = None;
        let mut inner: &[u8] = b"";
        for member in members.map_while(Result::ok) {
            let value = member.value.of(data);
            match &*member.name_bytes(data) {
                b"type" => kind = text(value),
                b"delta" | b"message" => inner = value,
                _ => {}
            }
        }
        match kind.as_deref() {
            Some("content_block_delta") => delta(inner, known),
            Some("message_start") => self.start(inner, known),
            Some("message_delta") => self.end(data, known),
            Some("message_stop") => known.done = true,
            Some("error") => {
                let event: Value = serde_json::from_slice(data).unwrap_or_default();
                known.failure = Some(Box::new(of_event(&event, data)));
            }
            _ => {}
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.counts.usage()
    }

    fn last(&self) -> &'static [u8] {
        b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    }
}

impl Passing {
    fn start(&mut self, message: &[u8], known: &mut Known) {
        let message: Value = serde_json::from_slice(message).unwrap_or_default();
        known.name(message.get("id").and_then(Value::as_str));
        self.counts.take(&message["usage"]);
    }

    fn end(&mut self, data: &[u8], known: &mut Known) {
        let event: Value = serde_json::from_slice(data).unwrap_or_default();
        self.counts.take(&event["usage"]);
        known.finished |= event["delta"]["stop_reason"].is_string();
    }
}

fn delta(delta: &[u8], known: &mut Known) {
    let Ok(members) = Members::of(delta) else { return };
    for member in members.map_while(Result::ok) {
        let name = member.name_bytes(delta);
        if matches!(&*name, b"text" | b"thinking" | b"partial_json") {
            known.produce(member.value.of(delta).len().saturating_sub(2));
        }
    }
}
