//! A usage record as bytes: a version, then postcard of mirror structs, so that `domain` stays free of serde.
//!
//! What clients can make long is cut here, and NUL, which Postgres has no place for, is replaced: what was
//! written to the journal must never be refused by a database later. A new version of the payload gets a
//! new number and a struct beside the old one; an older journal stays readable.

mod frame;
#[cfg(test)]
pub(super) mod tests;
mod words;

pub(super) use frame::{FRAME, Frames, finish};

use crate::domain::{
    AttemptRecord, Attribution, CallId, Charge, Content, CounterId, Money, RecordId, TargetId, Timings,
    Usage, UsageRecord,
};
use ahash::RandomState;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The payload that is written.
const VERSION: u8 = 1;
/// Longest text that a client can put into a record, in bytes.
const LONGEST: usize = 1024;
/// Longest prompt and answer that are kept, in bytes each.
const LONGEST_CONTENT: usize = 64 * 1024;
/// Most labels and charges of a record.
const MOST: usize = 64;
/// Most attempts of a record; the last ones are kept.
const MOST_ATTEMPTS: usize = 128;

/// Bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no usage record")]
pub(super) struct NoRecord;

/// Text on its way in is cut and cleaned, on its way out borrowed.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] &'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        clean(self.0, LONGEST, serializer)
    }
}

#[derive(Deserialize)]
struct LongText<'a>(#[serde(borrow)] &'a str);

impl Serialize for LongText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        clean(self.0, LONGEST_CONTENT, serializer)
    }
}

fn clean<S: Serializer>(text: &str, longest: usize, serializer: S) -> Result<S::Ok, S::Error> {
    let is_short = text.len() <= longest;
    let cut = if is_short { text } else { text.get(..text.floor_char_boundary(longest)).unwrap_or(text) };
    if memchr::memchr(0, cut.as_bytes()).is_some() {
        return serializer.serialize_str(&cut.replace('\0', " "));
    }
    serializer.serialize_str(cut)
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
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

/// Appends a record's payload. It takes at most about 500 KiB, whatever a client sent.
pub(super) fn encode(record: &UsageRecord, to: &mut Vec<u8>) -> Result<(), NoRecord> {
    to.push(VERSION);
    postcard::serialize_with_flavor(&Stored::of(record), Appending(to)).map_err(|_| NoRecord)
}

/// Texts are appended whole; the flavor that comes with postcard goes byte by byte.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Texts of the records of a batch, most of which are in many of them: each is made once, and shared.
#[derive(Default)]
pub(super) struct Known(HashSet<Arc<str>, RandomState>);

impl Known {
    fn text(&mut self, text: Text<'_>) -> Arc<str> {
        if let Some(known) = self.0.get(text.0) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text.0);
        self.0.insert(Arc::clone(&new));
        new
    }

    fn option(&mut self, text: Option<Text<'_>>) -> Option<Arc<str>> {
        text.map(|text| self.text(text))
    }
}

/// Reads a payload.
pub(super) fn decode(payload: &[u8], known: &mut Known) -> Result<UsageRecord, NoRecord> {
    let (&VERSION, rest) = payload.split_first().ok_or(NoRecord)? else { return Err(NoRecord) };
    let stored: Stored<'_> = postcard::from_bytes(rest).map_err(|_| NoRecord)?;
    stored.record(known).ok_or(NoRecord)
}

fn text(arc: &Arc<str>) -> Text<'_> {
    Text(arc)
}

fn option(arc: &Option<Arc<str>>) -> Option<Text<'_>> {
    arc.as_ref().map(text)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl<'a> Stored<'a> {
    /// Names every field, so that a new one is not forgotten here.
    fn of(record: &'a UsageRecord) -> Self {
        let UsageRecord { id, call_id, response_id, attribution, arrived, endpoint, route, .. } = record;
        let UsageRecord { requested_model, group, target, upstream_model, provider, key_hash, .. } = record;
        let UsageRecord { stream, status, outcome, attempts, usage, usage_source, cost, .. } = record;
        let UsageRecord { price_version, priced, timings, content, .. } = record;
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
            outcome: words::outcome_code(outcome).into_text(),
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

    fn record(self, known: &mut Known) -> Option<UsageRecord> {
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

const fn usage_of(numbers: [u64; 7]) -> Usage {
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

/// How an ending is written: its kind, and the class word of a refusal.
struct Ending(u8, &'static str);

impl Ending {
    const fn into_text(self) -> (u8, Text<'static>) {
        (self.0, Text(self.1))
    }
}
