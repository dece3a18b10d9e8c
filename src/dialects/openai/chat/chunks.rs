//! A stream, written: what happened, as chunks.

use super::write::{reason, usage};
use crate::dialects::hub::Event;
use crate::dialects::json::put_text;
use crate::dialects::{Given, StreamEncoder};
use crate::domain::Usage;

/// Writes one stream. What all chunks begin with is made once.
pub(super) struct Chunks {
    given: Given,
    head: Vec<u8>,
    usage: Option<Usage>,
}

const TAIL: &[u8] = b",\"finish_reason\":null}]}\n\n";

impl Chunks {
    pub(super) fn new(given: Given) -> Self {
        Self { given, head: Vec::new(), usage: None }
    }

    fn begin(&mut self, id: &str, out: &mut Vec<u8>) {
        if !self.head.is_empty() {
            return;
        }
        let id = if id.is_empty() { &*self.given.id } else { id };
        self.head.extend_from_slice(b"data: {\"id\":");
        put_text(&mut self.head, id);
        self.head.extend_from_slice(format!(",\"created\":{},\"model\":", self.given.created).as_bytes());
        put_text(&mut self.head, &self.given.model);
        self.head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"choices\":[");
        self.delta(out, |out| out.extend_from_slice(b"{\"role\":\"assistant\",\"content\":\"\"}"));
    }

    fn delta(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":0,\"delta\":");
        delta(out);
        out.extend_from_slice(TAIL);
    }

    /// A delta of one text.
    fn text(&self, name: &str, text: &str, out: &mut Vec<u8>) {
        self.delta(out, |out| {
            out.extend_from_slice(b"{\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            put_text(out, text);
            out.push(b'}');
        });
    }

    fn call(&self, index: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        self.delta(out, |out| {
            out.extend_from_slice(format!("{{\"tool_calls\":[{{\"index\":{index},\"id\":").as_bytes());
            let made = format!("call_{}_{index}", self.given.id);
            put_text(out, if id.is_empty() { &made } else { id });
            out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
            put_text(out, name);
            out.extend_from_slice(b",\"arguments\":\"\"}}]}");
        });
    }

    fn arguments(&self, index: u32, json: &str, out: &mut Vec<u8>) {
        self.delta(out, |out| {
            let head = format!("{{\"tool_calls\":[{{\"index\":{index},\"function\":{{\"arguments\":");
            out.extend_from_slice(head.as_bytes());
            put_text(out, json);
            out.extend_from_slice(b"}}]}");
        });
    }

    /// A thought's proof, or a thought that is not shown, as LiteLLM's clients know it.
    fn block(&self, block: &serde_json::Value, out: &mut Vec<u8>) {
        self.delta(out, |out| {
            out.extend_from_slice(format!("{{\"thinking_blocks\":[{block}]}}").as_bytes());
        });
    }
}

impl StreamEncoder for Chunks {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } => return self.begin(id, out),
            Event::Usage(usage) => return self.usage = Some(*usage),
            Event::End | Event::Fail(_) => return,
            _ => self.begin("", out),
        }
        match event {
            Event::Text(text) => self.text("content", text, out),
            Event::Refusal(text) => self.text("refusal", text, out),
            Event::Reasoning(text) => self.text("reasoning_content", text, out),
            Event::Signature(signature) => self.block(&super::write::thinking_block("", signature), out),
            Event::Redacted(data) => {
                self.block(&serde_json::json!({ "type": "redacted_thinking", "data": data }), out);
            }
            Event::Call { index, id, name } => self.call(*index, id, name, out),
            Event::Arguments { index, json } => self.arguments(*index, json, out),
            Event::Stop(stop) => {
                out.extend_from_slice(&self.head);
                let end =
                    format!("{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{}\"}}]}}\n\n", reason(stop));
                out.extend_from_slice(end.as_bytes());
            }
            Event::Start { .. } | Event::Usage(_) | Event::End | Event::Fail(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(counts) = self.usage.filter(|_| self.given.usage) {
            self.begin("", out);
            out.extend_from_slice(&self.head);
            out.extend_from_slice(format!("],\"usage\":{}}}\n\n", usage(&counts)).as_bytes());
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
