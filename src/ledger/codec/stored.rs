//! A record as it is written: mirrors of the structs of `domain`, field by field.

use super::text::{Known, LongText, Text, option, text};
use super::words;
use crate::domain::{
    AttemptRecord, Attribution, CallId, Charge, Content, CounterId, Money, RecordId, TargetId, Timings,
    Usage, UsageRecord,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most labels and charges of a record.
pub(super) const MOST: usize = 64;
/// Most attempts of a record; the last ones are kept.
pub(super) const MOST_ATTEMPTS: usize = 128;

/// A record.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<'a> {
    id: u128,
    #[serde(borrow)]
    call_id: Text<'a>,
    response_id: Option<Text<'a>>,
    attribution: Option<StoredAttribution<'a>>,
    arrived_ns: u64,
    endpoint: u8,
    route: Text<'a>,
    requested_model: Text<'a>,
    group: Option<Text<'a>>,
    target: Option<Text<'a>>,
    upstream_model: Option<Text<'a>>,
    provider: Option<Text<'a>>,
    key_hash: Option<Text<'a>>,
    stream: bool,
    status: u16,
    outcome: (u8, Text<'a>),
    attempts: Vec<StoredAttempt<'a>>,
    usage: [u64; 7],
    usage_source: u8,
    cost: i64,
    price_version: Option<u64>,
    priced: bool,
    timings: [Option<u64>; 4],
    content: Option<(LongText<'a>, LongText<'a>)>,
}

#[derive(Serialize, Deserialize)]
struct StoredAttempt<'a> {
    #[serde(borrow)]
    target: Text<'a>,
    failure: Option<u8>,
    status: u16,
    duration_ns: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredAttribution<'a> {
    #[serde(borrow)]
    key_alias: Option<Text<'a>>,
    user_id: Option<Text<'a>>,
    team_id: Option<Text<'a>>,
    team_alias: Option<Text<'a>>,
    organization_id: Option<Text<'a>>,
    customer: Option<Text<'a>>,
    tags: Vec<Text<'a>>,
    session_id: Option<Text<'a>>,
    ip: Option<IpAddr>,
    charges: Vec<(u8, Text<'a>, Text<'a>, i64)>,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl<'a> Stored<'a> {
    /// Names every field, so that a new one is not forgotten here.
    pub(super) fn of(record: &'a UsageRecord) -> Self {
        let UsageRecord { id, call_id, response_id, attribution, arrived, endpoint, route, .. } = record;
        let UsageRecord { requested_model, group, target, upstream_model, provider, key_hash, .. } = record;
        let UsageRecord { stream, status, outcome, attempts, usage, usage_source, cost, .. } = record;
        let UsageRecord { price_version, priced, timings, content, .. } = record;
        let (ending, refusal) = words::outcome_code(outcome);
        let from = attempts.len().saturating_sub(MOST_ATTEMPTS);
        Self {
            id: id.bits(),
            call_id: Text(call_id.as_str()),
            response_id: option(response_id),
            attribution: attribution.as_deref().map(StoredAttribution::of),
            arrived_ns: nanos(arrived.duration_since(UNIX_EPOCH).unwrap_or_default()),
            endpoint: words::endpoint_code(*endpoint),
            route: text(route),
            requested_model: text(requested_model),
            group: option(group),
            target: target.as_ref().map(|id| Text(id.as_str())),
            upstream_model: option(upstream_model),
            provider: option(provider),
            key_hash: option(key_hash),
            stream: *stream,
            status: *status,
            outcome: (ending, Text(refusal)),
            attempts: attempts[from..].iter().map(StoredAttempt::of).collect(),
            usage: usage_numbers(usage),
            usage_source: words::source_code(*usage_source),
            cost: cost.pico(),
            price_version: *price_version,
            priced: *priced,
            timings: timing_numbers(timings),
            content: content.as_deref().map(|c| (LongText(&c.request), LongText(&c.response))),
        }
    }

    pub(super) fn record(self, known: &mut Known) -> Option<UsageRecord> {
        let [upstream_start, first_token, upstream_end, end] =
            self.timings.map(|n| n.map(Duration::from_nanos));
        Some(UsageRecord {
            id: RecordId::from_bits(self.id),
            call_id: CallId::new(self.call_id.0),
            response_id: self.response_id.map(|id| Arc::from(id.0)),
            attribution: match self.attribution {
                Some(own) => Some(Box::new(own.attribution(known)?)),
                None => None,
            },
            arrived: SystemTime::UNIX_EPOCH + Duration::from_nanos(self.arrived_ns),
            endpoint: words::endpoint(self.endpoint)?,
            route: known.text(self.route),
            requested_model: known.text(self.requested_model),
            group: known.option(self.group),
            target: known.option(self.target).map(TargetId::shared),
            upstream_model: known.option(self.upstream_model),
            provider: known.option(self.provider),
            key_hash: known.option(self.key_hash),
            stream: self.stream,
            status: self.status,
            outcome: words::outcome(self.outcome.0, self.outcome.1.0)?,
            attempts: self.attempts.into_iter().map(|one| one.attempt(known)).collect::<Option<_>>()?,
            usage: usage_of(self.usage),
            usage_source: words::source(self.usage_source)?,
            cost: Money::from_pico(self.cost),
            price_version: self.price_version,
            priced: self.priced,
            timings: Timings { upstream_start, first_token, upstream_end, end: end.unwrap_or_default() },
            content: self.content.map(|(request, response)| {
                Box::new(Content { request: request.0.to_owned(), response: response.0.to_owned() })
            }),
        })
    }
}

fn usage_numbers(usage: &Usage) -> [u64; 7] {
    let Usage { prompt, completion, cached, cache_write, reasoning, audio_prompt, audio_completion } = *usage;
    [prompt, completion, cached, cache_write, reasoning, audio_prompt, audio_completion]
}

pub(super) const fn usage_of(numbers: [u64; 7]) -> Usage {
    let [prompt, completion, cached, cache_write, reasoning, audio_prompt, audio_completion] = numbers;
    Usage { prompt, completion, cached, cache_write, reasoning, audio_prompt, audio_completion }
}

fn timing_numbers(timings: &Timings) -> [Option<u64>; 4] {
    let Timings { upstream_start, first_token, upstream_end, end } = *timings;
    [upstream_start, first_token, upstream_end, Some(end)].map(|time| time.map(nanos))
}

impl<'a> StoredAttempt<'a> {
    fn of(attempt: &'a AttemptRecord) -> Self {
        let AttemptRecord { target, failure, status, duration, started: _ } = attempt;
        Self {
            target: Text(target.as_str()),
            failure: failure.map(words::class_code),
            status: *status,
            duration_ns: nanos(*duration),
        }
    }

    fn attempt(self, known: &mut Known) -> Option<AttemptRecord> {
        Some(AttemptRecord {
            target: TargetId::shared(known.text(self.target)),
            failure: match self.failure {
                Some(code) => Some(words::class(code)?),
                None => None,
            },
            status: self.status,
            started: Duration::ZERO,
            duration: Duration::from_nanos(self.duration_ns),
        })
    }
}

impl<'a> StoredAttribution<'a> {
    fn of(own: &'a Attribution) -> Self {
        let Attribution { key_alias, user_id, team_id, team_alias, organization_id, customer, .. } = own;
        let Attribution { tags, session_id, ip, charges, .. } = own;
        let charge = |charge: &'a Charge| {
            let Charge { counter: CounterId { scope, id, slot }, period_end } = charge;
            (words::scope_code(*scope), text(id), text(slot), *period_end)
        };
        Self {
            key_alias: option(key_alias),
            user_id: option(user_id),
            team_id: option(team_id),
            team_alias: option(team_alias),
            organization_id: option(organization_id),
            customer: option(customer),
            tags: tags.iter().take(MOST).map(text).collect(),
            session_id: option(session_id),
            ip: *ip,
            charges: charges.iter().take(MOST).map(charge).collect(),
        }
    }

    fn attribution(self, known: &mut Known) -> Option<Attribution> {
        let mut charges = Vec::with_capacity(self.charges.len());
        for (scope, id, slot, period_end) in self.charges {
            let counter =
                CounterId { scope: words::scope(scope)?, id: known.text(id), slot: known.text(slot) };
            charges.push(Charge { counter, period_end });
        }
        Some(Attribution {
            key_alias: known.option(self.key_alias),
            user_id: known.option(self.user_id),
            team_id: known.option(self.team_id),
            team_alias: known.option(self.team_alias),
            organization_id: known.option(self.organization_id),
            customer: known.option(self.customer),
            tags: self.tags.into_iter().map(|tag| known.text(tag)).collect(),
            session_id: known.option(self.session_id),
            ip: self.ip,
            charges,
            ..Attribution::default()
        })
    }
}
