//! From the last stage of a call to the one record it leaves.
//!
//! What ends a call decides here; how an answered one came out is its [`Ending`]; from that its permit is settled and its
//! record is made and written down, before the client has the end of its answer.

mod book;
mod ending;
mod record;
mod superseded;

use super::Gateway;
use super::passing;
use super::stage::{Admitted, Attempt, Books, Hold, Refused, Relay, Stage};
use crate::domain::{ApiError, ErrorKind, Outcome, Timings, Usage, UsageRecord};
use ending::Ending;
use record::CLIENT_LEFT;
use std::time::Instant;

pub(super) use book::{close, write};
pub(super) use record::blank;

/// The record of a call that ended in this stage, settled and written down; `None` if there is nothing to account
/// for. `delivered` is false when the client left before it had everything.
pub(super) fn record(gateway: &Gateway, stage: Stage, delivered: bool) -> Option<Box<UsageRecord>> {
    let record = match stage {
        Stage::Arrived | Stage::Delegated => return None,
        Stage::Relaying(mut relay) => {
            book_relay(gateway, &mut relay, delivered);
            return told(*relay.attempt, !delivered || relay.client_gone);
        }
        Stage::Holding(mut hold) if hold.answer.is_some() => {
            book_held(gateway, &mut hold);
            return told(*hold.attempt, !delivered);
        }
        Stage::Superseded(lost) => return Some(Box::new(superseded::superseded(gateway, *lost))),
        Stage::Passing(passing) => return passing::record(gateway, *passing),
        Stage::Served(served) => return Some(served.record),
        Stage::Refused(refused) => of_refused(*refused),
        Stage::Holding(hold) => of_gone(hold.attempt.close(None, 200)),
        Stage::Attempting(attempt) => of_gone(attempt.close(None, 0)),
        Stage::Capturing(capture) => of_gone(capture.attempt.close(None, capture.status)),
        Stage::Admitted(admitted) => of_gone(admitted),
    };
    // A call of nobody known is no entry in anybody's books.
    if record.key_hash.is_some() {
        write(gateway, &record);
    }
    Some(Box::new(record))
}

/// The record that was written, as the metrics are to have it.
fn told(attempt: Attempt, client_gone: bool) -> Option<Box<UsageRecord>> {
    let Books::Written(mut record) = attempt.admitted.books else { return None };
    record.timings.end = attempt.admitted.caller.since(Instant::now());
    if client_gone && record.outcome == Outcome::Completed {
        record.outcome = Outcome::ClientGone;
    }
    Some(record)
}

/// Settles a whole answer and writes it down, before the client has it.
pub(super) fn book_held(gateway: &Gateway, hold: &mut Hold) {
    if matches!(hold.attempt.admitted.books, Books::Written(_)) {
        return;
    }
    if let Some(ending) = Ending::of_held(hold) {
        book::book(gateway, &mut hold.attempt, ending);
    }
}

/// Settles an answer under way and writes it down: when its end is about to be sent, or when it broke off.
pub(super) fn book_relay(gateway: &Gateway, relay: &mut Relay, delivered: bool) {
    if matches!(relay.attempt.admitted.books, Books::Written(_)) {
        return;
    }
    let ending = Ending::of_relay(relay, delivered);
    book::book(gateway, &mut relay.attempt, ending);
}

/// Settles what a session used and writes it down; `None` if nothing was open.
pub(super) fn book_session(
    gateway: &Gateway,
    attempt: &mut Attempt,
    usage: Usage,
    outcome: Outcome,
) -> Option<Box<UsageRecord>> {
    let ending = Ending::of_session(attempt, usage, outcome);
    book::book(gateway, attempt, ending);
    match std::mem::replace(&mut attempt.admitted.books, Books::Closed) {
        Books::Written(record) => Some(record),
        Books::Open(_) | Books::Closed => None,
    }
}

/// A call that ended in an error.
fn of_refused(refused: Refused) -> UsageRecord {
    let Refused {
        caller, error, key_hash, attribution, requested, group, stream, attempts, deployment, ..
    } = refused;
    let (status, outcome) = if refused.client_gone {
        (CLIENT_LEFT, Outcome::ClientGone)
    } else {
        (error.status(), Outcome::Refused(error.class()))
    };
    let timings = Timings { end: caller.since(Instant::now()), ..Timings::default() };
    let blank = blank(&caller, requested, stream);
    UsageRecord { group, key_hash, attribution, attempts, status, outcome, timings, ..blank }
        .of(deployment.as_deref())
}

/// A call whose client left while an upstream was being asked: nothing was produced that is known.
fn of_gone(admitted: Box<Admitted>) -> UsageRecord {
    let error = ApiError::new(ErrorKind::InvalidRequest, "the client left");
    of_refused(Refused { client_gone: true, ..admitted.refuse(error, None) })
}
