//! From how a call came out to its record: what it took is settled, and the record is written down.

use super::ending::Ending;
use super::record::blank;
use crate::domain::{AttemptRecord, Charge, Content, EndpointKind, Money, Outcome, UsageRecord, unix_ms};
use crate::limits::Permit;
use crate::metering::{self, Latencies};
use crate::proxy::Gateway;
use crate::proxy::stage::{Admitted, Attempt, Books, Weight};
use crate::upstream::Deployment;
use bytes::Bytes;
use std::sync::Arc;

/// Settles an answered call and writes it down, unless that is done.
pub(super) fn book(gateway: &Gateway, attempt: &mut Attempt, ending: Ending) {
    let permit = match std::mem::replace(&mut attempt.admitted.books, Books::Closed) {
        Books::Open(permit) => Some(permit),
        Books::Closed => None,
        written @ Books::Written(_) => {
            attempt.admitted.books = written;
            return;
        }
    };
    let is_batch = attempt.admitted.caller.kind == EndpointKind::Batches;
    let Weight { usage, source: usage_source, .. } = ending.weight;
    let cost = match &attempt.deployment.traits.prices {
        Some(prices) if is_batch => metering::cost(&usage, &prices.in_batch()),
        _ => ending.weight.cost(&attempt.deployment),
    };
    // Tokens of a batch were not asked for now.
    let tokens = if is_batch { 0 } else { usage.total().saturating_sub(usage.cached) };
    let note = attempt.note(ending.failure(), 200);
    let mut attribution = std::mem::take(&mut attempt.admitted.attribution);
    if let Some(permit) = permit {
        attribution.charges = close(gateway, permit, tokens, cost);
    }
    if let Some(ticket) = attempt.quota.take() {
        ticket.settle(usage.total());
    }
    if !is_batch && attempt.mock.is_none() {
        teach(&attempt.admitted, &attempt.deployment, &ending);
    }
    attribution.charges.extend(house(&attempt.admitted, &attempt.deployment, cost));
    let attempts = attempts(&mut attempt.admitted, note, tokens);
    let admitted = &mut attempt.admitted;
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

/// Every upstream call that was made, those of a race included; this one, which answered, is the last.
fn attempts(admitted: &mut Admitted, last: AttemptRecord, tokens: u64) -> Vec<AttemptRecord> {
    let mut attempts = std::mem::take(&mut admitted.progress.attempts);
    if let Some(racer) = &admitted.racer {
        attempts.extend(racer.ends(tokens, admitted.caller.arrived));
    }
    attempts.push(last);
    attempts
}

/// What the house's own budget for the provider is charged.
pub(super) fn house(admitted: &Admitted, deployment: &Deployment, cost: Money) -> Option<Charge> {
    let now = unix_ms(admitted.caller.arrived_at);
    admitted.snapshot.house.charge(&deployment.traits.words.provider, cost, now)
}

/// What the group learns of a call.
fn teach(admitted: &Admitted, deployment: &Deployment, ending: &Ending) {
    let (group, usage) = (&admitted.resolution.group, &ending.weight.usage);
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

/// Settles what a call took, and says which counters it is charged to.
pub(in crate::proxy) fn close(gateway: &Gateway, permit: Permit, tokens: u64, cost: Money) -> Vec<Charge> {
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
pub(in crate::proxy) fn write(gateway: &Gateway, record: &UsageRecord) {
    let _ = gateway.ledger.append(record);
}
