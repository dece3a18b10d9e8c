//! Changes in bytes that come in pieces.

use super::Place;
use bytes::{Bytes, BytesMut};

/// What is put in the place of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The bytes; none if something is only put in.
    pub place: Place,
    /// What is put there.
    pub with: Bytes,
}

/// Makes changes while bytes pass.
#[derive(Clone, Debug)]
pub struct Patcher {
    /// In order, none within another.
    patches: Vec<Patch>,
    next: usize,
    at: u64,
}

impl Patcher {
    /// Makes these changes, none of which lies within another.
    #[must_use]
    pub fn new(mut patches: Vec<Patch>) -> Self {
        patches.sort_by_key(|patch| (patch.place.start, patch.place.end));
        Self { patches, next: 0, at: 0 }
    }

    /// How long `length` bytes become.
    #[must_use]
    pub fn length(&self, length: u64) -> u64 {
        self.patches.iter().fold(length, |length, Patch { place, with }| {
            (length + with.len() as u64).saturating_sub(place.end - place.start)
        })
    }

    /// Passes the next bytes; they stay the same `Bytes` where there is nothing to change.
    #[must_use]
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        let end = self.at + bytes.len() as u64;
        if self.patches.get(self.next).is_none_or(|patch| patch.place.start >= end) {
            self.at = end;
            return bytes;
        }
        let mut out = BytesMut::with_capacity(bytes.len() + ROOM);
        self.write(&bytes, &mut out);
        out.freeze()
    }

    /// Passes the next pieces as one.
    #[must_use]
    pub fn push_all(&mut self, pieces: &[Bytes]) -> Bytes {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let mut out = BytesMut::with_capacity(length + ROOM);
        for piece in pieces {
            self.write(piece, &mut out);
        }
        out.freeze()
    }

    fn write(&mut self, bytes: &Bytes, out: &mut BytesMut) {
        let from = self.at;
        let end = from + bytes.len() as u64;
        let within = |patch: &Patch| patch.place.start < end;
        while let Some(Patch { place, with }) = self.patches.get(self.next).filter(|patch| within(patch)) {
            out.extend_from_slice(between(bytes, from, self.at, place.start));
            // It is put in once, though the bytes that it replaces may come in several pieces.
            if self.at <= place.start {
                out.extend_from_slice(with);
            }
            self.at = place.end.min(end).max(self.at);
            if place.end > end {
                return;
            }
            self.next += 1;
        }
        out.extend_from_slice(between(bytes, from, self.at, end));
        self.at = end;
    }
}

/// What is put in may be so much longer than what it replaces before memory is asked for again.
const ROOM: usize = 64;

/// The bytes at these places, in a piece that begins at `from`.
fn between(bytes: &Bytes, from: u64, start: u64, end: u64) -> &[u8] {
    let at = |place: u64| usize::try_from(place.saturating_sub(from)).unwrap_or(usize::MAX);
    bytes.get(at(start)..at(end)).unwrap_or_default()
}
