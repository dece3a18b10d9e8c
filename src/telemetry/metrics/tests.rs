use super::*;
use crate::domain::{Attribution, Money, Outcome, Scope, UpstreamClass, Usage, UsageRecord};
use crate::telemetry::fixture::{KEY_HASH, attempt, failure, stream, success, target, unknown_model};
use std::fmt::Write;
use std::time::{Duration, Instant, SystemTime};

const GOLDEN: &str = include_str!("../golden/metrics.txt");

fn metrics() -> Metrics {
    let metrics = Metrics::new(Selection::default()).unwrap();
    let targets = vec![target("a", "glm"), target("b", "glm"), target("f", "spare")];
    metrics.set_names(names(targets, vec!["alias".into()]));
    metrics
}

/// Names as a configuration has them, with the master key of the fixture.
fn names(targets: Vec<TargetLabels>, aliases: Vec<Arc<str>>) -> Configured {
    Configured { targets, aliases, master: Some(KEY_HASH.into()), end_users: false }
}

/// A call whose own group failed, and another was asked instead.
fn fallen_back(failure: Option<UpstreamClass>) -> UsageRecord {
    let attempts = vec![attempt("a", Some(UpstreamClass::RateLimit), 429, 3), attempt("f", failure, 0, 20)];
    match failure {
        None => UsageRecord { attempts, target: Some(TargetId::new("f")), ..success() },
        Some(class) => UsageRecord { attempts, outcome: Outcome::Refused(class.word()), ..self::failure() },
    }
}

fn balances() -> Vec<Balance> {
    let rate =
        |model: Option<&str>, kind, limit, used| Rate { model: model.map(Into::into), kind, limit, used };
    let balance = |scope, id: &str, max: Option<i64>, rates| Balance {
        scope,
        id: id.into(),
        alias: Some("robot".into()),
        max: max.map(Money::from_pico),
        spent: Money::from_pico(250_000_000_000),
        resets_in: max.map(|_| Duration::from_secs(5400)),
        rates,
    };
    let rates = vec![rate(None, "requests", 60, 7), rate(Some("glm"), "tokens", 1000, 1200)];
    vec![
        balance(Scope::Key, "unlimited", None, Vec::new()),
        balance(Scope::Key, KEY_HASH, Some(1_000_000_000_000), rates),
        balance(Scope::Team, "research", Some(1_000_000_000_000), Vec::new()),
        balance(Scope::User, "ada", Some(100_000_000_000), Vec::new()),
        balance(Scope::Organization, "acme", Some(1_000_000_000_000), Vec::new()),
        balance(Scope::Customer, "visitor", Some(1_000_000_000_000), Vec::new()),
        balance(Scope::Provider, "openai", Some(1_000_000_000_000), Vec::new()),
    ]
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
    metrics.record(&fallen_back(None));
    metrics.record(&fallen_back(Some(UpstreamClass::Timeout)));
    metrics.soft_budget_crossed(Scope::Team);
    metrics.reloaded(Duration::from_millis(250), true, SystemTime::UNIX_EPOCH + Duration::from_secs(9));
    metrics.population(3, 2);
    metrics.sink("otel").sent(5);
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let text: String = metrics.render(&balances()).replace(&version, "version=\"-\"");
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
    let metrics = Metrics::new(Selection::default()).unwrap();
    // Run together in the order of the labels, both spell `cab`.
    let first = TargetLabels { litellm_model_name: "c".into(), ..target("ab", "glm") };
    let second = TargetLabels { litellm_model_name: "ca".into(), ..target("b", "glm") };
    metrics.set_names(names(vec![first, second], Vec::new()));
    metrics.cooled_down(&TargetId::new("ab"), 429);
    metrics.cooled_down(&TargetId::new("b"), 429);
    let text = metrics.render(&[]);
    let name = "litellm_deployment_cooled_down_total";
    assert_eq!(value(&text, name, &["model_id=\"ab\""]), Some(1.0));
    assert_eq!(value(&text, name, &["model_id=\"b\""]), Some(1.0));
}

#[test]
fn made_up_models_share_one_series() {
    let metrics = metrics();
    metrics.record(&unknown_model("made-up"));
    let before = metrics.render(&[]).lines().count();
    for n in 0..1000 {
        metrics.record(&unknown_model(&format!("made-up-{n}-{}", fastrand::u64(..))));
    }
    let text = metrics.render(&[]);
    assert_eq!(text.lines().count(), before);
    let labels = ["requested_model=\"other\"", "status_code=\"400\"", "model_id=\"None\""];
    assert_eq!(value(&text, "litellm_proxy_total_requests_metric_total", &labels), Some(1001.0));
    assert!(!text.contains("made-up"));
}

#[test]
fn an_alias_keeps_its_name_and_a_wildcard_goes_by_its_pattern() {
    let metrics = metrics();
    metrics.set_names(names(vec![target("a", "glm"), target("w", "openai/*")], vec!["alias".into()]));
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
    let text = metrics.render(&[]);
    let name = "litellm_proxy_total_requests_metric_total";
    assert_eq!(value(&text, name, &["requested_model=\"alias\""]), Some(1.0));
    assert_eq!(value(&text, name, &["requested_model=\"openai/*\""]), Some(50.0));
}

#[test]
fn beyond_the_bound_all_share_one_series_and_nothing_is_lost() {
    let metrics = Metrics::with_limit(100, Selection::default()).unwrap();
    metrics.set_names(names(vec![target("a", "glm")], Vec::new()));
    for n in 0..500 {
        let mut record = success();
        record.key_hash = Some(format!("{n:064x}").into());
        metrics.record(&record);
        metrics.record(&record);
    }
    let text = metrics.render(&[]);
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
    metrics.set_names(names(vec![target("b", "glm"), target("c", "glm")], Vec::new()));
    let text = metrics.render(&[]);
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
    assert_eq!(value(&metrics.render(&[]), ids, &["model_id=\"a\""]), Some(2.0));
}

#[test]
fn counters_of_dead_deployments_go_when_room_gets_tight() {
    let metrics = Metrics::with_limit(30, Selection::default()).unwrap();
    metrics.set_names(names(vec![target("a", "glm")], Vec::new()));
    metrics.record(&success());
    metrics.set_names(names(vec![target("b", "glm")], Vec::new()));
    assert!(!metrics.render(&[]).contains("model_id=\"a\""));
}

#[test]
fn what_was_produced_is_paid_for_even_if_the_client_left_or_the_answer_broke_off() {
    let metrics = metrics();
    metrics.record(&UsageRecord { outcome: Outcome::ClientGone, status: 499, ..stream() });
    let broken = UsageRecord { outcome: Outcome::Interrupted(UpstreamClass::Connection), ..stream() };
    metrics.record(&broken);
    let text = metrics.render(&[]);
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
    assert_eq!(value(&metrics.render(&[]), "litellm_in_flight_requests", &[]), Some(1.0));
    drop(guard);
    assert_eq!(value(&metrics.render(&[]), "litellm_in_flight_requests", &[]), Some(0.0));
}

#[test]
fn the_key_is_shown_by_its_hash_only_and_names_are_escaped() {
    let metrics = metrics();
    metrics.set_names(names(vec![target("a", "say \"hi\"\\\n")], Vec::new()));
    metrics.record(&UsageRecord { route: "/v1/chat/completions?key=sk-canary".into(), ..success() });
    let text = metrics.render(&[]);
    assert!(text.contains(KEY_HASH) && !text.contains("sk-canary"));
    assert!(text.contains(r#"model_group="say \"hi\"\\\n""#));
}

/// A record of a virtual key with an owner, a team and an end user.
fn attributed(customer: &str) -> UsageRecord {
    let attribution = Attribution {
        key_alias: Some("robot".into()),
        user_id: Some("ada".into()),
        user_email: Some("ada@acme.test".into()),
        team_id: Some("t1".into()),
        team_alias: Some("research".into()),
        organization_id: Some("acme".into()),
        organization_alias: Some("Acme Ltd".into()),
        customer: Some(customer.into()),
        ..Attribution::default()
    };
    UsageRecord { key_hash: Some("ff00".into()), attribution: Some(Box::new(attribution)), ..success() }
}

#[test]
fn a_call_is_put_down_to_its_key_and_everybody_behind_it() {
    let metrics = metrics();
    metrics.record(&attributed("visitor"));
    // The same key after it was given another name: another series, at once.
    let mut renamed = attributed("visitor");
    renamed.attribution.as_mut().unwrap().key_alias = Some("android".into());
    metrics.record(&renamed);
    let text = metrics.render(&[]);
    let common = [
        "hashed_api_key=\"ff00\"",
        "user=\"ada\"",
        "team=\"t1\"",
        "team_alias=\"research\"",
        "user_email=\"ada@acme.test\"",
        "org_id=\"acme\"",
        "org_alias=\"Acme Ltd\"",
        "end_user=\"None\"",
    ];
    for alias in ["api_key_alias=\"robot\"", "api_key_alias=\"android\""] {
        let labels = [&common[..], &[alias]].concat();
        assert_eq!(value(&text, "litellm_proxy_total_requests_metric_total", &labels), Some(1.0), "{alias}");
        let of_team = ["team=\"t1\"", alias];
        assert_eq!(
            value(&text, "litellm_deployment_success_responses_total", &of_team),
            Some(1.0),
            "{alias}"
        );
    }
}

#[test]
fn end_users_are_told_apart_only_if_asked_for_and_only_so_many() {
    let metrics = metrics();
    metrics.record(&attributed("visitor"));
    assert!(!metrics.render(&[]).contains("visitor"));
    let configured = Configured { end_users: true, ..names(vec![target("a", "glm")], Vec::new()) };
    metrics.set_names(configured);
    for n in 0..600 {
        metrics.record(&attributed(&format!("visitor-{n}")));
    }
    let text = metrics.render(&[]);
    let name = "litellm_proxy_total_requests_metric_total";
    assert_eq!(value(&text, name, &["end_user=\"visitor-499\""]), Some(1.0));
    assert_eq!(value(&text, name, &["end_user=\"other\""]), Some(100.0));
}

#[test]
fn kinds_of_tokens_have_a_series_once_there_are_some() {
    let metrics = metrics();
    metrics
        .record(&UsageRecord { usage: Usage { prompt: 5, completion: 6, ..Usage::default() }, ..success() });
    let name = "litellm_input_cached_tokens_metric_total";
    assert_eq!(value(&metrics.render(&[]), name, &[]), None);
    metrics.record(&success());
    metrics.record(&success());
    let text = metrics.render(&[]);
    assert_eq!(value(&text, name, &[]), Some(8.0));
    assert_eq!(value(&text, "litellm_output_reasoning_tokens_metric_total", &[]), Some(4.0));
    assert_eq!(value(&text, "litellm_output_audio_tokens_metric_total", &[]), None);
    assert_eq!(value(&text, "litellm_output_tokens_metric_total", &[]), Some(20.0), "one series for all");
}

#[test]
fn a_call_that_another_group_served_is_a_fallback_and_an_alias_of_groups_is_none() {
    let metrics = metrics();
    metrics.record(&fallen_back(None));
    metrics.record(&fallen_back(None));
    metrics.record(&fallen_back(Some(UpstreamClass::Timeout)));
    metrics.record(&UsageRecord { group: Some("alias".into()), ..fallen_back(None) });
    let retried = vec![attempt("a", Some(UpstreamClass::RateLimit), 429, 3), attempt("b", None, 200, 20)];
    metrics.record(&UsageRecord { attempts: retried, ..success() });
    let text = metrics.render(&[]);
    let labels = [
        "requested_model=\"glm\"",
        "fallback_model=\"spare\"",
        "exception_status=\"429\"",
        "exception_class=\"Openai.RateLimitError\"",
        "model_id=\"f\"",
    ];
    assert_eq!(value(&text, "litellm_deployment_successful_fallbacks_total", &labels), Some(2.0));
    assert_eq!(value(&text, "litellm_deployment_failed_fallbacks_total", &labels), Some(1.0));
}

#[test]
fn only_what_is_selected_is_exposed_with_the_labels_that_are() {
    let selection = Selection::of([
        ("litellm_proxy_total_requests_metric".to_owned(), Some(vec!["requested_model".to_owned()])),
        ("litellm_spend_metric_total".to_owned(), None),
        ("litellm_remaining_team_budget_metric".to_owned(), Some(vec!["team".to_owned()])),
    ]);
    let metrics = Metrics::new(selection).unwrap();
    metrics.set_names(names(vec![target("a", "glm"), target("b", "glm")], Vec::new()));
    for key in ["k1", "k2"] {
        metrics.record(&UsageRecord { key_hash: Some(key.into()), ..stream() });
    }
    metrics.record(&failure());
    let text = metrics.render(&balances());
    let line = "litellm_proxy_total_requests_metric_total{requested_model=\"glm\"} 3\n";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("litellm_remaining_team_budget_metric{team=\"research\"} 0.75\n"));
    let spent = value(&text, "litellm_spend_metric_total", &["hashed_api_key=\"k1\"", "model_id=\"a\""]);
    assert!(spent.is_some_and(|spent| spent > 0.0));
    let families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let of_litellm = |name: &&&str| name.starts_with("litellm_") && !name.starts_with("litellm_custom_");
    assert_eq!(
        families.iter().filter(of_litellm).collect::<Vec<_>>(),
        [
            &"litellm_proxy_total_requests_metric_total",
            &"litellm_proxy_total_requests_metric",
            &"litellm_spend_metric_total",
            &"litellm_spend_metric",
            &"litellm_remaining_team_budget_metric"
        ]
    );
    assert_eq!(value(&text, "litellm_custom_ttft_seconds_count", &[]), Some(2.0));
    assert!(families.contains(&"tollgate_build_info") && families.contains(&"tollgate_rate_limit"));
}

#[test]
fn a_name_stands_for_one_family_only() {
    let text = metrics().render(&balances());
    let mut families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    families.sort_unstable();
    let all = families.len();
    families.dedup();
    assert_eq!(families.len(), all);
    let served = families.iter().filter(|family| select::is_selectable(family)).count();
    assert_eq!(served, Metrics::selectable().len() + 5, "five have a twin without _total");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_described() {
    let text = metrics().render(&[]);
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
    let length = metrics.render(&[]).len();
    println!("render: {} bytes in {:?}", length, started.elapsed());
}
