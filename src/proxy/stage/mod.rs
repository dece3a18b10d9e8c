//! What a call is at any moment. A field exists in the stage that knows it.

mod attempt;
mod call;
mod kept;
mod progress;
mod refused;
mod relay;
mod served;
mod weight;

pub(super) use attempt::{Attempt, Capture, Form, HeldAnswer, Hold, Superseded};
pub(super) use call::{Admitted, Books, Caller, Controls, Extra, Leanings, MOST_RETRIES};
pub(super) use kept::Kept;
pub(super) use progress::{MOST_ATTEMPTS, Progress};
pub(super) use refused::{Explained, Refused};
pub(super) use relay::{Meter, Relay};
pub(super) use served::Served;
pub(super) use weight::Weight;

use super::passing::Passing;
use crate::telemetry::TraceContext;
use std::sync::Arc;
use std::time::Instant;

/// Pingora's per-request context.
pub struct Ctx {
    pub(super) arrived: Instant,
    pub(super) stage: Stage,
}

impl Ctx {
    pub(super) fn new() -> Self {
        Self { arrived: Instant::now(), stage: Stage::Arrived }
    }

    /// Takes the stage out, to be replaced by the next one.
    pub(super) fn take(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Arrived)
    }
}

impl Ctx {
    /// Takes the stage out if a whole answer is held in it.
    pub(super) fn take_if_held(&mut self) -> Stage {
        match &self.stage {
            Stage::Holding(hold) if hold.answer.is_some() => self.take(),
            _ => Stage::Arrived,
        }
    }
}

/// The stages of a call.
pub(super) enum Stage {
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
    pub(super) fn takes_body(&self) -> bool {
        match self {
            Self::Capturing(_) | Self::Relaying(_) => true,
            Self::Holding(hold) => hold.answer.is_none(),
            _ => false,
        }
    }

    /// The attempt under way, whatever has come of its answer.
    pub(super) fn attempt(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Attempting(attempt) => Some(attempt),
            Self::Capturing(capture) => Some(&mut capture.attempt),
            Self::Holding(hold) => Some(&mut hold.attempt),
            Self::Relaying(relay) => Some(&mut relay.attempt),
            _ => None,
        }
    }

    /// Where the call stands in a trace.
    pub(super) fn trace(&self) -> Option<Arc<TraceContext>> {
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
