//! Bodies of every size and framing come to the upstream byte for byte, or are refused by a clear word.

use crate::harness::{Gateway, PATIENCE, Response, eventually, request};
use crate::support::{
    CHAT, bearer, chat, chunked, content, echo_of, echoing, error, get, post, sha256, sized_chat,
};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate::simulator::{Script, Simulator};

const MODEL: &str = "echo";
const MIB: usize = 1 << 20;
const LIMIT: usize = 20 * MIB;
const SIZES: [usize; 9] = [65, 65_534, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000, MIB];

fn head(framing: &str) -> Vec<u8> {
    request("POST", CHAT, &[bearer()], b"").strip_suffix(b"content-length: 0\r\n\r\n").map_or_else(
        || panic!("the head has changed"),
        |head| [head, framing.as_bytes(), b"\r\n\r\n"].concat(),
    )
}

fn with_length(length: usize) -> Vec<u8> {
    head(&format!("content-length: {length}"))
}

fn without_length() -> Vec<u8> {
    head("transfer-encoding: chunked")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_with_its_length_arrives_whole() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut wire = gate.connect().await;
    for size in SIZES.into_iter().chain([LIMIT]) {
        let body = sized_chat(MODEL, size);
        let reply = wire.ask(&post(CHAT, &body)).await;
        assert_eq!(reply.status(), 200, "{size}: {}", reply.text());
        assert_eq!(content(&reply), echo_of(&body), "{size} bytes at once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_slow_pieces_arrives_whole() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut wire = gate.connect().await;
    for size in SIZES {
        let body = sized_chat(MODEL, size);
        wire.send(&with_length(size)).await;
        for piece in body.chunks(size.div_ceil(7)) {
            wire.send(piece).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(content(&wire.read_response().await), echo_of(&body), "{size} bytes in pieces");
    }
    let body = sized_chat(MODEL, 200);
    for byte in post(CHAT, &body) {
        wire.send(&[byte]).await;
    }
    assert_eq!(content(&wire.read_response().await), echo_of(&body), "byte by byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunked_body_arrives_whole() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut wire = gate.connect().await;
    let mut cases: Vec<(usize, usize)> = SIZES
        .iter()
        .flat_map(|size| [(*size, 4096), (*size, 65_536), (*size, 65_537), (*size, LIMIT)])
        .collect();
    cases.extend([(65, 1), (65_537, 100), (LIMIT, 65_536), (LIMIT, LIMIT)]);
    for (size, chunk) in cases {
        let body = sized_chat(MODEL, size);
        wire.send(&without_length()).await;
        let reply = wire.ask(&chunked(&body, chunk)).await;
        assert_eq!(reply.status(), 200, "{size} by {chunk}: {}", reply.text());
        assert_eq!(content(&reply), echo_of(&body), "{size} bytes in chunks of {chunk}");
    }
}

#[tokio::test]
async fn slow_chunks_arrive_whole() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut wire = gate.connect().await;
    for size in [65, 65_536, 65_537, 200_000] {
        let body = sized_chat(MODEL, size);
        wire.send(&without_length()).await;
        for piece in chunked(&body, size.div_ceil(5)).chunks(size.div_ceil(9)) {
            wire.send(piece).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(content(&wire.read_response().await), echo_of(&body), "{size} bytes");
    }
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused() {
    let (simulator, gate) = echoing(|config| config).await;
    let mut wire = gate.connect().await;
    for (body, words) in
        [(&b""[..], "model=None"), (b"x", "Invalid JSON payload"), (b"{", "Invalid JSON payload")]
    {
        for framed in [post(CHAT, body), [without_length(), chunked(body, 1)].concat()] {
            let reply = wire.ask(&framed).await;
            assert_eq!(reply.status(), 400, "{body:?}: {}", reply.text());
            assert!(error(&reply).contains(words), "{body:?}: {}", reply.text());
        }
    }
    // No framing at all is no body.
    let unframed = head("x-framing: none");
    let reply = wire.ask(&unframed).await;
    assert_eq!(reply.status(), 400, "{}", reply.text());
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn expect_continue_is_answered_and_keeps_the_connection() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut wire = gate.connect().await;
    for (size, framing) in [
        (65, "content-length: 65"),
        (65_537, "content-length: 65537"),
        (1_000_000, "content-length: 1000000"),
        (65, "transfer-encoding: chunked"),
        (65_537, "transfer-encoding: chunked"),
        (1_000_000, "transfer-encoding: chunked"),
    ] {
        let body = sized_chat(MODEL, size);
        wire.send(&head(&format!("expect: 100-continue\r\n{framing}"))).await;
        assert_eq!(wire.read_response().await.status(), 100, "{size}, {framing}");
        wire.send(&if framing.starts_with('t') { chunked(&body, 10_000) } else { body.clone() }).await;
        let reply = wire.read_response().await;
        assert_eq!(reply.status(), 200, "one interim answer is enough: {size}, {framing}");
        assert_eq!(content(&reply), echo_of(&body), "{size}, {framing}");
    }
    let body = sized_chat(MODEL, 300);
    assert_eq!(content(&wire.ask(&post(CHAT, &body)).await), echo_of(&body), "an ordinary request follows");
}

#[tokio::test]
async fn one_connection_takes_any_mix() {
    let (simulator, gate) = echoing(|config| config).await;
    let mut wire = gate.connect().await;
    for turn in 0..60 {
        let size = [65, 70_000, 500, 65_536, 65_537, 9000][turn % 6] + turn;
        let body = sized_chat(MODEL, size);
        let reply = match turn % 5 {
            0 => wire.ask(&get("/v1/models")).await,
            1 => wire.ask(&post("/nowhere", &body)).await,
            2 | 3 => wire.ask(&post(CHAT, &body)).await,
            _ => wire.ask(&[without_length(), chunked(&body, 3000)].concat()).await,
        };
        match turn % 5 {
            0 => assert_eq!(reply.status(), 200),
            1 => assert_eq!(reply.status(), 404),
            _ => assert_eq!(content(&reply), echo_of(&body), "turn {turn}"),
        }
    }
    assert_eq!(simulator.seen().len(), 36);
    // A second request in the same write gets its own answer or none, and the client asks again.
    let (first, second) = (sized_chat(MODEL, 100), sized_chat(MODEL, 101));
    wire.send(&[post(CHAT, &first), post(CHAT, &second)].concat()).await;
    assert_eq!(content(&wire.read_response().await), echo_of(&first));
    if let Some(reply) = wire.try_read_response().await {
        assert_eq!(content(&reply), echo_of(&second));
    }
}

// === over the limit ===

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body() {
    let (simulator, gate) = echoing(|config| config).await;
    for length in ["20971521", "99999999999", "18446744073709551615"] {
        for expect in ["", "expect: 100-continue\r\n"] {
            let mut wire = gate.connect().await;
            wire.send(&head(&format!("{expect}content-length: {length}"))).await;
            assert_eq!(wire.read_head().await.status, 413, "{length} {expect}");
        }
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_still_sending_gets_its_413() {
    let (simulator, gate) = echoing(|config| config).await;
    let body = vec![b' '; LIMIT + 4 * MIB];
    for bytes in [
        [with_length(body.len()), body.clone()].concat(),
        [without_length(), chunked(&body, 65_536)].concat(),
        [without_length(), chunked(&body, body.len())].concat(),
    ] {
        // Read only when everything is written, as simple clients do.
        let mut wire = gate.connect().await;
        wire.send(&bytes).await;
        let reply = wire.read_response().await;
        assert_eq!(reply.status(), 413);
        assert_eq!(reply.json()["error"]["param"], "request_body");
        assert!(error(&reply).contains("20971520 bytes"), "{}", reply.text());
        // What follows is either refused by a closed connection or answered as what it is.
        if wire.socket.write_all(&get("/health/liveliness")).await.is_ok()
            && let Some(next) = wire.try_read_response().await
        {
            assert_eq!((next.status(), next.text()), (200, "\"I'm alive!\"".to_owned()));
        }
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn an_endless_chunked_body_is_cut_off() {
    let (_simulator, gate) = echoing(|config| config.set("tollgate", json!({ "max_body_mb": 0.125 }))).await;
    let mut wire = gate.connect().await;
    wire.send(&without_length()).await;
    let (mut read, mut write) = wire.socket.into_split();
    let sender = tokio::spawn(async move {
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
        // Ten times what is drained at most; nobody reads so much.
        for sent in 0..10_000 {
            if write.write_all(&chunk).await.is_err() {
                return sent;
            }
        }
        10_000
    });
    let mut answer = Vec::new();
    let read = read.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the connection is closed at some point");
    let sent = tokio::time::timeout(PATIENCE, sender).await.expect("the sender ends").unwrap();
    assert!(sent < 10_000, "an endless body was read without a bound");
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn the_limit_is_configurable() {
    for (mb, limit) in [(0.125, 131_072), (0.0625, 65_536)] {
        let (_simulator, gate) = echoing(|config| config.set("tollgate", json!({ "max_body_mb": mb }))).await;
        let mut wire = gate.connect().await;
        let (fits, over) = (sized_chat(MODEL, limit), sized_chat(MODEL, limit + 1));
        assert_eq!(content(&wire.ask(&post(CHAT, &fits)).await), echo_of(&fits));
        let in_chunks = |body: &[u8]| [without_length(), chunked(body, 999)].concat();
        assert_eq!(content(&wire.ask(&in_chunks(&fits)).await), echo_of(&fits));
        assert_eq!(wire.ask(&post(CHAT, &over)).await.status(), 413);
        assert_eq!(gate.call(&in_chunks(&over)).await.status(), 413);
        // Paths of the control plane have the same limit.
        let reply = gate.call(&post("/nowhere", &over)).await;
        assert_eq!(reply.status(), 413);
        assert!(error(&reply).contains("too large"), "{}", reply.text());
    }
}

// === HTTP/2 ===

pub(crate) struct Two {
    send: h2::client::SendRequest<bytes::Bytes>,
    /// Whether the end of a body comes by itself, as httpx sends it.
    ends_late: bool,
}

impl Two {
    pub(crate) async fn open(gate: &Gateway) -> Self {
        let stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 24).initial_connection_window_size(1 << 24);
        let (send, connection) = builder.handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { send, ends_late: false }
    }

    pub(crate) async fn late(gate: &Gateway) -> Self {
        Self { ends_late: true, ..Self::open(gate).await }
    }

    pub(crate) async fn ask(&mut self, length: Option<usize>, body: &[u8], piece: usize) -> (u16, Vec<u8>) {
        self.post(CHAT, "application/json", length, body, piece).await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        content_type: &str,
        length: Option<usize>,
        body: &[u8],
        piece: usize,
    ) -> (u16, Vec<u8>) {
        let asking = async {
            self.send.clone().ready().await.unwrap();
            let mut request = http::Request::post(format!("http://gateway{path}"))
                .header(bearer().0, bearer().1)
                .header("content-type", content_type);
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let empty = body.is_empty();
            let (answer, mut stream) = self.send.send_request(request.body(()).unwrap(), empty).unwrap();
            let mut rest = body;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                stream.reserve_capacity(now.len());
                let mut now = now;
                while !now.is_empty() {
                    let granted = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                    let Some(Ok(granted)) = granted else { break };
                    let (part, left) = now.split_at(granted.min(now.len()));
                    let last = left.is_empty() && later.is_empty() && !self.ends_late;
                    if stream.send_data(bytes::Bytes::copy_from_slice(part), last).is_err() {
                        break;
                    }
                    now = left;
                }
                if !now.is_empty() {
                    break;
                }
                rest = later;
            }
            if self.ends_late && !empty {
                tokio::time::sleep(Duration::from_millis(20)).await;
                // An answer that came before is one of a refusal.
                let _ = stream.send_data(bytes::Bytes::new(), true);
            }
            let answer = answer.await.unwrap();
            let status = answer.status().as_u16();
            let mut body = answer.into_body();
            let mut whole = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                whole.extend_from_slice(&data);
            }
            (status, whole)
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_bodies_that_end_by_themselves_arrive_whole() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut two = Two::late(&gate).await;
    for size in [200, 60_000, 70_000, 300_000] {
        let body = sized_chat(MODEL, size);
        for length in [Some(size), None] {
            let (status, answer) = two.ask(length, &body, 16_000).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert_eq!(status, 200, "{size} {length:?}: {answer}");
            assert!(answer.contains(&echo_of(&body)), "{size} {length:?}: {answer}");
        }
    }
    for length in [true, false] {
        let body = chat(MODEL, r#","stream":true"#);
        let (status, answer) = two.ask(length.then_some(body.len()), &body, 16_000).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(status == 200 && answer.contains("[DONE]"), "{status}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_bodies_arrive_whole() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut two = Two::open(&gate).await;
    for size in SIZES.into_iter().chain([LIMIT]) {
        let body = sized_chat(MODEL, size);
        for (length, piece) in [(Some(size), size), (None, size), (None, 5000), (Some(size), 5000)] {
            if size == LIMIT && piece == 5000 {
                continue;
            }
            let (status, answer) = two.ask(length, &body, piece).await;
            let answer = String::from_utf8(answer).unwrap();
            assert_eq!(status, 200, "{size} in {piece}, length {length:?}: {answer}");
            assert!(answer.contains(&echo_of(&body)), "{size} in {piece}, length {length:?}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_bodies_over_the_limit_and_empty_ones_are_refused() {
    let (simulator, gate) = echoing(|config| config.set("tollgate", json!({ "max_body_mb": 0.125 }))).await;
    let mut two = Two::open(&gate).await;
    for (length, size, expected) in [
        (None, 0, 400),
        (Some(0), 0, 400),
        (Some(140_000), 140_000, 413),
        (None, 140_000, 413),
        (None, MIB, 413),
    ] {
        let (status, answer) = two.ask(length, &vec![b' '; size], 10_000).await;
        assert_eq!(status, expected, "{size}, {length:?}");
        let error: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(error["error"]["code"], expected.to_string(), "{size}, {length:?}");
    }
    // The connection lives on.
    let body = sized_chat(MODEL, 70_000);
    assert_eq!(two.ask(None, &body, 70_000).await.0, 200);
    assert_eq!(sha256(&simulator.seen()[0].body), sha256(&body));
}

#[tokio::test]
async fn http_2_answers_are_streamed_too() {
    let (_simulator, gate) = echoing(|config| config).await;
    let mut two = Two::open(&gate).await;
    for size in [200, 70_000] {
        let plain = String::from_utf8(sized_chat(MODEL, size)).unwrap();
        let body = plain.replacen('{', r#"{"stream":true,"#, 1).into_bytes();
        for length in [None, Some(body.len())] {
            let (status, answer) = two.ask(length, &body, 10_000).await;
            let answer = String::from_utf8(answer).unwrap();
            assert_eq!(status, 200, "{size}, {length:?}: {answer}");
            assert!(
                answer.starts_with("data: {") && answer.ends_with("data: [DONE]\n\n"),
                "{size}, {length:?}: {answer}"
            );
        }
    }
}

/// An upstream that answers with what it was sent, and a gateway that gives a body a second.
async fn hasty() -> (Simulator, Gateway) {
    echoing(|config| config.set("tollgate", json!({ "body_timeout": 1 }))).await
}

/// Sends a byte at a time until the gateway has had enough; what it said.
async fn trickle(gate: &Gateway, first: &[u8], byte: &[u8]) -> Response {
    let mut wire = gate.connect().await;
    wire.send(first).await;
    eventually("it is told", async || {
        // It may be gone in this moment.
        let _ = wire.socket.write_all(byte).await;
        let mut peeked = [0; 1];
        let told = tokio::time::timeout(Duration::from_millis(50), wire.socket.peek(&mut peeked)).await;
        matches!(told, Ok(Ok(1..))).then_some(())
    })
    .await;
    wire.read_response().await
}

#[tokio::test]
async fn a_body_that_trickles_in_is_given_up_in_the_words_of_its_api() {
    let (simulator, gate) = hasty().await;
    let asked = |path: &str, framing: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\n{}: {}\r\n", bearer().0, bearer().1);
        format!("{head}{framing}\r\n\r\n").into_bytes()
    };
    for (framing, byte) in
        [("content-length: 1000", &b" "[..]), ("transfer-encoding: chunked", b"1\r\n \r\n")]
    {
        let reply = trickle(&gate, &asked(CHAT, framing), byte).await;
        assert_eq!(reply.status(), 408, "{framing}: {}", reply.text());
        assert_eq!(reply.header("connection"), Some("close"));
        let value = reply.json();
        assert_eq!(value["error"]["type"], "timeout_error", "{value}");
        assert_eq!(value["error"]["code"], "408", "{value}");
        let reply = trickle(&gate, &asked("/v1/messages", framing), byte).await;
        assert_eq!((reply.status(), &reply.json()["type"]), (408, &json!("error")), "{}", reply.text());
        let reply = trickle(&gate, &asked("/key/generate", framing), byte).await;
        assert_eq!(reply.status(), 408, "{}", reply.text());
    }
    gate.metric_is("litellm_in_flight_requests", &[], 0.0).await;
    assert!(simulator.seen().is_empty());
    let records = gate.records(4).await;
    assert!(records.iter().all(|record| record["status"] == 408), "{records:?}");
}

#[tokio::test]
async fn a_large_body_has_more_time_than_a_small_one() {
    let (_simulator, gate) = hasty().await;
    let mut wire = gate.connect().await;
    // Some 400 KiB a second for three seconds.
    let body = sized_chat(MODEL, 1_200_000);
    wire.send(&with_length(body.len())).await;
    for piece in body.chunks(40_000) {
        wire.send(piece).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(content(&wire.read_response().await), echo_of(&body));
}

#[tokio::test]
async fn requests_that_do_not_wait_for_answers_are_answered_in_order() {
    let (simulator, gate) = echoing(|config| config).await;
    let bodies: Vec<Vec<u8>> =
        [300, 70_000, 65, 1_000_000, 200].into_iter().map(|size| sized_chat(MODEL, size)).collect();
    // All in one go, and each while its predecessor is under way.
    for pause in [Duration::ZERO, Duration::from_millis(30)] {
        simulator.set(Script::of("echo+wait=150".parse().unwrap()));
        let mut wire = gate.connect().await;
        let sent: Vec<u8> = bodies.iter().flat_map(|body| post(CHAT, body)).collect();
        if pause.is_zero() {
            wire.send(&sent).await;
        } else {
            for body in &bodies {
                wire.send(&post(CHAT, body)).await;
                tokio::time::sleep(pause).await;
            }
        }
        for body in &bodies {
            let reply = wire.read_response().await;
            assert_eq!(reply.status(), 200, "{}", reply.text());
            assert_eq!(content(&reply), echo_of(body), "{} bytes", body.len());
        }
        assert_eq!(content(&wire.ask(&post(CHAT, &bodies[0])).await), echo_of(&bodies[0]), "it stays open");
    }
}

#[tokio::test]
async fn a_stream_is_whole_though_the_next_request_is_there() {
    let (simulator, gate) = echoing(|config| config).await;
    simulator.set(Script::of("chunks=5+gap=40".parse().unwrap()));
    let mut wire = gate.connect().await;
    let stream = post(CHAT, &chat(MODEL, r#","stream":true"#));
    wire.send(&[stream.clone(), stream, get("/health/liveliness")].concat()).await;
    for _ in 0..2 {
        let reply = wire.read_response().await;
        assert!(reply.complete && reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    }
    assert_eq!(wire.read_response().await.status(), 200);
    let records = gate.records(2).await;
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
}
