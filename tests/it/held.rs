//! Whole answers: what the upstream said, byte for byte, with its price in the head.

use crate::harness::{CHAT, Config, Connection, Gateway, MODEL, Raw, chat, request, upstream};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

const MIB: usize = 1 << 20;
const HELD: usize = 4 * MIB;
/// A microdollar and two for a token.
const PRICES: [(&str, f64); 2] = [("input_cost_per_token", 1e-6), ("output_cost_per_token", 2e-6)];

async fn gateway(base: &str, upstream_model: &str) -> Gateway {
    let mut info = json!({ "id": "only" });
    for (name, price) in PRICES {
        info[name] = json!(price);
    }
    let params = json!({ "model": format!("openai/{upstream_model}"), "api_base": base, "api_key": "sk-up" });
    let entry = json!({ "model_name": MODEL, "litellm_params": params, "model_info": info });
    Gateway::start(&Config::new().entry(entry)).await
}

async fn directly(simulator: &Simulator, body: &Value) -> Vec<u8> {
    let mut connection = Connection::open(simulator.addr()).await;
    let headers = [("authorization", "Bearer sk-up")];
    connection.send(&request("POST", CHAT, &headers, body.to_string().as_bytes())).await;
    connection.read_response().await.body
}

/// Each answer of the simulator has a number of its own, of a length of its own.
fn parts(body: &[u8]) -> (&[u8], &[u8]) {
    let mark = b"chatcmpl-sim-";
    let start = memchr::memmem::find(body, mark).unwrap() + mark.len();
    let digits = body[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (&body[..start], &body[start + digits..])
}

#[tokio::test]
async fn answers_of_every_size_are_relayed_untouched() {
    for size in [0, 100, 4096, 65_535, 65_536, MIB, HELD - 2000, HELD, 8 * MIB] {
        let simulator = upstream(&format!("bytes={size}")).await;
        let gateway = gateway(&simulator.base_url(), MODEL).await;
        let mut connection = gateway.connect().await;
        for _ in 0..2 {
            connection.send(&gateway.post_bytes(CHAT, &chat())).await;
            let answer = connection.read_response().await;
            assert_eq!((answer.status(), answer.complete), (200, true), "{size}");
            let direct = directly(&simulator, &chat()).await;
            assert!(parts(&answer.body) == parts(&direct), "{size}: the bytes differ");
            assert_eq!(answer.header("x-litellm-response-cost").is_some(), size < HELD, "{size}");
            assert_eq!(answer.header("x-litellm-model-id"), Some("only"), "{size}");
        }
        let usage = &directly(&simulator, &chat()).await;
        let usage: Value = serde_json::from_slice(usage).unwrap();
        for record in gateway.records(2).await {
            assert_eq!(record["usage_source"], "upstream", "{size}: {record}");
            assert_eq!(record["completion_tokens"], usage["usage"]["completion_tokens"], "{size}");
            assert_eq!(record["outcome"], "completed", "{size}");
        }
    }
}

#[tokio::test]
async fn the_cost_in_the_head_is_the_one_in_the_record() {
    let simulator = upstream("ok").await;
    let gateway = gateway(&simulator.base_url(), MODEL).await;
    let answer = gateway.post(CHAT, &chat()).await;
    // Six tokens at one microdollar and eight at two.
    let said: f64 = answer.header("x-litellm-response-cost").unwrap().parse().unwrap();
    assert!((said - 22e-6).abs() < 1e-12, "{said}");
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["spend_pico"], &record["priced"]), (&json!(22_000_000), &json!(true)));
    gateway.metric_is("litellm_spend_metric_total", &[], 22e-6).await;
}

#[tokio::test]
async fn the_answer_has_the_name_that_was_asked_for() {
    for size in [100, MIB] {
        let simulator = upstream(&format!("bytes={size}")).await;
        let gateway = gateway(&simulator.base_url(), "upstream-model").await;
        let answer = gateway.post(CHAT, &chat()).await.json();
        assert_eq!(answer["model"], MODEL, "{size}");
        assert_eq!(answer["choices"][0]["message"]["content"].as_str().unwrap().len(), size);
    }
}

#[tokio::test]
async fn usage_that_is_not_told_is_estimated() {
    let simulator = upstream("nousage+chunks=40").await;
    let gateway = gateway(&simulator.base_url(), MODEL).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert!(answer.json().get("usage").is_none(), "nothing is invented for the client");
    let record = gateway.records(1).await.remove(0);
    assert_eq!(record["usage_source"], "estimated");
    assert!((20..100).contains(&record["completion_tokens"].as_u64().unwrap()), "{record}");
    assert!(answer.header("x-litellm-response-cost").is_some());
}

const ANSWER: &str = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

#[tokio::test]
async fn answers_in_other_framings_are_whole_too() {
    let (first, second) = ANSWER.split_at(20);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let untyped = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
    let until_close = format!("{head}connection: close\r\n\r\n{ANSWER}");
    for (name, bytes) in [("chunked", chunked), ("untyped", untyped), ("until close", until_close)] {
        let raw = Raw::start(&[bytes.as_bytes()]).await;
        let gateway = gateway(&raw.base_url(), MODEL).await;
        let answer = gateway.post(CHAT, &chat()).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, ANSWER), "{name}");
        assert_eq!(answer.header("x-litellm-response-cost"), Some("3e-06"), "{name}");
        assert_eq!(answer.header("content-length"), Some(ANSWER.len().to_string().as_str()), "{name}");
    }
}

#[tokio::test]
async fn an_upstreams_headers_are_passed_on_except_private_ones() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=canary\r\n\
                x-ratelimit-remaining-requests: 7\r\nx-request-id: up-1\r\nwww-authenticate: canary\r\n";
    let bytes = format!("{head}content-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
    let raw = Raw::start(&[bytes.as_bytes()]).await;
    let gateway = gateway(&raw.base_url(), MODEL).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("7"));
    assert_eq!(answer.header("llm_provider-x-request-id"), Some("up-1"));
    assert!(answer.head.headers.iter().all(|(_, value)| !value.contains("canary")), "{:?}", answer.head);
}
