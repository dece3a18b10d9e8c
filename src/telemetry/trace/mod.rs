//! Traces over several services, as W3C Trace Context has them: which call belongs to which, and which are kept.

mod context;
mod sampler;
#[cfg(test)]
mod tests;

pub use sampler::Sampler;

use context::Parent;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;
use std::sync::Arc;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Longest `tracestate` that is passed on, in bytes: what the standard wants passed on at least.
const LONGEST_STATE: usize = 512;

/// Lines of a head; `traceparent` alone needs no room on the heap.
pub(crate) type Lines = SmallVec<[u8; 72]>;

/// Where one call stands in its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    id: u128,
    /// The call's own span; the client's where none is made.
    span: u64,
    parent: Option<u64>,
    is_sampled: bool,
    /// Whether spans of ours are made.
    is_own: bool,
    is_passed_on: bool,
    state: Option<HeaderValue>,
}

/// Begins traces, or goes on with those of clients.
#[derive(Clone, Debug, Default)]
pub struct Tracer {
    sampler: Option<Sampler>,
    passes_on: bool,
}

impl Tracer {
    /// Makes spans of what `sampler` lets through, if there is one; tells upstreams of the trace if `passes_on`.
    #[must_use]
    pub const fn new(sampler: Option<Sampler>, passes_on: bool) -> Self {
        Self { sampler, passes_on }
    }

    /// The trace of a call with these headers; `None` if nobody is to hear of one.
    #[must_use]
    pub fn begin(&self, headers: &HeaderMap) -> Option<Arc<TraceContext>> {
        if self.sampler.is_none() && !self.passes_on {
            return None;
        }
        let parent = parent(headers);
        let Some(sampler) = &self.sampler else {
            let Parent { id, span, is_sampled } = parent?;
            let state = state(headers);
            let (is_own, is_passed_on) = (false, true);
            return Some(Arc::new(TraceContext {
                id,
                span,
                parent: None,
                is_sampled,
                is_own,
                is_passed_on,
                state,
            }));
        };
        let id = parent.map_or_else(|| fastrand::u128(1..), |parent| parent.id);
        let is_sampled = sampler.keeps(id, parent.map(|parent| parent.is_sampled));
        if !is_sampled && !self.passes_on {
            return None;
        }
        Some(Arc::new(TraceContext {
            id,
            span: fastrand::u64(1..),
            parent: parent.map(|parent| parent.span),
            is_sampled,
            is_own: true,
            is_passed_on: self.passes_on,
            state: parent.and_then(|_| state(headers)),
        }))
    }
}

/// A header that is there twice is no better than none.
fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let first = all.next().filter(|_| all.next().is_none())?;
    Parent::read(first.to_str().ok()?)
}

fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(TRACESTATE).iter();
    let first = all.next().filter(|_| all.next().is_none())?;
    let plain = first.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte));
    (plain && first.len() <= LONGEST_STATE).then(|| first.clone())
}

impl TraceContext {
    /// The trace's id, 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:032x}", self.id)
    }

    /// The call's span, 16 hexadecimal digits.
    #[must_use]
    pub fn span(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// The client's span, 16 hexadecimal digits.
    #[must_use]
    pub fn parent(&self) -> Option<String> {
        self.parent.map(|parent| format!("{parent:016x}"))
    }

    /// The span of the call's attempt of this number, from 0; 16 hexadecimal digits.
    #[must_use]
    pub fn attempt(&self, number: usize) -> String {
        format!("{:016x}", self.attempt_span(number))
    }

    /// Whether spans are made of it.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.is_own && self.is_sampled
    }

    /// What the client said besides, in `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_ref()?.to_str().ok()
    }

    /// The headers that tell the upstream of an attempt, if it is to be told.
    pub fn headers(&self, attempt: usize) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let parent =
            HeaderValue::from_bytes(&self.traceparent(attempt)).ok().map(|value| (TRACEPARENT, value));
        let state = self.state.clone().map(|value| (TRACESTATE, value));
        parent.into_iter().chain(state).filter(|_| self.is_passed_on)
    }

    /// The same as they go over the wire, each with its line's end.
    #[must_use]
    pub fn lines(&self, attempt: usize) -> Lines {
        let mut lines = Lines::new();
        if !self.is_passed_on {
            return lines;
        }
        let mut line = |name: &HeaderName, value: &[u8]| {
            for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
                lines.extend_from_slice(part);
            }
        };
        line(&TRACEPARENT, &self.traceparent(attempt));
        if let Some(state) = &self.state {
            line(&TRACESTATE, state.as_bytes());
        }
        lines
    }

    fn traceparent(&self, attempt: usize) -> [u8; context::LENGTH] {
        let span = if self.is_own { self.attempt_span(attempt) } else { self.span };
        context::write(self.id, span, self.is_sampled)
    }

    /// Made from the call's own, so that nobody has to keep it.
    const fn attempt_span(&self, number: usize) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        match self.span ^ (number as u64 + 1).wrapping_mul(STEP) {
            0 => STEP,
            span => span,
        }
    }
}
