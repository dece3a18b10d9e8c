//! An answer under way: passed on as it comes, and metered.

use crate::dialects::openai::{self, StreamEnd};
use crate::dialects::{Flow, Inbound, gemini};
use crate::domain::usage::estimated;
use crate::domain::{ApiError, Failure, UpstreamClass, Usage, UsageSource};
use crate::providers::Target;
use crate::proxy::media;
use crate::proxy::stage::{Attempt, Books, Meter, Relay, Weight};
use bytes::{Bytes, BytesMut};
use std::time::Instant;

/// So much of the end of a large answer is kept, to find its usage.
const TAIL: usize = 16 * 1024;
/// Events between two looks at what a stream has cost so far.
const TOP_UP: u64 = 128;

impl Relay {
    /// What the client gets for the next bytes.
    pub(super) fn pass(&mut self, chunk: Bytes, end: bool) -> Bytes {
        if let Some(kept) = &mut self.kept {
            kept.push(&chunk);
        }
        let mut out = match &mut self.meter {
            Meter::Stream(stream) => {
                let seen = stream.saw_output();
                let inbound = self.attempt.admitted.caller.inbound();
                let target = &self.attempt.deployment.target;
                let out = pass_events(stream, chunk, &mut self.interrupted, target, inbound);
                if !seen && stream.saw_output() {
                    self.first_token = Some(Instant::now());
                }
                out
            }
            Meter::Tail { tail, size, .. } => {
                *size += chunk.len() as u64;
                let from = chunk.len().saturating_sub(TAIL);
                let over = (tail.len() + chunk.len() - from).saturating_sub(TAIL);
                let _ = tail.split_to(over.min(tail.len()));
                tail.extend_from_slice(&chunk[from..]);
                chunk
            }
        };
        if end {
            self.upstream_end = Some(Instant::now());
            out = self.end(out);
        }
        self.listed(out, end)
    }

    /// Whole events, in the form in which the client wants its stream.
    pub(in crate::proxy) fn listed(&mut self, events: Bytes, end: bool) -> Bytes {
        let Some(list) = &mut self.list else { return events };
        let mut out = list.push(&events);
        if end {
            out.extend_from_slice(list.end());
        }
        Bytes::from(out)
    }

    /// Reserves more when a stream turns out to be longer than was expected.
    pub(super) fn top_up(&mut self) {
        let Meter::Stream(stream) = &self.meter else { return };
        let produced = stream.produced();
        if produced.output_events < self.next_top_up {
            return;
        }
        self.next_top_up = produced.output_events + TOP_UP;
        let Attempt { admitted, deployment, .. } = &mut *self.attempt;
        if let Books::Open(permit) = &mut admitted.books {
            let weight = Weight::from(estimated(admitted.request.prompt_estimate(), produced.estimate()));
            permit.top_up(weight.cost(deployment));
        }
    }

    /// What the answer used, as far as it came.
    pub(in crate::proxy) fn weigh(&self) -> Weight {
        let caller = &self.attempt.admitted.caller;
        let prompt = self.attempt.admitted.request.prompt_estimate();
        match &self.meter {
            Meter::Stream(stream) => Weight::from(match stream.usage() {
                Some(usage) if stream.counts_are_the_upstreams() => (usage, UsageSource::Upstream),
                Some(usage) => (usage, UsageSource::Estimated),
                None if stream.produced().estimate() == 0 => (Usage::default(), UsageSource::Absent),
                None => estimated(prompt, stream.produced().estimate()),
            }),
            Meter::Tail { tail, .. } if caller.kind.is_media() => media::of_tail(&self.attempt, tail),
            Meter::Tail { tail, size, .. } if caller.kind.is_googles() => {
                Weight::told(gemini::usage_in_tail(tail), prompt, *size)
            }
            Meter::Tail { tail, size, .. } => Weight::told(openai::usage_in_tail(tail), prompt, *size),
        }
    }

    /// The upstream closed in good order; its stream may still be without an end.
    fn end(&mut self, out: Bytes) -> Bytes {
        let tail = match &mut self.meter {
            Meter::Tail { of_events: true, tail, .. } if !media::has_ended(tail) => return self.cut(out),
            Meter::Tail { .. } => Bytes::new(),
            Meter::Stream(_) if self.interrupted.is_some() => return out,
            Meter::Stream(stream) => match stream.finish() {
                StreamEnd::Complete { tail } => tail,
                StreamEnd::Cut => return self.cut(out),
            },
        };
        self.complete = true;
        self.attempt.succeeded(Instant::now());
        join(out, tail)
    }

    /// A stream without an end is never taken for a whole one.
    fn cut(&mut self, out: Bytes) -> Bytes {
        let words = "the upstream's stream ended without its last event";
        let cut = Failure::without_answer(UpstreamClass::Connection, words);
        let event = self.error_event(&cut);
        self.interrupted = Some(cut);
        join(out, event)
    }

    /// The event that tells a client that its stream broke.
    pub(in crate::proxy) fn error_event(&mut self, failure: &Failure) -> Bytes {
        let error = ApiError::upstream(failure, &self.attempt.deployment.target.provider);
        let inbound = self.attempt.admitted.caller.inbound();
        match &mut self.meter {
            Meter::Stream(stream) => stream.error_event(inbound, &error),
            Meter::Tail { .. } => inbound.error_event(&error),
        }
    }
}

/// Relays events up to a failure; after one nothing is relayed.
fn pass_events(
    stream: &mut Flow,
    chunk: Bytes,
    interrupted: &mut Option<Failure>,
    target: &Target,
    inbound: &dyn Inbound,
) -> Bytes {
    if interrupted.is_some() {
        return Bytes::new();
    }
    let Ok(out) = stream.push(chunk) else {
        let words = "the upstream sent an event that is too large";
        let fault = Failure::without_answer(UpstreamClass::Internal, words);
        let event = stream.error_event(inbound, &ApiError::upstream(&fault, &target.provider));
        *interrupted = Some(fault);
        return event;
    };
    let Some(fault) = stream.failure() else { return out };
    let mut fault = fault.clone();
    target.secrets().for_each(|secret| fault.hide(secret));
    let event = stream.error_event(inbound, &ApiError::upstream(&fault, &target.provider));
    *interrupted = Some(fault);
    join(out, event)
}

fn join(first: Bytes, second: Bytes) -> Bytes {
    if second.is_empty() {
        return first;
    }
    if first.is_empty() {
        return second;
    }
    let mut both = BytesMut::with_capacity(first.len() + second.len());
    both.extend_from_slice(&first);
    both.extend_from_slice(&second);
    both.freeze()
}
