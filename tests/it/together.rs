//! Scarce quota, a sick key, a revoked one, retries and fallbacks at the same time.

use crate::harness::{CHAT, Config, Gateway, MODEL, chat, eventually, script, upstream_of, with};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate::simulator::Simulator;

const LIMITED: &str = "limit=4+window=2000";
const WINDOW: Duration = Duration::from_secs(2);
const DEPTH: &str = "tollgate_queue_depth";

/// Three keys of four calls in two seconds each, and a spare group without limits.
async fn scarce(keys: [&str; 3], max_wait: f64) -> (Simulator, Gateway) {
    let [k1, k2, k3] = keys;
    let simulator = upstream_of(&[("k1", k1), ("k2", k2), ("k3", k3), ("s", "ok")]).await;
    let base = simulator.base_url();
    let limited = || json!({ "rpm": 4 });
    let config = Config::new()
        .target("k1", MODEL, &base, "k1", limited())
        .target("k2", MODEL, &base, "k2", limited())
        .target("k3", MODEL, &base, "k3", limited())
        .target("s", "spare", &base, "s", json!({}))
        .set("router_settings", json!({ "disable_cooldowns": false, "cooldown_time": 1, "allowed_fails": 1 }))
        .set("router_settings", json!({ "num_retries": 2, "fallbacks": [{ MODEL: ["spare"] }] }))
        .set(
            "tollgate",
            json!({ "groups": { MODEL: { "max_wait": max_wait } }, "queue": { "window_seconds": 2 } }),
        );
    (simulator, Gateway::start(&config).await)
}

fn count(simulator: &Simulator, key: &str) -> usize {
    simulator.seen().iter().filter(|seen| seen.key == key).count()
}

/// So many calls at once; all are answered, each by the group or its spare one.
async fn wave(gateway: &Gateway, calls: usize, body: &Value) {
    let answers = (0..calls).map(|_| gateway.post(CHAT, body));
    for answer in futures::future::join_all(answers).await {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(!answer.text().contains("\"error\""), "{}", answer.text());
    }
}

fn assert_pace(simulator: &Simulator, key: &str) {
    let at: Vec<Instant> =
        simulator.seen().iter().filter(|seen| seen.key == key).map(|seen| seen.at).collect();
    for span in at.windows(5) {
        assert!(span[4] - span[0] >= WINDOW, "{key} was asked five times within {:?}", span[4] - span[0]);
    }
}

#[tokio::test]
async fn what_is_scarce_sick_or_revoked_is_seen_by_no_client() {
    let (simulator, gateway) = scarce([LIMITED, "500", "401"], 3.0).await;
    for body in [chat(), with(chat(), json!({ "stream": true }))] {
        wave(&gateway, 25, &body).await;
    }
    gateway.metric_is(DEPTH, &[("model_group", MODEL)], 0.0).await;
    assert!(count(&simulator, "k1") >= 8 && count(&simulator, "s") >= 10, "both groups served");
    ["k1", "k2", "k3"].iter().for_each(|key| assert_pace(&simulator, key));
    let records = gateway.records(50).await;
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
    // Who is well again is found out by real calls, and then carries its share.
    simulator.set(script(&[("k1", LIMITED), ("k2", LIMITED), ("k3", "401"), ("s", "ok")]));
    let before = count(&simulator, "k2");
    eventually("the sick key is back", async || {
        wave(&gateway, 3, &chat()).await;
        (count(&simulator, "k2") >= before + 8).then_some(())
    })
    .await;
    ["k1", "k2", "k3"].iter().for_each(|key| assert_pace(&simulator, key));
    gateway.metric_is(DEPTH, &[("model_group", MODEL)], 0.0).await;
}

#[tokio::test]
async fn a_sick_key_is_tried_by_one_call_of_the_line_at_a_time() {
    // All that the group has is out; a call waits for it rather than to go to the spare group at once.
    let (simulator, gateway) = scarce(["500", "500", "500"], 60.0).await;
    wave(&gateway, 6, &chat()).await;
    let asked: usize = ["k1", "k2", "k3"].iter().map(|key| count(&simulator, key)).sum();
    assert!(asked <= 18, "each call asks as often as it may: {asked}");
    let slow = "500+wait=700";
    simulator.set(script(&[("k1", slow), ("k2", slow), ("k3", slow), ("s", "ok")]));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    wave(&gateway, 12, &chat()).await;
    for key in ["k1", "k2", "k3"] {
        let mut of_key: Vec<_> = simulator.seen().into_iter().filter(|seen| seen.key == key).collect();
        of_key.sort_by_key(|seen| seen.at);
        let slow: Vec<_> = of_key
            .iter()
            .filter(|seen| seen.answered.is_some_and(|end| end - seen.at > WINDOW / 4))
            .collect();
        for pair in slow.windows(2) {
            assert!(
                pair[0].answered.is_some_and(|end| end <= pair[1].at),
                "two at once found out about {key}"
            );
        }
    }
    gateway.metric_is(DEPTH, &[("model_group", MODEL)], 0.0).await;
}
