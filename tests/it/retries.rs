//! Who is asked again, how often, and what the next one is sent.

use crate::harness::{CHAT, Config, Gateway, MODEL, Raw, Response, chat, upstream_of, with};
use crate::harness::{chunked_request, request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tollgate::simulator::Simulator;

/// Deployments in this order, one for each of the words.
async fn line(words: &[&str], retries: u32) -> (Simulator, Gateway) {
    let keys: Vec<String> = (0..words.len()).map(|number| format!("sk-up-{number}")).collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(String::as_str).zip(words.iter().copied()).collect();
    let simulator = upstream_of(&pairs).await;
    let base = simulator.base_url();
    let config = keys.iter().enumerate().fold(Config::new(), |config, (order, key)| {
        config.target(&format!("id-{order}"), MODEL, &base, key, json!({ "order": order }))
    });
    let gateway = Gateway::start(&config.set("router_settings", json!({ "num_retries": retries }))).await;
    (simulator, gateway)
}

fn keys(simulator: &Simulator) -> Vec<String> {
    simulator.seen().into_iter().map(|seen| seen.key).collect()
}

#[tokio::test]
async fn as_many_retries_as_the_config_a_header_or_the_body_says() {
    let (simulator, gateway) = line(&["500"; 6], 2).await;
    let body = |retries: u32| with(chat(), json!({ "num_retries": retries }));
    let cases: [(Option<&str>, Value, usize); 6] = [
        (None, chat(), 2),
        (Some("4"), chat(), 4),
        (Some("0"), chat(), 0),
        (None, body(1), 1),
        (None, body(5), 5),
        (Some("3"), body(1), 3),
    ];
    for (header, body, retries) in cases {
        let before = simulator.seen().len();
        let headers: Vec<_> = header.map(|value| ("x-litellm-num-retries", value)).into_iter().collect();
        let refused = gateway.post_with(CHAT, &headers, &body).await;
        assert_eq!(refused.status(), 500, "{}", refused.text());
        let seen = simulator.seen().split_off(before);
        assert_eq!(seen.len(), retries + 1, "{header:?} {body}");
        let said = refused.header("x-litellm-attempted-retries").map_or(0, |n| n.parse().unwrap());
        assert_eq!(said, retries);
        for attempt in seen {
            assert!(!String::from_utf8_lossy(&attempt.body).contains("num_retries"), "{:?}", attempt.body);
        }
    }
}

#[tokio::test]
async fn a_policy_goes_before_all_other_numbers_and_a_deployments_own_before_the_clients() {
    let policies = [
        ("500", json!({ "retry_policy": { "InternalServerErrorRetries": 1 } }), 1),
        ("429", json!({ "retry_policy": { "InternalServerErrorRetries": 1 } }), 3),
        ("400", json!({ "retry_policy": { "BadRequestErrorRetries": 2 } }), 2),
        ("401", json!({ "retry_policy": { "AuthenticationErrorRetries": 0 } }), 0),
        (
            "429",
            json!({ "retry_policy": { "RateLimitErrorRetries": 1 },
            "model_group_retry_policy": { MODEL: { "RateLimitErrorRetries": 0 } } }),
            0,
        ),
        ("hang", json!({ "retry_policy": { "TimeoutErrorRetries": 0 }, "timeout": 0.3 }), 0),
    ];
    for (words, router, retries) in policies {
        let simulator = upstream_of(&["a", "b", "c", "d"].map(|key| (key, words))).await;
        let base = simulator.base_url();
        let config = ["a", "b", "c", "d"]
            .iter()
            .fold(Config::new(), |config, key| config.target(key, MODEL, &base, key, json!({})));
        let gateway = Gateway::start(&config.set("router_settings", router.clone())).await;
        let refused = gateway.post(CHAT, &with(chat(), json!({ "num_retries": 3 }))).await;
        assert!(refused.status() >= 400, "{router}: {}", refused.text());
        assert_eq!(simulator.seen().len(), retries + 1, "{words} {router}");
    }
    let simulator = upstream_of(&[("a", "500"), ("b", "500")]).await;
    let base = simulator.base_url();
    let config = ["a", "b"].iter().fold(Config::new(), |config, key| {
        config.target(key, MODEL, &base, key, json!({ "num_retries": 1 }))
    });
    let gateway = Gateway::start(&config.set("router_settings", json!({ "num_retries": 3 }))).await;
    gateway.post_with(CHAT, &[("x-litellm-num-retries", "0")], &chat()).await;
    assert_eq!(simulator.seen().len(), 2, "neither the router's nor the client's, and no product of them");
}

#[tokio::test]
async fn no_deployment_is_asked_twice_while_another_is_left() {
    let (simulator, gateway) = line(&["500", "503", "429", "403", "ok"], 4).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(keys(&simulator), ["sk-up-0", "sk-up-1", "sk-up-2", "sk-up-3", "sk-up-4"]);
    assert_eq!(answer.header("x-litellm-model-id"), Some("id-4"));
    assert_eq!(answer.header("x-litellm-attempted-retries"), Some("4"));
    let record = gateway.records(1).await.remove(0);
    let details: Vec<_> = record["attempt_details"].as_array().unwrap().iter().collect();
    let statuses: Vec<_> = details.iter().map(|attempt| attempt["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [500, 503, 429, 403, 200]);
    assert_eq!(record["model_id"], "id-4");
}

#[tokio::test]
async fn what_will_not_pass_is_asked_of_others_only() {
    for status in ["404", "401", "403"] {
        let (simulator, gateway) = line(&[status], 3).await;
        let refused = gateway.post(CHAT, &chat()).await;
        assert_eq!(refused.status().to_string(), status, "{}", refused.text());
        assert_eq!(keys(&simulator), ["sk-up-0"], "{status} alone");

        let (simulator, gateway) = line(&[status, status], 3).await;
        assert_eq!(gateway.post(CHAT, &chat()).await.status().to_string(), status);
        assert_eq!(keys(&simulator), ["sk-up-0", "sk-up-1"], "{status} twice");
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_of_the_same() {
    let (simulator, gateway) = line(&["503+first=1"], 1).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(keys(&simulator), ["sk-up-0", "sk-up-0"]);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_retried() {
    for words in ["close", "reset", "cut=0", "rst=0"] {
        let (simulator, gateway) = line(&[words, "ok"], 1).await;
        let answer = gateway.post(CHAT, &chat()).await;
        assert_eq!(answer.status(), 200, "{words}: {}", answer.text());
        assert_eq!(keys(&simulator), ["sk-up-0", "sk-up-1"], "{words}");
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop", "{words}");
        let record = gateway.records(1).await.remove(0);
        assert_eq!((&record["attempts"], &record["outcome"]), (&json!(2), &json!("completed")), "{words}");
    }
}

#[tokio::test]
async fn idle_connections_that_died_cost_no_retry() {
    let (simulator, gateway) = line(&["silent-close"], 0).await;
    for _ in 0..20 {
        let answer = gateway.post(CHAT, &chat()).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    assert_eq!(simulator.seen().len(), 20);
}

#[tokio::test]
async fn a_refused_client_keeps_its_connection_or_is_told_that_it_ends() {
    for words in ["500", "429", "404", "400", "close", "notjson", "hang"] {
        for body in [chat(), with(chat(), json!({ "stream": true }))] {
            let (_simulator, gateway) = line(&[words, words], 1).await;
            let body = with(body, json!({ "timeout": 0.3 }));
            let mut connection = gateway.connect().await;
            for call in 0..3 {
                connection.send(&gateway.post_bytes(CHAT, &body)).await;
                let refused = connection.read_response().await;
                assert!(refused.status() >= 400 && refused.complete, "{words}: {}", refused.text());
                if refused.header("connection") == Some("close") {
                    assert!(call == 0, "{words}: closed after {call} calls");
                    assert!(connection.is_closed().await, "{words}: it was announced");
                    break;
                }
            }
        }
    }
}

async fn raw_then_good(pieces: &[&[u8]]) -> (Response, Value) {
    let raw = Raw::start(pieces).await;
    let simulator = upstream_of(&[("sk-up-1", "ok")]).await;
    let config = Config::new()
        .target("raw", MODEL, &raw.base_url(), "sk-up-0", json!({ "order": 1 }))
        .target("good", MODEL, &simulator.base_url(), "sk-up-1", json!({ "order": 2 }))
        .set("router_settings", json!({ "num_retries": 1 }));
    let gateway = Gateway::start(&config).await;
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(raw.asked(), 1);
    let record = gateway.records(1).await.remove(0);
    (answer, record)
}

async fn raw_alone(pieces: &[&[u8]]) -> Response {
    let raw = Raw::start(pieces).await;
    let gateway = Gateway::start(&Config::new().target("raw", MODEL, &raw.base_url(), "k", json!({}))).await;
    gateway.post(CHAT, &chat()).await
}

const PAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 26\r\n\r\n<html>login please!</html>";
const WORDS: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\noverload!";
const NOTHING: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n";
const LIST: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]";
const EMPTY: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const GARBAGE: &[u8] = b"SSH-2.0-OpenSSH_9.9\r\n";
const SHORT: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"id\":\"x\",";
const HALF: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"i\r\n";

#[tokio::test]
async fn an_answer_that_is_none_is_retried_and_alone_is_a_500() {
    for (name, bytes) in [
        ("a page", PAGE),
        ("words", WORDS),
        ("nothing", NOTHING),
        ("a list", LIST),
        ("no content", EMPTY),
        ("garbage", GARBAGE),
        ("a short body", SHORT),
        ("half a chunked body", HALF),
    ] {
        let (answer, record) = raw_then_good(&[bytes]).await;
        assert_eq!(answer.status(), 200, "{name}: {}", answer.text());
        assert!(answer.complete, "{name}");
        assert_eq!(answer.json()["model"], MODEL, "{name}");
        assert_eq!((&record["attempts"], &record["model_id"]), (&json!(2), &json!("good")), "{name}");

        let alone = raw_alone(&[bytes]).await;
        assert_eq!(alone.status(), 500, "{name}: {}", alone.text());
        let error = alone.json()["error"].clone();
        assert_eq!(error["code"], "500", "{name}");
        let words = error["message"].as_str().unwrap();
        assert!(words.starts_with("litellm.InternalServerError: "), "{name}: {words}");
        assert!(!words.contains("login"), "{name}: {words}");
    }
}

/// A body of exactly so many bytes, no two stretches of it alike.
fn large(size: usize) -> Vec<u8> {
    let head = format!("{{\"model\":\"{MODEL}\",\"messages\":[{{\"role\":\"user\",\"content\":\"");
    let tail = "\"}]}";
    let mut body = head.into_bytes();
    let mut number = 0u32;
    while body.len() + tail.len() < size {
        body.extend_from_slice(format!("{number:x} ").as_bytes());
        number += 1;
    }
    body.truncate(size - tail.len());
    body.extend_from_slice(tail.as_bytes());
    body
}

fn echo_of(body: &[u8]) -> String {
    let digest: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {digest}", body.len())
}

#[tokio::test]
async fn twenty_megabytes_survive_two_failing_attempts() {
    const SIZE: usize = 20_000_000;
    let body = large(SIZE);
    let expected = echo_of(&body);
    for failing in [["429", "503"], ["reset", "401"], ["close", "cut=0"]] {
        let (simulator, gateway) = line(&[failing[0], failing[1], "echo"], 2).await;
        let bearer = gateway.bearer();
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let sized = request("POST", CHAT, &headers, &body);
        let chunked = chunked_request("POST", CHAT, &headers, &body, 100_000);
        let mut connection = gateway.connect().await;
        for (name, bytes) in [("chunked", &chunked), ("sized", &sized), ("chunked again", &chunked)] {
            let before = simulator.seen().len();
            connection.send(bytes).await;
            let answer = connection.read_response().await;
            assert_eq!(answer.status(), 200, "{name} {failing:?}: {}", answer.text());
            let echoed = answer.json()["choices"][0]["message"]["content"].clone();
            assert_eq!(echoed, expected, "{name} {failing:?}");
            let lengths: Vec<_> = simulator.seen()[before..].iter().map(|seen| seen.body_len).collect();
            // A connection that breaks when it is used again may be replaced for nothing.
            assert!(lengths.len() >= 3 && lengths.iter().all(|length| *length == SIZE), "{lengths:?}");
        }
    }
}
