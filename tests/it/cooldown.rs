//! Who is taken out of rotation, for how long, and who is not.

use crate::harness::{CHAT, Config, Gateway, MODEL, chat, eventually, script, upstream_of};
use serde_json::json;
use std::time::{Duration, Instant};
use tollgate::simulator::Simulator;

const STATE: &str = "litellm_deployment_state";
const A: &str = "sk-up-a";
const B: &str = "sk-up-b";

/// Two deployments, `a` before `b` while both are in rotation.
async fn pair(a: &str, b: &str, router: serde_json::Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(&[(A, a), (B, b)]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("a", MODEL, &base, A, json!({ "order": 1 }))
        .target("b", MODEL, &base, B, json!({ "order": 2 }))
        .set("router_settings", json!({ "disable_cooldowns": false, "cooldown_time": 60, "num_retries": 1 }))
        .set("router_settings", router);
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

async fn ask(gateway: &Gateway, times: usize, status: u16) {
    for _ in 0..times {
        let answer = gateway.post(CHAT, &chat()).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
}

fn count(simulator: &Simulator, key: &str) -> u64 {
    simulator.counts_by_key().get(key).copied().unwrap_or_default()
}

#[tokio::test]
async fn a_429_cools_for_its_retry_after() {
    let (simulator, gateway) = pair("429+first=1+retry-after=2", "ok", json!({})).await;
    ask(&gateway, 10, 200).await;
    assert_eq!((count(&simulator, A), count(&simulator, B)), (1, 10));
    assert_eq!(gateway.metric(STATE, &[("model_id", "a")]).await, 2.0);
    eventually("a is used again", async || {
        ask(&gateway, 1, 200).await;
        (count(&simulator, A) > 1).then_some(())
    })
    .await;
    let moments: Vec<Instant> = simulator.seen().iter().filter(|s| s.key == A).map(|s| s.at).collect();
    let pause = moments[1] - moments[0];
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&pause), "out for {pause:?}");
}

#[tokio::test]
async fn a_429_without_a_retry_after_cools_until_the_reset_that_it_names() {
    let (simulator, gateway) = pair("limit=1+window=3000+no-retry-after", "ok", json!({})).await;
    ask(&gateway, 10, 200).await;
    assert_eq!((count(&simulator, A), count(&simulator, B)), (2, 9), "its second call was refused");
    eventually("a is used again", async || {
        ask(&gateway, 1, 200).await;
        (count(&simulator, A) > 2).then_some(())
    })
    .await;
    let moments: Vec<Instant> = simulator.seen().iter().filter(|s| s.key == A).map(|s| s.at).collect();
    let pause = moments[2] - moments[0];
    assert!((Duration::from_secs(3)..Duration::from_secs(30)).contains(&pause), "out for {pause:?}");
}

#[tokio::test]
async fn a_429_benches_its_key_for_that_model_only() {
    let simulator = upstream_of(&[(A, "429+first=1+retry-after=60"), (B, "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("a", MODEL, &base, A, json!({ "order": 1 }))
        .target("twin", MODEL, &base, A, json!({ "order": 2 }))
        .target("b", MODEL, &base, B, json!({ "order": 3 }))
        .target("other", "other", &base, A, json!({ "model": "openai/other-model" }))
        .set("router_settings", json!({ "disable_cooldowns": false, "num_retries": 1 }));
    let gateway = Gateway::start(&config).await;
    ask(&gateway, 5, 200).await;
    assert_eq!((count(&simulator, A), count(&simulator, B)), (1, 5), "its twin was not asked");
    let other = json!({ "model": "other", "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(gateway.post(CHAT, &other).await.status(), 200, "the quota of another model is another");
}

#[tokio::test]
async fn when_all_are_cooled_the_client_is_told_how_long() {
    let (simulator, gateway) = pair("429+retry-after=50", "429+retry-after=90", json!({})).await;
    let start = Instant::now();
    let first = gateway.post(CHAT, &chat()).await;
    assert_eq!(first.status(), 429, "{}", first.text());
    let message = first.json()["error"]["message"].to_string();
    assert!(message.contains("litellm.RateLimitError"), "{message}");
    assert_eq!(first.header("retry-after"), Some("50"), "the first to come back decides");
    // Time passes, and the answer with it.
    let left = eventually("less is left", async || {
        let answer = gateway.post(CHAT, &chat()).await;
        assert_eq!(answer.status(), 429);
        let left: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        let error = answer.json()["error"].clone();
        let words = error["message"].as_str().unwrap();
        assert!(words.contains(&format!("Try again in {left} seconds")), "{words}");
        assert_eq!(error["code"], "429");
        (left < 49).then_some(left)
    })
    .await;
    assert!(left + start.elapsed().as_secs() >= 49, "{left} s after {:?}", start.elapsed());
    assert_eq!((count(&simulator, A), count(&simulator, B)), (1, 1), "nobody is asked in the meantime");
}

#[tokio::test]
async fn while_all_are_cooled_a_refusal_costs_no_connection() {
    let words = "429+retry-after=50";
    let (_simulator, gateway) = pair(words, words, json!({ "num_retries": 0 })).await;
    ask(&gateway, 2, 429).await;
    let mut connection = gateway.connect().await;
    for _ in 0..5 {
        connection.send(&gateway.post_bytes(CHAT, &chat())).await;
        let refused = connection.read_response().await;
        assert_eq!((refused.status(), refused.header("connection")), (429, Some("keep-alive")));
    }
    let record = gateway.records(7).await.pop().unwrap();
    assert_eq!((&record["outcome"], &record["attempts"]), (&json!("refused"), &json!(0)), "{record}");
    assert_eq!(record["model_group"], MODEL);
}

#[tokio::test]
async fn failures_in_the_window_bench_as_many_as_are_allowed() {
    let (simulator, gateway) = pair("500", "ok", json!({ "allowed_fails": 3 })).await;
    ask(&gateway, 20, 200).await;
    assert_eq!((count(&simulator, A), count(&simulator, B)), (3, 20));
    assert_eq!(gateway.metric(STATE, &[("model_id", "a")]).await, 2.0);
    assert_eq!(gateway.metric(STATE, &[("model_id", "b")]).await, 0.0);
}

#[tokio::test]
async fn the_last_one_is_not_benched_by_server_errors() {
    let router = json!({ "allowed_fails": 1, "num_retries": 0 });
    let (simulator, gateway) = pair("500", "503", router).await;
    ask(&gateway, 1, 500).await;
    ask(&gateway, 10, 503).await;
    assert_eq!((count(&simulator, A), count(&simulator, B)), (1, 10));
    assert_eq!(gateway.metric(STATE, &[("model_id", "b")]).await, 0.0);
}

#[tokio::test]
async fn requests_faults_neither_bench_nor_are_retried() {
    for (words, status) in [("400", 400), ("422", 422), ("context", 400), ("policy", 400)] {
        let router = json!({ "allowed_fails": 1, "num_retries": 3 });
        let (simulator, gateway) = pair(words, "ok", router).await;
        ask(&gateway, 8, status).await;
        assert_eq!((count(&simulator, A), count(&simulator, B)), (8, 0), "{words}");
        assert_eq!(gateway.metric(STATE, &[("model_id", "a")]).await, 0.0, "{words}");
        assert!(gateway.records(8).await.iter().all(|record| record["attempts"] == 1), "{words}");
    }
}

#[tokio::test]
async fn cooldowns_can_be_switched_off() {
    let router = json!({ "disable_cooldowns": true, "allowed_fails": 1 });
    let (simulator, gateway) = pair("401", "ok", router).await;
    ask(&gateway, 5, 200).await;
    assert_eq!((count(&simulator, A), count(&simulator, B)), (5, 5));
}

#[tokio::test]
async fn a_deployment_can_have_a_cooldown_of_its_own() {
    let simulator = upstream_of(&[(A, "403+first=1"), (B, "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("a", MODEL, &base, A, json!({ "order": 1, "cooldown_time": 1 }))
        .target("b", MODEL, &base, B, json!({ "order": 2 }))
        .set(
            "router_settings",
            json!({ "disable_cooldowns": false, "cooldown_time": 600, "num_retries": 1 }),
        );
    let gateway = Gateway::start(&config).await;
    ask(&gateway, 1, 200).await;
    eventually("a is used again", async || {
        ask(&gateway, 1, 200).await;
        (count(&simulator, A) > 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_comes_back_is_tried_by_one_call_at_a_time_until_one_is_answered() {
    let router = json!({ "cooldown_time": 1, "allowed_fails": 1 });
    let (simulator, gateway) = pair("500", "ok", router).await;
    ask(&gateway, 1, 200).await;
    assert_eq!(count(&simulator, A), 1);
    // From now on it holds whoever asks it, and fails then.
    let both = |a: &str| script(&[(A, a), (B, "ok")]);
    simulator.set(both("500+wait=700"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let calls = (0..20).map(|_| async { gateway.post(CHAT, &chat()).await.status() });
    assert!(futures::future::join_all(calls).await.iter().all(|status| *status == 200));
    // One failure is enough to keep it out again, one answer to have it back.
    ask(&gateway, 5, 200).await;
    // On a slow machine there is time for more than one of twenty-five to find out, one after the other.
    let tries: Vec<_> = simulator.seen().into_iter().filter(|seen| seen.key == A).collect();
    assert!(tries.len() >= 2, "nobody was sent to find out");
    for pair in tries.windows(2) {
        let pause = pair[0].answered.and_then(|answered| pair[1].at.checked_duration_since(answered));
        assert!(
            pause.is_some_and(|pause| pause > Duration::from_millis(900)),
            "it was out for {pause:?} only"
        );
    }
    simulator.set(both("ok"));
    eventually("it is back", async || {
        ask(&gateway, 4, 200).await;
        (count(&simulator, A) > 10).then_some(())
    })
    .await;
    gateway.metric_is(STATE, &[("model_id", "a")], 0.0).await;
}

#[tokio::test]
async fn an_origin_that_answers_nobody_is_passed_over_whole() {
    let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let simulator = upstream_of(&[(B, "ok")]).await;
    let base = format!("http://{dead}/v1");
    let keys: Vec<String> = (0..8).map(|number| format!("sk-up-{number}")).collect();
    let config = keys
        .iter()
        .fold(Config::new(), |config, key| config.target(key, MODEL, &base, key, json!({ "order": 1 })));
    let config = config
        .target("b", MODEL, &simulator.base_url(), B, json!({ "order": 2 }))
        .set("router_settings", json!({ "disable_cooldowns": false, "cooldown_time": 600, "num_retries": 9 }))
        .set("tollgate", json!({ "health_check": { "kind": "off" } }));
    let gateway = Gateway::start(&config).await;
    ask(&gateway, 20, 200).await;
    let attempts: u64 = gateway.records(20).await.iter().map(|r| r["attempts"].as_u64().unwrap()).sum();
    // Eight keys that may fail three times each would have cost 24 calls; the origin costs three, in one call or two.
    assert!((21..=20 + 8).contains(&attempts), "{attempts} attempts of 20 calls");
    assert!(gateway.output().contains("answers nobody"), "{}", gateway.output());
}

#[tokio::test]
async fn what_is_out_for_faults_of_its_own_is_still_better_than_nobody() {
    let words = [("a", "500"), ("b", "ok")];
    let simulator = upstream_of(&words).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("id-a", "a", &base, "a", json!({}))
        .target("id-b", "b", &base, "b", json!({}))
        .set(
            "router_settings",
            json!({
                "disable_cooldowns": false, "cooldown_time": 600, "allowed_fails": 1, "num_retries": 0,
                "fallbacks": [{ "a": ["b"] }],
            }),
        );
    let gateway = Gateway::start(&config).await;
    let ask = async || {
        let mut body = chat();
        body["model"] = json!("a");
        let answer = gateway.post(CHAT, &body).await;
        (answer.status(), answer.header("x-litellm-model-group").unwrap_or_default().to_owned())
    };
    let answered_by = |group: &str| (200, group.to_owned());
    assert_eq!(ask().await, answered_by("b"));
    assert_eq!(ask().await, answered_by("b"));
    assert_eq!(count(&simulator, "a"), 1, "it is out, because there is another group");
    simulator.set(script(&[("a", "ok"), ("b", "500")]));
    assert_eq!(ask().await, answered_by("a"), "out or not, it is all that is left");
    assert_eq!(ask().await.0, 200);
}

#[tokio::test]
async fn a_policy_says_how_many_failures_of_a_class_are_allowed() {
    for (words, policy, failures) in [
        ("500", json!({ "InternalServerErrorAllowedFails": 5 }), 5),
        ("401", json!({ "AuthenticationErrorAllowedFails": 4 }), 4),
        ("429", json!({ "RateLimitErrorAllowedFails": 2 }), 2),
        ("503", json!({ "TimeoutErrorAllowedFails": 1 }), 3),
    ] {
        let (simulator, gateway) = pair(words, "ok", json!({ "allowed_fails_policy": policy })).await;
        ask(&gateway, 12, 200).await;
        assert_eq!((count(&simulator, A), count(&simulator, B)), (failures, 12), "{words}");
    }
}
