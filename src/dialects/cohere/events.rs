//! A stream, read.

use super::answer::{read_call, said, stop, usage};
use crate::dialects::hub::Event;
use crate::dialects::stream::EventReader;
use crate::dialects::unreadable;
use serde_json::{Map, Value};

/// Reads events.
#[derive(Debug, Default)]
pub(super) struct Events {
    started: bool,
    /// How many calls have begun.
    calls: u32,
}

impl EventReader for Events {
    fn read(&mut self, _: &[u8], data: &[u8], events: &mut Vec<Event>) {
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else { return };
        let Some(kind) = said(&mut event, "type") else { return };
        if kind == "message-start" {
            return self.start(said(&mut event, "id").unwrap_or_default(), events);
        }
        let Some(Value::Object(mut delta)) = event.remove("delta") else { return };
        self.start(String::new(), events);
        if kind == "message-end" {
            return end(&mut delta, events);
        }
        let Some(Value::Object(mut message)) = delta.remove("message") else { return };
        match kind.as_str() {
            "content-start" | "content-delta" => content(&mut message, events),
            "tool-plan-delta" => events.extend(said(&mut message, "tool_plan").map(Event::Reasoning)),
            "tool-call-start" => self.call(&mut message, events),
            "tool-call-delta" => self.arguments(&mut message, events),
            _ => {}
        }
    }
}

impl Events {
    fn start(&mut self, id: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start { id, model: String::new() });
        }
    }

    fn call(&mut self, message: &mut Map<String, Value>, events: &mut Vec<Event>) {
        let Some(call) = message.remove("tool_calls").and_then(read_call) else { return };
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        events.push(Event::Call { index, id: call.id, name: call.name });
        if !call.arguments.is_empty() {
            events.push(Event::Arguments { index, json: call.arguments });
        }
    }

    fn arguments(&self, message: &mut Map<String, Value>, events: &mut Vec<Event>) {
        let Some(index) = self.calls.checked_sub(1) else { return };
        let json = message.get_mut("tool_calls").and_then(|calls| calls.pointer_mut("/function/arguments"));
        if let Some(Value::String(json)) = json.map(Value::take)
            && !json.is_empty()
        {
            events.push(Event::Arguments { index, json });
        }
    }
}

fn content(message: &mut Map<String, Value>, events: &mut Vec<Event>) {
    let Some(Value::Object(mut content)) = message.remove("content") else { return };
    events.extend(said(&mut content, "thinking").map(Event::Reasoning));
    events.extend(said(&mut content, "text").map(Event::Text));
}

fn end(delta: &mut Map<String, Value>, events: &mut Vec<Event>) {
    let reason = said(delta, "finish_reason").unwrap_or_else(|| "COMPLETE".to_owned());
    match (stop(&reason), said(delta, "error")) {
        (Err(_), Some(words)) => events.push(Event::Fail(Box::new(unreadable(&words)))),
        (Err(failure), None) => events.push(Event::Fail(Box::new(failure))),
        (Ok(stop), _) => {
            events.push(Event::Stop(stop));
            events.extend(delta.get("usage").and_then(usage).map(Event::Usage));
            events.push(Event::End);
        }
    }
}
