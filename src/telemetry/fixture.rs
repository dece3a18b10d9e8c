//! Records to test with.

use crate::domain::{
    AttemptRecord, CallId, EndpointKind, Money, Outcome, RecordId, TargetId, Timings, UpstreamClass, Usage,
    UsageRecord, UsageSource,
};
use crate::telemetry::TargetLabels;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(super) const KEY_HASH: &str = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";

pub(super) fn target(id: &str, group: &str) -> TargetLabels {
    TargetLabels {
        model_id: TargetId::new(id),
        litellm_model_name: "glm-5.1".into(),
        api_base: "http://up/v1".into(),
        api_provider: "openai".into(),
        group: group.into(),
        endpoint: "http://up:80".into(),
        tpm_limit: Some(100_000),
        rpm_limit: None,
    }
}

pub(super) fn attempt(id: &str, failure: Option<UpstreamClass>, status: u16, ms: u64) -> AttemptRecord {
    let (started, duration) = (Duration::from_millis(6), Duration::from_millis(ms));
    AttemptRecord { target: TargetId::new(id), failure, status, started, duration }
}

/// A plain answer by deployment `a` of group `glm`: 11 and 7 tokens, 250 ms of which 240 upstream.
pub(super) fn success() -> UsageRecord {
    UsageRecord {
        id: RecordId::new(1_750_000_000_123, 1),
        response_id: Some("chatcmpl-1".into()),
        attribution: None,
        price_version: None,
        content: None,
        call_id: CallId::new("3f1c0a52-0000-4000-8000-000000000001"),
        arrived: SystemTime::UNIX_EPOCH + Duration::from_millis(1_750_000_000_123),
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
        priced: true,
        timings: Timings {
            upstream_start: Some(Duration::from_millis(6)),
            first_token: None,
            upstream_end: Some(Duration::from_millis(246)),
            end: Duration::from_millis(250),
        },
    }
}

/// The same as a stream whose first output came after 106 ms.
pub(super) fn stream() -> UsageRecord {
    let mut record = success();
    record.stream = true;
    record.timings.first_token = Some(Duration::from_millis(106));
    record
}

/// Two attempts that failed: the second one's failure was passed on.
pub(super) fn failure() -> UsageRecord {
    UsageRecord {
        target: None,
        upstream_model: None,
        status: 429,
        outcome: Outcome::Refused("RateLimitError"),
        attempts: vec![
            attempt("a", Some(UpstreamClass::Connection), 0, 3),
            attempt("b", Some(UpstreamClass::RateLimit), 429, 20),
        ],
        usage: Usage::default(),
        usage_source: UsageSource::Absent,
        cost: Money::ZERO,
        timings: Timings { end: Duration::from_millis(30), ..Timings::default() },
        ..success()
    }
}

/// A model nobody configured.
pub(super) fn unknown_model(name: &str) -> UsageRecord {
    UsageRecord {
        requested_model: Arc::from(name),
        group: None,
        provider: None,
        status: 400,
        outcome: Outcome::Refused("BadRequestError"),
        attempts: Vec::new(),
        ..failure()
    }
}
