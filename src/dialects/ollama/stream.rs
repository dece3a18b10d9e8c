//! A stream, read: each line is an object that holds what is new.

use super::answer::{calls, said, stop, usage};
use crate::dialects::StreamDecoder;
use crate::dialects::hub::Event;
use crate::dialects::openai::upstream_error::read_event_failure;
use crate::dialects::sse::TooLong;
use crate::dialects::stream::Frames;
use serde_json::{Map, Value};

/// Reads lines. After a failure or the end nothing is read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    frames: Frames,
    /// How far the unfinished line has been looked through.
    seen: usize,
    reader: Reader,
}

#[derive(Debug, Default)]
struct Reader {
    started: bool,
    over: bool,
    calls: u32,
}

/// More calls than this are not told.
const MOST_CALLS: u32 = 1024;

impl StreamDecoder for Lines {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        let Self { frames, seen, reader } = self;
        if reader.over {
            return Ok(());
        }
        let find = |rest: &[u8]| match memchr::memchr(b'\n', rest.get(*seen..).unwrap_or_default()) {
            Some(at) => Some(std::mem::take(seen) + at + 1),
            None => {
                *seen = rest.len();
                None
            }
        };
        frames.push(bytes, find, |line| reader.line(line, events))
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        // A line without its end counts if it is whole: cut JSON says nothing.
        let left = self.frames.take();
        self.reader.line(&left, events);
    }
}

impl Reader {
    fn line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        if self.over {
            return;
        }
        let Ok(Value::Object(mut map)) = serde_json::from_slice(line) else { return };
        if map.contains_key("error") {
            self.over = true;
            events.push(Event::Fail(Box::new(read_event_failure(line))));
            return;
        }
        if !std::mem::replace(&mut self.started, true) {
            let model = map.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
            events.push(Event::Start { id: String::new(), model });
        }
        if let Some(Value::Object(message)) = map.remove("message") {
            self.message(message, events);
        }
        if map.get("done").and_then(Value::as_bool).unwrap_or_default() {
            self.over = true;
            events.push(Event::Stop(stop(&map, self.calls > 0)));
            events.extend(usage(&map).map(Event::Usage));
            events.push(Event::End);
        }
    }

    fn message(&mut self, mut message: Map<String, Value>, events: &mut Vec<Event>) {
        events.extend(said(&mut message, "thinking").map(Event::Reasoning));
        events.extend(said(&mut message, "content").map(Event::Text));
        for call in calls(&mut message) {
            if self.calls >= MOST_CALLS {
                break;
            }
            let index = self.calls;
            self.calls += 1;
            events.push(Event::Call { index, id: call.id, name: call.name });
            events.push(Event::Arguments { index, json: call.arguments });
        }
    }
}
