use super::*;
use crate::domain::{Outcome, UpstreamClass};
use crate::telemetry::fixture::{KEY_HASH, attempt, failure, stream, success, target, unknown_model};
use std::fmt::Write;
use std::time::{Duration, Instant};

const GOLDEN: &str = include_str!("../golden/metrics.txt");

fn metrics() -> Metrics {
    let metrics = Metrics::new().unwrap();
    metrics.set_targets(vec![target("a", "glm"), target("b", "glm")], vec!["alias".into()]);
    metrics
}

/// The value of the one sample whose line holds `name` followed by a brace or a space, and all `labels`.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut hits = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    let value = hits.next()?.rsplit_once(' ')?.1.parse().ok();
    assert_eq!(hits.next(), None, "more than one {name} with {labels:?}");
    value
}

#[test]
fn names_labels_types_and_buckets_stay_as_they_are() {
    let metrics = metrics();
    metrics.record(&success());
    metrics.record(&stream());
    metrics.record(&failure());
    metrics.cooled_down(&TargetId::new("b"), 429);
    metrics.deployment_state(&TargetId::new("b"), DeploymentState::Outage);
    metrics.remaining(&TargetId::new("a"), Some(59.0), Some(149_984.0));
    metrics.endpoint_up("http://up:80", true);
    metrics.config_generation(1);
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let text: String = metrics.render().replace(&version, "version=\"-\"");
    let fixed: String =
        text.lines().filter(|line| !line.contains("process_")).fold(String::new(), |mut all, line| {
            writeln!(all, "{line}").unwrap();
            all
        });
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/telemetry/golden/metrics.txt"), &fixed)
            .unwrap();
        return;
    }
    for (line, (got, want)) in fixed.lines().zip(GOLDEN.lines()).enumerate() {
        assert_eq!(got, want, "line {} of golden/metrics.txt (TOLLGATE_BLESS=1 rewrites it)", line + 1);
    }
    assert_eq!(fixed.lines().count(), GOLDEN.lines().count());
}

#[test]
fn label_values_of_different_labels_do_not_run_together() {
    let metrics = Metrics::new().unwrap();
    // Run together in the order of the labels, both spell `cab`.
    let first = TargetLabels { litellm_model_name: "c".into(), ..target("ab", "glm") };
    let second = TargetLabels { litellm_model_name: "ca".into(), ..target("b", "glm") };
    metrics.set_targets(vec![first, second], Vec::new());
    metrics.cooled_down(&TargetId::new("ab"), 429);
    metrics.cooled_down(&TargetId::new("b"), 429);
    let text = metrics.render();
    let name = "litellm_deployment_cooled_down_total";
    assert_eq!(value(&text, name, &["model_id=\"ab\""]), Some(1.0));
    assert_eq!(value(&text, name, &["model_id=\"b\""]), Some(1.0));
}

#[test]
fn made_up_models_share_one_series() {
    let metrics = metrics();
    metrics.record(&unknown_model("made-up"));
    let before = metrics.render().lines().count();
    for n in 0..1000 {
        metrics.record(&unknown_model(&format!("made-up-{n}-{}", fastrand::u64(..))));
    }
    let text = metrics.render();
    assert_eq!(text.lines().count(), before);
    let labels = ["requested_model=\"other\"", "status_code=\"400\"", "model_id=\"None\""];
    assert_eq!(value(&text, "litellm_proxy_total_requests_metric_total", &labels), Some(1001.0));
    assert!(!text.contains("made-up"));
}

#[test]
fn an_alias_keeps_its_name_and_a_wildcard_goes_by_its_pattern() {
    let metrics = metrics();
    metrics.set_targets(vec![target("a", "glm"), target("w", "openai/*")], vec!["alias".into()]);
    let named = |name: &str, group: &str, id: &str| {
        let mut record = success();
        record.requested_model = name.into();
        record.group = Some(group.into());
        record.target = Some(TargetId::new(id));
        record.attempts = vec![attempt(id, None, 200, 5)];
        metrics.record(&record);
    };
    named("alias", "glm", "a");
    for n in 0..50 {
        named(&format!("openai/made-up-{n}"), "openai/*", "w");
    }
    let text = metrics.render();
    let name = "litellm_proxy_total_requests_metric_total";
    assert_eq!(value(&text, name, &["requested_model=\"alias\""]), Some(1.0));
    assert_eq!(value(&text, name, &["requested_model=\"openai/*\""]), Some(50.0));
}

#[test]
fn beyond_the_bound_all_share_one_series_and_nothing_is_lost() {
    let metrics = Metrics::with_limit(100).unwrap();
    metrics.set_targets(vec![target("a", "glm")], Vec::new());
    for n in 0..500 {
        let mut record = success();
        record.key_hash = Some(format!("{n:064x}").into());
        metrics.record(&record);
        metrics.record(&record);
    }
    let text = metrics.render();
    let samples: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("litellm_proxy_total_requests_metric_total{"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
        .collect();
    assert_eq!(samples.iter().sum::<f64>(), 1000.0);
    assert!(samples.len() <= 101, "{} series", samples.len());
    let shared = value(&text, "litellm_spend_metric_total", &["hashed_api_key=\"other\""]);
    assert!(shared.is_some_and(|spend| spend > 0.0));
    assert!(value(&text, "tollgate_metric_series_dropped_total", &[]).is_some_and(|n| n > 100.0));
}

#[test]
fn a_deployment_that_went_away_takes_its_gauges_along() {
    let metrics = metrics();
    metrics.record(&success());
    metrics.deployment_state(&TargetId::new("a"), DeploymentState::Outage);
    metrics.deployment_state(&TargetId::new("b"), DeploymentState::Partial);
    metrics.set_targets(vec![target("b", "glm"), target("c", "glm")], Vec::new());
    let text = metrics.render();
    let state = |id: &str| value(&text, "litellm_deployment_state", &[&format!("model_id=\"{id}\"")]);
    assert_eq!((state("a"), state("b"), state("c")), (None, Some(1.0), Some(0.0)));
    assert_eq!(value(&text, "litellm_deployment_tpm_limit", &["model_id=\"a\""]), None);
    assert_eq!(
        value(&text, "litellm_deployment_success_responses_total", &["model_id=\"a\""]),
        Some(1.0),
        "what was counted stays"
    );
    // A call that was under way during the reload is still counted, under the deployment's id.
    metrics.record(&success());
    let ids = "litellm_proxy_total_requests_metric_total";
    assert_eq!(value(&metrics.render(), ids, &["model_id=\"a\""]), Some(2.0));
}

#[test]
fn counters_of_dead_deployments_go_when_room_gets_tight() {
    let metrics = Metrics::with_limit(30).unwrap();
    metrics.set_targets(vec![target("a", "glm")], Vec::new());
    metrics.record(&success());
    metrics.set_targets(vec![target("b", "glm")], Vec::new());
    assert!(!metrics.render().contains("model_id=\"a\""));
}

#[test]
fn what_was_produced_is_paid_for_even_if_the_client_left_or_the_answer_broke_off() {
    let metrics = metrics();
    metrics.record(&UsageRecord { outcome: Outcome::ClientGone, status: 499, ..stream() });
    let broken = UsageRecord { outcome: Outcome::Interrupted(UpstreamClass::Connection), ..stream() };
    metrics.record(&broken);
    let text = metrics.render();
    assert_eq!(value(&text, "litellm_output_tokens_metric", &[]), Some(14.0));
    assert_eq!(value(&text, "tollgate_client_disconnects_total", &[]), Some(1.0));
    assert_eq!(value(&text, "tollgate_interrupted_streams_total", &[]), Some(1.0));
    assert_eq!(value(&text, "litellm_requests_metric_total", &[]), None, "neither was answered in full");
    let class = ["exception_class=\"Openai.InternalServerError\"", "exception_status=\"500\""];
    assert_eq!(value(&text, "litellm_deployment_failure_responses_total", &class), Some(1.0));
    assert_eq!(value(&text, "litellm_deployment_success_responses_total", &[]), Some(1.0));
}

#[test]
fn a_call_is_in_flight_until_its_guard_is_dropped() {
    let metrics = metrics();
    let guard = metrics.in_flight();
    assert_eq!(value(&metrics.render(), "litellm_in_flight_requests", &[]), Some(1.0));
    drop(guard);
    assert_eq!(value(&metrics.render(), "litellm_in_flight_requests", &[]), Some(0.0));
}

#[test]
fn the_key_is_shown_by_its_hash_only_and_names_are_escaped() {
    let metrics = metrics();
    metrics.set_targets(vec![target("a", "say \"hi\"\\\n")], Vec::new());
    metrics.record(&UsageRecord { route: "/v1/chat/completions?key=sk-canary".into(), ..success() });
    let text = metrics.render();
    assert!(text.contains(KEY_HASH) && !text.contains("sk-canary"));
    assert!(text.contains(r#"model_group="say \"hi\"\\\n""#));
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_described() {
    let text = metrics().render();
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds"] {
        assert!(value(&text, name, &[]).is_some_and(|value| value > 0.0), "{name}");
    }
    assert!(value(&text, "process_cpu_seconds_total", &[]).is_some());
    assert!(value(&text, "process_start_time_seconds", &[]).is_some());
}

/// `cargo test --release --lib telemetry -- --ignored --nocapture cost`
#[test]
#[ignore = "a measurement"]
fn the_cost_of_a_finished_call() {
    let metrics = metrics();
    let keys: Vec<Arc<str>> = (0..100).map(|n| format!("{n:064x}").into()).collect();
    for (name, threads) in [("one thread", 1), ("four threads", 4)] {
        for (kind, template) in [("plain", success()), ("stream", stream()), ("failed", failure())] {
            let rounds: u32 = 200_000;
            let started = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        let mut record = template.clone();
                        for key in keys.iter().cycle().take(rounds as usize) {
                            record.key_hash = Some(Arc::clone(key));
                            metrics.record(&record);
                        }
                    });
                }
            });
            let each: Duration = started.elapsed() / rounds;
            println!("{name}, {kind}: {} ns a record", each.as_nanos());
        }
    }
    let started = Instant::now();
    let length = metrics.render().len();
    println!("render: {} bytes in {:?}", length, started.elapsed());
}
