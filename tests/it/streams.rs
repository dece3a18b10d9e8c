//! Streams: every event at once, in any framing, and never a cut that looks like an end.

use crate::harness::{
    CHAT, Config, Connection, Event, Gateway, MODEL, Raw, chat, request, streamed, upstream, with,
};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate::simulator::Simulator;

const SAID: &str = "Every call pays its toll and goes on.";
const FRAMINGS: [&str; 8] = [
    "ok",
    "crlf",
    "comments",
    "group=3",
    "group=100",
    "split=1",
    "crlf+comments+split=3",
    "comments+group=4",
];

fn with_usage() -> Value {
    with(streamed(), json!({ "stream_options": { "include_usage": true } }))
}

/// A gateway whose public name is the upstream's, or another one.
async fn gateway(simulator: &Simulator, model: &str) -> Gateway {
    Gateway::start(&Config::new().target("only", model, &simulator.base_url(), "sk-up", json!({}))).await
}

const SAME: &str = MODEL;
const OTHER: &str = "m=upstream-model";

async fn events(gateway: &Gateway, body: &Value) -> Vec<Event> {
    let mut stream = gateway.stream(CHAT, body).await;
    assert_eq!(stream.head.status, 200);
    assert_eq!(stream.head.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = stream.events().await;
    assert!(stream.complete, "the body ends as its framing says");
    events
}

fn parsed(events: &[Event]) -> Vec<Value> {
    let data = events.iter().filter(|event| !event.data.is_empty() && event.data != "[DONE]");
    data.map(|event| serde_json::from_str(&event.data).unwrap()).collect()
}

fn said(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

fn done(events: &[Event]) -> usize {
    events.iter().filter(|event| event.data == "[DONE]").count()
}

/// An error event at the very end, nothing that looks like a finish, and the record that goes with it.
async fn ends_in_an_error(gateway: &Gateway, events: &[Event], before: usize, name: &str) -> Value {
    let chunks = parsed(events);
    assert_eq!(chunks.len(), before + 1, "{name}: {events:?}");
    let errors = chunks.iter().filter(|chunk| chunk.get("error").is_some()).count();
    assert!(errors == 1 && chunks[before].get("error").is_some(), "{name}: {events:?}");
    assert_eq!(done(events), 0, "{name}");
    let finished = |chunk: &Value| chunk["choices"][0]["finish_reason"].is_string();
    assert!(!chunks.iter().any(finished), "{name}: {events:?}");
    let error = &chunks[before]["error"];
    for field in ["message", "type", "param", "code"] {
        assert!(error.get(field).is_some(), "{name}: {error}");
    }
    let record = gateway.records(1).await.remove(0);
    assert_eq!(record["outcome"], "interrupted", "{name}: {record}");
    assert_eq!(record["status"], 200, "{name}");
    record
}

#[tokio::test]
async fn usage_is_asked_upstream_and_shown_only_to_who_asked() {
    for model in [SAME, OTHER] {
        let simulator = upstream("ok").await;
        let gateway = gateway(&simulator, model).await;
        let silent = parsed(&events(&gateway, &streamed()).await);
        let refused = with(streamed(), json!({ "stream_options": { "include_usage": false } }));
        let also_silent = parsed(&events(&gateway, &refused).await);
        let told = parsed(&events(&gateway, &with_usage()).await);
        for seen in simulator.seen() {
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            assert_eq!(body["stream_options"]["include_usage"], true, "{body}");
        }
        for chunks in [&silent, &also_silent] {
            assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()), "{chunks:?}");
            assert!(chunks.iter().all(|chunk| chunk["choices"][0].is_object()), "{chunks:?}");
        }
        assert_eq!(told.len(), silent.len() + 1);
        let usage = &told.last().unwrap()["usage"];
        assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(6), &json!(8)));
        for record in gateway.records(3).await {
            assert_eq!((&record["prompt_tokens"], &record["completion_tokens"]), (&json!(6), &json!(8)));
            assert_eq!(
                (&record["usage_source"], &record["outcome"]),
                (&json!("upstream"), &json!("completed"))
            );
        }
    }
}

#[tokio::test]
async fn usage_that_comes_unasked_for_is_kept_from_who_did_not_ask() {
    let simulator = upstream("usage").await;
    let gateway = gateway(&simulator, SAME).await;
    let chunks = parsed(&events(&gateway, &streamed()).await);
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()), "{chunks:?}");
}

#[tokio::test]
async fn every_chunk_has_the_name_that_was_asked_for() {
    for framing in FRAMINGS {
        let simulator = upstream(framing).await;
        let gateway = gateway(&simulator, OTHER).await;
        for body in [streamed(), with_usage()] {
            let events = events(&gateway, &body).await;
            let chunks = parsed(&events);
            assert!(chunks.iter().all(|chunk| chunk["model"] == MODEL), "{framing}: {chunks:?}");
            assert_eq!(said(&chunks), SAID, "{framing}");
            assert_eq!(done(&events), 1, "{framing}");
            assert_eq!(events.last().unwrap().data, "[DONE]", "{framing}");
        }
        for seen in simulator.seen() {
            assert!(String::from_utf8_lossy(&seen.body).contains("\"upstream-model\""));
        }
        for record in gateway.records(2).await {
            assert_eq!(
                (&record["completion_tokens"], &record["usage_source"]),
                (&json!(8), &json!("upstream"))
            );
        }
    }
}

/// Each answer of the simulator has a number of its own.
fn without_number(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let mut pieces = text.split("cmpl-sim-");
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |text, piece| {
        text + "cmpl-sim-N" + piece.trim_start_matches(|letter: char| letter.is_ascii_digit())
    })
}

async fn directly(simulator: &Simulator, path: &str, body: &Value) -> Vec<u8> {
    let mut connection = Connection::open(simulator.addr()).await;
    let headers = [("authorization", "Bearer sk-up")];
    connection.send(&request("POST", path, &headers, body.to_string().as_bytes())).await;
    connection.read_response().await.body
}

#[tokio::test]
async fn bytes_are_relayed_untouched_where_nothing_differs() {
    let tools = json!([{ "type": "function", "function": { "name": "look" } }]);
    let framings = FRAMINGS.into_iter().chain(["tools", "reasoning", "chunks=500", "bytes=300000+chunks=3"]);
    for words in framings {
        let simulator = upstream(words).await;
        let gateway = gateway(&simulator, SAME).await;
        let body = with(with_usage(), json!({ "tools": tools }));
        let through = gateway.post(CHAT, &body).await;
        assert!(through.complete, "{words}");
        let direct = directly(&simulator, CHAT, &body).await;
        assert_eq!(without_number(&through.body), without_number(&direct), "{words}");
        let [sent, plain] = &simulator.seen()[..] else { panic!("two calls") };
        assert_eq!(sent.body, plain.body, "{words}: the body too");
    }
}

#[tokio::test]
async fn an_event_arrives_although_nothing_follows_it() {
    for framing in ["ok", "crlf", "comments", "split=1", "crlf+comments+split=3"] {
        for model in [SAME, OTHER] {
            for count in [1, 2, 5] {
                let simulator = upstream(&format!("{framing}+stall={count}")).await;
                let gateway = gateway(&simulator, model).await;
                let mut stream = gateway.stream(CHAT, &streamed()).await;
                // A comment before an event is an event without data to this reader.
                let mut arrived = 0;
                while arrived < count {
                    let event = stream.next_event().await.expect("an event");
                    arrived += usize::from(!event.data.is_empty());
                }
                assert!(simulator.seen()[0].closed_early.is_none(), "the upstream is still there");
            }
        }
    }
}

#[tokio::test]
async fn events_keep_the_pace_of_the_upstream() {
    const GAP: Duration = Duration::from_millis(150);
    let simulator = upstream("chunks=8+gap=150").await;
    let gateway = gateway(&simulator, OTHER).await;
    let events = events(&gateway, &streamed()).await;
    // Opening, eight words, the finish; the usage is taken out and `[DONE]` follows it at once.
    let gaps: Vec<Duration> = events[..10].windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    let batched = gaps.iter().filter(|gap| **gap < GAP / 3).count();
    assert!(batched <= 2, "{gaps:?}");
}

#[tokio::test]
async fn a_stream_without_its_last_word_is_given_one() {
    for model in [SAME, OTHER] {
        let simulator = upstream("nodone").await;
        let gateway = gateway(&simulator, model).await;
        let events = events(&gateway, &streamed()).await;
        assert_eq!((said(&parsed(&events)).as_str(), done(&events)), (SAID, 1));
        assert_eq!(gateway.records(1).await[0]["outcome"], "completed");
    }
}

#[tokio::test]
async fn a_cut_behind_the_reason_to_stop_takes_nothing_away() {
    // The role, four pieces and the reason to stop.
    for words in ["chunks=4+rst=6", "chunks=4+cut=6", "chunks=4+truncate=6"] {
        for model in [SAME, OTHER] {
            let simulator = upstream(words).await;
            let gateway = gateway(&simulator, model).await;
            let events = events(&gateway, &streamed()).await;
            let name = format!("{words} {model}");
            assert_eq!(
                (said(&parsed(&events)).as_str(), done(&events)),
                ("Every call pays its", 1),
                "{name}"
            );
            let record = &gateway.records(1).await[0];
            assert_eq!(
                (&record["outcome"], &record["usage_source"]),
                (&"completed".into(), &"estimated".into()),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error_event() {
    for words in
        ["truncate=4", "cut=4", "rst=4", "truncate=4+crlf+split=1", "cut=4+comments", "cut=4+group=2"]
    {
        for model in [SAME, OTHER] {
            let simulator = upstream(words).await;
            let gateway = gateway(&simulator, model).await;
            let events = events(&gateway, &streamed()).await;
            let name = format!("{words} {model}");
            let record = ends_in_an_error(&gateway, &events, 4, &name).await;
            assert_eq!(record["error_class"], "InternalServerError", "{name}");
            assert_eq!(record["usage_source"], "estimated", "{name}");
            assert!((3..10).contains(&record["completion_tokens"].as_u64().unwrap()), "{name}: {record}");
            assert_eq!(said(&parsed(&events)), "Every call pays", "{name}");
        }
    }
}

#[tokio::test]
async fn an_upstreams_error_event_ends_the_stream() {
    for words in ["error=4", "error=4+crlf+split=1", "error=4+group=9"] {
        let simulator = upstream(words).await;
        let gateway = gateway(&simulator, SAME).await;
        let events = events(&gateway, &with_usage()).await;
        ends_in_an_error(&gateway, &events, 4, words).await;
        let message = parsed(&events)[4]["error"]["message"].to_string();
        assert!(message.contains("The server had an error"), "{words}: {message}");
    }
}

#[tokio::test]
async fn a_connection_serves_on_after_a_broken_stream() {
    let simulator = upstream("error=2").await;
    let gateway = gateway(&simulator, SAME).await;
    let mut connection = gateway.connect().await;
    for _ in 0..3 {
        connection.send(&gateway.post_bytes(CHAT, &streamed())).await;
        connection.read_head().await;
        assert_eq!(connection.events().await.len(), 3);
        assert!(connection.complete);
    }
}

#[tokio::test]
async fn usage_that_is_never_told_is_estimated() {
    for (words, chunks) in [("nousage", 8), ("nousage+chunks=200", 200), ("nousage+reasoning", 12)] {
        let simulator = upstream(words).await;
        let gateway = gateway(&simulator, SAME).await;
        for body in [streamed(), with_usage()] {
            assert_eq!(done(&events(&gateway, &body).await), 1);
        }
        for record in gateway.records(2).await {
            assert_eq!(record["usage_source"], "estimated");
            let completion = record["completion_tokens"].as_u64().unwrap();
            assert!((chunks..=chunks * 2).contains(&completion), "{words}: {record}");
            assert!((5..20).contains(&record["prompt_tokens"].as_u64().unwrap()), "{words}: {record}");
        }
    }
}

#[tokio::test]
async fn completions_stream_too() {
    let simulator = upstream("ok").await;
    let gateway = gateway(&simulator, OTHER).await;
    let body = json!({ "model": MODEL, "prompt": "How does a toll gate work?", "stream": true });
    let mut stream = gateway.stream("/v1/completions", &body).await;
    let events = stream.events().await;
    let chunks = parsed(&events);
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
    assert_eq!((text.as_str(), done(&events)), (SAID, 1));
    assert!(chunks.iter().all(|chunk| chunk["model"] == MODEL && chunk["usage"].is_null()));
    let record = gateway.records(1).await.remove(0);
    assert_eq!((&record["completion_tokens"], &record["usage_source"]), (&json!(8), &json!("upstream")));
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const WORD: &[u8] = b"data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const FINISH: &[u8] =
    b"data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

async fn raw(pieces: &[&[u8]]) -> (Gateway, Vec<Event>) {
    let raw = Raw::start(pieces).await;
    let gateway = Gateway::start(&Config::new().target("raw", MODEL, &raw.base_url(), "k", json!({}))).await;
    let events = events_of_any_type(&gateway).await;
    (gateway, events)
}

async fn events_of_any_type(gateway: &Gateway) -> Vec<Event> {
    let mut stream = gateway.stream(CHAT, &streamed()).await;
    assert_eq!(stream.head.status, 200);
    let events = stream.events().await;
    assert!(stream.complete);
    events
}

#[tokio::test]
async fn a_stream_that_ends_with_its_connection_is_judged_by_its_events() {
    let (gateway, events) = raw(&[HEAD, WORD, FINISH]).await;
    assert_eq!((said(&parsed(&events)).as_str(), done(&events)), ("Hi", 1));
    assert_eq!(gateway.records(1).await[0]["outcome"], "completed");

    let (gateway, events) = raw(&[HEAD, WORD]).await;
    ends_in_an_error(&gateway, &events, 1, "no finish").await;

    let (gateway, events) = raw(&[HEAD, WORD, &FINISH[..FINISH.len() / 2]]).await;
    ends_in_an_error(&gateway, &events, 1, "half a finish").await;

    let (gateway, events) = raw(&[HEAD]).await;
    ends_in_an_error(&gateway, &events, 0, "nothing at all").await;
}

#[tokio::test]
async fn what_comes_after_the_last_word_is_not_relayed() {
    let (gateway, events) = raw(&[HEAD, WORD, FINISH, b"data: [DONE]\n\n", WORD, b"data: [DONE]\n\n"]).await;
    assert_eq!((said(&parsed(&events)).as_str(), done(&events)), ("Hi", 1));
    assert_eq!(gateway.records(1).await[0]["outcome"], "completed");
}

#[tokio::test]
async fn several_data_lines_are_one_event() {
    let lines = b"event: message\r\ndata: {\"model\":\"up\",\r\ndata: \"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"Hi\"}}]}\r\n\r\n";
    let raw = Raw::start(&[HEAD, lines, FINISH, b"data: [DONE]\n\n"]).await;
    let config = Config::new().target("raw", "m=up", &raw.base_url(), "k", json!({}));
    let gateway = Gateway::start(&config).await;
    let response = gateway.post(CHAT, &streamed()).await;
    let text = response.text().replace("\r\n", "\n");
    let joined: Vec<String> = text
        .split("\n\n")
        .map(|event| event.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<String>())
        .filter(|data| data.starts_with('{'))
        .collect();
    let first: Value = serde_json::from_str(&joined[0]).unwrap();
    assert_eq!((&first["model"], &first["choices"][0]["delta"]["content"]), (&json!(MODEL), &json!("Hi")));
}

#[tokio::test]
async fn a_refusal_before_the_stream_is_a_plain_error() {
    let simulator = upstream("429+retry-after=3").await;
    let gateway = gateway(&simulator, SAME).await;
    let refused = gateway.post(CHAT, &streamed()).await;
    assert_eq!((refused.status(), refused.header("content-type")), (429, Some("application/json")));
    assert_eq!(refused.json()["error"]["code"], "429");
    assert_eq!(refused.header("retry-after"), Some("3"));
    let plain = gateway.post(CHAT, &chat()).await;
    assert_eq!(plain.json(), refused.json());
}
