//! A client that leaves takes its upstream call with it, and what was produced is metered.

use crate::harness::{
    CHAT, Config, Connection, Gateway, MODEL, chat, chunked_request, streamed, upstream, with,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate::simulator::{Seen, Simulator};

/// What is promised; the middle one of some tries is held to it, so that one slow turn of a busy
/// machine does not count.
const PROMISED: Duration = Duration::from_millis(100);
const TRIES: usize = 5;
const BOUND: Duration = Duration::from_secs(10);
const TOTAL: &str = "litellm_deployment_total_requests_total";
const SUCCESS: &str = "litellm_deployment_success_responses_total";
const FAILURE: &str = "litellm_deployment_failure_responses_total";
const IN_FLIGHT: &str = "litellm_in_flight_requests";

/// One slot only, so that one that does not come back is noticed.
async fn gateway(simulator: &Simulator) -> Gateway {
    let params = json!({ "max_parallel_requests": 1, "order": 1 });
    Gateway::start(&Config::new().target("only", MODEL, &simulator.base_url(), "sk-up", params)).await
}

async fn asked(simulator: &Simulator, count: usize) {
    assert!(simulator.wait_until(BOUND, |seen| seen.len() >= count).await, "call {count} never came");
}

/// How long after the client left the upstream saw it.
async fn noticed(simulator: &Simulator, call: usize, left: Instant) -> Duration {
    let closed = |seen: &[Seen]| seen[call].closed_early.is_some();
    assert!(simulator.wait_until(BOUND, closed).await, "the upstream call goes on");
    simulator.seen()[call].closed_early.unwrap().saturating_duration_since(left)
}

fn is_within_what_is_promised(mut delays: Vec<Duration>) {
    delays.sort_unstable();
    assert!(delays[delays.len() / 2] < PROMISED, "{delays:?}");
}

/// Asks so often, leaves each time after `events` events, and gives the records.
async fn leave(words: &str, bytes: impl Fn(&Gateway) -> Vec<u8>, events: usize) -> Vec<Value> {
    let simulator = upstream(words).await;
    let gateway = gateway(&simulator).await;
    let bytes = bytes(&gateway);
    let mut delays = Vec::new();
    for call in 0..TRIES {
        let mut connection = gateway.connect().await;
        connection.send(&bytes).await;
        asked(&simulator, call + 1).await;
        read(&mut connection, events).await;
        delays.push(noticed(&simulator, call, connection.leave()).await);
    }
    is_within_what_is_promised(delays);
    gateway.metric_is(IN_FLIGHT, &[], 0.0).await;
    assert_eq!(simulator.seen().len(), TRIES, "nothing is tried again");
    let records = gateway.records(TRIES).await;
    assert_eq!(records.len(), TRIES, "one record each");
    records.iter().for_each(|record| is_of_one_who_left(record, events > 0));
    attempts_are_counted(&gateway, &records).await;
    records
}

async fn attempts_are_counted(gateway: &Gateway, records: &[Value]) {
    let answered = records.iter().filter(|record| record["attempt_details"][0]["status"] == 200).count();
    for (name, count) in [(TOTAL, records.len()), (SUCCESS, answered), (FAILURE, 0)] {
        gateway.metric_is(name, &[], count as f64).await;
    }
}

fn is_of_one_who_left(record: &Value, was_answered: bool) {
    assert_eq!(record["outcome"], "client_gone", "{record}");
    assert_eq!(record["status"], if was_answered { 200 } else { 499 }, "{record}");
    assert_eq!(record["model_id"], "only", "{record}");
}

async fn read(connection: &mut Connection, events: usize) {
    if events > 0 {
        connection.read_head().await;
    }
    for _ in 0..events {
        assert!(connection.next_event().await.is_some());
    }
}

#[tokio::test]
async fn before_the_first_token_of_a_stream() {
    for words in ["hang", "wait=60000"] {
        for record in leave(words, |gateway| gateway.post_bytes(CHAT, &streamed()), 0).await {
            assert_eq!(record["usage_source"], "absent", "{record}");
        }
    }
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let wanted = with(streamed(), json!({ "stream_options": { "include_usage": true } }));
    for (words, body) in [("stall=6", streamed()), ("stall=6", wanted), ("chunks=60+gap=20", streamed())] {
        for record in leave(words, |gateway| gateway.post_bytes(CHAT, &body), 6).await {
            assert_eq!(record["usage_source"], "estimated", "{record}");
            // The first event says who speaks; each of the others carries a word.
            let produced = record["completion_tokens"].as_u64().unwrap();
            assert!((5..30).contains(&produced), "{record}");
            assert!(record["prompt_tokens"].as_u64().unwrap() >= 5, "{record}");
        }
    }
}

#[tokio::test]
async fn while_a_whole_answer_is_waited_for() {
    for words in ["hang", "wait=60000", "stall=1"] {
        leave(words, |gateway| gateway.post_bytes(CHAT, &chat()), 0).await;
    }
}

#[tokio::test]
async fn after_a_large_body_of_unknown_length() {
    let content = "How does a toll gate work? ".repeat(20_000);
    let messages = json!([{ "role": "user", "content": content }]);
    for (stream, events) in [(false, 0), (true, 0), (true, 3)] {
        let body = json!({ "model": MODEL, "messages": messages, "stream": stream }).to_string();
        let words = if events > 0 { "stall=3" } else { "hang" };
        let bytes = |gateway: &Gateway| {
            let bearer = gateway.bearer();
            chunked_request("POST", CHAT, &[("authorization", bearer.as_str())], body.as_bytes(), 8192)
        };
        leave(words, bytes, events).await;
    }
}

#[tokio::test]
async fn while_a_slot_is_waited_for() {
    let simulator = upstream("wait=1500").await;
    let gateway = gateway(&simulator).await;
    let bytes = gateway.post_bytes(CHAT, &chat());
    let mut first = gateway.connect().await;
    first.send(&bytes).await;
    asked(&simulator, 1).await;
    let mut second = gateway.connect().await;
    second.send(&bytes).await;
    gateway.metric_is(IN_FLIGHT, &[], 2.0).await;
    second.leave();
    gateway.metric_is(IN_FLIGHT, &[], 1.0).await;
    assert_eq!(first.read_response().await.status(), 200);
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    assert_eq!(simulator.seen().len(), 2, "the call of the one that left is not made");
    let records = gateway.records(3).await;
    let gone: Vec<_> = records.iter().filter(|record| record["outcome"] == "client_gone").collect();
    assert_eq!((gone.len(), &gone[0]["status"], &gone[0]["attempts"]), (1, &json!(499), &json!(0)));
}

#[tokio::test]
async fn between_two_attempts() {
    let simulator = upstream("503+retry-after=30").await;
    let config = Config::new()
        .target("only", MODEL, &simulator.base_url(), "sk-up", json!({}))
        .set("router_settings", json!({ "num_retries": 3 }));
    let gateway = Gateway::start(&config).await;
    let mut connection = gateway.connect().await;
    connection.send(&gateway.post_bytes(CHAT, &chat())).await;
    asked(&simulator, 1).await;
    connection.leave();
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["status"]), (&json!("client_gone"), &json!(499)), "{record}");
    gateway.metric_is(IN_FLIGHT, &[], 0.0).await;
    assert_eq!(simulator.seen().len(), 1);
}

#[tokio::test]
async fn while_it_is_still_sending() {
    let simulator = upstream("ok").await;
    let gateway = gateway(&simulator).await;
    let bytes = gateway.post_bytes(CHAT, &chat());
    let mut connection = gateway.connect().await;
    connection.send(&bytes[..bytes.len() - 10]).await;
    gateway.metric_is(IN_FLIGHT, &[], 1.0).await;
    connection.leave();
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["status"]), (&json!("client_gone"), &json!(499)), "{record}");
    gateway.metric_is(IN_FLIGHT, &[], 0.0).await;
    assert!(simulator.seen().is_empty());
}
