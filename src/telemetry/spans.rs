//! The durations that the histograms observe, from the times of a record.

use crate::domain::UsageRecord;
use std::time::Duration;

/// Durations in seconds; `None` where a call has no such thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::telemetry) struct Spans {
    /// The whole call.
    pub(in crate::telemetry) total: f64,
    /// The answering attempt.
    pub(in crate::telemetry) upstream: Option<f64>,
    /// What is left of the whole without the upstream calls.
    pub(in crate::telemetry) overhead: Option<f64>,
    /// From arrival to the first upstream call.
    pub(in crate::telemetry) queue: Option<f64>,
    /// From the upstream call to the first output (streams).
    pub(in crate::telemetry) ttft: Option<f64>,
    /// The whole call by its completion tokens.
    pub(in crate::telemetry) tpot: Option<f64>,
    /// From the first output to the end, by the tokens after the first (streams of two or more).
    pub(in crate::telemetry) itl: Option<f64>,
    /// The answering attempt by its completion tokens.
    pub(in crate::telemetry) upstream_per_token: Option<f64>,
}

impl Spans {
    pub(in crate::telemetry) fn of(record: &UsageRecord) -> Self {
        let times = &record.timings;
        let between = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
        let failed: Duration =
            record.attempts.iter().filter(|a| a.failure.is_some()).map(|a| a.duration).sum();
        let upstream = between(times.upstream_start, Some(times.upstream_end.unwrap_or(times.end)));
        let per = |whole: Option<Duration>, parts: u64| (parts > 0).then(|| seconds(whole) / count(parts));
        let first = times.first_token.filter(|_| record.stream);
        let tokens = record.usage.completion;
        let after_first = times.upstream_end.unwrap_or(times.end);
        Self {
            total: times.end.as_secs_f64(),
            upstream: upstream.map(|span| span.as_secs_f64()),
            overhead: upstream.map(|span| times.end.saturating_sub(span + failed).as_secs_f64()),
            queue: times.upstream_start.map(|start| start.saturating_sub(failed).as_secs_f64()),
            ttft: between(times.upstream_start, first).map(|span| span.as_secs_f64()),
            tpot: per(Some(times.end), tokens),
            itl: first
                .and_then(|first| per(Some(after_first.saturating_sub(first)), tokens.saturating_sub(1))),
            upstream_per_token: upstream.and_then(|span| per(Some(span), tokens)),
        }
    }
}

fn seconds(span: Option<Duration>) -> f64 {
    span.unwrap_or_default().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a token count is far below 2^52")]
const fn count(tokens: u64) -> f64 {
    tokens as f64
}
