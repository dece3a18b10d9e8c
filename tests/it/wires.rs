//! Upstreams that break HTTP, or have no end, and clients that stop reading: nobody else hears of it, and nothing is held.

use crate::harness::{
    CHAT, Config, Gateway, MODEL, PATIENCE, Raw, Response, Step, chat, chunked_request, eventually, request,
    streamed,
};
use serde_json::{Value, json};
use std::time::Duration;

const WHOLE: &str = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
const EVENTS: &str = concat!(
    r#"data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#,
    "\n\ndata: [DONE]\n\n"
);
const IN_FLIGHT: &str = "litellm_in_flight_requests";

fn whole() -> Step {
    said(&["content-type: application/json", &format!("content-length: {}", WHOLE.len())], WHOLE)
}

fn said(headers: &[&str], body: &str) -> Step {
    let mut text = "HTTP/1.1 200 OK\r\n".to_owned();
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    Step::Say(format!("{text}\r\n{body}").into_bytes())
}

fn say(text: impl Into<Vec<u8>>) -> Step {
    Step::Say(text.into())
}

async fn gateway(raw: &Raw) -> Gateway {
    Gateway::start(&config(raw)).await
}

fn config(raw: &Raw) -> Config {
    Config::new().target("raw", MODEL, &raw.base_url(), "sk-up", json!({ "max_parallel_requests": 1 }))
}

async fn ask(gateway: &Gateway, body: &Value) -> Response {
    gateway.post(CHAT, body).await
}

#[tokio::test]
async fn a_protocol_that_nobody_asked_for_is_no_answer() {
    const SWITCH: &str =
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\nx-own: 1\r\n\r\n";
    let raw = Raw::scripted(|n| {
        let switch = say([SWITCH, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"].concat());
        if n % 2 == 0 { vec![switch] } else { vec![whole()] }
    })
    .await;
    let passed = json!([{ "path": "/pass", "target": raw.base_url(), "auth": false }]);
    let config = config(&raw).set("general_settings", json!({ "pass_through_endpoints": passed }));
    let gateway = Gateway::start(&config).await;
    let bodies = [CHAT, CHAT, "/pass"].into_iter().zip([chat(), streamed(), json!({})]);
    for (path, body) in bodies {
        let refused = gateway.post(path, &body).await;
        assert_eq!(refused.status(), 500, "{path}: {:?}", refused.head);
        assert!(refused.complete && refused.text().contains("not HTTP"), "{path}: {}", refused.text());
        assert_eq!(ask(&gateway, &chat()).await.status(), 200, "what comes after it is no answer of its own");
    }
}

#[tokio::test]
async fn a_refusal_without_an_end_is_told_all_the_same() {
    const HEAD: &str =
        "HTTP/1.1 503 No\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let slow = Step::Repeat(b"5\r\nhello\r\n".to_vec(), Duration::from_millis(50));
    let fast = Step::Repeat([b"8000\r\n", &[b'x'; 0x8000][..], b"\r\n"].concat(), Duration::ZERO);
    for endless in [slow, fast] {
        let raw =
            Raw::scripted(move |n| if n < 2 { vec![say(HEAD), endless.clone()] } else { vec![whole()] })
                .await;
        let gateway = gateway(&raw).await;
        for body in [chat(), streamed()] {
            let mut body = body;
            body["timeout"] = json!(1);
            let refused = ask(&gateway, &body).await;
            assert!(refused.complete && refused.status() == 503, "{:?}: {}", refused.head, refused.text());
        }
        assert_eq!(ask(&gateway, &chat()).await.status(), 200);
        let records = gateway.records(3).await;
        let statuses: Vec<_> = records.iter().map(|record| record["status"].clone()).collect();
        assert_eq!(statuses, [503, 503, 200]);
        gateway.metric_is(IN_FLIGHT, &[], 0.0).await;
    }
}

#[tokio::test]
async fn nobody_is_away_for_ever() {
    let raw =
        Raw::scripted(|_| vec![say("HTTP/1.1 429 No\r\nretry-after: 1e18\r\ncontent-length: 2\r\n\r\n{}")])
            .await;
    let config = config(&raw).set("router_settings", json!({ "disable_cooldowns": false }));
    let gateway = Gateway::start(&config).await;
    for _ in 0..2 {
        let refused = ask(&gateway, &chat()).await;
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!(refused.status() == 429 && (86_400..=31 * 86_400).contains(&after), "{:?}", refused.head);
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_before_its_end_is_told() {
    let raw = Raw::hasty(b"HTTP/1.1 413 No\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{\"error\":{\"message\":\"far too much\"}}".to_vec()).await;
    // As long as this it waits for the upstream to take more.
    let config = config(&raw).set("router_settings", json!({ "timeout": 1 }));
    let gateway = Gateway::start(&config).await;
    let file = "x".repeat(24 << 20);
    let form = format!(
        "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{MODEL}\r\n--b\r\ncontent-disposition: form-data; \
         name=\"file\"; filename=\"a.mp3\"\r\n\r\n{file}\r\n--b--\r\n"
    );
    let bearer = gateway.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "multipart/form-data; boundary=b")];
    const PATH: &str = "/v1/audio/transcriptions";
    let whole = request("POST", PATH, &headers, form.as_bytes());
    let chunks = chunked_request("POST", PATH, &headers, form.as_bytes(), 50_000);
    for bytes in [whole, chunks] {
        let refused = gateway.call(&bytes).await;
        assert_eq!(refused.status(), 400, "{}", refused.text());
        assert!(refused.complete && refused.text().contains("far too much"), "{}", refused.text());
        gateway.metric_is(IN_FLIGHT, &[], 0.0).await;
    }
}

#[tokio::test]
async fn a_trailer_has_an_end() {
    let raw = Raw::scripted(|n| {
        let chunks = format!("{:x}\r\n{WHOLE}\r\n0\r\n", WHOLE.len());
        let head = said(&["content-type: application/json", "transfer-encoding: chunked"], &chunks);
        if n == 0 {
            vec![head, Step::Repeat(b"x: y\r\n".repeat(1000), Duration::ZERO)]
        } else {
            vec![whole()]
        }
    })
    .await;
    let gateway = gateway(&raw).await;
    assert_eq!(ask(&gateway, &chat()).await.status(), 500);
    assert_eq!(ask(&gateway, &chat()).await.status(), 200);
}

#[tokio::test]
async fn an_answer_that_breaks_off_on_a_kept_connection_is_a_failure() {
    let raw = Raw::scripted(|n| match n {
        0 | 2 => vec![whole()],
        _ => vec![said(&["content-type: application/json", "content-length: 999"], "{"), Step::Leave],
    })
    .await;
    // One thread has all connections.
    let gateway = Gateway::start(&config(&raw).set("tollgate", json!({ "workers": 1 }))).await;
    for body in [chat(), streamed()] {
        let asked = raw.asked();
        assert_eq!(ask(&gateway, &body).await.status(), 200);
        assert_eq!(ask(&gateway, &body).await.status(), 500);
        assert_eq!(
            raw.asked(),
            asked + 2,
            "who had begun to answer is not asked again unless retries are allowed"
        );
    }
}

#[tokio::test]
async fn a_stream_is_one_whatever_it_is_called() {
    let chunks = format!("{:x}\r\n{EVENTS}\r\n0\r\n\r\n", EVENTS.len());
    let raw = Raw::scripted(move |n| match n {
        0 => vec![said(&["transfer-encoding: chunked"], &chunks)],
        1 => vec![said(&["content-type: text/plain; charset=utf-8", "transfer-encoding: chunked"], &chunks)],
        2 => vec![said(&[], EVENTS), Step::Leave],
        // It was asked for a stream, and answers with one piece.
        _ => vec![said(&[&format!("content-length: {}", WHOLE.len())], WHOLE)],
    })
    .await;
    let gateway = gateway(&raw).await;
    for _ in 0..3 {
        let mut connection = gateway.stream(CHAT, &streamed()).await;
        assert_eq!(connection.head.header("content-type"), Some("text/event-stream"));
        let events = connection.events().await;
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!(events[1].data, "[DONE]");
        assert!(connection.complete);
    }
    let answer = ask(&gateway, &streamed()).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hi");
}

#[tokio::test]
async fn what_belongs_to_one_connection_stays_with_it() {
    let raw = Raw::scripted(|n| {
        let own = [
            "connection: close, x-hop",
            "x-hop: 1",
            "keep-alive: timeout=1",
            "proxy-connection: close",
            "proxy-authenticate: Basic",
            "upgrade: h2c",
            "te: trailers",
            "trailer: x-end",
            "x-own: kept",
        ];
        let end: &[&str] = if n == 0 {
            &["content-length: 2", "content-length: 2"]
        } else {
            &["transfer-encoding: chunked"]
        };
        vec![said(&[&own[..], end].concat(), if n == 0 { "hi" } else { "2\r\nhi\r\n0\r\n\r\n" }), Step::Leave]
    })
    .await;
    let passed = json!([{ "path": "/pass", "target": raw.base_url(), "auth": false }]);
    let config = Config::new().set("general_settings", json!({ "pass_through_endpoints": passed }));
    let gateway = Gateway::start(&config).await;
    let mut connection = gateway.connect().await;
    for end in ["content-length", "transfer-encoding"] {
        let answer = connection.ask(&request("GET", "/pass", &[], b"")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "hi"));
        let names: Vec<&str> = answer.head.headers.iter().map(|(name, _)| name.as_str()).collect();
        for name in
            ["x-hop", "keep-alive", "proxy-connection", "proxy-authenticate", "upgrade", "te", "trailer"]
        {
            assert!(!names.contains(&name), "{name}: {:?}", answer.head);
        }
        assert_eq!(names.iter().filter(|name| **name == end).count(), 1, "{:?}", answer.head);
        assert_eq!((answer.header("x-own"), answer.header("connection")), (Some("kept"), Some("keep-alive")));
    }
}

#[tokio::test]
async fn chunks_are_for_those_who_know_them() {
    let chunks = format!("{:x}\r\n{EVENTS}\r\n0\r\n\r\n", EVENTS.len());
    let raw = Raw::scripted(move |_| {
        vec![said(&["content-type: text/event-stream", "transfer-encoding: chunked"], &chunks)]
    })
    .await;
    let passed = json!([{ "path": "/pass", "target": raw.base_url(), "auth": false }]);
    let config = config(&raw).set("general_settings", json!({ "pass_through_endpoints": passed }));
    let gateway = Gateway::start(&config).await;
    for path in [CHAT, "/pass"] {
        for keep in ["close", "keep-alive"] {
            let bytes = gateway.post_bytes(path, &streamed());
            let text = String::from_utf8(bytes).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
            let text = text.replacen("\r\n", &format!("\r\nconnection: {keep}\r\n"), 1);
            let mut connection = gateway.connect().await;
            let answer = connection.ask(text.as_bytes()).await;
            assert_eq!((answer.status(), answer.text().as_str()), (200, EVENTS), "{path}");
            assert_eq!(answer.header("transfer-encoding"), None, "{path}");
            assert_eq!(answer.header("connection"), Some("close"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_client_that_ends_its_body_late_is_missed_all_the_same() {
    let raw = Raw::scripted(|_| vec![Step::Pause(PATIENCE)]).await;
    let gateway = gateway(&raw).await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let body = chat().to_string();
    let asked = http::Request::post(format!("http://gateway{CHAT}"))
        .header("authorization", gateway.bearer())
        .header("content-length", body.len());
    let (_answer, mut sending) = send.send_request(asked.body(()).unwrap(), false).unwrap();
    sending.send_data(body.into(), false).unwrap();
    eventually("it is asked", async || (raw.asked() == 1).then_some(())).await;
    sending.send_data(Vec::new().into(), true).unwrap();
    sending.send_reset(h2::Reason::CANCEL);
    gateway.metric_is(IN_FLIGHT, &[], 0.0).await;
    assert_eq!(gateway.records(1).await.remove(0)["outcome"], "client_gone");
}

/// An upstream whose answers have no end, and a gateway that waits a second for clients.
async fn endless() -> (Raw, Gateway) {
    let event =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(32_000));
    let chunk = format!("{:x}\r\n{event}\r\n", event.len()).into_bytes();
    let raw = Raw::scripted(move |n| match n {
        0 => {
            let head = said(&["content-type: text/event-stream", "transfer-encoding: chunked"], "");
            vec![head, Step::Repeat(chunk.clone(), Duration::ZERO)]
        }
        _ => vec![whole()],
    })
    .await;
    let config = config(&raw).set("tollgate", json!({ "body_timeout": 1 }));
    let gateway = Gateway::start(&config).await;
    (raw, gateway)
}

async fn is_let_go(gateway: &Gateway) {
    let record = gateway.records(1).await.remove(0);
    assert_eq!(record["outcome"], "client_gone", "{record}");
    gateway.metric_is(IN_FLIGHT, &[], 0.0).await;
    assert_eq!(ask(gateway, &chat()).await.status(), 200, "its slot is free");
}

#[tokio::test]
async fn a_client_that_stops_reading_is_let_go() {
    let (_raw, gateway) = endless().await;
    let mut connection = gateway.connect().await;
    connection.send(&gateway.post_bytes(CHAT, &streamed())).await;
    connection.read_head().await;
    is_let_go(&gateway).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_one_of_its_streams_is_let_go() {
    let (_raw, gateway) = endless().await;
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let asked =
        http::Request::post(format!("http://gateway{CHAT}")).header("authorization", gateway.bearer());
    let (answer, mut sending) = send.send_request(asked.body(()).unwrap(), false).unwrap();
    sending.send_data(streamed().to_string().into(), true).unwrap();
    // Its window is never opened again.
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    is_let_go(&gateway).await;
    drop(answer);
}
