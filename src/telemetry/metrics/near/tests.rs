use super::MOST;
use crate::domain::{Attribution, TargetId, UpstreamClass, Usage, UsageRecord};
use crate::telemetry::fixture::{KEY_HASH, attempt, failure, stream, success, target};
use crate::telemetry::metrics::{Configured, Metrics, Selection};
use std::sync::Barrier;

const CALLS: &str = "litellm_proxy_total_requests_metric_total";

fn metrics() -> Metrics {
    let metrics = Metrics::new(Selection::default()).unwrap();
    metrics.set_names(names());
    metrics
}

fn names() -> Configured {
    let targets = vec![target("a", "glm"), target("b", "glm")];
    Configured { targets, master: Some(KEY_HASH.into()), ..Configured::default() }
}

/// The same call, answered by this one.
fn by(id: &str, record: UsageRecord) -> UsageRecord {
    UsageRecord { target: Some(TargetId::new(id)), attempts: vec![attempt(id, None, 200, 20)], ..record }
}

fn of(alias: &str, record: UsageRecord) -> UsageRecord {
    let known = Attribution { key_alias: Some(alias.into()), ..Attribution::default() };
    UsageRecord { attribution: Some(Box::new(known)), ..record }
}

/// The sum of a family's samples.
fn sum(metrics: &Metrics, family: &str) -> f64 {
    let text = metrics.render(&[]);
    let samples = text.lines().filter_map(|line| line.strip_prefix(family));
    samples
        .filter(|rest| rest.starts_with('{'))
        .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[test]
fn what_is_tallied_is_what_is_counted() {
    let cached = Usage { cached: 4, ..success().usage };
    let calls = [
        success(),
        by("b", success()),
        stream(),
        failure(),
        of("mine", success()),
        of("yours", success()),
        of("yours", by("b", stream())),
        UsageRecord { usage: cached, ..success() },
        UsageRecord { attempts: vec![attempt("a", Some(UpstreamClass::Timeout), 0, 3)], ..success() },
        UsageRecord { requested_model: "other".into(), route: "/chat/completions".into(), ..success() },
    ];
    let (tallied, counted) = (metrics(), metrics());
    for round in 0..20 {
        for call in calls.iter().skip(round % 3) {
            tallied.record(call);
            counted.count(call);
            counted.areas.gateway.count(call);
        }
        if round == 10 {
            tallied.set_names(names());
        }
    }
    assert!(super::NEAR.with_borrow(|near| near.tallies > 0));
    let samples = |metrics: &Metrics| -> Vec<(String, f64)> {
        let text = metrics.render(&[]);
        let told = text.lines().filter(|line| !line.starts_with("process_") && !line.starts_with('#'));
        let sample =
            |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
        told.filter_map(sample).collect()
    };
    let (own, other) = (samples(&tallied), samples(&counted));
    assert_eq!(own.len(), other.len());
    for ((name, value), (same, expected)) in own.iter().zip(&other) {
        // Sums may differ in their last digits.
        assert!(
            name == same && (value - expected).abs() <= 1e-9 * expected,
            "{name} {value} {same} {expected}"
        );
    }
}

#[test]
fn every_thread_is_heard_while_it_lives_and_after() {
    let metrics = metrics();
    let (counted, heard) = (Barrier::new(5), Barrier::new(5));
    std::thread::scope(|scope| {
        let thread = || {
            (0..100).for_each(|_| metrics.record(&success()));
            counted.wait();
            heard.wait();
            (0..50).for_each(|_| metrics.record(&success()));
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(thread)).collect();
        counted.wait();
        assert_eq!(sum(&metrics, CALLS), 400.0);
        heard.wait();
        // The scope alone would not wait until they have let go of what they keep.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(sum(&metrics, CALLS), 600.0);
    assert_eq!(sum(&metrics, "litellm_request_total_latency_metric_count"), 600.0);
}

#[test]
fn narrow_buckets_lose_nothing() {
    let metrics = metrics();
    let call = success();
    (0..70_000).for_each(|_| metrics.record(&call));
    assert_eq!(sum(&metrics, "litellm_request_total_latency_metric_count"), 70_000.0);
    (0..70_000).for_each(|_| metrics.record(&call));
    assert_eq!(sum(&metrics, "litellm_request_total_latency_metric_count"), 140_000.0);
    assert_eq!(sum(&metrics, CALLS), 140_000.0);
}

#[test]
fn more_callers_than_there_is_room_for_are_counted_all_the_same() {
    let metrics = Metrics::with_limit(200, Selection::default()).unwrap();
    metrics.set_names(names());
    let calls = MOST + MOST / 2;
    for n in 0..calls {
        metrics.record(&UsageRecord {
            key_hash: Some(format!("{n:064}").chars().rev().collect::<String>().into()),
            ..success()
        });
    }
    assert_eq!(sum(&metrics, CALLS), calls as f64);
    let told = super::NEAR.with_borrow(|near| (near.tallies, near.callers.len(), near.refused));
    assert!(told.0 <= MOST && told.0 == told.1 && told.2 > 0, "{told:?}");
}
