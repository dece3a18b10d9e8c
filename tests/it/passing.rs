//! Pass-through endpoints: bytes both ways as they are, our credentials and none of the client's.

use crate::harness::{Config, Gateway, MASTER_KEY, chunked_request, eventually, request};
use crate::support::{bearer, error, sha256};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::net::TcpListener;

const UPSTREAM_KEY: &str = "upstream-credential-41";

/// A target that tells what it was sent, streams on demand, and fails on demand.
async fn target() -> String {
    let router = Router::new()
        .route("/speech/stream", any(stream))
        .route("/speech/teapot", any(|| async { (StatusCode::IM_A_TEAPOT, "short and stout") }))
        .route("/speech/leak", any(|| async { ([("x-echo", UPSTREAM_KEY)], "leak") }))
        .route("/speech/{*rest}", any(tell))
        .route("/speech", any(tell));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/speech")
}

async fn tell(headers: HeaderMap, request: Request) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let told = json!({
        "method": method, "uri": uri, "headers": headers, "length": bytes.len(), "sha256": sha256(&bytes),
    });
    ([("content-type", "application/json"), ("x-own", "kept")], told.to_string()).into_response()
}

async fn stream() -> Response {
    let pieces = (0..5).map(|i| Ok::<_, Infallible>(Bytes::from(format!("data: {i}\n\n"))));
    let body = Body::from_stream(futures::stream::iter(pieces));
    ([("content-type", "text/event-stream")], body).into_response()
}

async fn gateway(more: Value) -> Gateway {
    let mut entry = json!({ "path": "/tts", "target": target().await, "headers": {
        "Authorization": format!("Bearer {UPSTREAM_KEY}") } });
    for (name, value) in more.as_object().unwrap() {
        entry[name] = value.clone();
    }
    let config = Config::new().set("general_settings", json!({ "pass_through_endpoints": [entry] }));
    Gateway::start(&config).await
}

fn header<'a>(told: &'a Value, name: &str) -> Option<&'a str> {
    let headers = told["headers"].as_array().unwrap();
    headers.iter().find(|pair| pair[0] == name).and_then(|pair| pair[1].as_str())
}

#[tokio::test]
async fn a_body_of_any_form_arrives_as_it_is_with_our_credentials() {
    let gate = gateway(json!({ "cost_per_request": 0.25 })).await;
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let headers =
        [bearer(), ("content-type", "application/octet-stream"), ("cookie", "a=b"), ("x-mine", "1")];
    for bytes in [
        request("POST", "/tts?voice=nova", &headers, &body),
        chunked_request("POST", "/tts?voice=nova", &headers, &body, 7000),
    ] {
        let answer = gate.connect().await.ask(&bytes).await;
        assert_eq!(answer.status(), 200, "{}", error(&answer));
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            (told["method"].as_str(), told["uri"].as_str()),
            (Some("POST"), Some("/speech?voice=nova"))
        );
        assert_eq!(
            (told["length"].as_u64(), told["sha256"].as_str()),
            (Some(3_000_000), Some(&*sha256(&body)))
        );
        assert_eq!(header(&told, "authorization"), Some(&*format!("Bearer {UPSTREAM_KEY}")));
        assert_eq!(header(&told, "content-type"), Some("application/octet-stream"));
        assert_eq!((header(&told, "cookie"), header(&told, "x-mine")), (None, None));
        assert!(!told.to_string().contains(MASTER_KEY), "the client's key went upstream");
        assert_eq!(answer.header("x-own"), Some("kept"));
        assert!(answer.header("x-litellm-call-id").is_some());
    }
    // Written down with its price.
    eventually("the calls are booked", async || {
        let answer = gate.get("/global/spend").await;
        (answer.json()["spend"].as_f64() == Some(0.5)).then_some(())
    })
    .await;
    let metrics = gate.get("/metrics").await;
    assert!(!String::from_utf8_lossy(&metrics.body).contains(UPSTREAM_KEY));
}

#[tokio::test]
async fn a_key_is_wanted_unless_the_configuration_says_that_none_is() {
    let closed = gateway(json!({})).await;
    let bare = request("POST", "/tts", &[], b"x");
    assert_eq!(closed.connect().await.ask(&bare).await.status(), 401);
    let wrong = request("POST", "/tts", &[("authorization", "Bearer sk-wrong")], b"x");
    assert_eq!(closed.connect().await.ask(&wrong).await.status(), 401);
    let open = gateway(json!({ "auth": false })).await;
    assert_eq!(open.connect().await.ask(&bare).await.status(), 200);
    assert!(open.output().contains("without a key"), "said at start:\n{}", open.output());
}

#[tokio::test]
async fn what_the_target_says_is_passed_on_as_it_is() {
    let gate =
        gateway(json!({ "include_subpath": true, "forward_headers": true, "methods": ["GET", "POST"] }))
            .await;
    let ask = async |method: &str, path: &str| {
        let headers = [bearer(), ("x-mine", "1"), ("x-api-key", "sk-client")];
        gate.connect().await.ask(&request(method, path, &headers, b"")).await
    };
    let streamed = ask("GET", "/tts/stream").await;
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        String::from_utf8_lossy(&streamed.body),
        "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n"
    );
    let refused = ask("POST", "/tts/teapot").await;
    assert_eq!((refused.status(), &*refused.body), (418, &b"short and stout"[..]));
    let told: Value = serde_json::from_slice(&ask("GET", "/tts/a/b?c=d").await.body).unwrap();
    assert_eq!(told["uri"], "/speech/a/b?c=d");
    assert_eq!((header(&told, "x-mine"), header(&told, "x-api-key")), (Some("1"), None));
    assert_eq!(ask("DELETE", "/tts/a").await.status(), 405);
    assert_eq!(ask("GET", "/tts/../../admin").await.status(), 404);
    assert_eq!(ask("GET", "/ttsx").await.status(), 404);
    let leak = ask("GET", "/tts/leak").await;
    assert_eq!((leak.status(), leak.header("x-echo")), (200, None));
}

#[tokio::test]
async fn a_target_that_is_away_is_an_error_in_our_own_shape() {
    let free = crate::harness::free_address();
    let entry = json!({ "path": "/stt", "target": format!("http://{free}/x") });
    let config = Config::new().set("general_settings", json!({ "pass_through_endpoints": [entry] }));
    let gate = Gateway::start(&config).await;
    let answer = gate.connect().await.ask(&request("POST", "/stt", &[bearer()], b"{}")).await;
    assert_eq!(answer.status(), 500);
    assert!(error(&answer).contains("onnection error"), "{}", error(&answer));
}

/// Whatever is uploaded, the gateway holds no more than a few buffers of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_take_no_memory() {
    const SIZE: usize = 200 << 20;
    let gate = gateway(json!({})).await;
    let before = gate.resident();
    let mut connection = gate.connect().await;
    let head = format!(
        "POST /tts HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {MASTER_KEY}\r\ncontent-length: {SIZE}\r\n\r\n"
    );
    connection.send(head.as_bytes()).await;
    let piece = vec![b'a'; 1 << 20];
    let mut most = 0;
    for _ in 0..200 {
        connection.send(&piece).await;
        most = most.max(gate.resident());
    }
    let answer = connection.read_response().await;
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["length"].as_u64(), Some(SIZE as u64));
    assert!(most < before + (16 << 20), "{before} bytes grew to {most}");
}
