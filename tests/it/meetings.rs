//! Where two of queue, fallback, hedging, probing and a cut stream meet: each alone is in a file of its own.

use crate::harness::{
    CHAT, Config, Connection, Gateway, MODEL, chat, eventually, script, streamed, upstream_of,
};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate::simulator::Simulator;

const DEPTH: &str = "tollgate_queue_depth";
const HEDGED: &str = "tollgate_hedged_calls_total";
const LIMITED: &str = "limit=1+window=2000";
const LATE: &str = "wait=60000";

/// A group of one key that may be asked once in two seconds, and the group that it falls back to, with its own terms.
async fn scarce(key: &str, spare: (&str, Value), own: Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(&[("k", key), ("s", spare.0)]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("k", MODEL, &base, "k", json!({ "rpm": 1 }))
        .target("s", "spare", &base, "s", spare.1)
        .set(
            "router_settings",
            json!({ "disable_cooldowns": false, "cooldown_time": 600, "allowed_fails": 1 }),
        )
        .set("router_settings", json!({ "num_retries": 0, "fallbacks": [{ MODEL: ["spare"] }] }))
        .set("tollgate", own);
    (simulator, Gateway::start(&config).await)
}

fn one_group(max_wait: u64) -> Value {
    json!({ "groups": { MODEL: { "max_wait": max_wait } }, "queue": { "window_seconds": 2 } })
}

fn count(simulator: &Simulator, key: &str) -> usize {
    simulator.counts_by_key().get(key).copied().unwrap_or_default().try_into().unwrap()
}

async fn waiting(gateway: &Gateway, calls: usize, body: &Value) -> Vec<Connection> {
    let mut all = Vec::new();
    for _ in 0..calls {
        let mut connection = gateway.connect().await;
        connection.send(&gateway.post_bytes(CHAT, body)).await;
        all.push(connection);
    }
    gateway.metric_is(DEPTH, &[("model_group", MODEL)], calls as f64).await;
    all
}

async fn no_one_waits(gateway: &Gateway) {
    gateway.metric_is(DEPTH, &[], 0.0).await;
    gateway.metric_is("litellm_in_flight_requests", &[], 0.0).await;
}

#[tokio::test]
async fn who_waits_for_a_key_that_is_revoked_goes_elsewhere_before_its_time_is_over() {
    // They may wait longer than this test does.
    let (simulator, gateway) = scarce(LIMITED, ("ok", json!({})), one_group(500)).await;
    assert_eq!(gateway.post(CHAT, &chat()).await.header("x-litellm-model-id"), Some("k"));
    let mut calls = waiting(&gateway, 4, &chat()).await;
    calls.extend(waiting_more(&gateway, 3, &streamed(), 7).await);
    simulator.set(script(&[("k", "401"), ("s", "ok")]));
    for call in &mut calls {
        let answer = call.read_response().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.header("x-litellm-model-id"), Some("s"), "{}", answer.text());
    }
    assert_eq!((count(&simulator, "k"), count(&simulator, "s")), (2, 7), "one found out for all");
    no_one_waits(&gateway).await;
    let records = gateway.records(8).await;
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
}

async fn waiting_more(gateway: &Gateway, calls: usize, body: &Value, all: usize) -> Vec<Connection> {
    let mut more = Vec::new();
    for _ in 0..calls {
        let mut connection = gateway.connect().await;
        connection.send(&gateway.post_bytes(CHAT, body)).await;
        more.push(connection);
    }
    gateway.metric_is(DEPTH, &[("model_group", MODEL)], all as f64).await;
    more
}

#[tokio::test]
async fn who_had_its_turn_in_vain_goes_elsewhere_and_the_line_goes_on() {
    // Each call that gets its turn is refused for its own fault, which benches nobody.
    let (simulator, gateway) = scarce("400+after=1", ("ok", json!({})), one_group(60)).await;
    assert_eq!(gateway.post(CHAT, &chat()).await.header("x-litellm-model-id"), Some("k"));
    for mut call in waiting(&gateway, 2, &chat()).await {
        let answer = call.read_response().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), Some("1"), "{}", answer.text());
    }
    assert_eq!((count(&simulator, "k"), count(&simulator, "s")), (3, 2));
    no_one_waits(&gateway).await;
}

#[tokio::test]
async fn a_call_that_falls_back_waits_in_the_line_of_the_other_group() {
    let own = json!({
        "groups": { "spare": { "max_wait": 60 }, MODEL: { "max_wait": 0 } }, "queue": { "window_seconds": 2 },
    });
    let (simulator, gateway) = scarce("400", (LIMITED, json!({ "rpm": 1 })), own).await;
    let body = chat();
    let answers = futures::future::join_all((0..3).map(|_| gateway.post(CHAT, &body))).await;
    for answer in answers {
        assert_eq!(
            (answer.status(), answer.header("x-litellm-model-id")),
            (200, Some("s")),
            "{}",
            answer.text()
        );
    }
    let mut at: Vec<_> =
        simulator.seen().into_iter().filter(|seen| seen.key == "s").map(|seen| seen.at).collect();
    at.sort_unstable();
    assert_eq!(at.len(), 3);
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(2)), "{at:?}");
    no_one_waits(&gateway).await;
}

#[tokio::test]
async fn a_client_that_leaves_while_its_call_waits_in_the_other_line_frees_all_of_it() {
    let own = json!({
        "groups": { "spare": { "max_wait": 500 }, MODEL: { "max_wait": 0 } }, "queue": { "window_seconds": 2 },
    });
    let (simulator, gateway) = scarce("400", ("ok", json!({ "rpm": 1 })), own).await;
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    let mut leaves = gateway.connect().await;
    leaves.send(&gateway.post_bytes(CHAT, &chat())).await;
    gateway.metric_is(DEPTH, &[("model_group", "spare")], 1.0).await;
    drop(leaves);
    no_one_waits(&gateway).await;
    // The place that it had is free for the next one.
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    assert_eq!(count(&simulator, "s"), 2);
    let gone = gateway.records(3).await.into_iter().filter(|record| record["status"] == 499).count();
    assert_eq!(gone, 1);
}

/// Two deployments, `a` before `b`, whose calls are made twice, and the group they fall back to, where calls wait.
async fn hedged(a: &str, b: &str, spare: &str) -> (Simulator, Gateway) {
    let simulator = upstream_of(&[("a", a), ("b", b), ("s", spare)]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("a", MODEL, &base, "a", json!({ "order": 1 }))
        .target("b", MODEL, &base, "b", json!({ "order": 2 }))
        .target("s", "spare", &base, "s", json!({ "rpm": 100 }))
        .set("router_settings", json!({ "num_retries": 0, "fallbacks": [{ MODEL: ["spare"] }] }))
        .set(
            "tollgate",
            json!({
                "groups": {
                    MODEL: { "hedge": { "after": 0.05, "share": 1 } }, "spare": { "max_wait": 60 },
                },
            }),
        );
    (simulator, Gateway::start(&config).await)
}

#[tokio::test]
async fn scarce_quota_is_not_for_calls_that_are_made_twice() {
    let simulator = upstream_of(&[("a", "wait=700"), ("b", "ok")]).await;
    let base = simulator.base_url();
    let limited = |order: u8| json!({ "rpm": 100, "order": order });
    let config = Config::new()
        .target("a", MODEL, &base, "a", limited(1))
        .target("b", MODEL, &base, "b", limited(2))
        .set(
            "tollgate",
            json!({ "groups": { MODEL: { "max_wait": 60, "hedge": { "after": 0.05, "share": 1 } } } }),
        );
    let gateway = Gateway::start(&config).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!((answer.status(), answer.header("x-litellm-model-id")), (200, Some("a")), "{}", answer.text());
    assert_eq!((count(&simulator, "a"), count(&simulator, "b")), (1, 0));
    assert_eq!(gateway.metric(HEDGED, &[]).await, 0.0);
}

#[tokio::test]
async fn a_call_both_of_whose_attempts_fail_waits_in_the_line_of_its_fallback() {
    let (simulator, gateway) = hedged("500+wait=300", "500+wait=600", "429+first=1+retry-after=2").await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!((answer.status(), answer.header("x-litellm-model-id")), (200, Some("s")), "{}", answer.text());
    assert_eq!((count(&simulator, "a"), count(&simulator, "b"), count(&simulator, "s")), (1, 1, 2));
    no_one_waits(&gateway).await;
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["attempts"]), (&json!("completed"), &json!(4)), "{record}");
}

#[tokio::test]
async fn a_client_that_leaves_a_call_of_two_attempts_while_it_waits_leaves_nothing_behind() {
    let (simulator, gateway) = hedged("500+wait=300", "500+wait=600", "429+retry-after=30").await;
    let mut leaves = gateway.connect().await;
    leaves.send(&gateway.post_bytes(CHAT, &chat())).await;
    gateway.metric_is(DEPTH, &[("model_group", "spare")], 1.0).await;
    drop(leaves);
    no_one_waits(&gateway).await;
    assert_eq!((count(&simulator, "a"), count(&simulator, "b"), count(&simulator, "s")), (1, 1, 1));
}

#[tokio::test]
async fn a_stream_that_won_and_is_cut_ends_in_an_error_and_the_loser_is_not_asked_again() {
    let (simulator, gateway) = hedged(LATE, "cut=2", "ok").await;
    let mut stream = gateway.stream(CHAT, &streamed()).await;
    let text = String::from_utf8(stream.rest().await).unwrap();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("data: {\"error\":"), "{text}");
    assert!(!text.contains("[DONE]") && !text.contains("\"stop\""), "{text}");
    eventually("the late one is left", async || {
        simulator.seen().iter().any(|seen| seen.key == "a" && seen.closed_early.is_some()).then_some(())
    })
    .await;
    assert_eq!((count(&simulator, "a"), count(&simulator, "b"), count(&simulator, "s")), (1, 1, 0));
    let mut outcomes: Vec<Value> =
        gateway.records(2).await.into_iter().map(|record| record["outcome"].clone()).collect();
    outcomes.sort_unstable_by_key(ToString::to_string);
    assert_eq!(outcomes, ["interrupted", "superseded"]);
    no_one_waits(&gateway).await;
}

#[tokio::test]
async fn a_stream_that_is_cut_before_its_first_token_leaves_the_call_to_the_other() {
    let (_simulator, gateway) = hedged("cut=0+wait=300", "wait=900", "ok").await;
    let mut stream = gateway.stream(CHAT, &streamed()).await;
    assert_eq!(stream.head.header("x-litellm-model-id"), Some("b"));
    let text = String::from_utf8(stream.rest().await).unwrap();
    assert!(text.trim_end().ends_with("data: [DONE]") && !text.contains("\"error\""), "{text}");
    no_one_waits(&gateway).await;
}

#[tokio::test]
async fn who_leaves_while_it_finds_out_for_the_line_lets_the_next_one_try() {
    let own = one_group(60);
    let simulator = upstream_of(&[("k", "500"), ("s", "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("k", MODEL, &base, "k", json!({ "rpm": 100 }))
        .target("s", "spare", &base, "s", json!({}))
        .set("router_settings", json!({ "disable_cooldowns": false, "cooldown_time": 1, "allowed_fails": 1 }))
        .set(
            "router_settings",
            json!({ "num_retries": 0, "fallbacks": [{ MODEL: ["spare"] }], "timeout": 8 }),
        )
        .set("tollgate", own);
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.post(CHAT, &chat()).await.header("x-litellm-model-id"), Some("s"));
    simulator.set(script(&[("k", LATE), ("s", "ok")]));
    // All wait until it is time; then one finds out, and hangs.
    let mut calls = Vec::new();
    for _ in 0..4 {
        let mut connection = gateway.connect().await;
        connection.send(&gateway.post_bytes(CHAT, &chat())).await;
        calls.push(connection);
    }
    let asked = || simulator.seen().into_iter().filter(|seen| seen.key == "k").count();
    eventually("one finds out", async || (asked() == 2).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asked(), 2, "one at a time");
    simulator.set(script(&[("k", "ok"), ("s", "ok")]));
    // Whichever it is: with each one that leaves the next may try, and the last is answered.
    let mut last = calls.pop().unwrap();
    drop(calls);
    let answer = last.read_response().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    no_one_waits(&gateway).await;
    eventually("it is well again", async || {
        let answer = gateway.post(CHAT, &chat()).await;
        (answer.header("x-litellm-model-id") == Some("k")).then_some(())
    })
    .await;
}
