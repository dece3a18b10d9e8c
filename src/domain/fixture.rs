//! A record to test with.

use super::{
    AttemptRecord, CallId, EndpointKind, Money, Outcome, RecordId, TargetId, Timings, UpstreamClass, Usage,
    UsageRecord, UsageSource,
};
use std::time::{Duration, SystemTime};

/// When [`answered`] arrived, in unix milliseconds: 15 June 2025.
pub(crate) const ARRIVED: u64 = 1_750_000_000_123;

/// The digest of the key of [`answered`].
pub(crate) const KEY_HASH: &str = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";

/// An attempt that was sent 6 ms after the arrival and took so long.
pub(crate) fn attempt(id: &str, failure: Option<UpstreamClass>, status: u16, ms: u64) -> AttemptRecord {
    let (started, duration) = (Duration::from_millis(6), Duration::from_millis(ms));
    AttemptRecord { target: TargetId::new(id), failure, status, started, duration }
}

/// A plain answer by deployment `a` of group `glm` to nobody in particular: 11 and 7 tokens, 250 ms of which 240 upstream.
pub(crate) fn answered() -> UsageRecord {
    UsageRecord {
        id: RecordId::new(ARRIVED, 1),
        call_id: CallId::new("3f1c0a52-0000-4000-8000-000000000001"),
        response_id: Some("chatcmpl-1".into()),
        attribution: None,
        arrived: SystemTime::UNIX_EPOCH + Duration::from_millis(ARRIVED),
        endpoint: EndpointKind::ChatCompletions,
        route: "/v1/chat/completions".into(),
        requested_model: "glm".into(),
        group: Some("glm".into()),
        target: Some(TargetId::new("a")),
        upstream_model: Some("openai/glm-5.1".into()),
        provider: Some("openai".into()),
        key_hash: Some(KEY_HASH.into()),
        stream: false,
        status: 200,
        outcome: Outcome::Completed,
        attempts: vec![attempt("a", None, 200, 240)],
        usage: Usage { prompt: 11, completion: 7, cached: 4, reasoning: 2, ..Usage::default() },
        usage_source: UsageSource::Upstream,
        cost: Money::from_pico(33_964_000),
        price_version: None,
        priced: true,
        timings: Timings {
            upstream_start: Some(Duration::from_millis(6)),
            first_token: None,
            upstream_end: Some(Duration::from_millis(246)),
            end: Duration::from_millis(250),
        },
        content: None,
    }
}
