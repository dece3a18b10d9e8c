//! A stream, written: what happened, as blocks that begin, grow and end.

use super::tokens;
use super::write::reason;
use crate::dialects::hub::{Event, Stop};
use crate::dialects::json::put_text;
use crate::dialects::{Given, StreamEncoder};
use crate::domain::Usage;
use serde_json::{Value, json};

/// Writes one stream.
pub(super) struct Blocks {
    given: Given,
    begun: bool,
    /// The number of the next block, or of the open one.
    at: u32,
    open: Open,
    usage: Usage,
    stop: Stop,
}

/// What block is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    Call(u32),
}

impl Blocks {
    pub(super) fn new(given: Given) -> Self {
        Self { given, begun: false, at: 0, open: Open::Nothing, usage: Usage::default(), stop: Stop::End }
    }

    fn begin(&mut self, id: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let id = if id.is_empty() { &*self.given.id } else { id };
        let message = json!({
            "id": id, "type": "message", "role": "assistant", "model": &*self.given.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": tokens::write(&self.usage),
        });
        event("message_start", &json!({ "type": "message_start", "message": message }), out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open == Open::Nothing {
            return;
        }
        self.open = Open::Nothing;
        event("content_block_stop", &json!({ "type": "content_block_stop", "index": self.at }), out);
        self.at += 1;
    }

    /// Opens a block, unless it is open; any other one is closed.
    fn open(&mut self, wanted: Open, block: impl FnOnce() -> Value, out: &mut Vec<u8>) {
        if self.open == wanted {
            return;
        }
        self.close(out);
        self.open = wanted;
        let start = json!({ "type": "content_block_start", "index": self.at, "content_block": block() });
        event("content_block_start", &start, out);
    }

    /// More of the open block.
    fn delta(&self, kind: &str, member: &str, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        out.extend_from_slice(self.at.to_string().as_bytes());
        for piece in [",\"delta\":{\"type\":\"", kind, "\",\"", member, "\":"] {
            out.extend_from_slice(piece.as_bytes());
        }
        put_text(out, text);
        out.extend_from_slice(b"}}\n\n");
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.open(Open::Text, || json!({ "type": "text", "text": "" }), out);
        self.delta("text_delta", "text", text, out);
    }

    fn think(&mut self, kind: &str, member: &str, text: &str, out: &mut Vec<u8>) {
        self.open(Open::Thinking, || json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
        self.delta(kind, member, text, out);
    }
}

fn event(name: &str, data: &Value, out: &mut Vec<u8>) {
    for piece in ["event: ", name, "\ndata: ", &data.to_string(), "\n\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

impl StreamEncoder for Blocks {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } => return self.begin(id, out),
            Event::Usage(usage) => return self.usage = *usage,
            Event::Stop(stop) => return self.stop.clone_from(stop),
            Event::End | Event::Fail(_) => return,
            _ => self.begin("", out),
        }
        match event {
            Event::Text(text) | Event::Refusal(text) => self.text(text, out),
            Event::Reasoning(text) => self.think("thinking_delta", "thinking", text, out),
            Event::Signature(signature) => {
                self.think("signature_delta", "signature", signature, out);
                self.close(out);
            }
            Event::Redacted(data) => {
                self.close(out);
                self.open(Open::Thinking, || json!({ "type": "redacted_thinking", "data": data }), out);
                self.close(out);
            }
            Event::Call { index, id, name } => {
                let made = format!("toolu_{}_{index}", self.given.id);
                let id = if id.is_empty() { &made } else { id };
                let block = || json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                self.open(Open::Call(*index), block, out);
            }
            // Blocks cannot be taken up again: what belongs to another call than the open one is lost, which
            // no provider is known to send.
            Event::Arguments { index, json } if self.open == Open::Call(*index) => {
                self.delta("input_json_delta", "partial_json", json, out);
            }
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin("", out);
        self.close(out);
        let (reason, sequence) = reason(&self.stop);
        let last = json!({
            "type": "message_delta",
            "delta": { "stop_reason": reason, "stop_sequence": sequence },
            "usage": tokens::write(&self.usage),
        });
        event("message_delta", &last, out);
        event("message_stop", &json!({ "type": "message_stop" }), out);
    }
}
