//! A second attempt when the first token is late: who answers first wins, and both are in the books.

use crate::harness::{CHAT, Config, Gateway, MASTER_KEY, MODEL, chat, eventually, upstream_of, with};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

const A: &str = "sk-up-a";
const B: &str = "sk-up-b";
const HEDGED: &str = "tollgate_hedged_calls_total";
/// Longer than any call of these tests takes that need not wait for it.
const LATE: &str = "wait=60000";

/// Two deployments, `a` before `b`, and what is said of hedging.
async fn pair(a: &str, b: &str, hedge: Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(&[(A, a), (B, b)]).await;
    let base = simulator.base_url();
    let priced =
        |order: u8| json!({ "order": order, "input_cost_per_token": 1e-3, "output_cost_per_token": 2e-3 });
    let config = Config::new()
        .target("a", MODEL, &base, A, priced(1))
        .target("b", MODEL, &base, B, priced(2))
        .set("router_settings", json!({ "num_retries": 0 }))
        .set("tollgate", json!({ "groups": { MODEL: { "hedge": hedge } } }));
    (simulator, Gateway::start(&config).await)
}

fn soon() -> Value {
    json!({ "after": 0.05, "share": 1 })
}

fn outcomes(records: &[Value]) -> Vec<&str> {
    let mut all: Vec<&str> = records.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
    all.sort_unstable();
    all
}

/// How many requests were left before they were answered.
fn left(simulator: &Simulator) -> usize {
    simulator.seen().iter().filter(|seen| seen.closed_early.is_some()).count()
}

fn streamed() -> Value {
    with(chat(), json!({ "stream": true }))
}

#[tokio::test]
async fn the_second_answers_when_the_first_is_late() {
    let (simulator, gateway) = pair(LATE, "ok", soon()).await;
    for body in [chat(), streamed()] {
        let answer = gateway.post(CHAT, &body).await;
        assert_eq!(
            (answer.status(), answer.header("x-litellm-model-id")),
            (200, Some("b")),
            "{}",
            answer.text()
        );
        assert_eq!(answer.text().contains("[DONE]"), body == streamed(), "{}", answer.text());
    }
    gateway.metric_is(HEDGED, &[("model_group", MODEL), ("result", "second")], 2.0).await;
    let records = gateway.records(4).await;
    assert_eq!(outcomes(&records), ["completed", "completed", "superseded", "superseded"]);
    for record in &records {
        let (attempts, target) = if record["outcome"] == "completed" { (2, "b") } else { (0, "a") };
        assert_eq!(
            (&record["attempts"], &record["model_id"]),
            (&json!(attempts), &json!(target)),
            "{record}"
        );
        assert!(record["spend"].as_f64().unwrap() > 0.0, "{record}");
    }
    eventually("the late one was left", async || (left(&simulator) == 2).then_some(())).await;
    let requests =
        gateway.metric("litellm_proxy_total_requests_metric_total", &[("requested_model", MODEL)]).await;
    assert_eq!(requests, 2.0, "two calls were made, whatever they took");
}

#[tokio::test]
async fn the_first_wins_if_it_answers_first_all_the_same() {
    let (_simulator, gateway) = pair("wait=700", LATE, soon()).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!((answer.status(), answer.header("x-litellm-model-id")), (200, Some("a")), "{}", answer.text());
    gateway.metric_is(HEDGED, &[("model_group", MODEL), ("result", "first")], 1.0).await;
    assert_eq!(outcomes(&gateway.records(2).await), ["completed", "superseded"]);
}

#[tokio::test]
async fn who_fails_leaves_the_call_to_the_other() {
    for (a, b, by) in [("wait=700", "500", "a"), ("500+wait=700", "wait=1500", "b")] {
        let (_simulator, gateway) = pair(a, b, soon()).await;
        for body in [chat(), streamed()] {
            let answer = gateway.post(CHAT, &body).await;
            assert_eq!(
                (answer.status(), answer.header("x-litellm-model-id")),
                (200, Some(by)),
                "{}",
                answer.text()
            );
        }
        let records = gateway.records(2).await;
        assert_eq!(outcomes(&records), ["completed", "completed"], "a failure costs nothing");
        assert!(records.iter().all(|record| record["attempts"] == 2), "{records:?}");
    }
}

#[tokio::test]
async fn when_both_fail_the_client_is_told_once() {
    let (simulator, gateway) = pair("500+wait=700", "500+wait=1500", soon()).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(answer.status(), 500, "{}", answer.text());
    let records = gateway.records(1).await;
    assert_eq!((outcomes(&records), &records[0]["attempts"]), (vec!["refused"], &json!(2)));
    assert_eq!(simulator.seen().len(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_ends_both() {
    let (simulator, gateway) = pair(LATE, LATE, soon()).await;
    let mut connection = gateway.connect().await;
    connection.send(&gateway.post_bytes(CHAT, &chat())).await;
    eventually("both are asked", async || (simulator.seen().len() == 2).then_some(())).await;
    drop(connection);
    eventually("both are left", async || (left(&simulator) == 2).then_some(())).await;
    assert_eq!(outcomes(&gateway.records(2).await), ["client_gone", "superseded"]);
}

#[tokio::test]
async fn only_a_share_of_the_calls_is_made_twice_and_no_large_one() {
    let (simulator, gateway) = pair("wait=300", "ok", json!({ "after": 0.05, "share": 0.25 })).await;
    for _ in 0..8 {
        assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    }
    let counts = simulator.counts_by_key();
    assert_eq!((counts[A], counts[B]), (8, 2));
    let long = json!({ "messages": [{ "role": "user", "content": "x".repeat(70_000) }] });
    for _ in 0..5 {
        let answer = gateway.post(CHAT, &with(chat(), long.clone())).await;
        assert_eq!(answer.header("x-litellm-model-id"), Some("a"), "{}", answer.text());
    }
    assert_eq!(simulator.counts_by_key()[B], 2, "what cannot be sent twice is not");
}

#[tokio::test]
async fn what_is_late_is_learned() {
    let (simulator, gateway) = pair("ok", "ok", json!({ "share": 1 })).await;
    for _ in 0..30 {
        assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    }
    let before = simulator.counts_by_key().get(B).copied().unwrap_or_default();
    simulator.set(crate::harness::script(&[(A, LATE), (B, "ok")]));
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!((answer.status(), answer.header("x-litellm-model-id")), (200, Some("b")), "{}", answer.text());
    assert_eq!(simulator.counts_by_key()[B], before + 1);
}

#[tokio::test]
async fn a_client_pays_what_upstreams_charge_and_is_counted_once() {
    let (_simulator, mut gateway) = pair(LATE, "ok", soon()).await;
    let made = gateway
        .post("/key/generate", &json!({ "max_budget": 1000, "rpm_limit": 1, "max_parallel_requests": 1 }))
        .await;
    let key = made.json()["key"].as_str().unwrap().to_owned();
    gateway.key.clone_from(&key);
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let refused = gateway.post(CHAT, &chat()).await;
    assert_eq!(refused.status(), 429, "one request a minute was used: {}", refused.text());
    let records = gateway.records(3).await;
    let cost: f64 = records.iter().map(|record| record["spend"].as_f64().unwrap()).sum();
    MASTER_KEY.clone_into(&mut gateway.key);
    eventually("both attempts are paid for", async || {
        let told = gateway.get(&format!("/key/info?key={key}")).await.json();
        let spend = told["info"]["spend"].as_f64().unwrap();
        ((spend - cost).abs() < 1e-9 && cost > 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_queue_is_in_the_way_only_where_limits_are_counted() {
    for (a, limits, by) in [(LATE, json!({}), "b"), ("wait=500", json!({ "rpm": 1000 }), "a")] {
        let simulator = upstream_of(&[(A, a), (B, "ok")]).await;
        let target = |order: u8| with(limits.clone(), json!({ "order": order }));
        let config = Config::new()
            .target("a", MODEL, &simulator.base_url(), A, target(1))
            .target("b", MODEL, &simulator.base_url(), B, target(2))
            .set("tollgate", json!({ "queue": true, "groups": { MODEL: { "hedge": soon() } } }));
        let gateway = Gateway::start(&config).await;
        for body in [chat(), streamed()] {
            let answer = gateway.post(CHAT, &body).await;
            let who = (answer.status(), answer.header("x-litellm-model-id"));
            assert_eq!(who, (200, Some(by)), "{limits}: {}", answer.text());
        }
        assert_eq!(simulator.counts_by_key().contains_key(B), by == "b", "{limits}");
    }
}
