//! How an answered call came out, by what it was answered with.

use crate::domain::{Outcome, Timings, UpstreamClass, Usage, UsageSource};
use crate::proxy::stage::{Attempt, HeldAnswer, Hold, Meter, Relay, Weight};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// How an answered call came out.
pub(super) struct Ending {
    pub(super) timings: Timings,
    pub(super) weight: Weight,
    pub(super) outcome: Outcome,
    pub(super) response_id: Option<Arc<str>>,
    /// The answer, if it is a whole one, or a stream that is kept.
    pub(super) answer: Option<Bytes>,
}

impl Ending {
    /// A whole answer, which its client is about to get; `None` while there is none.
    pub(super) fn of_held(hold: &Hold) -> Option<Self> {
        let HeldAnswer { body, id, weight, upstream_end } = hold.answer.as_ref()?;
        Some(Self {
            timings: hold.attempt.timings(Some(*upstream_end), Instant::now()),
            weight: *weight,
            outcome: Outcome::Completed,
            response_id: id.clone(),
            answer: Some(body.clone()),
        })
    }

    /// An answer under way, as far as it came.
    pub(super) fn of_relay(relay: &mut Relay, delivered: bool) -> Self {
        let outcome = if let Some(fault) = &relay.interrupted {
            Outcome::Interrupted(fault.class)
        } else if delivered && relay.has_ended() && !relay.client_gone {
            Outcome::Completed
        } else {
            Outcome::ClientGone
        };
        let response_id = match &relay.meter {
            Meter::Stream(stream) => stream.id().cloned(),
            Meter::Tail { .. } => None,
        };
        let weight = relay.weigh();
        let admitted = &relay.attempt.admitted;
        let answer = relay.kept.take().map(|kept| kept.text(admitted.caller.inbound(), || admitted.given()));
        Self { timings: relay.timings(Instant::now()), weight, outcome, response_id, answer }
    }

    /// A session, or what was used of it since it was written down last.
    pub(super) fn of_session(attempt: &Attempt, usage: Usage, outcome: Outcome) -> Self {
        let now = Instant::now();
        let source = if usage == Usage::default() { UsageSource::Absent } else { UsageSource::Upstream };
        Self {
            timings: attempt.timings(Some(now), now),
            weight: Weight::from((usage, source)),
            outcome,
            response_id: None,
            answer: None,
        }
    }

    /// What the upstream did wrong.
    pub(super) const fn failure(&self) -> Option<UpstreamClass> {
        match self.outcome {
            Outcome::Interrupted(class) => Some(class),
            _ => None,
        }
    }
}
