//! Realtime sessions: who may have one, that nothing is changed on the way, what they cost, and how they end.

use crate::harness::{Config, Gateway, MASTER_KEY, Realtime, Talk, eventually, handshake};
use crate::support::bearer;
use serde_json::{Value, json};

const PATH: &str = "/v1/realtime?model=voice";

fn create() -> Value {
    json!({ "type": "response.create" })
}

fn config(base: &str) -> Config {
    Config::new().entry(json!({
        "model_name": "voice",
        "litellm_params": { "model": "openai/gpt-realtime", "api_base": base, "api_key": "upstream-key-5d2e", "order": 1 },
        "model_info": {
            "mode": "realtime",
            "input_cost_per_token": 0.001, "output_cost_per_token": 0.002, "cache_read_input_token_cost": 0.0005,
            "input_cost_per_audio_token": 0.01, "output_cost_per_audio_token": 0.02,
        },
    }))
}

/// 30 plain, 40 cached and 30 audio tokens of prompt, 5 plain and 15 audio tokens of answer.
const PRICE: f64 = 0.03 + 0.02 + 0.3 + 0.01 + 0.3;

async fn open(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Talk {
    Talk::open(gateway.address, &handshake(path, headers)).await
}

#[tokio::test]
async fn a_session_passes_untouched_and_is_metered() {
    let upstream = Realtime::start(None).await;
    let gateway = Gateway::start(&config(&upstream.base())).await;
    let mut talk = open(&gateway, PATH, &[bearer(), ("openai-beta", "realtime=v1"), ("cookie", "a=b")]).await;
    assert_eq!(talk.head.status, 101, "{:?} {:?}", talk.head, String::from_utf8_lossy(&talk.received));
    assert_eq!(talk.head.header("sec-websocket-accept"), Some("accepts-dGhlIHNhbXBsZQ=="));
    assert!(talk.head.header("x-litellm-call-id").is_some());
    talk.hear("session.created").await;
    for _ in 0..2 {
        talk.say(&create()).await;
        talk.hear("response.done").await;
    }
    talk.leave().await;
    assert_eq!(talk.end().await, Some(1000));
    let (received, sent) = upstream.bytes();
    assert!(received == talk.sent && sent == talk.received, "{} {}", received.len(), sent.len());

    let head = upstream.heads().remove(0);
    assert!(head.starts_with("GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\n"), "{head}");
    for line in [
        "authorization: Bearer upstream-key-5d2e",
        "openai-beta: realtime=v1",
        "sec-websocket-key: dGhlIHNhbXBsZQ==",
        "upgrade: websocket",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    // A compressed session could not be metered.
    for none in [MASTER_KEY, "cookie", "permessage-deflate", "content-length"] {
        assert!(!head.contains(none), "{none}: {head}");
    }
    let record = gateway.records(1).await.remove(0);
    assert_eq!(
        (&record["prompt_tokens"], &record["completion_tokens"], &record["cached_tokens"]),
        (&json!(200), &json!(40), &json!(80))
    );
    assert_eq!(
        (&record["call_type"], &record["usage_source"], &record["outcome"]),
        (&json!("_arealtime"), &json!("upstream"), &json!("completed"))
    );
    assert!((record["spend"].as_f64().unwrap() - 2.0 * PRICE).abs() < 1e-9, "{record}");
}

#[tokio::test]
async fn a_browser_shows_its_key_as_a_protocol_which_goes_no_further() {
    let upstream = Realtime::start(None).await;
    let gateway = Gateway::start(&config(&upstream.base())).await;
    let offer = format!("realtime, openai-insecure-api-key.{MASTER_KEY}, openai-beta.realtime-v1");
    let mut talk = open(&gateway, "/realtime?model=voice", &[("sec-websocket-protocol", &offer)]).await;
    assert_eq!((talk.head.status, talk.head.header("sec-websocket-protocol")), (101, Some("realtime")));
    talk.leave().await;
    talk.end().await;
    let head = upstream.heads().remove(0);
    assert!(head.contains("sec-websocket-protocol: realtime, openai-beta.realtime-v1"), "{head}");
    assert!(!head.contains("insecure") && !head.contains(MASTER_KEY), "{head}");
    let wrong =
        open(&gateway, PATH, &[("sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-nobody")])
            .await;
    assert_eq!(wrong.head.status, 401);
    assert!(!gateway.output().contains(MASTER_KEY));
}

#[tokio::test]
async fn who_may_not_have_a_session_is_told_in_plain_http() {
    let upstream = Realtime::start(None).await;
    let config = config(&upstream.base()).entry(json!({
        "model_name": "other", "litellm_params": { "model": "anthropic/claude-x", "api_base": upstream.base(), "api_key": "k" },
    }));
    let gateway = Gateway::start(&config).await;
    for (path, headers, status) in [
        (PATH, vec![], 401),
        ("/v1/realtime?model=none", vec![bearer()], 400),
        ("/v1/realtime", vec![bearer()], 400),
        ("/v1/realtime?model=other", vec![bearer()], 400),
    ] {
        assert_eq!(open(&gateway, path, &headers).await.head.status, status, "{path}");
    }
    let plain = gateway.get(PATH).await;
    assert_eq!(plain.status(), 400, "{}", plain.text());
    assert!(plain.text().contains("WebSocket"));
    assert!(upstream.heads().is_empty());
}

#[tokio::test]
async fn another_deployment_takes_the_session_that_one_refuses() {
    let (bad, good) = (Realtime::start(Some(503)).await, Realtime::start(None).await);
    let first = config(&bad.base()).entry(json!({
        "model_name": "voice", "litellm_params": { "model": "openai/gpt-realtime", "api_base": good.base(), "api_key": "key-of-two", "order": 2 },
    }));
    let gateway =
        Gateway::start(&first.set("router_settings", json!({ "num_retries": 2, "retry_after": 0 }))).await;
    for _ in 0..3 {
        let mut talk = open(&gateway, PATH, &[bearer()]).await;
        assert_eq!(talk.head.status, 101);
        talk.leave().await;
        talk.end().await;
    }
    assert!(!bad.heads().is_empty() && good.heads().len() == 3);
    let alone = Gateway::start(&config(&bad.base())).await;
    assert_eq!(open(&alone, PATH, &[bearer()]).await.head.status, 503);
    assert_eq!(alone.records(1).await[0]["outcome"], "refused", "{:?}", alone.records_so_far());
}

#[tokio::test]
async fn azure_is_asked_at_its_own_path() {
    let upstream = Realtime::start(None).await;
    let base = format!("http://{}", upstream.address);
    let config = Config::new().entry(json!({
        "model_name": "voice", "litellm_params": { "model": "azure/my-voice", "api_base": base, "api_key": "azure-key-77aa", "api_version": "2025-04-01-preview" },
    }));
    let gateway = Gateway::start(&config).await;
    let mut talk =
        open(&gateway, "/openai/realtime?api-version=x&deployment=voice", &[("api-key", MASTER_KEY)]).await;
    assert_eq!(talk.head.status, 101);
    talk.leave().await;
    talk.end().await;
    let head = upstream.heads().remove(0);
    assert!(
        head.starts_with("GET /openai/realtime?api-version=2025-04-01-preview&deployment=my-voice HTTP/1.1"),
        "{head}"
    );
    assert!(head.contains("api-key: azure-key-77aa") && !head.contains(MASTER_KEY), "{head}");
}

#[tokio::test]
async fn a_session_holds_its_slot_and_gives_it_back() {
    let upstream = Realtime::start(None).await;
    let gateway = Gateway::start(&config(&upstream.base())).await;
    let made = gateway.post("/key/generate", &json!({ "max_parallel_requests": 1 })).await.json();
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let headers = [("authorization", key.as_str())];
    let mut first = open(&gateway, PATH, &headers).await;
    assert_eq!(first.head.status, 101);
    assert_eq!(open(&gateway, PATH, &headers).await.head.status, 429);
    first.leave().await;
    first.end().await;
    eventually("the slot is back", async || {
        let mut again = open(&gateway, PATH, &headers).await;
        if again.head.status == 101 {
            // One that leaves without a word gives it back too.
            again.say(&json!({ "type": "pause" })).await;
            drop(again);
            return Some(());
        }
        None
    })
    .await;
    eventually("it is back again", async || {
        (open(&gateway, PATH, &headers).await.head.status == 101).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_when_its_budget_does() {
    let upstream = Realtime::start(None).await;
    let config = config(&upstream.base()).set("tollgate", json!({ "realtime": { "booked_every": 1 } }));
    let gateway = Gateway::start(&config).await;
    // A call is expected to take some money, so there must be room for more than one answer.
    let made = gateway.post("/key/generate", &json!({ "max_budget": 60.0 })).await.json();
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let headers = [("authorization", key.as_str())];
    let mut talk = open(&gateway, PATH, &headers).await;
    assert_eq!(talk.head.status, 101);
    let mut answers = 0;
    // It is told why, and the connection ends.
    let error = loop {
        talk.say(&create()).await;
        match talk.hear_one(&["response.done", "error"]).await {
            event if event["type"] == "error" => break event,
            _ => answers += 1,
        }
    };
    assert!(error["error"]["message"].as_str().unwrap().contains("Budget"), "{error}");
    assert_eq!(talk.end().await, Some(1008));
    let records = gateway.records(1).await;
    let spent: f64 = records.iter().map(|record| record["spend"].as_f64().unwrap()).sum();
    assert!((spent - f64::from(answers) * PRICE).abs() < 1e-6, "{spent} {answers}");
    eventually("nothing more is let in", async || {
        (open(&gateway, PATH, &headers).await.head.status == 400).then_some(())
    })
    .await;
}

#[tokio::test]
async fn silence_and_a_broken_upstream_end_a_session_with_a_word() {
    let upstream = Realtime::start(None).await;
    let config = config(&upstream.base()).set("tollgate", json!({ "realtime": { "idle_timeout": 1 } }));
    let gateway = Gateway::start(&config).await;
    let mut talk = open(&gateway, PATH, &[bearer()]).await;
    talk.say(&create()).await;
    talk.hear("response.done").await;
    assert_eq!(talk.end().await, Some(1001));
    assert_eq!(gateway.records(1).await[0]["prompt_tokens"], 100);
    let mut talk = open(&gateway, PATH, &[bearer()]).await;
    talk.say(&json!({ "type": "drop" })).await;
    assert_eq!(talk.end().await, Some(1011));
    assert_eq!(gateway.records(2).await[1]["outcome"], "interrupted");
}

#[tokio::test]
async fn a_session_is_ended_and_written_down_when_the_process_goes_away() {
    let upstream = Realtime::start(None).await;
    let mut gateway = Gateway::start(&config(&upstream.base())).await;
    let mut talk = open(&gateway, PATH, &[bearer()]).await;
    talk.say(&create()).await;
    talk.hear("response.done").await;
    gateway.signal("TERM");
    assert_eq!(talk.end().await, Some(1001));
    assert!(gateway.ended().await.success());
    assert_eq!(gateway.records_so_far()[0]["prompt_tokens"], 100, "{}", gateway.output());
}
