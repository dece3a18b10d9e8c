//! A stream of named events between two who speak the same dialect: whole events are passed on byte for byte, and
//! read on the way.

use super::json::Members;
use super::sse::{self, MAX_EVENT, Splitter, TooLong};
use super::stream::{Produced, StreamEnd};
use crate::domain::{Failure, Usage};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Longest id that is kept, in bytes.
const LONGEST_ID: usize = 256;

/// What is known of a stream so far.
#[derive(Debug, Default)]
pub struct Known {
    id: Option<Arc<str>>,
    /// What was produced.
    pub produced: Produced,
    /// What the upstream reported. Neither that event nor anything after it is relayed.
    pub failure: Option<Box<Failure>>,
    /// It gave its reason to stop.
    pub finished: bool,
    /// Its last event has come.
    pub done: bool,
}

impl Known {
    /// Notes the answer's id, if it is one of a sensible length.
    pub fn name(&mut self, id: Option<&str>) {
        self.id = id.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID).map(Arc::from);
    }

    /// Notes output of so many bytes.
    pub fn produce(&mut self, bytes: usize) {
        self.produced.text_bytes += bytes as u64;
        self.produced.output_events += u64::from(bytes > 0);
    }
}

/// Reads the events that pass by.
pub trait Reader: Default + Send + Sync {
    /// Reads the data of one event.
    fn read(&mut self, data: &[u8], known: &mut Known);

    /// The upstream's own counts, whatever they are of; `None` if it has sent none.
    fn usage(&self) -> Option<Usage>;

    /// What is sent after a stream that gave its reason to stop but lacks its last event.
    fn last(&self) -> &'static [u8] {
        b""
    }
}

/// Relays one stream.
#[derive(Debug, Default)]
pub struct Tee<R> {
    splitter: Splitter,
    pending: BytesMut,
    reader: R,
    known: Known,
}

impl<R: Reader> Tee<R> {
    /// Takes bytes from the upstream and gives those to send now. An unfinished event is kept back.
    ///
    /// # Errors
    /// If an event is over the bound; the stream cannot go on.
    pub fn push(&mut self, chunk: Bytes) -> Result<Bytes, TooLong> {
        if self.known.failure.is_some() || self.known.done {
            return Ok(Bytes::new());
        }
        let data = if self.pending.is_empty() {
            chunk
        } else {
            self.pending.extend_from_slice(&chunk);
            self.pending.split().freeze()
        };
        let mut at = 0;
        while !self.known.done
            && let Some(length) = self.splitter.event_end(&data[at..])
        {
            within_limit(length)?;
            self.read(&data[at..at + length]);
            if self.known.failure.is_some() {
                return Ok(data.slice(..at));
            }
            at += length;
        }
        if !self.known.done {
            within_limit(data.len() - at)?;
            self.pending.extend_from_slice(&data[at..]);
        }
        Ok(data.slice(..at))
    }

    fn read(&mut self, event: &[u8]) {
        if let Some(data) = sse::read(event).data {
            self.reader.read(&data, &mut self.known);
        }
    }

    /// The upstream has ended its answer cleanly; says whether the stream was all there.
    pub fn finish(&mut self) -> StreamEnd {
        let kept = self.pending.split().freeze();
        let mut tail = BytesMut::new();
        // An event without its blank line counts if it says all it was to say.
        if self.known.failure.is_none() && !self.known.done && is_whole(&kept) {
            self.read(&kept);
            tail.extend_from_slice(kept.trim_ascii_end());
            tail.extend_from_slice(b"\n\n");
        }
        let known = &mut self.known;
        if known.failure.is_some() || !(known.done || known.finished) {
            return StreamEnd::Cut;
        }
        if !std::mem::replace(&mut known.done, true) {
            tail.extend_from_slice(self.reader.last());
        }
        StreamEnd::Complete { tail: tail.freeze() }
    }

    /// The answer's id.
    #[must_use]
    pub const fn id(&self) -> Option<&Arc<str>> {
        self.known.id.as_ref()
    }

    /// The upstream's own counts, once the answer is complete: those before it are of the prompt alone, and what was
    /// produced can only be estimated.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let counted = self.reader.usage()?;
        if self.known.finished {
            return Some(counted);
        }
        Some(Usage { completion: counted.completion.max(self.known.produced.estimate()), ..counted })
    }

    /// What was produced so far.
    #[must_use]
    pub const fn produced(&self) -> Produced {
        self.known.produced
    }

    /// The failure the upstream reported. Neither that event nor anything after it is relayed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.known.failure.as_deref()
    }

    /// Whether the upstream gave its reason to stop: a cut after that takes nothing from the client.
    #[must_use]
    pub const fn has_finished(&self) -> bool {
        self.known.failure.is_none() && (self.known.done || self.known.finished)
    }

    /// Whether the last event has been relayed; nothing after it is.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.known.done
    }

    /// The reader, for what it alone knows.
    pub(super) const fn reader(&self) -> &R {
        &self.reader
    }
}

fn is_whole(event: &[u8]) -> bool {
    sse::read(event).data.is_some_and(|data| {
        let mut members = Members::of(&data).into_iter().flatten().peekable();
        members.peek().is_some() && members.all(|member| member.is_ok())
    })
}

const fn within_limit(length: usize) -> Result<(), TooLong> {
    if length > MAX_EVENT { Err(TooLong { limit: MAX_EVENT }) } else { Ok(()) }
}
