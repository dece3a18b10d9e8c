//! Promises of Anthropic's dialect, on golden samples and on generated ones.

mod speed;

use super::{Anthropic, Relay};
use crate::dialects::hub::{Body, Event, Format, Message, Part, Role};
use crate::dialects::openai::{OpenAi, chat};
use crate::dialects::stream::StreamEnd;
use crate::dialects::tests::harness;
use crate::dialects::{Dialect, Inbound};
use crate::domain::{ApiError, EndpointKind, ErrorKind, UpstreamClass, Usage};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

const CHAT: (&dyn Inbound, EndpointKind) = (&OpenAi, EndpointKind::ChatCompletions);

#[test]
fn golden_requests_are_written() {
    harness::requests(&Anthropic, "claude-sonnet-4-5");
}

#[test]
fn golden_answers_are_read() {
    harness::answers(&Anthropic);
}

#[test]
fn golden_streams_are_read_however_they_are_cut() {
    harness::streams(&Anthropic);
    harness::cut_streams(&Anthropic);
}

#[test]
fn golden_errors_are_classified() {
    harness::errors(&Anthropic);
}

fn written(model: &str, more: Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    harness::asked(&Anthropic, CHAT, model, &body).unwrap()["body"].take()
}

#[test]
fn thinking_is_asked_for_as_the_model_knows_it() {
    let low = json!({ "reasoning_effort": "low", "max_tokens": 3000 });
    let sent = written("claude-sonnet-4-5", low.clone());
    assert_eq!(sent["thinking"], json!({ "type": "enabled", "budget_tokens": 1024 }));
    let sent = written("claude-opus-4-6", low);
    assert_eq!(
        (&sent["thinking"], &sent["output_config"]),
        (&json!({ "type": "adaptive" }), &json!({ "effort": "low" }))
    );
    // A level gives way to a bound; a model cannot think for less than 1024 tokens.
    let sent = written("claude-sonnet-4-5", json!({ "reasoning_effort": "high", "max_tokens": 2000 }));
    assert_eq!(sent["thinking"]["budget_tokens"], 1999);
    let sent = written("claude-sonnet-4-5", json!({ "reasoning_effort": "high", "max_tokens": 100 }));
    assert!(sent.get("thinking").is_none());
}

#[test]
fn a_model_is_not_made_to_think_where_it_would_refuse_the_conversation() {
    let call = json!({ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let turns = |thoughts: Value| {
        let assistant = json!({ "role": "assistant", "content": null, "tool_calls": [call], "thinking_blocks": thoughts });
        let result = json!({ "role": "tool", "tool_call_id": "c", "content": "1" });
        json!({ "messages": [{ "role": "user", "content": "Hi" }, assistant, result], "reasoning_effort": "low" })
    };
    assert!(written("claude-sonnet-4-5", turns(json!([]))).get("thinking").is_none());
    let kept = json!([{ "type": "thinking", "thinking": "x", "signature": "s" }]);
    assert!(written("claude-sonnet-4-5", turns(kept)).get("thinking").is_some());
    assert!(written("claude-opus-5", turns(json!([]))).get("thinking").is_some());
}

#[test]
fn a_form_is_asked_for_as_the_model_knows_it() {
    let form = json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": { "type": "object" } } } });
    let sent = written("claude-sonnet-4-5", form.clone());
    assert_eq!(
        sent["output_config"]["format"],
        json!({ "type": "json_schema", "schema": { "type": "object" } })
    );
    let sent = written("claude-3-7-sonnet-latest", form.clone());
    assert_eq!(sent["tool_choice"], json!({ "type": "tool", "name": "json_tool_call" }));
    assert_eq!(sent["tools"][0]["input_schema"], json!({ "type": "object" }));
    let mut thinking = form;
    thinking["reasoning_effort"] = "low".into();
    let sent = written("claude-3-7-sonnet-latest", thinking);
    assert!(sent.get("tool_choice").is_none() && sent["tools"][0]["name"] == "json_tool_call");
}

#[test]
fn newer_models_are_not_told_how_to_sample_if_that_may_be_dropped() {
    let sampling = json!({ "temperature": 0, "top_p": 1, "top_k": 3 });
    let sent = written("claude-opus-5", sampling.clone());
    assert_eq!((&sent["temperature"], &sent["top_k"]), (&json!(0), &json!(3)));
    let mut dropped = sampling;
    dropped["drop_params"] = true.into();
    let sent = written("claude-opus-5", dropped.clone());
    assert!(["temperature", "top_p", "top_k"].iter().all(|name| sent.get(name).is_none()), "{sent}");
    assert_eq!(written("claude-sonnet-4-5", dropped)["temperature"], 0);
}

#[test]
fn counts_include_what_the_cache_gave_and_took() {
    let answer = Anthropic.decode(&harness_sample("answer", "tools.json")).unwrap();
    let expected =
        Usage { prompt: 12 + 300 + 472, completion: 89, cached: 300, cache_write: 12, ..Usage::default() };
    assert_eq!(answer.usage, Some(expected));
    let events = harness::events(&Anthropic, std::iter::once(&harness_sample("stream", "tools.sse")[..]));
    let last = events
        .iter()
        .rev()
        .find_map(|event| if let Event::Usage(usage) = event { Some(*usage) } else { None });
    assert_eq!(last, Some(expected));
}

fn harness_sample(kind: &str, name: &str) -> Vec<u8> {
    harness::samples(&Anthropic, kind).into_iter().find(|(own, _)| own == name).unwrap().1
}

#[test]
fn failures_are_of_the_class_that_decides_rightly() {
    let said = |kind: &str, words: &str| {
        json!({ "type": "error", "error": { "type": kind, "message": words } }).to_string()
    };
    let class = |status, body: String| Anthropic.classify(status, body.as_bytes(), None).class;
    assert_eq!(class(529, said("overloaded_error", "Overloaded")), UpstreamClass::Unavailable);
    assert_eq!(
        class(400, said("invalid_request_error", "Your credit balance is too low")),
        UpstreamClass::PermissionDenied
    );
    let long = said("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum");
    assert_eq!(class(400, long), UpstreamClass::ContextWindow);
    assert_eq!(class(400, said("invalid_request_error", "max_tokens: required")), UpstreamClass::BadRequest);
}

#[test]
fn errors_are_written_with_the_type_of_their_status() {
    for (kind, word) in [
        (ErrorKind::NoKey, "authentication_error"),
        (ErrorKind::RateLimited, "rate_limit_error"),
        (ErrorKind::TooLarge, "request_too_large"),
        (ErrorKind::RouteDenied, "permission_error"),
        (ErrorKind::BudgetExceeded, "invalid_request_error"),
        (ErrorKind::ShuttingDown, "overloaded_error"),
        (ErrorKind::Upstream(UpstreamClass::Timeout), "timeout_error"),
        (ErrorKind::Upstream(UpstreamClass::BadGateway), "api_error"),
    ] {
        let error = ApiError::new(kind, "no \"way\"");
        let body: Value = serde_json::from_str(&Anthropic.error(&error)).unwrap();
        assert_eq!(body, json!({ "type": "error", "error": { "type": word, "message": "no \"way\"" } }));
        let event = Anthropic.error_event(&error);
        assert!(event.starts_with(b"event: error\ndata: {") && event.ends_with(b"}\n\n"));
    }
}

// === the relay ===

fn relay(pieces: &[&[u8]]) -> (Vec<u8>, bool, Option<Usage>, u64, bool) {
    let mut relay = Relay::default();
    let mut sent = Vec::new();
    for piece in pieces {
        sent.extend_from_slice(&relay.push(Bytes::copy_from_slice(piece)).unwrap());
    }
    let end = relay.finish();
    if let StreamEnd::Complete { tail } = &end {
        sent.extend_from_slice(tail);
    }
    let complete = end != StreamEnd::Cut;
    (sent, complete, relay.usage(), relay.produced().output_events, relay.failure().is_some())
}

#[test]
fn whole_streams_are_relayed_byte_for_byte_however_they_are_cut() {
    for (name, stream) in harness::samples(&Anthropic, "stream") {
        let whole = relay(&[&stream]);
        if whole.1 {
            assert_eq!(whole.0, stream, "{name}");
            assert!(whole.2.is_some() && whole.3 > 0, "{name}");
        }
        for at in 0..stream.len() {
            assert_eq!(relay(&[&stream[..at], &stream[at..]]), whole, "{name} cut at {at}");
        }
        for size in 1..40 {
            assert_eq!(relay(&stream.chunks(size).collect::<Vec<_>>()), whole, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn an_error_event_is_not_relayed_and_nothing_after_it() {
    let stream = harness_sample("stream", "error.sse");
    let (sent, complete, usage, _, failed) = relay(&[&stream]);
    assert!(failed && !complete);
    assert!(!sent.windows(5).any(|bytes| bytes == b"error"));
    // Broken off: what was produced is estimated, what the prompt had was counted.
    assert!(usage.is_some_and(|usage| usage.prompt == 25 && usage.completion > 0));
}

// === properties ===

fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[ -~\\n\u{e9}\u{4e2d}\u{1F600}\"\\\\]{1,20}").unwrap()
}

fn turn() -> impl Strategy<Value = (bool, String)> {
    (any::<bool>(), text())
}

proptest! {
    /// What an OpenAI client says is what an Anthropic client would have said who means the same.
    #[test]
    fn conversations_survive_both_dialects(turns in prop::collection::vec(turn(), 1..6), system in text()) {
        let chat: Vec<Value> = std::iter::once(json!({ "role": "system", "content": system }))
            .chain(turns.iter().map(|(user, text)| json!({
                "role": if *user { "user" } else { "assistant" }, "content": text,
            })))
            .collect();
        let body = json!({ "model": "m", "messages": chat });
        let sent = harness::asked(&Anthropic, CHAT, "claude-3-opus", &body).unwrap()["body"].take();
        let members: Vec<_> = ["system", "messages"]
            .into_iter()
            .map(|name| (name, sent[name].to_string()))
            .collect();
        let members: Vec<_> = members.iter().map(|(name, value)| ((*name).into(), value.as_bytes())).collect();
        let read = Anthropic.read(&members).unwrap();
        let joined = |messages: &[Message]| messages.iter().map(Message::text).collect::<String>();
        let expected: String = std::iter::once(system.as_str()).chain(turns.iter().map(|(_, text)| text.as_str())).collect();
        let said = joined(&read.messages);
        prop_assert_eq!(said.trim_end(), expected.trim_end());
        prop_assert_eq!(read.messages[0].role, Role::System);
    }

    /// Arbitrary JSON in a known place is either read or refused with its place, and never a panic.
    #[test]
    fn no_request_panics(name in "(messages|system|tools|tool_choice|thinking|output_config|metadata|stop_sequences)", value in any_json()) {
        let text = value.to_string();
        if let Err(error) = Anthropic.read(&[(name.as_str().into(), text.as_bytes())]) {
            prop_assert!(error.param.is_some());
        }
        let mut request = crate::dialects::hub::Request::default();
        drop(chat::set(&mut request, "messages", value));
    }

    #[test]
    fn no_answer_and_no_stream_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), value in any_json()) {
        drop(Anthropic.decode(&bytes));
        drop(Anthropic.decode(value.to_string().as_bytes()));
        drop(harness::events(&Anthropic, std::iter::once(&bytes[..])));
        let event = format!("data: {value}\n\n");
        drop(harness::events(&Anthropic, std::iter::once(event.as_bytes())));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = "(type|text|role|content|user|assistant|source|base64|data|url|name|input|id|tool_use|tool_result|thinking|enabled|message_start|delta|index)";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn a_request_is_read_into_the_hubs_words() {
    let system =
        json!([{ "type": "text", "text": "s", "cache_control": { "type": "ephemeral" } }]).to_string();
    let format = json!({ "type": "json_schema", "schema": { "type": "object" } }).to_string();
    let read =
        Anthropic.read(&[("system".into(), system.as_bytes()), ("output_format".into(), format.as_bytes())]);
    let read = read.unwrap();
    let part = Part { body: Body::Text("s".into()), cache: Some(json!({ "type": "ephemeral" })) };
    assert_eq!(read.messages, [Message::new(Role::System, vec![part])]);
    assert!(matches!(read.format, Format::Schema(_)));
}
