//! A stream, read.

use super::decode::{stop, taken};
use super::error::of_event;
use super::tokens::Counts;
use crate::dialects::hub::{Event, JSON_TOOL};
use crate::dialects::stream::{EventReader, Input};
use serde_json::{Map, Value};

/// Reads events.
#[derive(Debug, Default)]
pub(super) struct Events {
    counts: Counts,
    /// How many calls have begun.
    calls: u32,
    /// The block that is open, and what its `input_json_delta`s are.
    open: Input,
}

impl EventReader for Events {
    fn read(&mut self, _: &[u8], data: &[u8], events: &mut Vec<Event>) {
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else { return };
        let Some(kind) = taken(&mut event, "type") else { return };
        match kind.as_str() {
            "message_start" => self.start(event, events),
            "content_block_start" => {
                if let Some(Value::Object(block)) = event.remove("content_block") {
                    self.block(block, events);
                }
            }
            "content_block_delta" => {
                if let Some(Value::Object(delta)) = event.remove("delta") {
                    events.extend(self.delta(delta));
                }
            }
            "content_block_stop" => self.open = Input::Nobody,
            "message_delta" => self.end(&event, events),
            "message_stop" => events.push(Event::End),
            "error" => events.push(Event::Fail(Box::new(of_event(&Value::Object(event), data)))),
            _ => {}
        }
    }
}

impl Events {
    fn start(&mut self, mut event: Map<String, Value>, events: &mut Vec<Event>) {
        let Some(Value::Object(mut message)) = event.remove("message") else { return };
        self.counts.take(message.get("usage").unwrap_or(&Value::Null));
        let mut own = |name| taken(&mut message, name).unwrap_or_default();
        events.push(Event::Start { id: own("id"), model: own("model") });
        events.extend(self.counts.usage().map(Event::Usage));
    }

    fn block(&mut self, mut block: Map<String, Value>, events: &mut Vec<Event>) {
        self.open = Input::Nobody;
        match taken(&mut block, "type").as_deref() {
            Some("text") => events.extend(said(&mut block, "text").map(Event::Text)),
            Some("thinking") => events.extend(said(&mut block, "thinking").map(Event::Reasoning)),
            Some("redacted_thinking") => events.extend(said(&mut block, "data").map(Event::Redacted)),
            Some("tool_use") => self.call(block, events),
            _ => {}
        }
    }

    fn call(&mut self, mut block: Map<String, Value>, events: &mut Vec<Event>) {
        let Some(name) = taken(&mut block, "name") else { return };
        let id = taken(&mut block, "id").unwrap_or_default();
        // Some servers say all of it at once.
        let whole =
            block.remove("input").filter(|input| input.as_object().is_some_and(|map| !map.is_empty()));
        if name == JSON_TOOL {
            self.open = Input::Answer;
            events.extend(whole.map(|input| Event::Text(input.to_string())));
            return;
        }
        let index = self.calls;
        self.calls += 1;
        self.open = Input::Call(index);
        events.push(Event::Call { index, id, name });
        events.extend(whole.map(|input| Event::Arguments { index, json: input.to_string() }));
    }

    fn delta(&self, mut delta: Map<String, Value>) -> Option<Event> {
        match taken(&mut delta, "type")?.as_str() {
            "text_delta" => said(&mut delta, "text").map(Event::Text),
            "thinking_delta" => said(&mut delta, "thinking").map(Event::Reasoning),
            "signature_delta" => said(&mut delta, "signature").map(Event::Signature),
            "input_json_delta" => {
                let json = said(&mut delta, "partial_json")?;
                match self.open {
                    Input::Nobody => None,
                    Input::Call(index) => Some(Event::Arguments { index, json }),
                    Input::Answer => Some(Event::Text(json)),
                }
            }
            _ => None,
        }
    }

    fn end(&mut self, event: &Map<String, Value>, events: &mut Vec<Event>) {
        self.counts.take(event.get("usage").unwrap_or(&Value::Null));
        events.extend(self.counts.usage().map(Event::Usage));
        let Some(delta) = event.get("delta") else { return };
        let reason = delta.get("stop_reason").and_then(Value::as_str);
        let sequence = delta.get("stop_sequence").and_then(Value::as_str);
        events.extend(reason.map(|reason| Event::Stop(stop(reason, sequence, self.calls > 0))));
    }
}

fn said(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    taken(map, name).filter(|text| !text.is_empty())
}
