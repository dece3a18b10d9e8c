//! One line: what it says of a call, and that it says nothing else.

use crate::domain::{AttemptRecord, ErrorKind, Outcome, UpstreamClass, UsageRecord};
use crate::telemetry::spans::Spans;
use serde::Serialize;
use std::fmt::Write;
use std::time::SystemTime;

/// Longest text that a client can put into a line, in bytes.
const LONGEST_NAME: usize = 256;

/// The members, in the order they are written.
#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    call_id: &'a str,
    route: &'a str,
    call_type: &'static str,
    requested_model: &'a str,
    model_group: Option<&'a str>,
    model_id: Option<&'a str>,
    model: Option<&'a str>,
    provider: Option<&'a str>,
    api_key: Option<&'a str>,
    stream: bool,
    status: u16,
    outcome: &'static str,
    error_class: Option<&'static str>,
    attempts: usize,
    attempt_details: Vec<AttemptLine<'a>>,
    prompt_tokens: u64,
    completion_tokens: u64,
    cached_tokens: u64,
    reasoning_tokens: u64,
    total_tokens: u64,
    usage_source: &'static str,
    spend: f64,
    spend_pico: i64,
    priced: bool,
    duration_ms: f64,
    ttft_ms: Option<f64>,
    upstream_ms: Option<f64>,
    overhead_ms: Option<f64>,
}

#[derive(Serialize)]
struct AttemptLine<'a> {
    model_id: &'a str,
    status: u16,
    error: Option<&'static str>,
    duration_ms: f64,
}

/// Appends a record's line, with its newline.
pub(super) fn append(to: &mut Vec<u8>, record: &UsageRecord) -> serde_json::Result<()> {
    let start = to.len();
    let written = serde_json::to_writer(&mut *to, &Line::of(record));
    if written.is_err() {
        to.truncate(start);
    } else {
        to.push(b'\n');
    }
    written
}

impl<'a> Line<'a> {
    fn of(record: &'a UsageRecord) -> Self {
        let (outcome, error_class) = ending(&record.outcome);
        let (usage, spans) = (&record.usage, Spans::of(record));
        Self {
            ts: timestamp(record.arrived),
            call_id: record.call_id.as_str(),
            // A query may hold a key.
            route: shortened(record.route.split('?').next().unwrap_or_default()),
            call_type: record.endpoint.call_type(),
            requested_model: shortened(&record.requested_model),
            model_group: record.group.as_deref(),
            model_id: record.target.as_ref().map(|target| target.as_str()),
            model: record.upstream_model.as_deref().map(shortened),
            provider: record.provider.as_deref(),
            api_key: record.key_hash.as_deref(),
            stream: record.stream,
            status: record.status,
            outcome,
            error_class,
            attempts: record.attempts.len(),
            attempt_details: record.attempts.iter().map(AttemptLine::of).collect(),
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            cached_tokens: usage.cached,
            reasoning_tokens: usage.reasoning,
            total_tokens: usage.total(),
            usage_source: record.usage_source.as_str(),
            spend: record.cost.dollars(),
            spend_pico: record.cost.pico(),
            priced: record.priced,
            duration_ms: milliseconds(spans.total),
            ttft_ms: spans.ttft.map(milliseconds),
            upstream_ms: spans.upstream.map(milliseconds),
            overhead_ms: spans.overhead.map(milliseconds),
        }
    }
}

impl<'a> AttemptLine<'a> {
    fn of(attempt: &'a AttemptRecord) -> Self {
        Self {
            model_id: attempt.target.as_str(),
            status: attempt.status,
            error: attempt.failure.map(class_word),
            duration_ms: milliseconds(attempt.duration.as_secs_f64()),
        }
    }
}

const fn ending(outcome: &Outcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        Outcome::Completed => ("completed", None),
        Outcome::Refused(word) => ("refused", Some(*word)),
        Outcome::ClientGone => ("client_gone", None),
        Outcome::Interrupted(class) => ("interrupted", Some(class_word(*class))),
    }
}

const fn class_word(class: UpstreamClass) -> &'static str {
    ErrorKind::Upstream(class).row().class
}

/// To the microsecond, which is more than these clocks mean.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or(name)
}

/// RFC 3339 in UTC with milliseconds. A clock outside 1970 to 9999 is shown as far as it goes.
fn timestamp(at: SystemTime) -> String {
    let mut text = String::with_capacity(24);
    let _ = write!(text, "{}", humantime::format_rfc3339_millis(at.max(SystemTime::UNIX_EPOCH)));
    text
}
