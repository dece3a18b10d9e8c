//! From the last stage of a call to the one record it leaves.

use super::Gateway;
use super::media;
use super::passing;
use super::race;
use super::stage::{
    Admitted, Attempt, Books, Caller, HeldAnswer, Hold, Meter, Refused, Relay, Stage, Superseded,
};
use crate::dialects::{gemini, openai};
use crate::domain::usage::{estimate_tokens, estimated};
use crate::domain::{
    Charge, Content, EndpointKind, Money, Outcome, RecordId, Timings, Units, UpstreamClass, Usage,
    UsageRecord, UsageSource, unix_ms,
};
use crate::limits::Permit;
use crate::metering::{self, Latencies};
use crate::upstream::Deployment;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The status that stands for a client that left before it was answered.
const CLIENT_LEFT: u16 = 499;

/// What a call cost at this deployment's prices; zero if it has none.
pub(super) fn cost(deployment: &Deployment, usage: &Usage, units: &Units) -> Money {
    deployment.traits.prices.as_ref().map_or(Money::ZERO, |prices| metering::bill(usage, units, prices))
}

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
        Stage::Superseded(lost) => return Some(Box::new(superseded(gateway, *lost))),
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
    record.timings.end = Instant::now().saturating_duration_since(attempt.admitted.caller.arrived);
    if client_gone && record.outcome == Outcome::Completed {
        record.outcome = Outcome::ClientGone;
    }
    Some(record)
}

/// How an answered call came out.
struct Ending {
    timings: Timings,
    usage: (Usage, UsageSource),
    units: Units,
    outcome: Outcome,
    failure: Option<UpstreamClass>,
    response_id: Option<Arc<str>>,
    /// The answer, if it is a whole one, or a stream that is kept.
    answer: Option<Bytes>,
}

/// Settles a whole answer and writes it down, before the client has it.
pub(super) fn book_held(gateway: &Gateway, hold: &mut Hold) {
    if matches!(hold.attempt.admitted.books, Books::Written(_)) {
        return;
    }
    let Some(HeldAnswer { body, usage, source, units, upstream_end, id }) = &hold.answer else { return };
    let since = |at: Instant| at.saturating_duration_since(hold.attempt.admitted.caller.arrived);
    let timings = Timings {
        upstream_start: Some(since(hold.attempt.started)),
        first_token: None,
        upstream_end: Some(since(*upstream_end)),
        end: since(Instant::now()),
    };
    let ending = Ending {
        timings,
        usage: (*usage, *source),
        units: *units,
        outcome: Outcome::Completed,
        failure: None,
        response_id: id.clone(),
        answer: Some(body.clone()),
    };
    book(gateway, &mut hold.attempt, ending);
}

/// Settles an answer under way and writes it down: when its end is about to be sent, or when it broke off.
pub(super) fn book_relay(gateway: &Gateway, relay: &mut Relay, delivered: bool) {
    if matches!(relay.attempt.admitted.books, Books::Written(_)) {
        return;
    }
    let (outcome, failure) = if let Some(fault) = &relay.interrupted {
        (Outcome::Interrupted(fault.class), Some(fault.class))
    } else if delivered && relay.has_ended() && !relay.client_gone {
        (Outcome::Completed, None)
    } else {
        (Outcome::ClientGone, None)
    };
    let response_id = match &relay.meter {
        Meter::Stream(stream) => stream.id().cloned(),
        Meter::Tail { .. } => None,
    };
    let (usage, source, units) = relay_usage(relay);
    let admitted = &relay.attempt.admitted;
    let said = relay.kept.take().map(|kept| kept.text(admitted.caller.inbound(), || admitted.given()));
    let ending = Ending {
        timings: relay.timings(Instant::now()),
        usage: (usage, source),
        units,
        outcome,
        failure,
        response_id,
        answer: said,
    };
    book(gateway, &mut relay.attempt, ending);
}

/// Settles what a session used and writes it down; `None` if nothing was open.
pub(super) fn book_session(
    gateway: &Gateway,
    attempt: &mut Attempt,
    usage: Usage,
    outcome: Outcome,
) -> Option<Box<UsageRecord>> {
    let since = |at: Instant| at.saturating_duration_since(attempt.admitted.caller.arrived);
    let now = since(Instant::now());
    let timings = Timings {
        upstream_start: Some(since(attempt.started)),
        first_token: None,
        upstream_end: Some(now),
        end: now,
    };
    let source = if usage == Usage::default() { UsageSource::Absent } else { UsageSource::Upstream };
    let failure = match outcome {
        Outcome::Interrupted(class) => Some(class),
        _ => None,
    };
    let ending = Ending {
        timings,
        usage: (usage, source),
        units: Units::default(),
        outcome,
        failure,
        response_id: None,
        answer: None,
    };
    book(gateway, attempt, ending);
    match std::mem::replace(&mut attempt.admitted.books, Books::Closed) {
        Books::Written(record) => Some(record),
        Books::Open(_) | Books::Closed => None,
    }
}

fn book(gateway: &Gateway, attempt: &mut Attempt, ending: Ending) {
    let (usage, usage_source) = ending.usage;
    let is_batch = attempt.admitted.caller.kind == EndpointKind::Batches;
    let cost = match &attempt.deployment.traits.prices {
        Some(prices) if is_batch => metering::cost(&usage, &prices.in_batch()),
        _ => cost(&attempt.deployment, &usage, &ending.units),
    };
    let attempt_record = attempt.note(ending.failure, 200);
    let admitted = &mut attempt.admitted;
    let mut attribution = std::mem::take(&mut admitted.attribution);
    let permit = match std::mem::replace(&mut admitted.books, Books::Closed) {
        Books::Open(permit) => Some(permit),
        Books::Closed => None,
        written @ Books::Written(_) => {
            admitted.books = written;
            return;
        }
    };
    // Tokens of a batch were not asked for now.
    let tokens = if is_batch { 0 } else { usage.total().saturating_sub(usage.cached) };
    if let Some(permit) = permit {
        attribution.charges = close(gateway, permit, tokens, cost);
    }
    if let Some(ticket) = attempt.quota.take() {
        ticket.settle(usage.total());
    }
    if !is_batch && attempt.mock.is_none() {
        note(admitted, &attempt.deployment, &usage, &ending);
    }
    let provider = &attempt.deployment.traits.words.provider;
    attribution.charges.extend(admitted.snapshot.house.charge(
        provider,
        cost,
        unix_ms(admitted.caller.arrived_at),
    ));
    let mut attempts = std::mem::take(&mut admitted.progress.attempts);
    if let Some(racer) = &admitted.racer {
        attempts.extend(racer.ends(tokens, admitted.caller.arrived));
    }
    attempts.push(attempt_record);
    let blank = blank(&admitted.caller, Arc::clone(&admitted.requested), admitted.request.stream());
    let record = UsageRecord {
        id: admitted.errand.as_ref().and_then(|errand| errand.record).unwrap_or(blank.id),
        group: Some(Arc::clone(&admitted.resolution.group.name)),
        key_hash: Some(Arc::clone(&admitted.standing.key_hash)),
        attribution: Some(attribution),
        response_id: ending.response_id,
        attempts,
        usage,
        usage_source,
        cost,
        outcome: ending.outcome,
        timings: ending.timings,
        content: content(admitted, ending.answer.as_ref()),
        ..blank
    }
    .of(Some(&attempt.deployment));
    write(gateway, &record);
    admitted.books = Books::Written(Box::new(record));
}

/// What the group learns of a call.
fn note(admitted: &Admitted, deployment: &Deployment, usage: &Usage, ending: &Ending) {
    let group = &admitted.resolution.group;
    // What has no tokens, or only counts them, says nothing of how long answers get.
    if admitted.caller.kind.is_generated() || admitted.caller.kind == EndpointKind::Embeddings {
        group.learned.record(u32::try_from(usage.completion).unwrap_or(u32::MAX));
    }
    let completed = ending.outcome == Outcome::Completed;
    group.note_answer(deployment, usage, || {
        let stream = admitted.request.stream();
        let latencies = Latencies::of(&ending.timings, usage.completion.max(1), stream);
        if completed { latencies } else { Latencies::default() }
    });
}

/// What an attempt about cost that another one has outrun: its money is spent, but it is no call of its own. The attempt
/// itself stands in the record of the call.
fn superseded(gateway: &Gateway, lost: Superseded) -> UsageRecord {
    let Superseded { attempt, usage: (usage, usage_source) } = lost;
    let Attempt { mut admitted, deployment, quota, started, .. } = *attempt;
    let cost = cost(&deployment, &usage, &Units::default());
    let (group, stream) = (&admitted.resolution.group, admitted.request.stream());
    group.note_silence(&deployment, started.elapsed(), stream);
    race::withdraw(&mut admitted);
    let mut attribution = admitted.attribution;
    if let Books::Open(permit) = admitted.books {
        attribution.charges = close(gateway, permit, 0, cost);
    }
    if let Some(ticket) = quota {
        ticket.settle(usage.total());
    }
    let now = unix_ms(admitted.caller.arrived_at);
    attribution.charges.extend(admitted.snapshot.house.charge(&deployment.traits.words.provider, cost, now));
    let since = |at: Instant| at.saturating_duration_since(admitted.caller.arrived);
    let end = since(Instant::now());
    let timings = Timings { upstream_start: Some(since(started)), end, ..Timings::default() };
    let record = UsageRecord {
        group: Some(Arc::clone(&admitted.resolution.group.name)),
        key_hash: Some(admitted.standing.key_hash),
        attribution: Some(attribution),
        status: CLIENT_LEFT,
        usage,
        usage_source,
        cost,
        outcome: Outcome::Superseded,
        timings,
        ..blank(&admitted.caller, admitted.requested, stream)
    }
    .of(Some(&deployment));
    write(gateway, &record);
    record
}

/// Settles what a call took, and says which counters it is charged to.
pub(super) fn close(gateway: &Gateway, permit: Permit, tokens: u64, cost: Money) -> Vec<Charge> {
    let settled = permit.settle(tokens, cost);
    settled.crossed.iter().for_each(|crossed| {
        gateway.telemetry.metrics.soft_budget_crossed(crossed.counter.scope);
        log::warn!(
            "soft budget: {} {} has spent {} of {}",
            crossed.counter.scope,
            crossed.counter.id,
            crossed.spent,
            crossed.soft
        );
    });
    settled.charges
}

/// What was said, if it is to be kept.
fn content(admitted: &Admitted, answer: Option<&Bytes>) -> Option<Box<Content>> {
    admitted.snapshot.config.spending.ledger.keeps_content.then(|| {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        Box::new(Content {
            request: admitted.request.form().map_or_else(|| text(admitted.request.body()), |_| String::new()),
            response: answer.map(text).unwrap_or_default(),
        })
    })
}

/// A record that finds no room is counted and reported by the ledger; the answer was paid for, so it is sent.
pub(super) fn write(gateway: &Gateway, record: &UsageRecord) {
    let _ = gateway.ledger.append(record);
}

fn of_refused(refused: Refused) -> UsageRecord {
    let Refused {
        caller, error, key_hash, attribution, requested, group, stream, attempts, deployment, ..
    } = refused;
    let end = Instant::now();
    let (status, outcome) = if refused.client_gone {
        (CLIENT_LEFT, Outcome::ClientGone)
    } else {
        (error.status(), Outcome::Refused(error.class()))
    };
    let timings = Timings { end: end.saturating_duration_since(caller.arrived), ..Timings::default() };
    let blank = blank(&caller, requested, stream);
    UsageRecord { group, key_hash, attribution, attempts, status, outcome, timings, ..blank }
        .of(deployment.as_deref())
}

/// A call whose client left while an upstream was being asked: nothing was produced that is known.
fn of_gone(admitted: Box<Admitted>) -> UsageRecord {
    let error = crate::domain::ApiError::new(crate::domain::ErrorKind::InvalidRequest, "the client left");
    of_refused(Refused { client_gone: true, ..admitted.refuse(error, None) })
}

fn usage_in_tail(relay: &Relay, tail: &[u8]) -> Option<Usage> {
    let is_googles = relay.attempt.admitted.caller.kind.is_googles();
    if is_googles { gemini::usage_in_tail(tail) } else { openai::usage_in_tail(tail) }
}

pub(super) fn relay_usage(relay: &Relay) -> (Usage, UsageSource, Units) {
    let prompt = relay.attempt.admitted.request.prompt_estimate();
    let (usage, source) = match &relay.meter {
        Meter::Stream(stream) => match stream.usage() {
            Some(usage) if stream.counts_are_the_upstreams() => (usage, UsageSource::Upstream),
            Some(usage) => (usage, UsageSource::Estimated),
            None if stream.produced().estimate() == 0 => (Usage::default(), UsageSource::Absent),
            None => estimated(prompt, stream.produced().estimate()),
        },
        Meter::Tail { tail, .. } if relay.attempt.admitted.caller.kind.is_media() => {
            let weight = media::of_tail(&relay.attempt, tail);
            return (weight.usage, weight.source, weight.units);
        }
        Meter::Tail { tail, size, .. } => match usage_in_tail(relay, tail) {
            Some(usage) => (usage, UsageSource::Upstream),
            None => estimated(prompt, estimate_tokens(*size)),
        },
    };
    (usage, source, Units::default())
}

pub(super) fn blank(caller: &Caller, requested_model: Arc<str>, stream: bool) -> UsageRecord {
    UsageRecord {
        id: record_id(caller.arrived_at),
        call_id: caller.call_id.clone(),
        response_id: None,
        attribution: None,
        arrived: caller.arrived_at,
        endpoint: caller.kind,
        route: Arc::from(caller.route),
        requested_model,
        group: None,
        target: None,
        upstream_model: None,
        provider: None,
        key_hash: None,
        stream,
        status: 200,
        outcome: Outcome::Completed,
        attempts: Vec::new(),
        usage: Usage::default(),
        usage_source: UsageSource::Absent,
        cost: Money::ZERO,
        price_version: None,
        priced: false,
        timings: Timings::default(),
        content: None,
    }
}

fn record_id(arrived: SystemTime) -> RecordId {
    RecordId::new(u64::try_from(unix_ms(arrived)).unwrap_or_default(), fastrand::u128(..))
}

impl UsageRecord {
    /// The record of a call that this deployment had the last word on.
    fn of(self, deployment: Option<&Deployment>) -> Self {
        let Some(deployment) = deployment else { return self };
        let words = deployment.traits.own_words();
        Self {
            target: Some(deployment.own_id()),
            upstream_model: Some(Arc::clone(&words.upstream_model)),
            provider: Some(Arc::clone(&words.provider)),
            price_version: words.price_version,
            priced: words.price_version.is_some(),
            ..self
        }
    }
}
