//! The record of which every ending says only what is its own.

use crate::domain::{Money, Outcome, RecordId, Timings, Usage, UsageRecord, UsageSource, unix_ms};
use crate::proxy::stage::Caller;
use crate::upstream::Deployment;
use std::sync::Arc;
use std::time::SystemTime;

/// The status that stands for a client that left before it was answered.
pub(super) const CLIENT_LEFT: u16 = 499;

/// A record of a call of which only this is known: it has been served, and cost nothing.
pub(in crate::proxy) fn blank(caller: &Caller, requested_model: Arc<str>, stream: bool) -> UsageRecord {
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
    pub(super) fn of(self, deployment: Option<&Deployment>) -> Self {
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
