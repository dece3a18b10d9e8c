//! A stream, read: each event is an answer of its own that holds what is new.

use super::answer::{candidate, is_blocked, parts, read_call, stop, text, usage};
use super::upstream_error;
use crate::dialects::hub::{Event, Stop};
use crate::dialects::stream::EventReader;
use serde_json::{Map, Value};

/// Reads chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// The answer's id; `None` before the first chunk.
    id: Option<String>,
    calls: u32,
    stopped: bool,
}

/// More calls than this are not told.
const MOST_CALLS: u32 = 1024;

impl EventReader for Chunks {
    fn read(&mut self, _: &[u8], data: &[u8], events: &mut Vec<Event>) {
        let Ok(Value::Object(mut chunk)) = serde_json::from_slice(data) else { return };
        if chunk.contains_key("error") {
            events.push(Event::Fail(Box::new(upstream_error::of_stream(data))));
            return;
        }
        if self.id.is_none() {
            let id = text(&chunk, "responseId");
            events.push(Event::Start { id: id.clone(), model: text(&chunk, "modelVersion") });
            self.id = Some(id);
        }
        let usage = usage(&chunk);
        match candidate(&mut chunk) {
            Some(candidate) => self.candidate(candidate, events),
            None if is_blocked(&chunk) => self.stop(Stop::Filter, events),
            None => {}
        }
        events.extend(usage.map(Event::Usage));
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        // Nothing marks the end but the end itself.
        if self.stopped {
            events.push(Event::End);
        }
    }
}

impl Chunks {
    fn candidate(&mut self, mut candidate: Map<String, Value>, events: &mut Vec<Event>) {
        for part in parts(&mut candidate) {
            self.part(part, events);
        }
        if let Some(reason) = candidate.get("finishReason").and_then(Value::as_str) {
            self.stop(stop(reason, self.calls > 0), events);
        }
    }

    fn part(&mut self, part: Value, events: &mut Vec<Event>) {
        let Value::Object(mut part) = part else { return };
        let proof = part.get("thoughtSignature").and_then(Value::as_str).map(str::to_owned);
        let thought = part.get("thought").and_then(Value::as_bool).unwrap_or_default();
        if let Some(Value::String(text)) = part.remove("text")
            && !text.is_empty()
        {
            events.push(if thought { Event::Reasoning(text) } else { Event::Text(text) });
        }
        if let Some(Value::Object(call)) = part.remove("functionCall")
            && self.calls < MOST_CALLS
        {
            let answer = self.id.as_deref().unwrap_or_default();
            let call = read_call(&call, answer, self.calls as usize, None);
            let index = self.calls;
            self.calls += 1;
            events.push(Event::Call { index, id: call.id, name: call.name });
            events.push(Event::Arguments { index, json: call.arguments });
        }
        events.extend(proof.filter(|_| thought).map(Event::Signature));
    }

    fn stop(&mut self, stop: Stop, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.stopped, true) {
            events.push(Event::Stop(stop));
        }
    }
}
