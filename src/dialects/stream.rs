//! What streams of all dialects share: how bytes are framed, and what is said of one when it is over.

use super::StreamDecoder;
use super::hub::Event;
use super::sse::{self, Splitter, TooLong};
use crate::domain::usage::estimate_tokens;
use bytes::Bytes;

/// What was produced so far, for an estimate when the upstream reports no usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// Events that carried output.
    pub output_events: u64,
    /// Bytes of text in them.
    pub text_bytes: u64,
}

impl Produced {
    /// Roughly how many tokens it is. An event holds a token or more, whatever its script.
    #[must_use]
    pub fn estimate(self) -> u64 {
        self.output_events.max(estimate_tokens(self.text_bytes))
    }
}

/// How the upstream's stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// It said all it had to say.
    Complete {
        /// What is still to be sent.
        tail: Bytes,
    },
    /// It broke off, or reported a failure.
    Cut,
}

/// Whose JSON comes now, in dialects that stream the arguments of calls in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Input {
    /// Of something that is not relayed.
    #[default]
    Nobody,
    /// Of this call.
    Call(u32),
    /// The answer itself, by the function that stands for its form.
    Answer,
}

/// Reads server-sent events one by one.
pub trait EventReader: Send + Sync {
    /// Reads one event. What is not understood is skipped.
    fn read(&mut self, name: &[u8], data: &[u8], events: &mut Vec<Event>);

    /// The stream ended; says what only its end tells.
    fn finish(&mut self, _: &mut Vec<Event>) {}
}

/// Cuts bytes into frames: server-sent events, lines, or whatever `find` finds.
#[derive(Debug, Default)]
pub struct Frames {
    pending: Vec<u8>,
}

impl Frames {
    /// Adds bytes and hands every whole frame to `each`. `find` gives the end of the first frame of the
    /// bytes, and is asked again with more when it gives `None`.
    ///
    /// # Errors
    /// If a frame is over [`sse::MAX_EVENT`].
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut find: impl FnMut(&[u8]) -> Option<usize>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), TooLong> {
        let kept = !self.pending.is_empty();
        if kept {
            self.pending.extend_from_slice(bytes);
        }
        let data = if kept { std::mem::take(&mut self.pending) } else { Vec::new() };
        let mut rest = if kept { &data[..] } else { bytes };
        while let Some(end) = find(rest) {
            let (frame, after) = rest.split_at(end.min(rest.len()));
            if frame.len() > sse::MAX_EVENT {
                return Err(TooLong { limit: sse::MAX_EVENT });
            }
            each(frame);
            rest = after;
        }
        if rest.len() > sse::MAX_EVENT {
            return Err(TooLong { limit: sse::MAX_EVENT });
        }
        self.pending = if kept && rest.len() == data.len() { data } else { rest.to_vec() };
        Ok(())
    }

    /// Takes what is left of an unfinished frame.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }
}

/// A decoder of server-sent events, which [`EventReader`] `R` reads. After a failure or the end nothing is
/// read.
#[derive(Debug)]
pub struct OfEvents<R> {
    frames: Frames,
    splitter: Splitter,
    reader: R,
    over: bool,
}

impl<R: EventReader> OfEvents<R> {
    /// A decoder at the beginning of a stream.
    pub fn new(reader: R) -> Self {
        Self { frames: Frames::default(), splitter: Splitter::default(), reader, over: false }
    }
}

impl<R: EventReader> StreamDecoder for OfEvents<R> {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        let Self { frames, splitter, reader, over } = self;
        if *over {
            return Ok(());
        }
        frames.push(bytes, |rest| splitter.event_end(rest), |frame| read(reader, over, frame, events))
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        // An event without its blank line counts if it says all it was to say: cut JSON says nothing.
        let left = self.frames.take();
        read(&mut self.reader, &mut self.over, &left, events);
        if !self.over {
            self.reader.finish(events);
        }
    }
}

fn read<R: EventReader>(reader: &mut R, over: &mut bool, frame: &[u8], events: &mut Vec<Event>) {
    if *over {
        return;
    }
    let event = sse::read(frame);
    if let Some(data) = event.data {
        reader.read(event.name, &data, events);
        *over = matches!(events.last(), Some(Event::End | Event::Fail(_)));
    }
}
