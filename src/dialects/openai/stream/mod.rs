//! An event stream: relayed as it comes, with the meter teed off.

mod output;

use super::answer::response_id;
use super::events::is_error;
use super::upstream_error::read_event_failure;
use super::{choices, tokens};
use crate::dialects::json::{Members, Span, put_text, text};
use crate::dialects::sse::{self, MAX_EVENT, Splitter, TooLong};
use crate::dialects::stream::{Produced, StreamEnd};
use crate::domain::{Failure, Usage};
use bytes::{Bytes, BytesMut};
use output::Output;
use std::sync::Arc;

const DONE: &[u8] = b"data: [DONE]\n\n";

/// How a stream is relayed.
#[derive(Clone, Debug, Default)]
pub struct StreamOptions {
    /// The model name the client is to see; `None` leaves the upstream's.
    pub rename_to: Option<Arc<str>>,
    /// Take usage out, because the client did not ask for it.
    pub strip_usage: bool,
}

/// Relays one stream.
#[derive(Debug)]
pub struct StreamRelay {
    options: StreamOptions,
    limit: usize,
    splitter: Splitter,
    pending: BytesMut,
    id: Option<Arc<str>>,
    usage: Option<Usage>,
    produced: Produced,
    failure: Option<Box<Failure>>,
    finished: bool,
    done: bool,
}

/// What becomes of an event.
enum Verdict {
    Pass,
    Remove,
    Change(Edits),
    Fail(Box<Failure>),
}

/// What to change in an event's data.
#[derive(Clone, Copy)]
struct Edits {
    model: Option<Span>,
    /// Bytes to leave out.
    usage: Option<Span>,
}

impl StreamRelay {
    /// A relay at the beginning of a stream.
    #[must_use]
    pub fn new(options: StreamOptions) -> Self {
        Self {
            options,
            limit: MAX_EVENT,
            splitter: Splitter::default(),
            pending: BytesMut::new(),
            id: None,
            usage: None,
            produced: Produced::default(),
            failure: None,
            finished: false,
            done: false,
        }
    }

    /// Bounds the size of an event; [`MAX_EVENT`] unless set.
    #[must_use]
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Takes bytes from the upstream and gives those to send now. An unfinished event is kept back.
    ///
    /// # Errors
    /// If an event is over the bound; the stream cannot go on.
    pub fn push(&mut self, chunk: Bytes) -> Result<Bytes, TooLong> {
        if self.failure.is_some() {
            return Ok(Bytes::new());
        }
        let (data, first) = if self.pending.is_empty() {
            let first = self.splitter.event_end(&chunk);
            (chunk, first)
        } else {
            self.pending.extend_from_slice(&chunk);
            match self.splitter.event_end(&self.pending) {
                Some(end) => (self.pending.split().freeze(), Some(end)),
                None => return self.within_limit(self.pending.len()).map(|()| Bytes::new()),
            }
        };
        let Some(first) = first else {
            self.within_limit(data.len())?;
            self.pending.extend_from_slice(&data);
            return Ok(Bytes::new());
        };
        self.relay(&data, first)
    }

    fn within_limit(&self, length: usize) -> Result<(), TooLong> {
        if length > self.limit { Err(TooLong { limit: self.limit }) } else { Ok(()) }
    }

    /// Relays the events of `data`, the first of which ends at `first`, and keeps what is left.
    fn relay(&mut self, data: &Bytes, first: usize) -> Result<Bytes, TooLong> {
        let mut out = Output::of(data);
        let mut start = 0;
        let mut next = Some(first);
        while let Some(length) = next {
            self.within_limit(length)?;
            let event = &data[start..start + length];
            let was_done = self.done;
            match self.judge(event) {
                _ if was_done => out.remove(start),
                Verdict::Pass => out.pass(start, start + length),
                Verdict::Remove => out.remove(start),
                Verdict::Change(edits) => self.change(event, edits, out.copy(start)),
                Verdict::Fail(failure) => {
                    self.failure = Some(failure);
                    return Ok(out.finish());
                }
            }
            start += length;
            next = self.splitter.event_end(&data[start..]);
        }
        self.within_limit(data.len() - start)?;
        self.pending.extend_from_slice(&data[start..]);
        Ok(out.finish())
    }

    fn judge(&mut self, event: &[u8]) -> Verdict {
        let event = sse::read(event);
        let Some(data) = event.data else { return Verdict::Pass };
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Verdict::Pass;
        }
        if event.name == b"error" {
            return Verdict::Fail(Box::new(read_event_failure(&data)));
        }
        self.meter(&data)
    }

    fn meter(&mut self, data: &[u8]) -> Verdict {
        let Ok(members) = Members::of(data) else { return Verdict::Pass };
        let mut edits = Edits { model: None, usage: None };
        let mut facts = choices::ChoiceFacts::default();
        let mut usage = None;
        // Where the member before ends, and whether the one before was the usage.
        let (mut before, mut open) = (None, false);
        for member in members {
            let Ok(member) = member else { return Verdict::Pass };
            let value = member.value.of(data);
            if open {
                edits.usage = edits.usage.map(|span| Span { end: member.key.start, ..span });
                open = false;
            }
            if member.is(data, "choices") {
                facts = choices::read(value);
            } else if member.is(data, "model") {
                edits.model = Some(member.value);
            } else if member.is(data, "usage") && value.first() == Some(&b'{') {
                usage = tokens::read(data, member.value);
                open = before.is_none();
                edits.usage = Some(Span { start: before.unwrap_or(member.key.start), end: member.value.end });
            } else if self.id.is_none() && member.is(data, "id") {
                self.id = response_id(value);
            } else if is_error(&member.name(data), value) {
                return Verdict::Fail(Box::new(read_event_failure(data)));
            }
            before = Some(member.value.end);
        }
        self.note(facts, usage);
        self.verdict(data, edits, facts)
    }

    fn note(&mut self, facts: choices::ChoiceFacts, usage: Option<Usage>) {
        self.finished |= facts.finished;
        self.produced.output_events += u64::from(facts.output);
        self.produced.text_bytes += facts.text_bytes;
        if let Some(usage) = usage
            && (self.usage.is_none() || usage.total() > 0)
        {
            self.usage = Some(usage);
        }
    }

    fn verdict(&self, data: &[u8], mut edits: Edits, facts: choices::ChoiceFacts) -> Verdict {
        if !self.options.strip_usage {
            edits.usage = None;
        }
        if edits.usage.is_some() && !facts.matters() {
            return Verdict::Remove;
        }
        let wanted = self.options.rename_to.as_deref();
        edits.model = edits.model.filter(|span| {
            let said = text(span.of(data));
            wanted.is_some_and(|to| said.is_none_or(|model| model != to))
        });
        if edits.model.is_none() && edits.usage.is_none() { Verdict::Pass } else { Verdict::Change(edits) }
    }

    fn change(&self, event: &[u8], edits: Edits, out: &mut Vec<u8>) {
        let Some(data) = sse::read(event).data else { return };
        let model = self.options.rename_to.as_deref().unwrap_or_default();
        let mut cuts = [edits.model.map(|s| (s, Some(model))), edits.usage.map(|s| (s, None))];
        cuts.sort_by_key(|cut| cut.map(|(span, _)| span.start));
        let write = |out: &mut Vec<u8>| {
            let mut at = 0;
            let begin = out.len();
            for (span, instead) in cuts.into_iter().flatten() {
                out.extend_from_slice(&data[at..span.start]);
                if let Some(text) = instead {
                    put_text(out, text);
                }
                at = span.end;
            }
            out.extend_from_slice(&data[at..]);
            // Between JSON tokens, where alone line feeds can be, a space means the same.
            for byte in out[begin..].iter_mut().filter(|b| **b == b'\n') {
                *byte = b' ';
            }
        };
        sse::rewrite(event, write, out);
    }

    /// The upstream has ended its answer cleanly; says whether the stream was all there.
    pub fn finish(&mut self) -> StreamEnd {
        let mut tail = Vec::new();
        let whole = is_whole(&sse::read(&self.pending));
        // A line feed ends the line if it is still open, and another one the event.
        for _ in 0..2 {
            if whole && !self.pending.is_empty() {
                tail.extend_from_slice(&self.push(Bytes::from_static(b"\n")).unwrap_or_default());
            }
        }
        self.pending.clear();
        if self.failure.is_some() || !(self.done || self.finished) {
            return StreamEnd::Cut;
        }
        if !self.done {
            self.done = true;
            tail.extend_from_slice(DONE);
        }
        StreamEnd::Complete { tail: Bytes::from(tail) }
    }

    /// The `id` that the events carry.
    #[must_use]
    pub const fn id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    /// The upstream's own counts, as soon as it has sent them.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// What was produced so far.
    #[must_use]
    pub const fn produced(&self) -> Produced {
        self.produced
    }

    /// Whether text, reasoning or a tool call has come.
    #[must_use]
    pub const fn saw_output(&self) -> bool {
        self.produced.output_events > 0
    }

    /// The failure the upstream reported. Neither that event nor anything after it is relayed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_deref()
    }

    /// Whether the upstream gave its reason to stop: a cut after that takes nothing from the client.
    #[must_use]
    pub const fn has_finished(&self) -> bool {
        self.failure.is_none() && (self.done || self.finished)
    }

    /// Whether `[DONE]` has been relayed; nothing after it is.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }
}

/// Whether an event that lacks its blank line says all it was to say.
fn is_whole(event: &sse::Event<'_>) -> bool {
    event.data.as_deref().is_some_and(|data| {
        let members = Members::of(data);
        data.trim_ascii() == b"[DONE]" || members.is_ok_and(|mut m| m.all(|member| member.is_ok()))
    })
}
