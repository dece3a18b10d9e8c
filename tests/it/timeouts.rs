//! How long an upstream may be silent, and what the client gets instead.

use crate::harness::{CHAT, Config, Gateway, MODEL, Response, chat, streamed, upstream_of, with};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate::simulator::Simulator;

/// Silence is allowed for half a second; whatever ends later than this did not end by it.
const SOON: Duration = Duration::from_secs(10);
const HALF: f64 = 0.5;

/// Silent at first, good in the second place.
async fn pair(words: &str, first: Value, router: Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(&[("sk-up-0", words), ("sk-up-1", "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("silent", MODEL, &base, "sk-up-0", with(json!({ "order": 1 }), first))
        .target("good", MODEL, &base, "sk-up-1", json!({ "order": 2 }))
        .set("router_settings", router);
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

fn is_a_timeout(refused: &Response, seconds: f64) {
    assert_eq!(refused.status(), 408, "{}", refused.text());
    let error = refused.json()["error"].clone();
    assert_eq!(error["code"], "408");
    let words = error["message"].as_str().unwrap();
    assert!(words.starts_with("litellm.Timeout: "), "{words}");
    assert!(words.contains(&format!("timeout value={seconds:?}")), "{words}");
}

async fn is_recorded(gateway: &Gateway) {
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["error_class"]), (&json!("refused"), &json!("Timeout")));
    assert_eq!((&record["status"], &record["attempts"]), (&json!(408), &json!(1)));
}

#[tokio::test]
async fn silence_ends_in_a_timeout_wherever_it_is_set() {
    let none = json!({});
    let (long, short) = (json!({ "timeout": 500 }), json!({ "timeout": HALF }));
    let cases: [(&str, Value, Value, Option<&str>, Value); 6] = [
        ("router", none.clone(), short.clone(), None, chat()),
        ("deployment", short.clone(), long.clone(), None, chat()),
        ("body", long.clone(), long.clone(), None, with(chat(), short.clone())),
        ("header", long.clone(), long.clone(), Some("0.5"), with(chat(), long.clone())),
        ("stream", long.clone(), json!({ "timeout": 500, "stream_timeout": HALF }), None, streamed()),
        ("its stream", json!({ "stream_timeout": HALF }), long.clone(), None, streamed()),
    ];
    for (place, first, router, header, body) in cases {
        let (simulator, gateway) = pair("hang", first, router).await;
        let headers: Vec<_> = header.map(|value| ("x-litellm-timeout", value)).into_iter().collect();
        let start = Instant::now();
        let refused = gateway.post_with(CHAT, &headers, &body).await;
        is_a_timeout(&refused, HALF);
        let took = start.elapsed();
        assert!((Duration::from_millis(450)..SOON).contains(&took), "{place}: {took:?}");
        is_recorded(&gateway).await;
        let closed = |seen: &[tollgate::simulator::Seen]| seen[0].closed_early.is_some();
        assert!(simulator.wait_until(SOON, closed).await, "{place}: the upstream call goes on");
        assert!(!String::from_utf8_lossy(&simulator.seen()[0].body).contains("timeout"), "{place}");
    }
}

#[tokio::test]
async fn request_timeout_of_litellm_settings_counts() {
    let simulator = upstream_of(&[("sk-up-0", "hang")]).await;
    let config = Config::new()
        .target("silent", MODEL, &simulator.base_url(), "sk-up-0", json!({}))
        .set("litellm_settings", json!({ "request_timeout": HALF }));
    let gateway = Gateway::start(&config).await;
    is_a_timeout(&gateway.post(CHAT, &chat()).await, HALF);
}

#[tokio::test]
async fn a_silent_deployment_gives_way_to_a_good_one() {
    let router = json!({ "num_retries": 1, "timeout": HALF });
    let (simulator, gateway) = pair("hang", json!({}), router).await;
    for body in [chat(), streamed()] {
        let answer = gateway.post(CHAT, &body).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.header("x-litellm-model-id"), Some("good"));
    }
    let keys: Vec<String> = simulator.seen().into_iter().map(|seen| seen.key).collect();
    assert_eq!(keys, ["sk-up-0", "sk-up-1", "sk-up-0", "sk-up-1"]);
}

#[tokio::test]
async fn an_answer_that_stalls_halfway_is_retried_as_long_as_nothing_was_sent() {
    let router = json!({ "num_retries": 1, "timeout": HALF });
    let (_simulator, gateway) = pair("stall=1", json!({}), router).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!((answer.status(), answer.complete), (200, true), "{}", answer.text());
    assert_eq!(answer.header("x-litellm-model-id"), Some("good"));
}

#[tokio::test]
async fn a_slow_but_steady_stream_is_no_timeout() {
    let router = json!({ "stream_timeout": 1.0 });
    let (_simulator, gateway) = pair("chunks=8+gap=200", json!({}), router).await;
    let events = gateway.stream(CHAT, &streamed()).await.events().await;
    assert_eq!(events.last().unwrap().data, "[DONE]");
    assert!(events.last().unwrap().at - events[0].at > Duration::from_secs(1));
}

#[tokio::test]
async fn a_stream_that_stalls_ends_in_an_error_event() {
    for router in [json!({ "stream_timeout": HALF }), json!({ "timeout": HALF })] {
        let (simulator, gateway) = pair("stall=4", json!({}), router).await;
        let start = Instant::now();
        let mut stream = gateway.stream(CHAT, &streamed()).await;
        let events = stream.events().await;
        assert!(stream.complete && start.elapsed() < SOON);
        let (last, before) = events.split_last().unwrap();
        assert_eq!(before.len(), 4);
        let error: Value = serde_json::from_str(&last.data).unwrap();
        assert_eq!(error["error"]["code"], "408", "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains("litellm.Timeout"), "{error}");
        assert!(
            events.iter().all(|event| !event.data.contains("[DONE]") && !event.data.contains("\"stop\""))
        );
        let record = gateway.records(1).await.remove(0);
        assert_eq!((&record["outcome"], &record["error_class"]), (&json!("interrupted"), &json!("Timeout")));
        assert_eq!(record["usage_source"], "estimated");
        let closed = |seen: &[tollgate::simulator::Seen]| seen[0].closed_early.is_some();
        assert!(simulator.wait_until(SOON, closed).await, "the upstream call goes on");
    }
}
