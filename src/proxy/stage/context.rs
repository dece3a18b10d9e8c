//! What a call is at this moment.

use super::{Admitted, Attempt, Capture, Hold, Refused, Relay, Served, Superseded};
use crate::proxy::passing::Passing;
use crate::telemetry::TraceContext;
use std::sync::Arc;
use std::time::Instant;

/// Pingora's per-request context.
pub struct Ctx {
    pub(in crate::proxy) arrived: Instant,
    pub(in crate::proxy) stage: Stage,
}

impl Ctx {
    pub(in crate::proxy) fn new() -> Self {
        Self { arrived: Instant::now(), stage: Stage::Arrived }
    }

    /// Takes the stage out, to be replaced by the next one.
    pub(in crate::proxy) fn take(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Arrived)
    }
}

impl Ctx {
    /// Takes the stage out if a whole answer is held in it.
    pub(in crate::proxy) fn take_if_held(&mut self) -> Stage {
        match &self.stage {
            Stage::Holding(hold) if hold.answer.is_some() => self.take(),
            _ => Stage::Arrived,
        }
    }
}

/// The stages of a call.
pub(in crate::proxy) enum Stage {
    /// Nothing is known yet, or there is nothing to account for.
    Arrived,
    /// Handed to a subrequest or another attempt, which accounts for it.
    Delegated,
    /// Accepted; no attempt is under way.
    Admitted(Box<Admitted>),
    /// One deployment is being asked; no byte of an answer was sent on.
    Attempting(Box<Attempt>),
    /// The upstream refuses: its error body is being collected.
    Capturing(Box<Capture>),
    /// A whole answer is being collected, so that its cost can stand in its head.
    Holding(Box<Hold>),
    /// The answer is on its way to the client: nothing can be taken back.
    Relaying(Box<Relay>),
    /// Outrun by another attempt of the same call.
    Superseded(Box<Superseded>),
    /// Passed through unread.
    Passing(Box<Passing>),
    /// Answered from here, and written down.
    Served(Box<Served>),
    /// The client is to be answered, or was answered, with an error.
    Refused(Box<Refused>),
}

impl Stage {
    /// Whether more of an upstream's body is needed.
    pub(in crate::proxy) fn takes_body(&self) -> bool {
        match self {
            Self::Capturing(_) | Self::Relaying(_) => true,
            Self::Holding(hold) => hold.answer.is_none(),
            _ => false,
        }
    }

    /// The attempt under way, whatever has come of its answer.
    pub(in crate::proxy) fn attempt(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Attempting(attempt) => Some(attempt),
            Self::Capturing(capture) => Some(&mut capture.attempt),
            Self::Holding(hold) => Some(&mut hold.attempt),
            Self::Relaying(relay) => Some(&mut relay.attempt),
            _ => None,
        }
    }

    /// Where the call stands in a trace.
    pub(in crate::proxy) fn trace(&self) -> Option<Arc<TraceContext>> {
        let caller = match self {
            Self::Arrived | Self::Delegated => return None,
            Self::Admitted(admitted) => &admitted.caller,
            Self::Attempting(attempt) => &attempt.admitted.caller,
            Self::Capturing(capture) => &capture.attempt.admitted.caller,
            Self::Holding(hold) => &hold.attempt.admitted.caller,
            Self::Relaying(relay) => &relay.attempt.admitted.caller,
            Self::Superseded(lost) => &lost.attempt.admitted.caller,
            Self::Refused(refused) => &refused.caller,
            Self::Passing(passing) => &passing.caller,
            Self::Served(served) => return served.trace.clone(),
        };
        caller.trace.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_small() {
        assert!(size_of::<Ctx>() <= 64, "{} bytes for every connection", size_of::<Ctx>());
    }
}
