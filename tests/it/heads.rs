//! Heads of answers say the same over HTTP/1, where they are text, and over HTTP/2, where they are not.

use crate::harness::{
    CHAT, Config, Connection, Gateway, MODEL, Raw, Response, chat, request, streamed, upstream,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Headers by name.
type Headers = BTreeMap<String, Vec<String>>;

const LIMITS: [(&str, &str); 5] = [
    ("x-litellm-key-rpm-limit", "1000"),
    ("x-litellm-key-tpm-limit", "2000000"),
    ("x-litellm-key-max-budget", "7.5"),
    ("x-ratelimit-api_key-limit-requests", "1000"),
    ("x-ratelimit-api_key-limit-tokens", "2000000"),
];

async fn key(gateway: &Gateway) -> String {
    let limits = json!({ "rpm_limit": 1000, "tpm_limit": 2_000_000, "max_budget": 7.5 });
    gateway.post("/key/generate", &limits).await.json()["key"].as_str().unwrap().to_owned()
}

async fn by_1(connection: &mut Connection, key: &str, body: &Value) -> Headers {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("origin", "http://somewhere")];
    let answer = connection.ask(&request("POST", CHAT, &headers, body.to_string().as_bytes())).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(answer.complete && !answer.body.is_empty());
    headers_of(&answer)
}

fn headers_of(answer: &Response) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in &answer.head.headers {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    headers
}

async fn by_2(gateway: &Gateway, key: &str, body: &Value) -> Headers {
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let asked = http::Request::post(format!("http://gateway{CHAT}"))
        .header("authorization", format!("Bearer {key}"))
        .header("origin", "http://somewhere");
    let (answer, mut sending) = send.send_request(asked.body(()).unwrap(), false).unwrap();
    sending.send_data(body.to_string().into(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut headers = Headers::new();
    for (name, value) in answer.headers() {
        headers.entry(name.to_string()).or_default().push(value.to_str().unwrap().to_owned());
    }
    headers
}

/// Without what differs from call to call, or belongs to one protocol.
fn comparable(mut headers: Headers) -> Headers {
    for name in ["connection", "transfer-encoding"] {
        headers.remove(name);
    }
    let differs = |name: &str| {
        ["date", "call-id", "-ms", "-spend", "-remaining-", "request-id"]
            .iter()
            .any(|part| name.contains(part))
    };
    headers.iter_mut().filter(|(name, _)| differs(name)).for_each(|(_, values)| {
        values.iter_mut().for_each(|value| {
            assert!(!value.is_empty());
            value.clear();
        });
    });
    headers
}

#[tokio::test]
async fn heads_say_the_same_over_both_protocols() {
    let simulator = upstream("ok").await;
    let config = Config::new().deployment(MODEL, MODEL, &simulator.base_url(), "sk-up");
    let gateway = Gateway::start(&config).await;
    let key = key(&gateway).await;
    let mut connection = gateway.connect().await;
    for body in [chat(), streamed(), chat(), streamed()] {
        let (one, two) = (by_1(&mut connection, &key, &body).await, by_2(&gateway, &key, &body).await);
        for (name, value) in LIMITS {
            assert_eq!(one.get(name), Some(&vec![value.to_owned()]), "{name}: {one:?}");
        }
        for name in ["content-type", "x-litellm-call-id", "x-litellm-model-id", "access-control-allow-origin"]
        {
            assert!(one.get(name).is_some_and(|values| values.len() == 1), "{name}: {one:?}");
        }
        assert_eq!(comparable(one), comparable(two));
    }
}

#[tokio::test]
async fn what_an_upstream_says_twice_is_said_twice() {
    let body = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nvia: 1.1 a\r\nx-own: \tb: c \r\nvia: 1.1 d\r\n";
    let bytes = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let raw = Raw::start(&[bytes.as_bytes()]).await;
    let gateway = Gateway::start(&Config::new().deployment(MODEL, MODEL, &raw.base_url(), "sk-up")).await;
    let headers = headers_of(&gateway.post(CHAT, &chat()).await);
    assert_eq!(headers.get("llm_provider-via"), Some(&vec!["1.1 a".to_owned(), "1.1 d".to_owned()]));
    assert_eq!(headers.get("llm_provider-x-own"), Some(&vec!["b: c".to_owned()]));
}
