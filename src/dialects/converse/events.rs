//! A stream, read.

use super::answer::{stop, taken, usage};
use super::frame;
use crate::dialects::StreamDecoder;
use crate::dialects::hub::{Event, JSON_TOOL, Stop};
use crate::dialects::openai::read_failure;
use crate::dialects::sse::TooLong;
use crate::dialects::stream::{Frames, Input};
use crate::dialects::unreadable;
use crate::domain::Failure;
use serde_json::{Map, Value};

/// The statuses that exceptions would have as answers.
const EXCEPTIONS: [(&str, u16); 7] = [
    ("internalServerException", 500),
    ("modelStreamErrorException", 500),
    ("modelTimeoutException", 408),
    ("serviceUnavailableException", 503),
    ("throttlingException", 429),
    ("validationException", 400),
    ("accessDeniedException", 403),
];

/// Reads messages. After a failure or the end nothing is read.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    frames: Frames,
    reader: Reader,
}

#[derive(Debug, Default)]
struct Reader {
    started: bool,
    stopped: bool,
    over: bool,
    /// How many calls have begun.
    calls: u32,
    /// Whose JSON comes now.
    open: Input,
}

impl StreamDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        let Self { frames, reader } = self;
        if reader.over {
            return Ok(());
        }
        frames.push(bytes, frame::end, |message| reader.message(message, events))
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        // The counts may be missing; what the model said is there.
        if self.reader.stopped && !self.reader.over {
            events.push(Event::End);
        }
    }
}

impl Reader {
    fn message(&mut self, message: &[u8], events: &mut Vec<Event>) {
        if self.over {
            return;
        }
        let Some(frame) = frame::read(message) else {
            return self.fail(unreadable("the upstream's event stream is damaged"), events);
        };
        if frame.kind != "event" {
            return self.fail(failure(frame.name, frame.payload), events);
        }
        let Ok(Value::Object(mut payload)) = serde_json::from_slice(frame.payload) else { return };
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start { id: String::new(), model: String::new() });
        }
        match frame.name {
            "contentBlockStart" => self.begin(&mut payload, events),
            "contentBlockDelta" => self.delta(&mut payload, events),
            "contentBlockStop" => self.open = Input::Nobody,
            "messageStop" => self.stop(&payload, events),
            "metadata" => {
                events.extend(payload.get("usage").and_then(usage).map(Event::Usage));
                if self.stopped {
                    self.over = true;
                    events.push(Event::End);
                }
            }
            _ => {}
        }
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.over = true;
        events.push(Event::Fail(Box::new(failure)));
    }

    fn begin(&mut self, payload: &mut Map<String, Value>, events: &mut Vec<Event>) {
        self.open = Input::Nobody;
        let used = payload.get_mut("start").and_then(|start| start.get_mut("toolUse")).map(Value::take);
        let Some(Value::Object(mut used)) = used else { return };
        let Some(name) = taken(&mut used, "name") else { return };
        if name == JSON_TOOL {
            self.open = Input::Answer;
            return;
        }
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        self.open = Input::Call(index);
        let id = taken(&mut used, "toolUseId").unwrap_or_default();
        events.push(Event::Call { index, id, name });
    }

    fn delta(&self, payload: &mut Map<String, Value>, events: &mut Vec<Event>) {
        let Some(Value::Object(mut delta)) = payload.remove("delta") else { return };
        events.extend(said(&mut delta, "text").map(Event::Text));
        if let Some(Value::Object(mut used)) = delta.remove("toolUse") {
            let json = said(&mut used, "input");
            events.extend(json.and_then(|json| match self.open {
                Input::Nobody => None,
                Input::Call(index) => Some(Event::Arguments { index, json }),
                Input::Answer => Some(Event::Text(json)),
            }));
        }
        if let Some(Value::Object(mut thought)) = delta.remove("reasoningContent") {
            events.extend(said(&mut thought, "text").map(Event::Reasoning));
            events.extend(said(&mut thought, "signature").map(Event::Signature));
            events.extend(said(&mut thought, "redactedContent").map(Event::Redacted));
        }
    }

    fn stop(&mut self, payload: &Map<String, Value>, events: &mut Vec<Event>) {
        let reason = payload.get("stopReason").and_then(Value::as_str).unwrap_or("end_turn");
        let stop: Stop = stop(reason, self.calls > 0);
        if !std::mem::replace(&mut self.stopped, true) {
            events.push(Event::Stop(stop));
        }
    }
}

/// A text that is not empty.
fn said(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    taken(map, name).filter(|text| !text.is_empty())
}

fn failure(name: &str, payload: &[u8]) -> Failure {
    let status = EXCEPTIONS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, status)| *status);
    read_failure(status.unwrap_or(500), payload, None)
}
