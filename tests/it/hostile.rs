//! Nothing is smuggled: not by framing, not by heads that say two things, not by JSON that does.

use crate::harness::{Config, Connection, Gateway, Reply, Response, Scripted, request};
use crate::support::{CHAT, bearer, chat, chunked, content, echo_of, echoing, error, everything, get, post};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tollgate::simulator::Simulator;

/// What must never be answered: a call that rides behind another request's body.
fn stowaway() -> Vec<u8> {
    post("/v1/chat/completions?stowaway", &chat("echo", r#","seed":4242"#))
}

fn head(framing: &str) -> Vec<u8> {
    let (name, value) = bearer();
    format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\n{name}: {value}\r\n{framing}\r\n\r\n").into_bytes()
}

/// All answers to these bytes, up to the close or to the end of the first that is awaited.
async fn answers(gate: &Gateway, bytes: &[u8]) -> Vec<Response> {
    let mut connection = gate.connect().await;
    connection.send(bytes).await;
    let mut answers = Vec::new();
    while let Some(response) = connection.try_read_response().await {
        answers.push(response);
        // A probe tells where the next answer would have been.
        if connection.socket.write_all(&get("/test")).await.is_err() {
            break;
        }
        match connection.try_read_response().await {
            Some(probe) if probe.text() == r#"{"route":"/test"}"# => break,
            Some(other) => answers.push(other),
            None => break,
        }
    }
    answers
}

fn nothing_was_smuggled(simulator: &Simulator, what: &str) {
    for seen in simulator.seen() {
        assert!(!seen.path.contains("stowaway"), "{what}: {}", seen.path);
        let body = String::from_utf8_lossy(&seen.body);
        assert!(!body.contains("4242") && !body.contains("HTTP/1.1"), "{what}: {body}");
    }
}

#[tokio::test]
async fn framing_that_says_two_things_carries_nobody_along() {
    let (simulator, gate) = echoing(|config| config).await;
    let inner = stowaway();
    let last_chunk = [b"0\r\n\r\n".as_slice(), &inner].concat();
    let in_a_chunk = chunked(&inner, inner.len());
    for (what, framing, body) in [
        ("CL.TE", format!("content-length: {}\r\ntransfer-encoding: chunked", last_chunk.len()), &last_chunk),
        ("TE.CL", "transfer-encoding: chunked\r\ncontent-length: 4".to_owned(), &in_a_chunk),
        ("two lengths", format!("content-length: 0\r\ncontent-length: {}", inner.len()), &inner),
        ("two lengths, turned", format!("content-length: {}\r\ncontent-length: 0", inner.len()), &inner),
        ("a list of lengths", format!("content-length: 0, {}", inner.len()), &inner),
        ("a signed length", "content-length: +0".to_owned(), &inner),
        ("a hexadecimal length", "content-length: 0x0".to_owned(), &inner),
        ("a negative length", "content-length: -1".to_owned(), &inner),
        ("an unknown coding", "transfer-encoding: xchunked".to_owned(), &last_chunk),
        ("chunked not last", "transfer-encoding: chunked, identity".to_owned(), &last_chunk),
        ("chunked twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked".to_owned(), &last_chunk),
        ("two codings", "transfer-encoding: chunked\r\ntransfer-encoding: identity".to_owned(), &last_chunk),
        ("a folded coding", "transfer-encoding:\r\n chunked".to_owned(), &last_chunk),
        ("a space before the colon", "transfer-encoding : chunked".to_owned(), &last_chunk),
        ("a vertical tab", "transfer-encoding: \x0bchunked".to_owned(), &last_chunk),
        ("a folded length", "content-length:\r\n 0".to_owned(), &inner),
    ] {
        let bytes = [head(&framing), body.clone()].concat();
        let mut connection = gate.connect().await;
        connection.send(&bytes).await;
        drop(connection.socket.shutdown().await);
        let told = String::from_utf8_lossy(&connection.until_closed().await).into_owned();
        let answers = told.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{what}: {told}");
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{what}: {told}");
        nothing_was_smuggled(&simulator, what);
    }
    assert!(simulator.seen().is_empty(), "none of these is a request");
}

#[tokio::test]
async fn a_head_out_of_order_is_refused() {
    let (simulator, gate) = echoing(|config| config).await;
    let (name, value) = bearer();
    let auth = format!("{name}: {value}\r\n");
    for bytes in [
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nx-a: 1\r\n folded: 2\r\n{auth}content-length: 0\r\n\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nx-a: 1\0\r\n{auth}\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nx\x01a: 1\r\n{auth}\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nno colon\r\n{auth}\r\n"),
        format!("POST {CHAT} HTTP/3.7\r\nhost: g\r\n{auth}\r\n"),
        format!("POST {CHAT}\r\nhost: g\r\n{auth}\r\n"),
        format!("P@ST {CHAT} HTTP/1.1 HTTP/1.1\r\nhost: g\r\n{auth}\r\n"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned(),
        "\r\n\r\n\r\n\r\n".to_owned(),
    ] {
        let mut connection = gate.connect().await;
        connection.send(bytes.as_bytes()).await;
        drop(connection.socket.shutdown().await);
        let told = String::from_utf8_lossy(&connection.until_closed().await).into_owned();
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{bytes:?}: {told}");
    }
    assert!(simulator.seen().is_empty());
    assert_eq!(gate.get("/health/liveliness").await.status(), 200);
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let (simulator, gate) = echoing(|config| config).await;
    let long = "a".repeat(2 << 20);
    let many: String = (0..2000).map(|i| format!("x-h{i}: 1\r\n")).collect();
    for bytes in [
        format!("GET /v1/models HTTP/1.1\r\nhost: g\r\nx-long: {long}\r\n\r\n"),
        format!("GET /v1/models?{long} HTTP/1.1\r\nhost: g\r\n\r\n"),
        format!("GET /v1/models HTTP/1.1\r\nhost: g\r\n{many}\r\n"),
        format!("GET /v1/models HTTP/1.1\r\nhost: g\r\nx-{long}: 1\r\n\r\n"),
    ] {
        let mut connection = gate.connect().await;
        // The gateway may close before it has all of it.
        drop(connection.socket.write_all(bytes.as_bytes()).await);
        let told = String::from_utf8_lossy(&connection.until_closed().await).into_owned();
        let status = told.get(..12).unwrap_or_default();
        let refused = ["", "HTTP/1.1 400", "HTTP/1.1 414", "HTTP/1.1 431"].contains(&status);
        assert!(refused, "{} bytes: {status}", bytes.len());
    }
    assert!(simulator.seen().is_empty());
    assert_eq!(gate.get("/health/liveliness").await.status(), 200);
}

// === who may call is decided by the route that is matched ===

const LURES: [(&str, &str); 12] = [
    ("host", "gateway/health/liveliness?"),
    ("host", "gateway/health/liveliness#"),
    ("host", "127.0.0.1"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-host", "localhost/health/liveliness"),
    ("x-forwarded-prefix", "/health/liveliness"),
    ("x-forwarded-uri", "/health/liveliness"),
    ("x-original-url", "/health/liveliness"),
    ("x-rewrite-url", "/health/liveliness"),
    ("x-http-method-override", "OPTIONS"),
    ("x-middleware-subrequest", "middleware"),
    ("forwarded", "for=127.0.0.1;host=localhost;proto=https"),
];

#[tokio::test]
async fn no_header_but_the_key_opens_a_route() {
    let (simulator, gate) = echoing(|config| config).await;
    let body = chat("echo", "");
    for (name, value) in LURES {
        let head = |method: &str, path: &str, more: &str| {
            let host = if name == "host" { "" } else { "host: gateway\r\n" };
            format!("{method} {path} HTTP/1.1\r\n{host}{name}: {value}\r\n{more}\r\n").into_bytes()
        };
        let length = format!("content-length: {}\r\n", body.len());
        for bytes in [
            head("GET", "/v1/models", ""),
            head("GET", "/health", ""),
            [head("POST", CHAT, &length), body.clone()].concat(),
        ] {
            let mut connection = gate.connect().await;
            connection.send(&bytes).await;
            if let Some(reply) = connection.try_read_response().await {
                assert!([400, 401].contains(&reply.status()), "{name}: {value}: {}", everything(&reply));
            }
        }
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn no_spelling_of_a_path_opens_a_route() {
    let (simulator, gate) = echoing(|config| config).await;
    for path in [
        "/v1/models",
        "http://localhost/v1/models",
        "http://localhost/health/liveliness/../../v1/models",
        "/health/liveliness/../../v1/models",
        "/health/liveliness/..%2f..%2fv1/models",
        "/health/liveliness;/../v1/models",
        "/health/liveliness?/v1/models",
        "/v1/models?/health/liveliness",
        "/v1/models#/health/liveliness",
        "/v1/models/..%2f..%2fhealth%2fliveliness",
        "//v1/models",
        "/./v1/models",
        "/v1//models",
        "/%76%31/models",
        "/v1/models%3f",
        "/v1/models%00",
        "/V1/MODELS",
        "/v1\\models",
        "http://localhost@/v1/models",
    ] {
        let mut connection = gate.connect().await;
        connection.send(&request("GET", path, &[], b"")).await;
        if let Some(reply) = connection.try_read_response().await {
            assert!(!reply.text().contains(r#""object""#), "{path}: {}", everything(&reply));
            let public = path.starts_with("/health/liveliness?");
            assert_eq!(reply.status() == 200, public, "{path}: {}", everything(&reply));
        }
    }
    for path in [
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/v1/chat/completions?api-key=x",
        "http://x/v1/chat/completions",
    ] {
        let mut connection = gate.connect().await;
        connection.send(&request("POST", path, &[], &chat("echo", ""))).await;
        if let Some(reply) = connection.try_read_response().await {
            assert!((400..=404).contains(&reply.status()), "{path}: {}", everything(&reply));
        }
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn an_absolute_target_and_two_hosts_change_no_destination() {
    let (simulator, gate) = echoing(|config| config).await;
    let body = chat("echo", "");
    let (name, value) = bearer();
    let length = body.len();
    for first in [
        "POST http://169.254.169.254/v1/chat/completions HTTP/1.1\r\nhost: 169.254.169.254\r\n".to_owned(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: metadata.internal\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\nhost: metadata.internal\r\n"),
    ] {
        let head = format!("{first}{name}: {value}\r\ncontent-length: {length}\r\n\r\n");
        let mut connection = gate.connect().await;
        connection.send(&[head.as_bytes(), &body].concat()).await;
        let reply = connection.try_read_response().await;
        let refused = reply.as_ref().is_none_or(|reply| reply.status() == 400);
        assert!(refused || content(reply.as_ref().unwrap()) == echo_of(&body), "{first}");
    }
    assert!(!simulator.seen().is_empty(), "at least the plain one is served");
    for seen in simulator.seen() {
        let hosts: Vec<&str> = values(&seen.headers, "host");
        assert_eq!(hosts, [simulator.addr().to_string()]);
    }
}

fn values<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
}

#[tokio::test]
async fn nothing_of_a_clients_head_goes_upstream() {
    let (simulator, gate) = echoing(|config| config).await;
    let body = chat("echo", "");
    let headers = [
        bearer(),
        ("x-api-key", "sk-the-clients-other-key"),
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("openai-organization", "org"),
        ("upgrade", "websocket"),
        ("connection", "upgrade, x-hop"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("user-agent", "somebody"),
        ("accept-encoding", "gzip"),
        ("range", "bytes=0-1"),
        ("if-none-match", "*"),
    ];
    let reply =
        gate.call(&request("POST", "/v1/chat/completions?api-version=1&key=x", &headers, &body)).await;
    assert_eq!(content(&reply), echo_of(&body));
    let seen = &simulator.seen()[0];
    let mut names: Vec<String> = seen.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    let known = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ];
    assert_eq!(names, known);
    assert_eq!(values(&seen.headers, "authorization"), ["Bearer upstream-key"]);
    assert_eq!(seen.path, CHAT, "no query goes upstream");
}

#[tokio::test]
async fn a_model_that_a_client_makes_up_leads_nowhere_else() {
    let said =
        json!({ "candidates": [{ "content": { "parts": [{ "text": "hi" }] }, "finishReason": "STOP" }] });
    let scripted = Scripted::start(move |_| Reply::json(&said)).await;
    let entry = json!({ "model_name": "g/*", "litellm_params": {
        "model": "gemini/*", "api_base": format!("{}/v1beta", scripted.url()), "api_key": "k" } });
    let gate = Gateway::start(&Config::new().entry(entry)).await;
    for model in [
        "a?key=b&",
        "a:embedContent?",
        "a#",
        "a b",
        "a%2f..%2fb",
        "a\u{e4}",
        "..",
        "../../files?",
        "x/../../v1/files",
        "./b",
    ] {
        let climbs = model.split('/').any(|part| part.starts_with('.'));
        let asked = scripted.asked().len();
        let body =
            json!({ "model": format!("g/{model}"), "messages": [{ "role": "user", "content": "hi" }] });
        let answer = gate.post(CHAT, &body).await;
        assert_eq!(answer.status(), if climbs { 400 } else { 200 }, "{model}: {}", answer.text());
        let told: Vec<String> = scripted.asked()[asked..].iter().map(|asked| asked.path.clone()).collect();
        assert_eq!(told.len(), usize::from(!climbs), "{model}: {told:?}");
        for path in told {
            let own =
                path.strip_prefix("/v1beta/models/").and_then(|path| path.strip_suffix(":generateContent"));
            let own = own.unwrap_or_else(|| panic!("{model}: {path}"));
            assert!(!own.contains([':', '?', '#', ' ', '/']), "{model}: {path}");
        }
    }
}

// === JSON ===

#[tokio::test]
async fn a_member_that_decides_is_said_once_and_in_its_own_spelling() {
    let (simulator, gate) = echoing(|config| config).await;
    for more in [
        r#","model":"echo""#,
        r#","model":"other""#,
        r#","Model":"other""#,
        r#","MODEL":"other""#,
        r#","mod\u0065l":"other""#,
        r#","\u004dodel":"other""#,
        r#","stream":false,"stream":true"#,
        r#","Stream":true"#,
        r#","\u017ftream":true"#,
        r#","messages":[]"#,
        r#","Messages":[]"#,
        r#","stream":"yes""#,
        r#","extra_body":{"model":"other"}"#,
        r#","extra_body":{"stream":true}"#,
        r#","extra_body":{"messages":[]}"#,
        r#","extra_body":{"Model":"other"}"#,
    ] {
        let reply = gate.call(&post(CHAT, &chat("echo", more))).await;
        assert_eq!(reply.status(), 400, "{more}: {}", reply.text());
        assert!(
            error(&reply).to_lowercase().contains("parameter") || more.contains("yes"),
            "{}",
            reply.text()
        );
        assert_eq!(reply.json()["error"]["type"], "invalid_request_error", "{more}");
    }
    assert!(simulator.seen().is_empty());
    let inner = chat("echo", r#","metadata_of_mine":{"model":"a","Model":"b","model":"c"}"#);
    assert_eq!(
        content(&gate.call(&post(CHAT, &inner)).await),
        echo_of(&inner),
        "what lies deeper decides nothing"
    );
}

#[tokio::test]
async fn a_destination_or_credential_in_the_body_is_refused_as_litellm_does() {
    let (simulator, gate) = echoing(|config| config).await;
    for name in [
        "api_base",
        "base_url",
        "api_key",
        "user_config",
        "vertex_credentials",
        "aws_role_name",
        "aws_sts_endpoint",
    ] {
        for more in [
            format!(r#","{name}":"http://169.254.169.254/""#),
            format!(r#","{}":"x""#, name.to_uppercase()),
            format!(r#","\u{:04x}{}":"x""#, name.as_bytes()[0], &name[1..]),
            format!(r#","extra_body":{{"{name}":"x"}}"#),
        ] {
            let reply = gate.call(&post(CHAT, &chat("echo", &more))).await;
            assert_eq!(reply.status(), 401, "{more}: {}", reply.text());
            let words = format!(
                "Authentication Error, Rejected Request: {name} is not allowed in request body. Enable with \
                 `general_settings::allow_client_side_credentials` on proxy config.yaml."
            );
            assert!(error(&reply).starts_with(&words), "{more}: {}", reply.text());
            assert_eq!(
                (&reply.json()["error"]["type"], &reply.json()["error"]["param"]),
                (&json!("auth_error"), &json!("None"))
            );
        }
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn bombs_are_refused() {
    let (simulator, gate) = echoing(|config| config).await;
    let deep = |open: &str, close: &str, n: usize| {
        chat("echo", &format!(r#","x":{}1{}"#, open.repeat(n), close.repeat(n)))
    };
    let wide: String = (0..100_000).map(|i| format!(r#","k{i}":0"#)).collect();
    for body in [
        deep("[", "]", 200),
        deep("[", "]", 1_000_000),
        deep(r#"{"a":"#, "}", 300_000),
        "[".repeat(5_000_000).into_bytes(),
        r#"{"model":"#.repeat(500_000).into_bytes(),
        chat("echo", &wide),
        chat("echo", r#","x":1e"#),
        [chat("echo", ""), b"{}".to_vec()].concat(),
        [chat("echo", ""), b"\0".to_vec()].concat(),
        b"\xff\xfe{}".to_vec(),
        b"[]".to_vec(),
        b"\"echo\"".to_vec(),
    ] {
        let reply = gate.call(&post(CHAT, &body)).await;
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(reply.status(), 400, "{start}: {}", reply.text());
        assert!(reply.text().len() < 1000, "{start}: {}", reply.text());
        error(&reply);
    }
    assert!(simulator.seen().is_empty());
    let fits = deep("[", "]", 100);
    assert_eq!(content(&gate.call(&post(CHAT, &fits)).await), echo_of(&fits));
}

#[tokio::test]
async fn clients_that_stop_in_mid_request_hold_up_nobody() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut stuck: Vec<Connection> = Vec::new();
    for i in 0..120 {
        let mut connection = gate.connect().await;
        let bytes = match i % 4 {
            0 => head("content-length: 1000000"),
            1 => [head("content-length: 100"), b"{\"model\":".to_vec()].concat(),
            2 => [head("transfer-encoding: chunked"), b"ff\r\n{".to_vec()].concat(),
            _ => b"POST /v1/chat/completions HTTP/1.1\r\nhost: g".to_vec(),
        };
        connection.send(&bytes).await;
        stuck.push(connection);
    }
    let body = chat("echo", "");
    for _ in 0..20 {
        assert_eq!(content(&gate.call(&post(CHAT, &body)).await), echo_of(&body));
        assert_eq!(gate.get("/health/readiness").await.status(), 200);
    }
    gate.metric_is("litellm_in_flight_requests", &[], 90.0).await;
    drop(stuck);
    gate.metric_is("litellm_in_flight_requests", &[], 0.0).await;
}

#[tokio::test]
async fn a_request_behind_a_refused_one_is_read_as_what_it_is() {
    let (simulator, gate) = echoing(|config| config).await;
    let wrong = request("POST", CHAT, &[("authorization", "Bearer sk-wrong")], &stowaway());
    let answers = answers(&gate, &wrong).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].status(), 401);
    assert!(simulator.seen().is_empty());
}
