//! Whether `rpm` and `tpm` are limits, and how long calls wait for them.

use super::super::field::{Field, Report};
use super::super::model::QueueConfig;
use super::super::tree::Value;
use super::Sections;
use std::time::Duration;

/// LiteLLM's word, a truth of its own or one of `optional_pre_call_checks`.
const ENFORCE: &str = "enforce_model_rate_limits";
/// How long a call may wait if waiting is switched on and nobody says how long.
const WAIT: Duration = Duration::from_secs(60);
/// Longest wait that can be configured.
const LONGEST: Duration = Duration::from_hours(1);
const DEPTH: usize = 1000;
const DEEPEST: usize = 100_000;
const WINDOW: Duration = Duration::from_secs(60);

pub(super) fn compile(sections: &Sections<'_>, report: &mut Report) -> QueueConfig {
    let enforced = enforced(sections, report);
    let field = sections.tollgate.field("queue");
    let switch = field.as_ref().and_then(|field| match field.node().value {
        Value::Map(_) => None,
        _ => field.bool(report),
    });
    let section = field.filter(|_| switch.is_none()).and_then(|field| field.map(report));
    let get = |name: &str| section.as_ref().and_then(|section| section.field(name));
    let waits = section.is_some() || switch == Some(true);
    let max_wait = get("max_wait").and_then(|f| wait(&f, report));
    let depth = get("max_depth").and_then(|f| {
        let depth = f.count(report).filter(|depth| *depth <= DEEPEST);
        if depth.is_none() {
            report.fault(f.place(), format!("wants a whole number up to {DEEPEST}"));
        }
        depth
    });
    let window = get("window_seconds").and_then(|f| {
        let window = f.seconds(report).filter(|w| (Duration::from_secs(1)..=LONGEST).contains(w));
        if window.is_none() {
            report.fault(f.place(), "wants seconds from 1 to 3600");
        }
        window
    });
    QueueConfig {
        is_on: waits || (enforced && switch != Some(false)),
        max_wait: max_wait.unwrap_or(if waits { WAIT } else { Duration::ZERO }),
        max_depth: depth.unwrap_or(DEPTH),
        priority: get("priority").and_then(|f| f.count(report)).unwrap_or_default(),
        window: window.unwrap_or(WINDOW),
        keep_alive: get("keep_alive").and_then(|f| wait(&f, report)).filter(|every| !every.is_zero()),
    }
}

fn enforced(sections: &Sections<'_>, report: &mut Report) -> bool {
    let places = [&sections.router, &sections.general];
    let own = places.into_iter().filter_map(|section| section.field(ENFORCE)?.bool(report)).any(|on| on);
    let checks = sections.router.field("optional_pre_call_checks").map(|f| f.texts(report));
    own || checks.is_some_and(|checks| checks.iter().any(|check| check == ENFORCE))
}

/// A time to wait.
pub(super) fn wait(field: &Field<'_>, report: &mut Report) -> Option<Duration> {
    let wait = field.seconds(report)?;
    if wait > LONGEST {
        report.fault(field.place(), "wants at most 3600 seconds");
        return None;
    }
    Some(wait)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Config, Env, Overrides, parse_and_compile};
    use super::*;

    fn config(yaml: &str) -> Config {
        parse_and_compile(yaml, &Env::of(&[]), &Overrides::default()).unwrap().config
    }

    #[test]
    fn limits_are_weights_until_somebody_says_otherwise() {
        let off = config("{}");
        assert_eq!((off.queue.is_on, off.max_wait_of("m")), (false, None));
        for yaml in [
            "router_settings: {optional_pre_call_checks: [prompt_caching, enforce_model_rate_limits]}",
            "router_settings: {enforce_model_rate_limits: true}",
            "general_settings: {enforce_model_rate_limits: true}",
        ] {
            assert_eq!(config(yaml).max_wait_of("m"), Some(Duration::ZERO), "{yaml}");
        }
        assert_eq!(config("tollgate: {queue: on}").max_wait_of("m"), Some(WAIT));
        let yaml = "router_settings: {enforce_model_rate_limits: true}\ntollgate: {queue: off}";
        assert_eq!(config(yaml).max_wait_of("m"), None);
    }

    #[test]
    fn each_group_may_wait_its_own_time() {
        let yaml = "tollgate: {queue: {max_wait: 5, max_depth: 7, priority: 3, window_seconds: 2, keep_alive: 0.5}, \
                    groups: {a: {max_wait: 90}, b: {}}}";
        let config = config(yaml);
        let queue = &config.queue;
        assert_eq!((queue.max_depth, queue.priority, queue.window), (7, 3, Duration::from_secs(2)));
        assert_eq!(queue.keep_alive, Some(Duration::from_millis(500)));
        assert_eq!(config.max_wait_of("a"), Some(Duration::from_secs(90)));
        assert_eq!(config.max_wait_of("b"), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_group_may_wait_where_no_other_does() {
        let config = config("tollgate: {groups: {a: {max_wait: 9}}}");
        assert_eq!(config.max_wait_of("a"), Some(Duration::from_secs(9)));
        assert_eq!(config.max_wait_of("b"), None);
    }

    #[test]
    fn faults_have_places() {
        let yaml = "tollgate: {queue: {max_wait: 4000, max_depth: 1000000, priority: 300, window_seconds: 0}, \
                    groups: {a: {max_wait: -1}}}";
        let faults = parse_and_compile(yaml, &Env::of(&[]), &Overrides::default()).unwrap_err();
        assert_eq!(faults.len(), 5, "{faults:?}");
    }
}
