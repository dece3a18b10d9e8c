use super::{Relay, Responses, facts, failed};
use crate::dialects::hub::{Event, Stop};
use crate::dialects::openai::request;
use crate::dialects::stream::StreamEnd;
use crate::dialects::tests::harness::given;
use crate::dialects::{Given, Inbound};
use crate::domain::{ApiError, EndpointKind, Failure, UpstreamClass, Usage};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

fn encoded(events: &[Event]) -> Vec<Value> {
    let mut encoder = Responses.encoder(given());
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    encoder.finish(&mut out);
    read(&out)
}

/// The data of events, which must bear the name of their type and be numbered.
fn read(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let events: Vec<Value> = text
        .split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["type"], name.strip_prefix("event: ").unwrap());
            data
        })
        .collect();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "{event}");
    }
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

fn call(index: u32, id: &str) -> Event {
    Event::Call { index, id: id.to_owned(), name: "f".to_owned() }
}

fn arguments(index: u32, json: &str) -> Event {
    Event::Arguments { index, json: json.to_owned() }
}

/// The events of a thought, a text and a call.
const ALL_KINDS: [&str; 21] = [
    "created",
    "in_progress",
    "output_item.added",
    "reasoning_summary_part.added",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.done",
    "reasoning_summary_part.done",
    "output_item.done",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
    "completed",
];

#[test]
fn a_stream_has_all_its_events() {
    let usage = Usage { prompt: 5, completion: 4, cached: 2, reasoning: 1, ..Usage::default() };
    let events = encoded(&[
        Event::Start { id: "x".to_owned(), model: "m".to_owned() },
        Event::Reasoning("hm".to_owned()),
        Event::Signature("c2ln".to_owned()),
        text("Hel"),
        text("lo"),
        call(0, "call_1"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        Event::Stop(Stop::Calls),
        Event::Usage(usage),
        Event::End,
    ]);
    assert_eq!(kinds(&events), ALL_KINDS);
    let last = &events.last().unwrap()["response"];
    assert_eq!(
        (&last["id"], &last["status"], &last["model"]),
        (&json!("resp_call1"), &json!("completed"), &json!("public"))
    );
    assert_eq!(
        last["usage"],
        json!({ "input_tokens": 5, "input_tokens_details": { "cached_tokens": 2, "cache_write_tokens": 0 }, "output_tokens": 4,
            "output_tokens_details": { "reasoning_tokens": 1 }, "total_tokens": 9 })
    );
    let output = last["output"].as_array().unwrap();
    assert_eq!(output[0]["summary"], json!([{ "type": "summary_text", "text": "hm" }]));
    assert_eq!(output[0]["encrypted_content"], "tg1.s.c2ln");
    assert_eq!(output[1]["content"][0]["text"], "Hello");
    assert_eq!((&output[2]["call_id"], &output[2]["arguments"]), (&json!("call_1"), &json!("{\"a\":1}")));
    // What each item was when it was done is what the response holds.
    let done: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| &event["item"])
        .collect();
    assert_eq!(done, output.iter().collect::<Vec<_>>());
}

#[test]
fn arguments_of_several_calls_may_come_in_any_order() {
    let events = encoded(&[
        call(0, "a"),
        call(1, "b"),
        arguments(1, "{\"n\":1}"),
        arguments(0, "{\"n\":0}"),
        Event::Stop(Stop::Calls),
    ]);
    let output = &events.last().unwrap()["response"]["output"];
    let said =
        |at: usize| (output[at]["call_id"].as_str().unwrap(), output[at]["arguments"].as_str().unwrap());
    assert_eq!((said(0), said(1)), (("a", "{\"n\":0}"), ("b", "{\"n\":1}")));
    for event in events.iter().filter(|event| event["type"] == "response.function_call_arguments.delta") {
        let at = usize::try_from(event["output_index"].as_u64().unwrap()).unwrap();
        assert_eq!(event["item_id"], output[at]["id"]);
    }
}

#[test]
fn an_answer_that_lacks_its_end_says_why() {
    for (stop, reason) in [(Stop::Length, "max_output_tokens"), (Stop::Filter, "content_filter")] {
        let events = encoded(&[text("Hel"), Event::Stop(stop)]);
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.incomplete");
        assert_eq!(last["response"]["incomplete_details"]["reason"], reason);
        assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    }
}

fn broken() -> ApiError {
    ApiError::upstream(&Failure::without_answer(UpstreamClass::RateLimit, "slow down"), "openai")
}

#[test]
fn a_stream_that_breaks_has_failed() {
    let mut encoder = Responses.encoder(given());
    let mut out = Vec::new();
    encoder.push(&text("Hel"), &mut out);
    encoder.fail(&broken(), &mut out);
    let events = read(&out);
    let [.., failed, error] = events.as_slice() else { panic!() };
    assert_eq!(
        (&failed["type"], &failed["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    assert_eq!(failed["response"]["error"]["code"], "rate_limit_exceeded");
    assert_eq!(
        (&error["type"], error["error"]["message"].as_str()),
        (&json!("error"), error["message"].as_str())
    );
}

#[test]
fn what_was_asked_is_repeated_on_one_line() {
    let body = "{\"model\":\"m\",\"input\":\"x\",\"temperature\":0.5,\"metadata\":{\n\"a\":\r\n\"b\"},\"tools\":null}";
    let request = request::read(EndpointKind::Responses, Bytes::from(body)).unwrap();
    let given = Given { echo: Responses.echo(&request), ..given() };
    let mut out = Vec::new();
    Responses.encoder(given).push(&text("x"), &mut out);
    let created = &read(&out)[0]["response"];
    assert_eq!((&created["temperature"], &created["metadata"]), (&json!(0.5), &json!({ "a": "b" })));
    assert_eq!((&created["tools"], &created["tool_choice"]), (&json!([]), &json!("auto")));
}

const STREAM: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",",
    "\"created_at\":7,\"model\":\"gpt\",\"status\":\"in_progress\",\"usage\":null}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"delta\":\"Hello\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":9,\"response\":{\"id\":\"resp_1\",",
    "\"output\":[],\"usage\":{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":7,",
    "\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":18}}}\n\n",
);

fn relayed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, StreamEnd, Relay) {
    let mut relay = Relay::default();
    let mut sent = Vec::new();
    for piece in pieces {
        sent.extend_from_slice(&relay.push(Bytes::copy_from_slice(piece)).unwrap());
    }
    let end = relay.finish();
    if let StreamEnd::Complete { tail } = &end {
        sent.extend_from_slice(tail);
    }
    (sent, end, relay)
}

#[test]
fn a_relayed_stream_is_passed_on_and_counted_however_it_is_cut() {
    let usage = Usage { prompt: 11, completion: 7, cached: 4, reasoning: 2, ..Usage::default() };
    for at in 0..STREAM.len() {
        let (first, second) = STREAM.as_bytes().split_at(at);
        let (sent, end, relay) = relayed([first, second]);
        assert_eq!(sent, STREAM.as_bytes(), "cut at {at}");
        assert_ne!(end, StreamEnd::Cut);
        assert_eq!((relay.usage(), relay.id().map(|id| &**id)), (Some(usage), Some("resp_1")));
    }
    // Without its last blank line it is all there still.
    let (sent, end, _) = relayed([STREAM.trim_end().as_bytes()]);
    assert!(sent == STREAM.as_bytes() && end != StreamEnd::Cut);
}

#[test]
fn a_relayed_stream_that_is_cut_goes_on_with_its_numbers() {
    let cut = STREAM.rfind("event: ").unwrap() + 20;
    let (sent, end, relay) = relayed([&STREAM.as_bytes()[..cut]]);
    assert_eq!((end, relay.produced().output_events), (StreamEnd::Cut, 1));
    assert!(STREAM.as_bytes().starts_with(&sent) && relay.usage().is_none());
    let mut out = Vec::new();
    failed(&relay, &broken(), &mut out);
    let text = String::from_utf8(out).unwrap();
    let data: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!((&data[0]["sequence_number"], &data[1]["sequence_number"]), (&json!(5), &json!(6)));
    assert_eq!(
        (&data[0]["response"]["id"], &data[0]["response"]["model"]),
        (&json!("resp_1"), &json!("gpt"))
    );
}

#[test]
fn what_the_upstream_reports_is_not_relayed() {
    for (event, class) in [
        (
            r#"{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null}"#,
            UpstreamClass::RateLimit,
        ),
        (r#"{"type":"error","error":{"code":"server_error","message":"slow"}}"#, UpstreamClass::Internal),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"context_length_exceeded","message":"slow"}}}"#,
            UpstreamClass::ContextWindow,
        ),
    ] {
        let (sent, end, relay) = relayed([format!("data: {event}\n\n").as_bytes()]);
        assert!(sent.is_empty() && end == StreamEnd::Cut);
        let failure = relay.failure().unwrap();
        assert_eq!((failure.class, failure.message.as_str()), (class, "slow"), "{event}");
    }
}

#[test]
fn a_whole_answer_is_counted() {
    let body = br#"{"id":"resp_1","output":[{"x":1}],"usage":{"input_tokens":3,"output_tokens":2}}"#;
    let found = facts(body);
    assert_eq!(found.usage.map(|usage| (usage.prompt, usage.completion)), Some((3, 2)));
    assert_eq!(found.id(body).as_deref(), Some("resp_1"));
    assert_eq!(facts(br#"{"output":[1,2]}"#).text_bytes, 5);
    assert!(!facts(b"[]").is_json_object);
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = facts(&body);
        relayed([[b"data: ", body.as_slice(), b"\n\n"].concat().as_slice()]);
        if let Ok(request) = request::read(EndpointKind::Responses, Bytes::from(body)) {
            let _ = Responses.echo(&request);
        }
    }

    #[test]
    fn any_events_make_a_well_formed_stream(picks in prop::collection::vec(0_u32..9, 0..40)) {
        let event = |(at, pick): (usize, &u32)| match pick {
            0 => text("t"),
            1 => Event::Refusal("r".to_owned()),
            2 => Event::Reasoning("h".to_owned()),
            3 => Event::Signature("s".to_owned()),
            4 => Event::Redacted("d".to_owned()),
            5 => call(u32::try_from(at).unwrap(), ""),
            6 => arguments(u32::try_from(at).unwrap().saturating_sub(1), "{}"),
            7 => Event::Usage(Usage::default()),
            _ => Event::Stop(Stop::End),
        };
        let events = encoded(&picks.iter().enumerate().map(event).collect::<Vec<_>>());
        let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).cloned().collect::<Vec<_>>();
        let (added, done) = (of("response.output_item.added"), of("response.output_item.done"));
        let places = |list: &[Value]| list.iter().map(|event| event["output_index"].as_u64().unwrap()).collect::<Vec<_>>();
        prop_assert_eq!(places(&added), (0..added.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(places(&done), places(&added));
        let output = events.last().unwrap()["response"]["output"].as_array().unwrap().len();
        prop_assert_eq!(output, done.len());
    }
}
