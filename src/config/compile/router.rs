//! Retries, timeouts and cooldown; the strategy is in `strategy`.

use super::super::field::{Field, Report, Section};
use super::super::{Env, Place, RouterConfig};
use super::{Sections, fallbacks, policies, strategy};
use std::time::Duration;

/// The routing settings; what could not be read has its default, and a fault.
pub(super) fn compile(sections: &Sections<'_>, env: &Env, report: &mut Report) -> RouterConfig {
    let either = |key: &str| first(&sections.router, key, &sections.litellm, key);
    let timeout = first(&sections.router, "timeout", &sections.litellm, "request_timeout")
        .and_then(|f| f.timeout(report))
        .or_else(|| seconds_of(env, "REQUEST_TIMEOUT", report).filter(|t| !t.is_zero()));
    let cooldown = either("cooldown_time")
        .and_then(|f| f.seconds(report))
        .or_else(|| seconds_of(env, "DEFAULT_COOLDOWN_TIME_SECONDS", report));
    let allowed_fails = either("allowed_fails")
        .and_then(|f| f.count(report))
        .or_else(|| count_of(env, "DEFAULT_ALLOWED_FAILS", report));
    RouterConfig {
        strategy: strategy::of_router(&sections.router, report),
        filters: strategy::filters(sections, report),
        num_retries: either("num_retries").and_then(|f| f.count(report)).unwrap_or(2),
        timeout: timeout.unwrap_or(Duration::from_secs(6000)),
        stream_timeout: either("stream_timeout").and_then(|f| f.timeout(report)),
        retry_after: either("retry_after").and_then(|f| f.seconds(report)).unwrap_or_default(),
        allowed_fails: allowed_fails.unwrap_or(3),
        allowed_fails_policy: policies::by_class(
            &sections.router,
            "allowed_fails_policy",
            "AllowedFails",
            report,
        ),
        retry_policy: policies::by_class(&sections.router, "retry_policy", "Retries", report),
        group_retry_policies: policies::by_group(&sections.router, report),
        fallbacks: fallbacks::compile(sections, report),
        cooldown_time: cooldown.unwrap_or(Duration::from_secs(5)),
        disable_cooldowns: either("disable_cooldowns").and_then(|f| f.bool(report)).unwrap_or_default(),
        drop_params: sections.litellm.field("drop_params").and_then(|f| f.bool(report)).unwrap_or_default(),
        modify_params: sections
            .litellm
            .field("modify_params")
            .and_then(|f| f.bool(report))
            .unwrap_or_default(),
    }
}

fn first<'a>(one: &Section<'a>, key: &str, other: &Section<'a>, other_key: &str) -> Option<Field<'a>> {
    one.field(key).or_else(|| other.field(other_key))
}

fn seconds_of(env: &Env, name: &str, report: &mut Report) -> Option<Duration> {
    let text = env.filled(name)?;
    let seconds = text.parse().ok().filter(|s| (0.0..=1e9).contains(s));
    let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    if time.is_none() {
        report.warn(Place::named(name), "wants a number of seconds; it is left out");
    }
    time
}

fn count_of(env: &Env, name: &str, report: &mut Report) -> Option<u32> {
    let count = env.filled(name)?.parse().ok();
    if count.is_none() {
        report.warn(Place::named(name), "wants a whole number; it is left out");
    }
    count
}
