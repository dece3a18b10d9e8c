//! From the last stage of a call to the one record it leaves.

use super::phases::response_body::estimated;
use super::stage::{Admitted, Attempt, Caller, HeldAnswer, Hold, Meter, Refused, Relay, Stage};
use crate::dialects::openai;
use crate::domain::usage::estimate_tokens;
use crate::domain::{Money, Outcome, RecordId, Timings, UpstreamClass, Usage, UsageRecord, UsageSource};
use crate::metering;
use crate::upstream::Deployment;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The status that stands for a client that left before it was answered.
const CLIENT_LEFT: u16 = 499;

/// What a call cost at this deployment's prices; zero if it has none.
pub(super) fn cost(deployment: &Deployment, usage: &Usage) -> Money {
    deployment.target.info.prices.as_ref().map_or(Money::ZERO, |prices| metering::cost(usage, prices))
}

/// The record of a call that ended in this stage; `None` if there is nothing to account for.
/// `delivered` is false when the client left before it had everything.
pub(super) fn record(stage: Stage, delivered: bool) -> Option<UsageRecord> {
    match stage {
        Stage::Arrived | Stage::Delegated => None,
        Stage::Refused(refused) => Some(of_refused(*refused)),
        Stage::Relaying(relay) => Some(of_relay(*relay, delivered)),
        Stage::Holding(hold) => Some(of_hold(*hold, delivered)),
        Stage::Attempting(attempt) => Some(of_gone(attempt.close(None, 0))),
        Stage::Capturing(capture) => Some(of_gone(capture.attempt.close(None, capture.status))),
        Stage::Admitted(admitted) => Some(of_gone(admitted)),
    }
}

fn of_refused(refused: Refused) -> UsageRecord {
    let Refused { caller, error, key_hash, requested, group, stream, attempts, deployment, .. } = refused;
    let end = Instant::now();
    let (status, outcome) = if refused.client_gone {
        (CLIENT_LEFT, Outcome::ClientGone)
    } else {
        (error.status(), Outcome::Refused(error.class()))
    };
    let timings = Timings { end: end.saturating_duration_since(caller.arrived), ..Timings::default() };
    let blank = blank(caller, requested, stream);
    UsageRecord { group, key_hash, attempts, status, outcome, timings, ..blank }.of(deployment.as_deref())
}

/// A call whose client left while an upstream was being asked: nothing was produced that is known.
fn of_gone(admitted: Box<Admitted>) -> UsageRecord {
    let error = crate::domain::ApiError::new(crate::domain::ErrorKind::InvalidRequest, "the client left");
    of_refused(Refused { client_gone: true, ..admitted.refuse(error, None) })
}

fn of_hold(hold: Hold, delivered: bool) -> UsageRecord {
    let Some(HeldAnswer { usage, source, upstream_end, .. }) = hold.answer else {
        return of_gone(hold.attempt.close(None, 200));
    };
    let attempt = *hold.attempt;
    let since = |at: Instant| at.saturating_duration_since(attempt.admitted.caller.arrived);
    let timings = Timings {
        upstream_start: Some(since(attempt.started)),
        first_token: None,
        upstream_end: Some(since(upstream_end)),
        end: since(Instant::now()),
    };
    let outcome = if delivered { Outcome::Completed } else { Outcome::ClientGone };
    answered(attempt, timings, (usage, source), outcome, None)
}

fn of_relay(relay: Relay, delivered: bool) -> UsageRecord {
    let timings = relay.timings(Instant::now());
    let usage = relay_usage(&relay);
    let (outcome, failure) = if let Some(fault) = &relay.interrupted {
        (Outcome::Interrupted(fault.class), Some(fault.class))
    } else if delivered && relay.complete && !relay.client_gone {
        (Outcome::Completed, None)
    } else {
        (Outcome::ClientGone, None)
    };
    answered(*relay.attempt, timings, usage, outcome, failure)
}

fn relay_usage(relay: &Relay) -> (Usage, UsageSource) {
    let prompt = relay.attempt.admitted.request.prompt_estimate();
    match &relay.meter {
        Meter::Stream(stream) => match stream.usage() {
            Some(usage) => (usage, UsageSource::Upstream),
            None if stream.produced().estimate() == 0 => (Usage::default(), UsageSource::Absent),
            None => estimated(prompt, stream.produced().estimate()),
        },
        Meter::Tail { tail, size } => match openai::usage_in_tail(tail) {
            Some(usage) => (usage, UsageSource::Upstream),
            None => estimated(prompt, estimate_tokens(*size)),
        },
    }
}

fn answered(
    attempt: Attempt,
    timings: Timings,
    (usage, usage_source): (Usage, UsageSource),
    outcome: Outcome,
    failure: Option<UpstreamClass>,
) -> UsageRecord {
    let deployment = Arc::clone(&attempt.deployment);
    let cost = cost(&deployment, &usage);
    let admitted = *attempt.close(failure, 200);
    let stream = admitted.request.stream();
    let group = Some(Arc::clone(&admitted.resolution.group.name));
    let key_hash = Some(Arc::clone(&admitted.principal.key_hash));
    let attempts = admitted.progress.attempts;
    let blank = blank(admitted.caller, admitted.requested, stream);
    UsageRecord { group, key_hash, attempts, usage, usage_source, cost, outcome, timings, ..blank }
        .of(Some(&deployment))
}

fn blank(caller: Caller, requested_model: Arc<str>, stream: bool) -> UsageRecord {
    UsageRecord {
        id: record_id(caller.arrived_at),
        call_id: caller.call_id,
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
    let since = arrived.duration_since(UNIX_EPOCH).unwrap_or_default();
    RecordId::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), fastrand::u128(..))
}

impl UsageRecord {
    /// The record of a call that this deployment had the last word on.
    fn of(self, deployment: Option<&Deployment>) -> Self {
        let Some(deployment) = deployment else { return self };
        Self {
            target: Some(deployment.target.id.clone()),
            upstream_model: Some(Arc::clone(&deployment.labels.upstream_model)),
            provider: Some(Arc::clone(&deployment.labels.provider)),
            priced: deployment.target.info.prices.is_some(),
            ..self
        }
    }
}
