//! A stream, written: each event is an answer of its own that holds what is new.

use super::write::{call, counts, reason, redacted, thought};
use crate::dialects::hub::{Call, Event, Stop};
use crate::dialects::json::put_text;
use crate::dialects::{Given, StreamEncoder};
use crate::domain::Usage;
use serde_json::{Value, json};

/// Writes one stream.
pub(super) struct Chunks {
    given: Given,
    id: String,
    /// Calls whose arguments are not all there: Google's come whole.
    calls: Vec<(u32, Call)>,
    kept: usize,
    usage: Option<Usage>,
    stop: Stop,
}

impl Chunks {
    pub(super) fn new(given: Given) -> Self {
        let id = given.id.to_string();
        Self { given, id, calls: Vec::new(), kept: 0, usage: None, stop: Stop::End }
    }

    /// An event with these bytes as its only part, and these members after its candidate's content.
    fn event(&self, out: &mut Vec<u8>, part: impl FnOnce(&mut Vec<u8>), more: &str, after: &str) {
        out.extend_from_slice(b"data: {\"candidates\":[{\"content\":{\"parts\":[");
        part(out);
        out.extend_from_slice(b"],\"role\":\"model\"}");
        out.extend_from_slice(more.as_bytes());
        out.extend_from_slice(b",\"index\":0}]");
        out.extend_from_slice(after.as_bytes());
        out.extend_from_slice(b",\"modelVersion\":");
        put_text(out, &self.given.model);
        out.extend_from_slice(b",\"responseId\":");
        put_text(out, &self.id);
        out.extend_from_slice(b"}\n\n");
    }

    fn part(&mut self, part: &Value, out: &mut Vec<u8>) {
        self.close(out);
        self.event(out, |out| out.extend_from_slice(part.to_string().as_bytes()), "", "");
    }

    fn text(&mut self, text: &str, end: &[u8], out: &mut Vec<u8>) {
        self.close(out);
        let part = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"{\"text\":");
            put_text(out, text);
            out.extend_from_slice(end);
        };
        self.event(out, part, "", "");
    }

    /// Tells the calls, whose arguments are all there now.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.kept = 0;
        for (_, made) in std::mem::take(&mut self.calls) {
            let part = call(&made.id, &made.name, &made.object()).to_string();
            self.event(out, |out| out.extend_from_slice(part.as_bytes()), "", "");
        }
    }

    fn begin_call(&mut self, index: u32, id: &str, name: &str) {
        let made = format!("call_{}_{index}", self.given.id);
        let id = if id.is_empty() { made } else { id.to_owned() };
        self.kept += size_of::<(u32, Call)>() + id.len() + name.len();
        let call = Call { id, name: name.to_owned(), arguments: String::new(), signature: None };
        self.calls.push((index, call));
    }

    fn arguments(&mut self, index: u32, json: &str) {
        if let Some((_, call)) = self.calls.iter_mut().find(|(own, _)| *own == index) {
            call.arguments.push_str(json);
            self.kept += json.len();
        }
    }
}

impl StreamEncoder for Chunks {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } if !id.is_empty() => self.id.clone_from(id),
            Event::Start { .. } | Event::End | Event::Fail(_) => {}
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Stop(stop) => self.stop.clone_from(stop),
            Event::Text(text) | Event::Refusal(text) => self.text(text, b"}", out),
            Event::Reasoning(text) => self.text(text, b",\"thought\":true}", out),
            Event::Signature(signature) => self.part(&thought("", Some(signature)), out),
            Event::Redacted(data) => self.part(&redacted(data), out),
            Event::Call { index, id, name } => self.begin_call(*index, id, name),
            Event::Arguments { index, json } => self.arguments(*index, json),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let reason = format!(",\"finishReason\":\"{}\"", reason(&self.stop));
        let usage = self.usage.as_ref().map(counts).unwrap_or_else(|| json!({}));
        let usage = format!(",\"usageMetadata\":{usage}");
        self.event(out, |out| out.extend_from_slice(b"{\"text\":\"\"}"), &reason, &usage);
    }

    fn kept(&self) -> usize {
        self.kept
    }
}
