//! Streamed answers: events one by one, framed as the behaviour says.

use super::answer::{Answer, CREATED, Form, TOOL_CALL_ID};
use super::http::Connection;
use super::json::push_string;
use super::{Behaviour, Ending, Grouping, Newline};
use super::{contents, messages, responses};
use serde_json::json;
use std::io;

/// What is to become of the connection once a stream has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    Cut,
    Reset,
}

/// Sends `head` and the events of `answer`.
pub(super) async fn send(
    connection: &mut Connection,
    head: Vec<u8>,
    answer: &Answer,
    behaviour: &Behaviour,
) -> io::Result<Ended> {
    let named = matches!(answer.form, Form::Messages | Form::Responses);
    let mut writer = Writer { connection, behaviour, wire: head, events: Vec::new(), pending: 0, named };
    let stop_after = match behaviour.ending {
        Ending::Done | Ending::NoDone => usize::MAX,
        Ending::Truncate(n) | Ending::Cut(n) | Ending::Reset(n) | Ending::Stall(n) | Ending::Error(n) => n,
    };
    let mut event = Vec::with_capacity(512);
    for index in 0..stop_after {
        event.clear();
        if !answer.push_event(index, &mut event) {
            if behaviour.ending != Ending::NoDone
                && let Some(last) = answer.last_event()
            {
                writer.event(&last).await?;
            }
            return writer.close().await;
        }
        if index > 0 && !behaviour.gap.is_zero() {
            writer.flush().await?;
            writer.connection.pause(behaviour.gap).await?;
        }
        writer.event(&event).await?;
    }
    event.clear();
    answer.push_event(stop_after, &mut event);
    break_off(writer, &event, answer.stream_error()).await
}

/// Ends a stream before its time; `next` is the event that would have come.
async fn break_off(mut writer: Writer<'_>, next: &[u8], error: &str) -> io::Result<Ended> {
    match writer.behaviour.ending {
        Ending::Cut(_) => writer.half_event(next).await.map(|()| Ended::Cut),
        Ending::Reset(_) => writer.half_event(next).await.map(|()| Ended::Reset),
        Ending::Stall(_) => {
            writer.flush().await?;
            Err(writer.connection.hang().await)
        }
        Ending::Error(_) => {
            writer.event(error.as_bytes()).await?;
            writer.close().await
        }
        Ending::Done | Ending::NoDone | Ending::Truncate(_) => writer.close().await,
    }
}

/// Turns events into HTTP chunks and writes.
struct Writer<'a> {
    connection: &'a mut Connection,
    behaviour: &'a Behaviour,
    /// Bytes ready to be written: head, chunk heads, chunks.
    wire: Vec<u8>,
    /// Events not yet made into a chunk.
    events: Vec<u8>,
    pending: usize,
    /// Whether events bear the name of their type.
    named: bool,
}

// === impl Writer ===

impl Writer<'_> {
    async fn event(&mut self, data: &[u8]) -> io::Result<()> {
        self.push(data);
        self.pending += 1;
        match self.behaviour.framing.grouping {
            Grouping::Events(n) if self.pending < n => Ok(()),
            _ => self.flush().await,
        }
    }

    fn push(&mut self, data: &[u8]) {
        let end: &[u8] = match self.behaviour.framing.newline {
            Newline::Lf => b"\n",
            Newline::CrLf => b"\r\n",
        };
        if self.behaviour.framing.comments {
            for part in [b": keep-alive", end, end] {
                self.events.extend_from_slice(part);
            }
        }
        if self.named {
            let data: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
            let name = data["type"].as_str().unwrap_or_default();
            for part in [b"event: ", name.as_bytes(), end] {
                self.events.extend_from_slice(part);
            }
        }
        for part in [b"data: ", data, end, end] {
            self.events.extend_from_slice(part);
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.pending = 0;
        let events = std::mem::take(&mut self.events);
        let size = match self.behaviour.framing.grouping {
            Grouping::Bytes(n) => n.max(1),
            Grouping::Event | Grouping::Events(_) => events.len().max(1),
        };
        for chunk in events.chunks(size) {
            self.push_chunk_head(chunk.len());
            self.wire.extend_from_slice(chunk);
            self.wire.extend_from_slice(b"\r\n");
            self.write().await?;
        }
        self.events = events;
        self.events.clear();
        Ok(())
    }

    /// Announces a chunk and sends the first half of it.
    async fn half_event(&mut self, data: &[u8]) -> io::Result<()> {
        self.flush().await?;
        self.push(data);
        self.push_chunk_head(self.events.len());
        self.wire.extend_from_slice(&self.events[..self.events.len() / 2]);
        self.write().await
    }

    async fn close(&mut self) -> io::Result<Ended> {
        self.flush().await?;
        self.wire.extend_from_slice(b"0\r\n\r\n");
        self.write().await.map(|()| Ended::Whole)
    }

    fn push_chunk_head(&mut self, length: usize) {
        self.wire.extend_from_slice(format!("{length:x}\r\n").as_bytes());
    }

    async fn write(&mut self) -> io::Result<()> {
        self.connection.send(&self.wire).await?;
        self.wire.clear();
        Ok(())
    }
}

// === impl Answer ===

impl Answer {
    /// Appends the data of the `index`-th event; `false` past the last.
    fn push_event(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let scripted = match self.form {
            Form::Messages => Some(self.message_event(index)),
            // The last event of a response is what others call their end.
            Form::Responses if index + 1 >= self.events.len() => Some(None),
            Form::Responses | Form::Contents => Some(self.events.get(index).cloned()),
            Form::Chat | Form::Completion => None,
        };
        if let Some(event) = scripted {
            out.extend(event.iter().flat_map(|event| event.to_string().into_bytes()));
            return event.is_some();
        }
        // The opening event says who speaks; the completions form has none.
        let opening = usize::from(self.form == Form::Chat);
        let Some(index) = index.checked_sub(opening) else {
            self.push_delta(out, |answer, out| answer.push_opening(out), None);
            return true;
        };
        if let Some(thought) = self.reasoning.get(index) {
            self.push_delta(out, |_, out| push_field(out, "reasoning_content", thought), None);
            return true;
        }
        let index = index - self.reasoning.len();
        if let Some(piece) = self.pieces.get(index).and_then(|piece| self.text.get(piece.clone())) {
            self.push_delta(out, |answer, out| answer.push_piece(out, piece), None);
            return true;
        }
        match index - self.pieces.len() {
            0 => self.push_delta(out, |_, _| (), Some(self.finish_reason())),
            1 if self.usage.is_some() => {
                self.push_envelope(out);
                out.extend_from_slice(b"[],\"usage\":");
                self.push_usage(out);
                out.push(b'}');
            }
            _ => return false,
        }
        true
    }

    /// What a stream ends with.
    fn last_event(&self) -> Option<Vec<u8>> {
        match self.form {
            Form::Chat | Form::Completion => Some(b"[DONE]".to_vec()),
            Form::Messages => Some(messages::STOP.as_bytes().to_vec()),
            Form::Responses => self.events.last().map(|event| event.to_string().into_bytes()),
            Form::Contents => None,
        }
    }

    /// An error in the middle of a stream.
    const fn stream_error(&self) -> &'static str {
        match self.form {
            Form::Chat | Form::Completion => STREAM_ERROR,
            Form::Messages => messages::STREAM_ERROR,
            Form::Responses => responses::STREAM_ERROR,
            Form::Contents => contents::STREAM_ERROR,
        }
    }

    fn push_envelope(&self, out: &mut Vec<u8>) {
        let (id, object) = match self.form {
            Form::Chat => ("chatcmpl", "chat.completion.chunk"),
            _ => ("cmpl", "text_completion"),
        };
        out.extend_from_slice(
            format!(
                "{{\"id\":\"{id}-sim-{}\",\"object\":\"{object}\",\"created\":{CREATED},\"model\":",
                self.id
            )
            .as_bytes(),
        );
        push_string(out, &self.model);
        out.extend_from_slice(b",\"system_fingerprint\":\"fp_sim\",\"choices\":");
    }

    fn push_delta(&self, out: &mut Vec<u8>, delta: impl FnOnce(&Self, &mut Vec<u8>), finish: Option<&str>) {
        self.push_envelope(out);
        out.extend_from_slice(b"[{\"index\":0,");
        if self.form == Form::Chat {
            out.extend_from_slice(b"\"delta\":{");
            delta(self, out);
            out.push(b'}');
        } else if finish.is_some() {
            push_field(out, "text", "");
        } else {
            delta(self, out);
        }
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        match finish {
            Some(reason) => push_string(out, reason),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}]");
        if self.usage.is_some() {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.push(b'}');
    }

    fn push_opening(&self, out: &mut Vec<u8>) {
        match &self.tool {
            Some(tool) => {
                let function = json!({ "name": tool, "arguments": "" });
                let call =
                    json!([{ "index": 0, "id": TOOL_CALL_ID, "type": "function", "function": function }]);
                out.extend_from_slice(
                    format!("\"role\":\"assistant\",\"content\":null,\"tool_calls\":{call}").as_bytes(),
                );
            }
            None => out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\""),
        }
    }

    fn push_piece(&self, out: &mut Vec<u8>, piece: &str) {
        match (&self.tool, self.form) {
            (Some(_), Form::Chat) => {
                let call = json!([{ "index": 0, "function": { "arguments": piece } }]);
                out.extend_from_slice(format!("\"tool_calls\":{call}").as_bytes());
            }
            (_, Form::Chat) => push_field(out, "content", piece),
            _ => push_field(out, "text", piece),
        }
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    push_string(out, name);
    out.push(b':');
    push_string(out, value);
}

const STREAM_ERROR: &str = r#"{"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}"#;
