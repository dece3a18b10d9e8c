//! What is kept of a streamed answer, where answers are kept.

use crate::dialects::hub::Answer;
use crate::dialects::{Gather, Given, Inbound, StreamDecoder};
use bytes::Bytes;

/// Bytes that are kept of what is said; with what is around them they fit into a record.
const MOST: usize = 48 * 1024;

/// A streamed answer, as far as it is kept.
pub(in crate::proxy) enum Kept {
    /// One that is understood.
    Said(Box<Gather>),
    /// One that is kept as it comes.
    Raw(Vec<u8>),
}

impl Kept {
    /// What is kept of a stream that `decoder` reads; without one, its bytes.
    pub(in crate::proxy) fn new(decoder: Option<Box<dyn StreamDecoder>>) -> Self {
        match decoder {
            Some(decoder) => Self::Said(Box::new(Gather::new(decoder, MOST))),
            None => Self::Raw(Vec::new()),
        }
    }

    /// Takes the upstream's bytes.
    pub(in crate::proxy) fn push(&mut self, chunk: &[u8]) {
        match self {
            Self::Said(gather) => gather.push(chunk),
            Self::Raw(bytes) => {
                let room = MOST.saturating_sub(bytes.len()).min(chunk.len());
                bytes.extend(chunk.iter().take(room));
            }
        }
    }

    /// What was said: as a whole answer if the model came to its end, else as far as it came, in words.
    pub(in crate::proxy) fn text(&self, inbound: &dyn Inbound, given: impl FnOnce() -> Given) -> Bytes {
        match self {
            Self::Said(gather) => match gather.answer() {
                (answer, true) => inbound.write(answer, &given()),
                (answer, false) => Bytes::from(Answer::text(answer)),
            },
            Self::Raw(bytes) => Bytes::copy_from_slice(bytes),
        }
    }
}
