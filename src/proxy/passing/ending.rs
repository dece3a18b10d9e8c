//! How such a call ends, and what is written down of it.

use super::Passing;
use crate::domain::{ApiError, Failure, Money, Outcome, UsageRecord};
use crate::proxy::stage::{Books, Refused, Stage};
use crate::proxy::{Gateway, settle};
use std::sync::Arc;
use std::time::Instant;

/// Settles the call and writes it down, once: before the client has all of its answer.
pub(in crate::proxy) fn book(gateway: &Gateway, passing: &mut Passing) {
    let permit = match std::mem::replace(&mut passing.books, Books::Closed) {
        Books::Open(permit) => permit,
        other => {
            passing.books = other;
            return;
        }
    };
    let served = (200..400).contains(&passing.status);
    let cost = if served { passing.passage.cost } else { Money::ZERO };
    let now = Instant::now();
    let timings = passing.caller.timings(passing.started, passing.ended.then_some(now), now);
    let outcome = match &passing.interrupted {
        Some(fault) => Outcome::Interrupted(fault.class),
        None if passing.client_gone || !passing.ended => Outcome::ClientGone,
        None => Outcome::Completed,
    };
    let blank = settle::blank(&passing.caller, Arc::from(passing.passage.path.as_str()), false);
    let record = UsageRecord { status: passing.status, timings, outcome, cost, priced: true, ..blank };
    let (charges, mut record) = match (&mut passing.asked, &passing.passage.vendor) {
        (Some(asked), Some(vendor)) => asked.settle(gateway, vendor, permit, record),
        _ => (settle::close(gateway, permit, 0, cost), record),
    };
    if let Some(who) = &mut passing.who {
        who.attribution.charges = charges;
        record.key_hash = Some(Arc::clone(&who.standing.key_hash));
        record.attribution = Some(std::mem::take(&mut who.attribution));
        settle::write(gateway, &record);
    }
    passing.books = Books::Written(Box::new(record));
}

/// The call's record, for the metrics.
pub(in crate::proxy) fn record(gateway: &Gateway, mut passing: Passing) -> Option<Box<UsageRecord>> {
    book(gateway, &mut passing);
    match passing.books {
        Books::Written(record) => Some(record),
        Books::Open(_) | Books::Closed => None,
    }
}

/// The upstream failed: the client is told if it has no head yet, else the answer is cut short.
pub(in crate::proxy) fn finish(mut passing: Box<Passing>, fault: Failure) -> Stage {
    if passing.status != 0 {
        passing.interrupted = Some(fault);
        return Stage::Passing(passing);
    }
    end_with(passing, ApiError::upstream(&fault, "pass_through"))
}

/// The client is told of this.
pub(in crate::proxy) fn end_with(passing: Box<Passing>, error: ApiError) -> Stage {
    let key_hash = passing.who.as_ref().map(|who| Arc::clone(&who.standing.key_hash));
    let Passing { caller, who, passage, .. } = *passing;
    let refused = Refused::new(caller, error, key_hash);
    let attribution = who.map(|who| who.attribution);
    Stage::Refused(Box::new(Refused { attribution, requested: Arc::from(passage.path.as_str()), ..refused }))
}

impl Passing {
    /// The target has said all it had to say.
    pub(in crate::proxy) fn end(&mut self) {
        self.ended = true;
    }

    /// The client left.
    pub(in crate::proxy) fn leave(&mut self) {
        self.client_gone = true;
    }

    /// How long the target may be silent.
    pub(in crate::proxy) fn patience(&self) -> std::time::Duration {
        self.snapshot.config.router.timeout
    }
}
