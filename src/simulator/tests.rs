use super::*;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that sees bytes, not HTTP.
struct Client(TcpStream);

impl Client {
    async fn to(simulator: &Simulator) -> Self {
        Self(TcpStream::connect(simulator.addr()).await.unwrap())
    }

    async fn post(&mut self, key: &str, path: &str, body: &str) {
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until `end` is the end of what was read, or the connection's.
    async fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        let reading = async {
            while !(text.ends_with(end.as_bytes()) && whole(&text)) {
                let mut piece = [0; 4096];
                match self.0.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => text.extend_from_slice(&piece[..n]),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), reading).await.expect("the answer should end");
        String::from_utf8(text).unwrap()
    }

    async fn ask(&mut self, model: &str, rest: &str) -> String {
        let body = format!(
            r#"{{"model":"{model}","messages":[{{"role":"user","content":"one two three"}}]{rest}}}"#
        );
        self.post("sk-test", "/v1/chat/completions", &body).await;
        let end = if rest.contains("\"stream\":true") { "0\r\n\r\n" } else { "}" };
        self.until(end).await
    }
}

async fn ask(model: &str, rest: &str) -> String {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    Client::to(&simulator).await.ask(model, rest).await
}

/// Whether the body is as long as the head says.
fn whole(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| length.parse() == Ok(body.len()))
}

fn json(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// The data of all events, chunk framing removed.
fn events(answer: &str) -> Vec<String> {
    let mut rest = answer.split_once("\r\n\r\n").unwrap().1;
    let mut text = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        text.push_str(&tail[..size]);
        rest = &tail[size + 2..];
    }
    text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

fn said(events: &[String], field: &str) -> String {
    let parsed = events.iter().filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok());
    parsed.filter_map(|event| event["choices"][0]["delta"][field].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_plain_answer_counts_words() {
    let answer = json(&ask("gpt-x", "").await);
    assert_eq!(answer["choices"][0]["message"]["content"], "Every call pays its toll and goes on.");
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    assert_eq!(answer["usage"]["completion_tokens"], 8);
    assert_eq!(answer["model"], "gpt-x");
}

#[tokio::test]
async fn a_stream_says_the_same_and_tells_usage_only_when_asked() {
    let silent = events(&ask("gpt-x", r#","stream":true"#).await);
    assert_eq!(said(&silent, "content"), "Every call pays its toll and goes on.");
    assert_eq!(silent.last().unwrap(), "[DONE]");
    assert!(!silent.iter().any(|event| event.contains("usage")));
    let told = events(&ask("gpt-x", r#","stream":true,"stream_options":{"include_usage":true}"#).await);
    let usage: serde_json::Value = serde_json::from_str(&told[told.len() - 2]).unwrap();
    assert_eq!(usage["choices"], serde_json::json!([]));
    assert_eq!(usage["usage"]["total_tokens"], 11);
    let old = events(&ask("sim-nousage", r#","stream":true,"stream_options":{"include_usage":true}"#).await);
    assert!(!old.iter().any(|event| event.contains("\"usage\"")));
}

#[tokio::test]
async fn framings_change_no_event() {
    let plain = events(&ask("sim-ok", r#","stream":true"#).await);
    for words in ["sim-crlf", "sim-comments", "sim-group=4", "sim-split=1", "sim-crlf+comments+split=3"] {
        let framed = events(&ask(words, r#","stream":true"#).await);
        assert_eq!(said(&framed, "content"), said(&plain, "content"), "{words}");
        assert_eq!(framed.len(), plain.len(), "{words}");
    }
}

#[tokio::test]
async fn tools_and_reasoning_come_in_fragments() {
    let tools = r#","stream":true,"tools":[{"type":"function","function":{"name":"look"}}]"#;
    let answer = ask("sim-tools", tools).await;
    let arguments: String = events(&answer)
        .iter()
        .filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok())
        .filter_map(|event| {
            let call = &event["choices"][0]["delta"]["tool_calls"][0];
            call["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&arguments).unwrap()["city"], "Paris");
    assert!(answer.contains(r#""name":"look""#) && answer.contains(r#""finish_reason":"tool_calls""#));
    let thought = events(&ask("sim-reasoning", r#","stream":true"#).await);
    assert_eq!(said(&thought, "reasoning_content"), "Let me think first.");
}

#[tokio::test]
async fn statuses_have_the_bodies_of_openai() {
    for status in [400, 401, 403, 404, 408, 409, 422, 429, 500, 503] {
        let answer = ask(&format!("sim-{status}+retry-after=7"), "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("retry-after: 7\r\n"));
        assert!(json(&answer)["error"]["message"].is_string(), "{answer}");
    }
    assert_eq!(json(&ask("sim-context", "").await)["error"]["code"], "context_length_exceeded");
    assert_eq!(json(&ask("sim-policy", "").await)["error"]["code"], "content_filter");
    assert_eq!(json(&ask("sim-nonsense", "").await)["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn html_and_text_come_where_json_is_expected() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    for (model, end, wanted) in [("sim-502", "</html>", "text/html"), ("sim-notjson", "headers", "200 OK")] {
        let mut client = Client::to(&simulator).await;
        client.post("sk", "/v1/chat/completions", &format!(r#"{{"model":"{model}"}}"#)).await;
        assert!(client.until(end).await.contains(wanted));
    }
}

#[tokio::test]
async fn streams_break_where_they_are_told_to() {
    let stream = r#","stream":true"#;
    for words in ["sim-cut=3", "sim-rst=3"] {
        let answer = ask(words, stream).await;
        assert_eq!(answer.matches("data: {").count(), 4, "three events and half of one: {answer}");
        assert!(!answer.ends_with("\r\n"), "{answer}");
    }
    assert_eq!(events(&ask("sim-truncate=3", stream).await).len(), 3);
    assert!(events(&ask("sim-error=3", stream).await)[3].starts_with(r#"{"error":"#));
    assert_eq!(events(&ask("sim-nodone", stream).await).iter().filter(|event| *event == "[DONE]").count(), 0);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    for (model, wanted) in [("sim-reset", true), ("sim-close", false)] {
        let mut client = Client::to(&simulator).await;
        client.post("sk", "/v1/chat/completions", &format!(r#"{{"model":"{model}"}}"#)).await;
        let mut piece = [0; 16];
        let error = client.0.read(&mut piece).await.err().map(|error| error.kind());
        assert_eq!(error == Some(io::ErrorKind::ConnectionReset), wanted, "{model}: {error:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    for model in ["sim-hang", "sim-wait=60000", "sim-stall=2", "sim-gap=60000"] {
        let before = simulator.seen().len();
        let mut client = Client::to(&simulator).await;
        client.post("sk", "/v1/chat/completions", &format!(r#"{{"model":"{model}","stream":true}}"#)).await;
        assert!(simulator.wait_until(Duration::from_secs(5), |seen| seen.len() > before).await);
        let left = Instant::now();
        drop(client);
        let noticed = |seen: &[Seen]| seen.last().is_some_and(|seen| seen.closed_early.is_some());
        assert!(simulator.wait_until(Duration::from_secs(5), noticed).await, "{model}");
        let closed = simulator.seen().last().unwrap().closed_early.unwrap();
        assert!(closed.duration_since(left) < Duration::from_millis(100), "{model}");
    }
}

#[tokio::test]
async fn faults_follow_their_schedule() {
    for (words, wanted) in [
        ("500+every=3", [200, 200, 500, 200]),
        ("500+first=2", [500, 500, 200, 200]),
        ("500+after=1", [200, 500, 500, 500]),
        ("limit=2", [200, 200, 429, 429]),
    ] {
        let script = Script::default().with_key("sk-test", words.parse().unwrap());
        let simulator = Simulator::start(script).await.unwrap();
        let mut client = Client::to(&simulator).await;
        for status in wanted {
            let answer = client.ask("any", "").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{words}: {answer}");
        }
        assert_eq!(simulator.counts_by_key()["sk-test"], 4);
        assert!(simulator.seen().iter().all(|seen| seen.connection == simulator.seen()[0].connection));
    }
}

#[tokio::test]
async fn a_used_up_window_says_when_to_come_back() {
    let script = Script::of("limit=1+window=50000".parse().unwrap());
    let simulator = Simulator::start(script).await.unwrap();
    let mut client = Client::to(&simulator).await;
    assert!(client.ask("m", "").await.contains("x-ratelimit-remaining-requests: 0\r\n"));
    assert!(client.ask("m", "").await.contains("retry-after: 50\r\n"));
    simulator.set(Script::default().known_keys_only());
    assert!(client.ask("m", "").await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn echo_tells_what_arrived_also_in_chunks() {
    let simulator = Simulator::start(Script::of("echo".parse().unwrap())).await.unwrap();
    let mut client = Client::to(&simulator).await;
    let head = "POST /v1/other HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    client.0.write_all(head.as_bytes()).await.unwrap();
    client.0.write_all(b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n").await.unwrap();
    let answer = json(&client.until("}").await);
    assert_eq!(answer["bytes"], 2);
    assert_eq!(answer["sha256"], "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

#[tokio::test]
async fn embeddings_models_and_sizes() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::to(&simulator).await;
    client.post("sk", "/v1/embeddings", r#"{"model":"e","input":["a b","c"],"dimensions":3}"#).await;
    let answer = json(&client.until("}}").await);
    assert_eq!(answer["data"][1]["embedding"], serde_json::json!([0.25, -0.5, 0.25]));
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    client
        .post(
            "sk",
            "/v1/embeddings",
            r#"{"model":"e","input":"a","dimensions":1,"encoding_format":"base64"}"#,
        )
        .await;
    assert_eq!(json(&client.until("}}").await)["data"][0]["embedding"], "AACAPg==");
    client.0.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(json(&client.until("]}").await)["data"][0]["id"], "sim-ok");
    let large = json(&client.ask("sim-bytes=100000", "").await);
    assert_eq!(large["choices"][0]["message"]["content"].as_str().unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_stopped_simulator_refuses_and_can_come_back() {
    let first = Simulator::start(Script::default()).await.unwrap();
    let addr = first.addr();
    first.stop().await;
    assert!(TcpStream::connect(addr).await.is_err());
    let again = Simulator::start_thread(addr, Script::default()).unwrap();
    assert!(Client::to(&again).await.ask("m", "").await.starts_with("HTTP/1.1 200"));
}
