use super::Cohere;
use crate::dialects::openai::OpenAi;
use crate::dialects::tests::harness;
use crate::dialects::{Dialect, Inbound};
use crate::domain::{EndpointKind, UpstreamClass};
use proptest::prelude::*;
use serde_json::{Value, json};

const CHAT: (&dyn Inbound, EndpointKind) = (&OpenAi, EndpointKind::ChatCompletions);

#[test]
fn golden_requests_are_written() {
    harness::requests(&Cohere, "command-a-03-2025");
}

#[test]
fn golden_answers_are_read() {
    harness::answers(&Cohere);
}

#[test]
fn golden_streams_are_read_however_they_are_cut() {
    harness::streams(&Cohere);
    harness::cut_streams(&Cohere);
}

#[test]
fn golden_errors_are_classified() {
    harness::errors(&Cohere);
}

fn written(more: &Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    harness::asked(&Cohere, CHAT, "m", &body).unwrap()["body"].take()
}

#[test]
fn parameters_have_coheres_names() {
    let body =
        written(&json!({ "top_p": 0.5, "top_k": 3, "stop": "x", "seed": 1, "reasoning_effort": "low" }));
    assert_eq!(body["p"], 0.5);
    assert_eq!((&body["k"], &body["seed"], &body["stop_sequences"]), (&json!(3), &json!(1), &json!(["x"])));
    assert_eq!(body["thinking"], json!({ "type": "enabled", "token_budget": 1024 }));
    assert!(body.get("top_p").is_none() && body.get("top_k").is_none());
}

#[test]
fn a_choice_of_one_function_leaves_no_other() {
    let tools = json!([{ "type": "function", "function": { "name": "f" } }, { "type": "function", "function": { "name": "g" } }]);
    let choice = json!({ "type": "function", "function": { "name": "g" } });
    let body = written(&json!({ "tools": tools, "tool_choice": choice }));
    assert_eq!(body["tool_choice"], "REQUIRED");
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["tools"][0]["function"]["name"], "g");
}

#[test]
fn what_is_billed_is_counted() {
    let answer = |usage: &str| {
        let body = format!(r#"{{"message":{{"content":[]}},"finish_reason":"COMPLETE","usage":{usage}}}"#);
        Cohere.decode(body.as_bytes()).unwrap().usage.map(|usage| (usage.prompt, usage.completion))
    };
    let both = r#"{"billed_units":{"input_tokens":5,"output_tokens":2.0},"tokens":{"input_tokens":70,"output_tokens":2}}"#;
    assert_eq!(answer(both), Some((5, 2)));
    assert_eq!(answer(r#"{"tokens":{"input_tokens":70,"output_tokens":2}}"#), Some((70, 2)));
    assert_eq!(answer("{}"), None);
}

#[test]
fn an_answer_that_failed_is_none() {
    let read =
        |reason: &str| Cohere.decode(format!(r#"{{"message":{{}},"finish_reason":"{reason}"}}"#).as_bytes());
    assert_eq!(read("ERROR").unwrap_err().class, UpstreamClass::Internal);
    assert_eq!(read("TIMEOUT").unwrap_err().class, UpstreamClass::Timeout);
    assert!(read("COMPLETE").is_ok());
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..300), status: u16) {
        let _ = Cohere.decode(&body);
        let _ = Cohere.classify(status, &body, None);
        let event = [b"data: ", body.as_slice(), b"\n\n"].concat();
        harness::events(&Cohere, std::iter::once(event.as_slice()));
    }
}
