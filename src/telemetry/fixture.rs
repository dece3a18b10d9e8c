//! Records to test with.

pub(super) use crate::domain::fixture::{KEY_HASH, answered as success, attempt};

use crate::domain::{Money, Outcome, TargetId, Timings, UpstreamClass, Usage, UsageRecord, UsageSource};
use crate::telemetry::TargetLabels;
use std::sync::Arc;
use std::time::Duration;

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
