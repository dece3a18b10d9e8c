//! Chats to the hub and back.

use super::sample;
use crate::dialects::hub::{Body, Event, Message, Part, Role, Stop};
use crate::dialects::openai::{OpenAi, request};
use crate::dialects::tests::harness;
use crate::dialects::{Ask, Dialect, Given, Inbound, Shape, ShapeParams, translate};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use bytes::Bytes;
use serde_json::{Map, Value, json};

#[test]
fn golden_samples_are_written_for_and_read_by_everybody() {
    harness::requests(&OpenAi, "gpt-4o");
    harness::answers(&OpenAi);
    harness::errors(&OpenAi);
    harness::streams(&OpenAi);
    harness::cut_streams(&OpenAi);
}

fn given(usage: bool) -> Given {
    Given { model: "public".into(), id: "call-1".into(), created: 1_700_000_000, usage, echo: Bytes::new() }
}

/// Sent through the hub and out as OpenAI's form again.
fn round(body: Value, defaults: &Value, allowed: &[String]) -> Result<Value, ApiError> {
    let extra_body = Map::new();
    let params = ShapeParams {
        defaults: defaults.as_object().unwrap(),
        extra_body: &extra_body,
        allowed,
        drop: &[],
        takes_stream_options: true,
    };
    let shape = Shape { model: "upstream", params, drop_params: false, ask_usage: true };
    let ask = Ask { model: "upstream", provider: "x", shape: &shape };
    let request = request::read(EndpointKind::ChatCompletions, Bytes::from(body.to_string())).unwrap();
    translate::encode(&request, &OpenAi, &OpenAi, &ask)
        .map(|sent| serde_json::from_slice(&sent.body).unwrap())
}

#[test]
fn a_request_survives_the_hub() {
    let body = json!({
        "model": "m",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "What is this?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
                { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "mp3" } },
                { "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA" } },
            ], "name": "jo" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" } },
                { "id": "c2", "type": "function", "function": { "name": "g", "arguments": "{}" } },
            ] },
            { "role": "tool", "tool_call_id": "c1", "content": "1" },
            { "role": "tool", "tool_call_id": "c2", "content": "2" },
        ],
        "tools": [{ "type": "function", "function": {
            "name": "f", "description": "d", "parameters": { "type": "object" }, "strict": true,
        } }],
        "tool_choice": { "type": "function", "function": { "name": "f" } },
        "parallel_tool_calls": false,
        "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": { "type": "object" } } },
        "max_tokens": 7,
        "stop": ["a"],
        "temperature": 0.25,
        "seed": 3,
        "top_k": 4,
        "stream": true,
    });
    let mut expected = body.clone();
    expected["model"] = "upstream".into();
    expected["stream_options"] = json!({ "include_usage": true });
    assert_eq!(round(body, &json!({}), &[]).unwrap(), expected);
}

#[test]
fn defaults_fill_in_and_what_is_not_taken_is_refused_or_allowed() {
    let body = json!({ "model": "m", "messages": [], "temperature": 1, "reasoning_effort": "low" });
    let error = round(body.clone(), &json!({}), &[]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnsupportedParams);
    assert!(error.message.contains("'reasoning_effort'"), "{}", error.message);
    let sent =
        round(body, &json!({ "temperature": 0, "top_p": 0.5, "x": 1 }), &["reasoning_effort".to_owned()]);
    let sent = sent.unwrap();
    assert_eq!((&sent["temperature"], &sent["top_p"], &sent["x"]), (&json!(1), &json!(0.5), &json!(1)));
    assert_eq!(sent["reasoning_effort"], "low");
}

#[test]
fn a_fault_names_its_place() {
    let faults = [
        (json!({ "messages": [{ "role": "king", "content": "" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user", "content": 7 }] }), "messages[0].content"),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "x" }] }] }),
            "messages[0].content[0].type",
        ),
        (json!({ "messages": [{ "role": "tool", "content": "" }] }), "messages[0].tool_call_id"),
        (json!({ "messages": [], "tools": [{ "type": "function" }] }), "tools[0].function"),
        (json!({ "messages": [], "temperature": "hot" }), "temperature"),
        (json!({ "messages": [], "stop": 7 }), "stop"),
    ];
    for (mut body, place) in faults {
        body["model"] = "m".into();
        let error = round(body, &json!({}), &[]).unwrap_err();
        assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::InvalidRequest, Some(place)));
    }
}

#[test]
fn an_answer_survives_the_hub() {
    let read = OpenAi.decode(&sample("answer", "openai.json")).unwrap();
    let again = OpenAi.decode(&OpenAi.write(&read, &given(true))).unwrap();
    assert_eq!(again.model, "public");
    assert_eq!(
        (again.content, again.stop, again.usage, again.id),
        (read.content, read.stop, read.usage, read.id)
    );
}

fn events(stream: &[u8], cut: usize) -> Vec<Event> {
    let mut decoder = OpenAi.decoder();
    let mut events = Vec::new();
    for piece in stream.chunks(cut) {
        decoder.push(piece, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    events
}

#[test]
fn a_stream_is_read_the_same_however_it_is_cut_and_survives_the_hub() {
    for (name, stream) in super::golden("stream") {
        let whole = events(&stream, stream.len());
        for cut in 1..64 {
            assert_eq!(events(&stream, cut), whole, "{name} cut every {cut}");
        }
        if name == "completion.sse" || !whole.iter().any(|event| matches!(event, Event::Stop(_))) {
            continue;
        }
        let mut encoder = OpenAi.encoder(given(true));
        let mut out = Vec::new();
        whole.iter().for_each(|event| encoder.push(event, &mut out));
        encoder.finish(&mut out);
        let last_usage = |events: &[Event]| {
            events
                .iter()
                .rev()
                .find_map(|event| if let Event::Usage(usage) = event { Some(*usage) } else { None })
        };
        let said = |events: &[Event]| {
            let kept = |event: &&Event| !matches!(event, Event::Start { .. } | Event::Usage(_) | Event::End);
            events.iter().filter(kept).cloned().collect::<Vec<_>>()
        };
        let again = events(&out, out.len());
        assert_eq!(said(&again), said(&whole), "{name}");
        assert_eq!(last_usage(&again), last_usage(&whole), "{name}");
        assert_eq!(again.last(), Some(&Event::End), "{name}");
    }
}

#[test]
fn calls_are_told_apart_by_their_ids_where_the_index_is_missing() {
    let chunk = |calls: Value| {
        let chunk = json!({ "id": "x", "choices": [{ "index": 0, "delta": { "tool_calls": calls } }] });
        format!("data: {chunk}\n\n")
    };
    let stream = [
        chunk(json!([{ "id": "a", "function": { "name": "f", "arguments": "{}" } }])),
        chunk(json!([{ "id": "b", "function": { "name": "g", "arguments": "{\"x\":" } }])),
        chunk(json!([{ "id": "b", "function": { "arguments": "1}" } }])),
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_owned(),
    ];
    let events = events(stream.concat().as_bytes(), 1000);
    let call = |index, id: &str, name: &str| Event::Call { index, id: id.into(), name: name.into() };
    let more = |index, json: &str| Event::Arguments { index, json: json.into() };
    let expected = [
        Event::Start { id: "x".into(), model: String::new() },
        call(0, "a", "f"),
        more(0, "{}"),
        call(1, "b", "g"),
        more(1, "{\"x\":"),
        more(1, "1}"),
        Event::Stop(Stop::Calls),
    ];
    assert_eq!(events, expected);
}

#[test]
fn thoughts_that_are_signed_come_back_for_the_next_turn() {
    let members = json!([{ "role": "assistant", "content": "x", "reasoning_content": "hm", "thinking_blocks": [
        { "type": "thinking", "thinking": "hm", "signature": "s" }, { "type": "redacted_thinking", "data": "d" },
    ] }])
    .to_string();
    let read = OpenAi.read(&[("messages".into(), members.as_bytes())]).unwrap();
    let thought = Body::Reasoning { text: "hm".into(), signature: Some("s".into()) };
    let parts = vec![thought.into(), Body::Redacted("d".into()).into(), Part::text("x")];
    assert_eq!(read.messages, [Message::new(Role::Assistant, parts)]);
}
