//! An answer under way: nothing can be taken back.

use super::{Attempt, Kept};
use crate::dialects::Flow;
use crate::dialects::gemini::List;
use crate::domain::{Failure, Timings};
use crate::proxy::head::Lines;
use bytes::BytesMut;
use std::time::Instant;

/// An answer under way.
pub(in crate::proxy) struct Relay {
    pub(in crate::proxy) attempt: Box<Attempt>,
    pub(in crate::proxy) passed: Lines,
    pub(in crate::proxy) content_type: Option<http::HeaderValue>,
    pub(in crate::proxy) meter: Meter,
    /// What is said, if that is kept.
    pub(in crate::proxy) kept: Option<Kept>,
    /// Makes an array of what is streamed, if it is to be one.
    pub(in crate::proxy) list: Option<List>,
    pub(in crate::proxy) first_token: Option<Instant>,
    pub(in crate::proxy) upstream_end: Option<Instant>,
    pub(in crate::proxy) interrupted: Option<Failure>,
    /// With so many events of output what is reserved is looked at again.
    pub(in crate::proxy) next_top_up: u64,
    pub(in crate::proxy) complete: bool,
    pub(in crate::proxy) client_gone: bool,
    /// Whether this is certainly the answer that the client gets: no other attempt can be faster.
    pub(in crate::proxy) has_won: bool,
}

/// How an answer under way is read.
pub(in crate::proxy) enum Meter {
    /// Events, one by one.
    Stream(Flow),
    /// An answer that is not held, or not read: its tail, where the usage is.
    Tail {
        /// Whether it is a stream of events.
        of_events: bool,
        /// The last bytes.
        tail: BytesMut,
        /// All bytes so far.
        size: u64,
    },
}

impl Relay {
    /// Whether everything that the client is to have has come, though the connection may go on.
    pub(in crate::proxy) fn has_ended(&self) -> bool {
        self.complete || matches!(&self.meter, Meter::Stream(stream) if stream.is_done())
    }

    /// Whether only the end of the stream itself can be missing.
    pub(in crate::proxy) fn has_said_all(&self) -> bool {
        self.interrupted.is_none() && matches!(&self.meter, Meter::Stream(stream) if stream.has_finished())
    }

    /// When things happened, as distances from the arrival.
    pub(in crate::proxy) fn timings(&self, end: Instant) -> Timings {
        let first_token = self.first_token.map(|at| self.attempt.admitted.caller.since(at));
        Timings { first_token, ..self.attempt.timings(self.upstream_end, end) }
    }
}
