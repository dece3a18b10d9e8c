//! A stream, read.

use super::decode::{stop, taken, usage};
use crate::dialects::hub::Event;
use crate::dialects::openai::events::is_error;
use crate::dialects::openai::upstream_error::read_event_failure;
use crate::dialects::stream::EventReader;
use serde_json::{Map, Value};

/// Reads chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    started: bool,
    /// The calls so far: the upstream's index and id of each.
    calls: Vec<(u64, String)>,
    stopped: bool,
}

/// More calls than this are not kept apart.
const MOST_CALLS: usize = 1024;

impl EventReader for Chunks {
    fn read(&mut self, name: &[u8], data: &[u8], events: &mut Vec<Event>) {
        if data.trim_ascii() == b"[DONE]" {
            events.push(Event::End);
            return;
        }
        if name == b"error" {
            events.push(Event::Fail(Box::new(read_event_failure(data))));
            return;
        }
        let Ok(Value::Object(mut chunk)) = serde_json::from_slice(data) else { return };
        let fails = chunk.iter().any(|(name, value)| {
            matches!(name.as_str(), "error" | "error_code" | "error_msg" | "object")
                && is_error(name, value.to_string().as_bytes())
        });
        if fails {
            events.push(Event::Fail(Box::new(read_event_failure(data))));
            return;
        }
        let choice = match chunk.remove("choices") {
            Some(Value::Array(choices)) => choices.into_iter().next(),
            _ => None,
        };
        if !self.started && (choice.is_some() || chunk.contains_key("id")) {
            self.started = true;
            let mut own = |name| taken(&mut chunk, name).unwrap_or_default();
            events.push(Event::Start { id: own("id"), model: own("model") });
        }
        if let Some(Value::Object(choice)) = choice {
            self.choice(choice, events);
        }
        events.extend(chunk.get("usage").and_then(usage).map(Event::Usage));
    }
}

impl Chunks {
    fn choice(&mut self, mut choice: Map<String, Value>, events: &mut Vec<Event>) {
        // Only the first answer is relayed; more than one is never asked for.
        if choice.get("index").and_then(Value::as_u64).is_some_and(|index| index > 0) {
            return;
        }
        if let Some(Value::Object(delta)) = choice.remove("delta") {
            self.delta(delta, events);
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str)
            && !std::mem::replace(&mut self.stopped, true)
        {
            events.push(Event::Stop(stop(reason, !self.calls.is_empty())));
        }
    }

    fn delta(&mut self, mut delta: Map<String, Value>, events: &mut Vec<Event>) {
        let thought = taken(&mut delta, "reasoning_content").or_else(|| taken(&mut delta, "reasoning"));
        events.extend(thought.filter(|text| !text.is_empty()).map(Event::Reasoning));
        match delta.remove("content") {
            Some(Value::String(text)) if !text.is_empty() => events.push(Event::Text(text)),
            Some(Value::Array(parts)) => events.extend(parts.into_iter().filter_map(part)),
            _ => {}
        }
        events.extend(taken(&mut delta, "refusal").filter(|text| !text.is_empty()).map(Event::Refusal));
        if let Some(Value::Array(calls)) = delta.remove("tool_calls") {
            calls.into_iter().for_each(|call| self.call(call, events));
        }
        if let Some(function @ Value::Object(_)) = delta.remove("function_call") {
            self.call(serde_json::json!({ "index": 0, "function": function }), events);
        }
    }

    /// A piece of a call. An id that is new at its index begins another one, whatever the index says.
    fn call(&mut self, call: Value, events: &mut Vec<Event>) {
        let Value::Object(mut call) = call else { return };
        let id = taken(&mut call, "id").unwrap_or_default();
        let wire = call.get("index").and_then(Value::as_u64);
        let wire = wire.unwrap_or_else(|| self.calls.last().map_or(0, |(wire, _)| *wire));
        let Some(Value::Object(mut function)) = call.remove("function") else { return };
        let name = taken(&mut function, "name").filter(|name| !name.is_empty());
        let known =
            self.calls.iter().rposition(|(own, own_id)| *own == wire && (id.is_empty() || *own_id == id));
        let index = match (known, name) {
            (Some(at), _) => at,
            (None, Some(name)) if self.calls.len() < MOST_CALLS => {
                self.calls.push((wire, id.clone()));
                let at = self.calls.len() - 1;
                events.push(Event::Call { index: number(at), id, name });
                at
            }
            (None, _) => return,
        };
        let json = match function.remove("arguments") {
            Some(Value::String(json)) => json,
            None | Some(Value::Null) => return,
            Some(other) => other.to_string(),
        };
        if !json.is_empty() {
            events.push(Event::Arguments { index: number(index), json });
        }
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn part(value: Value) -> Option<Event> {
    let Value::Object(mut map) = value else { return None };
    match taken(&mut map, "type")?.as_str() {
        "text" => taken(&mut map, "text").map(Event::Text),
        "thinking" => match map.remove("thinking")? {
            Value::String(text) => Some(Event::Reasoning(text)),
            Value::Array(parts) => {
                Some(Event::Reasoning(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()))
            }
            _ => None,
        },
        _ => None,
    }
}
