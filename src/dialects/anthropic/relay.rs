//! An event stream between two who both speak this dialect: relayed as it comes, with the meter teed off.

use super::error::of_event;
use super::tokens::Counts;
use crate::dialects::json::{Members, text};
use crate::dialects::sse::{self, MAX_EVENT, Splitter, TooLong};
use crate::dialects::stream::{Produced, StreamEnd};
use crate::domain::{Failure, Usage};
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use std::sync::Arc;

/// Longest id that is kept, in bytes.
const LONGEST_ID: usize = 256;

/// Relays one stream. Only whole events are passed on, byte for byte.
#[derive(Debug, Default)]
pub struct Relay {
    splitter: Splitter,
    pending: BytesMut,
    id: Option<Arc<str>>,
    counts: Counts,
    produced: Produced,
    failure: Option<Box<Failure>>,
    finished: bool,
    done: bool,
}

impl Relay {
    /// Takes bytes from the upstream and gives those to send now. An unfinished event is kept back.
    ///
    /// # Errors
    /// If an event is over the bound; the stream cannot go on.
    pub fn push(&mut self, chunk: Bytes) -> Result<Bytes, TooLong> {
        if self.failure.is_some() || self.done {
            return Ok(Bytes::new());
        }
        let data = if self.pending.is_empty() {
            chunk
        } else {
            self.pending.extend_from_slice(&chunk);
            self.pending.split().freeze()
        };
        let mut at = 0;
        while !self.done
            && let Some(length) = self.splitter.event_end(&data[at..])
        {
            within_limit(length)?;
            self.meter(&data[at..at + length]);
            if self.failure.is_some() {
                return Ok(data.slice(..at));
            }
            at += length;
        }
        if !self.done {
            within_limit(data.len() - at)?;
            self.pending.extend_from_slice(&data[at..]);
        }
        Ok(data.slice(..at))
    }

    fn meter(&mut self, event: &[u8]) {
        let event = sse::read(event);
        let Some(data) = event.data else { return };
        let Ok(members) = Members::of(&data) else { return };
        let mut kind = None;
        let mut inner: &[u8] = b"";
        for member in members.map_while(Result::ok) {
            let value = member.value.of(&data);
            match &*member.name_bytes(&data) {
                b"type" => kind = text(value),
                b"delta" | b"message" => inner = value,
                _ => {}
            }
        }
        match kind.as_deref() {
            Some("content_block_delta") => self.delta(inner),
            Some("message_start") => self.start(inner),
            Some("message_delta") => self.end(&data),
            Some("message_stop") => self.done = true,
            Some("error") => {
                let event: Value = serde_json::from_slice(&data).unwrap_or_default();
                self.failure = Some(Box::new(of_event(&event, &data)));
            }
            _ => {}
        }
    }

    fn delta(&mut self, delta: &[u8]) {
        let Ok(members) = Members::of(delta) else { return };
        for member in members.map_while(Result::ok) {
            let name = member.name_bytes(delta);
            if matches!(&*name, b"text" | b"thinking" | b"partial_json") {
                let length = member.value.of(delta).len().saturating_sub(2);
                self.produced.text_bytes += length as u64;
                self.produced.output_events += u64::from(length > 0);
            }
        }
    }

    fn start(&mut self, message: &[u8]) {
        let message: Value = serde_json::from_slice(message).unwrap_or_default();
        let id = message.get("id").and_then(Value::as_str);
        self.id = id.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID).map(Arc::from);
        self.counts.take(&message["usage"]);
    }

    fn end(&mut self, data: &[u8]) {
        let event: Value = serde_json::from_slice(data).unwrap_or_default();
        self.counts.take(&event["usage"]);
        self.finished |= event["delta"]["stop_reason"].is_string();
    }

    /// The upstream has ended its answer cleanly; says whether the stream was all there.
    pub fn finish(&mut self) -> StreamEnd {
        self.pending.clear();
        if self.failure.is_some() || !(self.done || self.finished) {
            return StreamEnd::Cut;
        }
        let told = std::mem::replace(&mut self.done, true);
        let last: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        StreamEnd::Complete { tail: if told { Bytes::new() } else { Bytes::from_static(last) } }
    }

    /// The message's id.
    #[must_use]
    pub const fn id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    /// The upstream's own counts, once the answer is complete: those before it are of the prompt alone.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let counted = self.counts.usage()?;
        if self.finished {
            return Some(counted);
        }
        // Broken off: the prompt was counted, and what was produced can only be estimated.
        Some(Usage { completion: counted.completion.max(self.produced.estimate()), ..counted })
    }

    /// What was produced so far.
    #[must_use]
    pub const fn produced(&self) -> Produced {
        self.produced
    }

    /// The failure the upstream reported. Neither that event nor anything after it is relayed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_deref()
    }

    /// Whether the upstream gave its reason to stop: a cut after that takes nothing from the client.
    #[must_use]
    pub const fn has_finished(&self) -> bool {
        self.failure.is_none() && (self.done || self.finished)
    }

    /// Whether the last event has been relayed; nothing after it is.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }
}

const fn within_limit(length: usize) -> Result<(), TooLong> {
    if length > MAX_EVENT { Err(TooLong { limit: MAX_EVENT }) } else { Ok(()) }
}
