//! The tables of the ledger, and how a record becomes their rows.

use super::bulk::{Bulk, Cell, Cells, Column, Kind};
use super::charges;
use crate::domain::{Attribution, Outcome, TargetId, UpstreamClass, UsageRecord, unix_ms};
use Kind::{Int, Text};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What is a call's own.
#[rustfmt::skip]
const OWN: &[Column] = &[
    ("id", Text), ("request_id", Text), ("call_id", Text), ("customer", Text), ("tags", Text), ("session_id", Text),
    ("ip", Text), ("prompt_tokens", Int), ("completion_tokens", Int), ("total_tokens", Int), ("cached_tokens", Int),
    ("cache_write_tokens", Int), ("reasoning_tokens", Int), ("audio_prompt_tokens", Int),
    ("audio_completion_tokens", Int), ("cost", Int), ("started_ms", Int), ("first_token_ms", Int), ("ended_ms", Int),
    ("request", Text), ("response", Text),
];

/// What many calls have in common.
#[rustfmt::skip]
pub(super) const SHARED: &[Column] = &[
    ("call_type", Text), ("route", Text), ("api_key", Text), ("key_alias", Text), ("user_id", Text), ("team_id", Text),
    ("team_alias", Text), ("organization_id", Text), ("requested_model", Text), ("model_group", Text), ("model", Text),
    ("model_id", Text), ("provider", Text), ("api_base", Text), ("status", Text), ("http_status", Int),
    ("outcome", Text), ("error_class", Text), ("stream", Int), ("attempts", Int), ("usage_source", Text),
    ("price_version", Int), ("priced", Int), ("charges", Text),
];

/// Calls on a server: whole rows.
pub(super) static USAGE: Bulk = Bulk::new("tollgate_usage", OWN, "ON CONFLICT (id) DO NOTHING").and(SHARED);

/// Calls in a file: what is shared stands elsewhere, and what must not be NULL is empty.
#[rustfmt::skip]
pub(super) static CALLS: Bulk = Bulk::new("tollgate_usage", OWN, "ON CONFLICT (id) DO NOTHING")
    .and(&[("alike", Int)])
    .fixed(&[
        ("call_type", "''"), ("route", "''"), ("api_key", "''"), ("requested_model", "''"), ("status", "''"),
        ("http_status", "0"), ("outcome", "''"), ("stream", "0"), ("attempts", "0"), ("usage_source", "''"),
        ("priced", "0"),
    ]);

#[rustfmt::skip]
pub(super) static ATTEMPTS: Bulk = Bulk::new("tollgate_attempt", &[
    ("usage_id", Text), ("n", Int), ("model_id", Text), ("http_status", Int), ("failure", Text), ("duration_us", Int),
], "ON CONFLICT (usage_id, n) DO NOTHING");

/// [`super::counted::Counted::goes_on`] in SQL.
macro_rules! goes_on {
    () => {
        "(excluded.period_end = tollgate_spend.period_end OR tollgate_spend.period_end = 0 \
         OR (tollgate_spend.period_end > {now} AND (excluded.period_end = 0 OR excluded.period_end > {now})))"
    };
}

/// [`super::counted::Counted::begins_anew`] in SQL.
macro_rules! begins_anew {
    () => {
        "(tollgate_spend.period_end <= {now} \
         AND (excluded.period_end = 0 OR excluded.period_end > tollgate_spend.period_end))"
    };
}

/// Adds to a counter as [`super::counted`] says, at the moment [`super::bulk::NOW`]. Twice: for what budgets are compared
/// with, which others may set, and for what comes from rows, which is of the latest period alone.
pub(super) static COUNTERS: Bulk = Bulk::new(
    "tollgate_spend",
    &[
        ("scope", Text),
        ("id", Text),
        ("slot", Text),
        ("period_end", Int),
        ("spent", Int),
        ("booked_period", Int),
        ("booked", Int),
    ],
    concat!(
        "ON CONFLICT (scope, id, slot) DO UPDATE SET spent = CASE WHEN ",
        goes_on!(),
        " THEN CASE WHEN tollgate_spend.spent > 9223372036854775807 - excluded.spent THEN 9223372036854775807 \
         ELSE tollgate_spend.spent + excluded.spent END WHEN ",
        begins_anew!(),
        " THEN excluded.spent ELSE tollgate_spend.spent END, period_end = CASE WHEN ",
        goes_on!(),
        " OR ",
        begins_anew!(),
        " THEN excluded.period_end ELSE tollgate_spend.period_end END, \
         booked = CASE WHEN excluded.booked_period > tollgate_spend.booked_period THEN excluded.booked \
         WHEN excluded.booked_period < tollgate_spend.booked_period THEN tollgate_spend.booked \
         WHEN tollgate_spend.booked > 9223372036854775807 - excluded.booked THEN 9223372036854775807 \
         ELSE tollgate_spend.booked + excluded.booked END, \
         booked_period = CASE WHEN excluded.booked_period > tollgate_spend.booked_period THEN excluded.booked_period \
         ELSE tollgate_spend.booked_period END \
         RETURNING scope, id, slot, period_end, spent",
    ),
);

pub(super) static PROGRESS: Bulk = Bulk::new(
    "tollgate_journal",
    &[("segment", Int), ("booked", Int)],
    "ON CONFLICT (segment) DO UPDATE SET booked = excluded.booked",
);

macro_rules! rollup {
    ($table:literal, [$($dimension:literal),*]) => {
        Bulk::new($table, &[
            ("id", Text), $(($dimension, Text),)* ("requests", Int), ("successes", Int), ("failures", Int),
            ("prompt_tokens", Int), ("completion_tokens", Int), ("cached_tokens", Int), ("cache_write_tokens", Int),
            ("reasoning_tokens", Int), ("cost", Int),
        ], concat!(
            "ON CONFLICT (id) DO UPDATE SET requests = ", $table, ".requests + excluded.requests, ",
            "successes = ", $table, ".successes + excluded.successes, failures = ", $table, ".failures + excluded.failures, ",
            "prompt_tokens = ", $table, ".prompt_tokens + excluded.prompt_tokens, ",
            "completion_tokens = ", $table, ".completion_tokens + excluded.completion_tokens, ",
            "cached_tokens = ", $table, ".cached_tokens + excluded.cached_tokens, ",
            "cache_write_tokens = ", $table, ".cache_write_tokens + excluded.cache_write_tokens, ",
            "reasoning_tokens = ", $table, ".reasoning_tokens + excluded.reasoning_tokens, ",
            "cost = ", $table, ".cost + excluded.cost"
        ))
    };
}

#[rustfmt::skip]
pub(super) static HOURS: Bulk = rollup!("tollgate_usage_hour", [
    "hour", "api_key", "user_id", "team_id", "organization_id", "customer", "model", "model_group", "provider", "route"
]);
#[rustfmt::skip]
pub(super) static DAYS: Bulk = rollup!("tollgate_usage_day", [
    "day", "api_key", "user_id", "team_id", "organization_id", "customer", "model", "model_group", "provider", "route"
]);
#[rustfmt::skip]
pub(super) static TAG_DAYS: Bulk = rollup!("tollgate_usage_tag_day", [
    "day", "tag", "api_key", "user_id", "team_id", "organization_id", "customer", "model", "model_group", "provider",
    "route"
]);

#[cfg(test)]
pub(super) static ALL: [&Bulk; 7] = [&USAGE, &ATTEMPTS, &COUNTERS, &PROGRESS, &HOURS, &DAYS, &TAG_DAYS];

/// Whether LiteLLM calls it a success: the client has its answer.
pub(super) const fn is_success(record: &UsageRecord) -> bool {
    matches!(record.outcome, Outcome::Completed)
}

/// A path without its query, which may hold a key.
pub(super) fn path(record: &UsageRecord) -> &str {
    record.route.split('?').next().unwrap_or_default()
}

fn list(texts: &[Arc<str>]) -> Cell<'static> {
    if texts.is_empty() {
        return Cell::Null;
    }
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    serde_json::to_string(&texts).map_or(Cell::Null, |json| Cell::Text(Cow::Owned(json)))
}

/// The values of [`OWN`], in their order.
pub(super) fn own<'a>(record: &'a UsageRecord, id: &'a str, ip: Option<Arc<str>>, to: &mut Cells<'a>) {
    let own = record.attribution.as_deref();
    let of = |field: fn(&Attribution) -> &Option<Arc<str>>| {
        Cell::option(own.and_then(|own| field(own).as_deref()))
    };
    let (usage, timings) = (&record.usage, &record.timings);
    let after = |time: Duration| Cell::Int(unix_ms(record.arrived + time));
    let call_id = record.call_id.as_str();
    let content = record.content.as_deref();
    to.extend([
        Cell::text(id),
        Cell::text(record.response_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(call_id)),
        Cell::text(call_id),
        of(|own| &own.customer),
        own.map_or(Cell::Null, |own| list(&own.tags)),
        of(|own| &own.session_id),
        ip.map_or(Cell::Null, Cell::Shared),
        Cell::count(usage.prompt),
        Cell::count(usage.completion),
        Cell::count(usage.total()),
        Cell::count(usage.cached),
        Cell::count(usage.cache_write),
        Cell::count(usage.reasoning),
        Cell::count(usage.audio_prompt),
        Cell::count(usage.audio_completion),
        Cell::Int(record.cost.pico()),
        Cell::Int(unix_ms(record.arrived)),
        timings.first_token.map_or(Cell::Null, after),
        after(timings.end),
        Cell::option(content.map(|content| content.request.as_str())),
        Cell::option(content.map(|content| content.response.as_str())),
    ]);
}

/// The values of [`SHARED`], in their order. What they depend on is known to [`super::alike`].
pub(super) fn shared<'a>(record: &'a UsageRecord, api_base: Option<Arc<str>>, to: &mut Cells<'a>) {
    let own = record.attribution.as_deref();
    let of = |field: fn(&Attribution) -> &Option<Arc<str>>| {
        Cell::option(own.and_then(|own| field(own).as_deref()))
    };
    let (outcome, error_class) = record.outcome.words();
    to.extend([
        Cell::text(record.endpoint.call_type()),
        Cell::text(path(record)),
        Cell::text(record.key_hash.as_deref().unwrap_or_default()),
        of(|own| &own.key_alias),
        of(|own| &own.user_id),
        of(|own| &own.team_id),
        of(|own| &own.team_alias),
        of(|own| &own.organization_id),
        Cell::text(&record.requested_model),
        Cell::option(record.group.as_deref()),
        Cell::option(record.upstream_model.as_deref()),
        Cell::option(record.target.as_ref().map(TargetId::as_str)),
        Cell::option(record.provider.as_deref()),
        api_base.map_or(Cell::Null, Cell::Shared),
        Cell::text(if is_success(record) { "success" } else { "failure" }),
        Cell::count(record.status),
        Cell::text(outcome),
        Cell::option(error_class),
        Cell::count(record.stream),
        Cell::count(record.attempts.len()),
        Cell::text(record.usage_source.as_str()),
        record.price_version.map_or(Cell::Null, |version| Cell::Int(version.cast_signed())),
        Cell::count(record.priced),
        charges::write(record).map_or(Cell::Null, |text| Cell::Text(Cow::Owned(text))),
    ]);
}

/// The values of a record's rows of [`ATTEMPTS`]: none for a lone attempt, of which the record says everything.
pub(super) fn attempts<'a>(record: &'a UsageRecord, id: &'a str, to: &mut Cells<'a>) {
    if record.attempts.len() < 2 {
        return;
    }
    for (n, attempt) in record.attempts.iter().enumerate() {
        to.extend([
            Cell::text(id),
            Cell::count(n + 1),
            Cell::text(attempt.target.as_str()),
            Cell::count(attempt.status),
            Cell::option(attempt.failure.map(UpstreamClass::word)),
            Cell::count(attempt.duration.as_micros()),
        ]);
    }
}
