//! A stream, written: items that are added, grow and are done.

use super::item;
use super::object::{self, Standing, Who};
use crate::dialects::hub::{Event, Stop};
use crate::dialects::json::put_text;
use crate::dialects::{Given, StreamEncoder};
use crate::domain::{ApiError, Usage};
use serde_json::{Value, json};

/// Writes one stream.
pub(super) struct Events {
    given: Given,
    id: String,
    begun: bool,
    /// The number of the next event.
    number: u64,
    /// Items that are done.
    items: Vec<String>,
    open: Open,
    /// Calls that are under way, which come after all items that are done: their arguments may come in any order.
    calls: Vec<OpenCall>,
    /// Bytes of what is kept.
    kept: usize,
    usage: Option<Usage>,
    stop: Stop,
}

/// What is being said or thought, if anything is.
enum Open {
    Nothing,
    Said { refuses: bool, id: String, text: String },
    Thought { id: String, text: String, signature: String },
}

struct OpenCall {
    index: u32,
    item: String,
    id: String,
    name: String,
    arguments: String,
}

impl Events {
    pub(super) fn new(given: Given) -> Self {
        Self {
            id: object::id(&given),
            given,
            begun: false,
            number: 0,
            items: Vec::new(),
            open: Open::Nothing,
            calls: Vec::new(),
            kept: 0,
            usage: None,
            stop: Stop::End,
        }
    }

    /// Begins the data of an event; the caller adds members, each with a comma before it, and ends it.
    fn start(&mut self, kind: &str, out: &mut Vec<u8>) {
        object::begin(kind, self.number, out);
        self.number += 1;
    }

    fn event(&mut self, kind: &str, data: &Value, out: &mut Vec<u8>) {
        self.start(kind, out);
        out.push(b',');
        out.extend_from_slice(data.to_string().trim_start_matches('{').as_bytes());
        out.extend_from_slice(b"\n\n");
    }

    /// An event that holds the whole response.
    fn response(&mut self, kind: &str, standing: &Standing<'_>, out: &mut Vec<u8>) {
        self.start(kind, out);
        out.extend_from_slice(b",\"response\":");
        object::put(out, Who::of(&self.id, &self.given), standing, &self.items);
        out.extend_from_slice(b"}\n\n");
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.response("response.created", &Standing::UNDER_WAY, out);
            self.response("response.in_progress", &Standing::UNDER_WAY, out);
        }
    }

    /// More of an item, in the form that all deltas share.
    fn delta(&mut self, kind: &str, place: (&str, usize, &str), text: &str, out: &mut Vec<u8>) {
        let (item, at, inner) = place;
        self.start(kind, out);
        out.extend_from_slice(b",\"item_id\":\"");
        out.extend_from_slice(item.as_bytes());
        out.extend_from_slice(format!("\",\"output_index\":{at}{inner},\"delta\":").as_bytes());
        put_text(out, text);
        out.extend_from_slice(b"}\n\n");
        self.kept += text.len();
    }

    /// Where the open item stands.
    fn at(&self) -> usize {
        self.items.len()
    }

    fn added(&mut self, at: usize, item: &Value, out: &mut Vec<u8>) {
        self.event("response.output_item.added", &json!({ "output_index": at, "item": item }), out);
    }

    fn done(&mut self, item: &Value, out: &mut Vec<u8>) {
        let at = self.at();
        self.event("response.output_item.done", &json!({ "output_index": at, "item": item }), out);
        let item = item.to_string();
        self.kept += item.len();
        self.items.push(item);
    }

    fn say(&mut self, refuses: bool, more: &str, out: &mut Vec<u8>) {
        if !matches!(&self.open, Open::Said { refuses: open, .. } if *open == refuses) {
            self.close(out);
            let (at, id) = (self.at(), object::item_id("msg", &self.id, self.at()));
            self.added(at, &item::message(&id, "in_progress", &[]), out);
            let part = json!({
                "item_id": id, "output_index": at, "content_index": 0, "part": item::part(refuses, ""),
            });
            self.event("response.content_part.added", &part, out);
            self.open = Open::Said { refuses, id, text: String::new() };
        }
        let mut open = std::mem::replace(&mut self.open, Open::Nothing);
        if let Open::Said { id, text, .. } = &mut open {
            text.push_str(more);
            let (kind, inner) = match refuses {
                true => ("response.refusal.delta", ",\"content_index\":0"),
                false => ("response.output_text.delta", ",\"content_index\":0,\"logprobs\":[]"),
            };
            self.delta(kind, (id.as_str(), self.at(), inner), more, out);
        }
        self.open = open;
    }

    fn begin_thought(&mut self, out: &mut Vec<u8>) {
        if matches!(self.open, Open::Thought { .. }) {
            return;
        }
        self.close(out);
        let (at, id) = (self.at(), object::item_id("rs", &self.id, self.at()));
        self.added(at, &item::thought(&id, "", None), out);
        self.open = Open::Thought { id, text: String::new(), signature: String::new() };
    }

    fn think(&mut self, more: &str, out: &mut Vec<u8>) {
        self.begin_thought(out);
        let mut open = std::mem::replace(&mut self.open, Open::Nothing);
        if let Open::Thought { id, text, .. } = &mut open {
            if text.is_empty() {
                let part = json!({
                    "item_id": id, "output_index": self.at(), "summary_index": 0, "part": item::summary(""),
                });
                self.event("response.reasoning_summary_part.added", &part, out);
            }
            text.push_str(more);
            let place = (id.as_str(), self.at(), ",\"summary_index\":0");
            self.delta("response.reasoning_summary_text.delta", place, more, out);
        }
        self.open = open;
    }

    fn sign(&mut self, more: &str, out: &mut Vec<u8>) {
        self.begin_thought(out);
        if let Open::Thought { signature, .. } = &mut self.open {
            signature.push_str(more);
            self.kept += more.len();
        }
    }

    fn call(&mut self, index: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        self.close_words(out);
        let at = self.at() + self.calls.len();
        let made = format!("call_{}_{index}", self.given.id);
        let call = OpenCall {
            index,
            item: object::item_id("fc", &self.id, at),
            id: if id.is_empty() { made } else { id.to_owned() },
            name: name.to_owned(),
            arguments: String::new(),
        };
        self.added(at, &item::call(&call.item, "in_progress", &call.id, name, ""), out);
        self.kept += size_of::<OpenCall>() + name.len();
        self.calls.push(call);
    }

    fn arguments(&mut self, index: u32, json: &str, out: &mut Vec<u8>) {
        let before = self.at();
        let found = self.calls.iter_mut().enumerate().find(|(_, call)| call.index == index);
        let Some((at, call)) = found else { return };
        call.arguments.push_str(json);
        let item = call.item.clone();
        self.delta("response.function_call_arguments.delta", (&item, before + at, ""), json, out);
    }

    fn status(&self) -> &'static str {
        match self.stop {
            Stop::Length | Stop::Filter | Stop::Refusal => "incomplete",
            Stop::End | Stop::Sequence(_) | Stop::Calls | Stop::Pause => "completed",
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_words(out);
        for call in std::mem::take(&mut self.calls) {
            let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
            let done = json!({
                "item_id": call.item, "output_index": self.at(), "name": call.name, "arguments": arguments,
            });
            self.event("response.function_call_arguments.done", &done, out);
            let item = item::call(&call.item, self.status(), &call.id, &call.name, arguments);
            self.done(&item, out);
        }
    }

    fn close_words(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Said { refuses, id, text } => self.close_said(refuses, &id, &text, out),
            Open::Thought { id, text, signature } => {
                if !text.is_empty() {
                    let place = json!({
                        "item_id": id, "output_index": self.at(), "summary_index": 0, "text": text,
                    });
                    self.event("response.reasoning_summary_text.done", &place, out);
                    let part = json!({
                        "item_id": id, "output_index": self.at(), "summary_index": 0,
                        "part": item::summary(&text),
                    });
                    self.event("response.reasoning_summary_part.done", &part, out);
                }
                let signature = Some(signature.as_str()).filter(|signature| !signature.is_empty());
                self.done(&item::thought(&id, &text, signature), out);
            }
        }
    }

    fn close_said(&mut self, refuses: bool, id: &str, text: &str, out: &mut Vec<u8>) {
        let at = self.at();
        let (kind, done) = if refuses {
            (
                "response.refusal.done",
                json!({ "item_id": id, "output_index": at, "content_index": 0, "refusal": text }),
            )
        } else {
            let done = json!({
                "item_id": id, "output_index": at, "content_index": 0, "text": text, "logprobs": [],
            });
            ("response.output_text.done", done)
        };
        self.event(kind, &done, out);
        let part = item::part(refuses, text);
        let ended = json!({ "item_id": id, "output_index": at, "content_index": 0, "part": part });
        self.event("response.content_part.done", &ended, out);
        self.done(&item::message(id, self.status(), &[part]), out);
    }
}

impl StreamEncoder for Events {
    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Usage(usage) => return self.usage = Some(*usage),
            Event::Stop(stop) => return self.stop.clone_from(stop),
            Event::End | Event::Fail(_) => return,
            _ => self.begin(out),
        }
        match event {
            Event::Text(text) => self.say(false, text, out),
            Event::Refusal(text) => self.say(true, text, out),
            Event::Reasoning(text) => self.think(text, out),
            Event::Signature(signature) => {
                self.sign(signature, out);
                self.close(out);
            }
            Event::Redacted(data) => {
                self.close(out);
                let (at, id) = (self.at(), object::item_id("rs", &self.id, self.at()));
                let item = item::redacted(&id, data);
                self.added(at, &item, out);
                self.done(&item, out);
            }
            Event::Call { index, id, name } => self.call(*index, id, name, out),
            Event::Arguments { index, json } => self.arguments(*index, json, out),
            Event::Start { .. } | Event::Usage(_) | Event::Stop(_) | Event::End | Event::Fail(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.close(out);
        let stop = std::mem::take(&mut self.stop);
        let standing = Standing::ended(&stop, self.usage);
        self.response(&format!("response.{}", standing.status), &standing, out);
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        self.begin(out);
        self.response("response.failed", &Standing::failed(error), out);
        object::error_event(error, self.number, out);
    }

    fn kept(&self) -> usize {
        self.kept
    }
}
