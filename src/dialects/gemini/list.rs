//! A stream without `alt=sse`: one JSON array whose elements are what the events hold.

use crate::dialects::sse::{self, Splitter};

/// Makes an array of whole events.
#[derive(Debug, Default)]
pub struct List {
    begun: bool,
}

impl List {
    /// Writes the elements that these events are.
    #[must_use]
    pub fn push(&mut self, events: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(events.len());
        let (mut rest, mut splitter) = (events, Splitter::default());
        while let Some(end) = splitter.event_end(rest) {
            let (event, after) = rest.split_at(end);
            if let Some(data) = sse::read(event).data.filter(|data| !data.is_empty()) {
                out.extend_from_slice(if std::mem::replace(&mut self.begun, true) { b",\r\n" } else { b"[" });
                out.extend_from_slice(&data);
            }
            rest = after;
        }
        out
    }

    /// Writes the end.
    #[must_use]
    pub const fn end(&self) -> &'static [u8] {
        if self.begun { b"]" } else { b"[]" }
    }
}
