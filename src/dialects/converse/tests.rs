use super::{Converse, frame};
use crate::dialects::hub::Event;
use crate::dialects::openai::OpenAi;
use crate::dialects::tests::harness;
use crate::dialects::{Dialect, Inbound};
use crate::domain::{EndpointKind, UpstreamClass};
use proptest::prelude::*;
use serde_json::{Value, json};

const CHAT: (&dyn Inbound, EndpointKind) = (&OpenAi, EndpointKind::ChatCompletions);

#[test]
fn golden_requests_are_written() {
    harness::requests(&Converse, "eu.anthropic.claude-sonnet-4-20250514-v1:0");
}

#[test]
fn golden_answers_are_read() {
    harness::answers(&Converse);
}

#[test]
fn golden_streams_are_read_however_they_are_cut() {
    harness::streams(&Converse);
    harness::cut_streams(&Converse);
}

#[test]
fn golden_errors_are_classified() {
    harness::errors(&Converse);
}

fn written(model: &str, more: &Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    harness::asked(&Converse, CHAT, model, &body).unwrap()
}

#[test]
fn a_models_name_is_one_segment_of_the_path() {
    let path = |model, stream: bool| written(model, &json!({ "stream": stream }))["path"].take();
    assert_eq!(path("amazon.nova-lite-v1:0", false), "/model/amazon.nova-lite-v1%3A0/converse");
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x";
    let segment = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx";
    assert_eq!(path(arn, true), format!("/model/{segment}/converse-stream"));
}

#[test]
fn what_converse_has_no_word_for_is_for_the_model() {
    let more = json!({ "top_k": 3, "guardrailConfig": { "guardrailIdentifier": "g" }, "max_tokens": 5, "top_p": 0.5 });
    let body = written("anthropic.claude-3", &more)["body"].take();
    assert_eq!(body["additionalModelRequestFields"], json!({ "top_k": 3 }));
    assert_eq!(body["guardrailConfig"]["guardrailIdentifier"], "g");
    assert_eq!(body["inferenceConfig"], json!({ "maxTokens": 5, "topP": 0.5 }));
    assert!(body.get("top_k").is_none() && body.get("model").is_none());
}

#[test]
fn thoughts_are_part_of_what_is_bounded() {
    let thought = |model, most: u64| {
        written(model, &json!({ "reasoning_effort": "medium", "max_tokens": most }))["body"].take()
    };
    let body = thought("anthropic.claude-sonnet-4", 100);
    assert_eq!(body["additionalModelRequestFields"]["thinking"]["budget_tokens"], 2048);
    assert_eq!(body["inferenceConfig"]["maxTokens"], 2148);
    assert_eq!(thought("anthropic.claude-sonnet-4", 5000)["inferenceConfig"]["maxTokens"], 5000);
    let body = thought("openai.gpt-oss-20b-1:0", 100);
    assert_eq!(body["additionalModelRequestFields"], json!({ "reasoning_effort": "medium" }));
}

fn event(name: &str, payload: &str) -> Vec<u8> {
    frame::write(&[(":event-type", name), (":message-type", "event")], payload.as_bytes())
}

#[test]
fn damage_is_a_failure() {
    let sound = event("contentBlockDelta", r#"{"delta":{"text":"x"}}"#);
    let read = |stream: &[u8]| harness::events(&Converse, std::iter::once(stream));
    assert!(read(&sound).contains(&Event::Text("x".to_owned())));
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        let events = read(&damaged);
        assert!(matches!(events.as_slice(), [Event::Fail(_)]), "byte {at}: {events:?}");
    }
}

#[test]
fn exceptions_have_their_class() {
    for (name, class) in [
        ("throttlingException", UpstreamClass::RateLimit),
        ("internalServerException", UpstreamClass::Internal),
        ("serviceUnavailableException", UpstreamClass::Unavailable),
        ("nobodyKnowsThis", UpstreamClass::Internal),
    ] {
        let headers = [(":exception-type", name), (":message-type", "exception")];
        let message = frame::write(&headers, br#"{"message":"sorry"}"#);
        let Some(Event::Fail(failure)) = harness::events(&Converse, message.chunks(5)).pop() else {
            panic!()
        };
        assert_eq!((failure.class, failure.message.as_str()), (class, "sorry"), "{name}");
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..300), status: u16) {
        let _ = Converse.decode(&body);
        let _ = Converse.classify(status, &body, None);
        harness::events(&Converse, body.chunks(7));
        harness::events(&Converse, frame::write(&[(":message-type", "event")], &body).chunks(9));
    }
}
