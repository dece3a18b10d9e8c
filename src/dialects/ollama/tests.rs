use super::Ollama;
use crate::dialects::hub::Event;
use crate::dialects::openai::OpenAi;
use crate::dialects::tests::harness;
use crate::dialects::{Dialect, Inbound};
use crate::domain::{EndpointKind, UpstreamClass, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

const CHAT: (&dyn Inbound, EndpointKind) = (&OpenAi, EndpointKind::ChatCompletions);

#[test]
fn golden_requests_are_written() {
    harness::requests(&Ollama, "qwen3:8b");
}

#[test]
fn golden_answers_are_read() {
    harness::answers(&Ollama);
}

#[test]
fn golden_streams_are_read_however_they_are_cut() {
    harness::streams(&Ollama);
    harness::cut_streams(&Ollama);
}

#[test]
fn golden_errors_are_classified() {
    harness::errors(&Ollama);
}

fn written(model: &str, more: &Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    harness::asked(&Ollama, CHAT, model, &body).unwrap()["body"].take()
}

#[test]
fn settings_of_the_runner_are_options() {
    let body = written(
        "llama3",
        &json!({
            "num_ctx": 8192, "top_k": 5, "keep_alive": "5m", "max_tokens": 7, "temperature": 0, "stop": ["a"],
            "options": { "num_gpu": 1 },
        }),
    );
    let options = json!({ "num_gpu": 1, "num_ctx": 8192, "top_k": 5, "num_predict": 7, "stop": ["a"], "temperature": 0 });
    assert_eq!(body["options"], options);
    assert_eq!((&body["keep_alive"], &body["stream"]), (&json!("5m"), &json!(false)));
}

#[test]
fn only_some_models_think_by_levels() {
    let think = |model, effort: &str| written(model, &json!({ "reasoning_effort": effort }))["think"].take();
    assert_eq!(think("gpt-oss:20b", "high"), "high");
    assert_eq!(think("qwen3", "high"), true);
    assert_eq!(think("qwen3", "none"), false);
}

#[test]
fn a_result_names_its_function() {
    let call =
        json!([{ "id": "c", "type": "function", "function": { "name": "look", "arguments": "{\"a\":1}" } }]);
    let body = written(
        "m",
        &json!({ "messages": [
        { "role": "user", "content": "x" }, { "role": "assistant", "tool_calls": call },
        { "role": "tool", "tool_call_id": "c", "content": "seen" } ] }),
    );
    assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["arguments"], json!({ "a": 1 }));
    assert_eq!(
        body["messages"][2],
        json!({ "role": "tool", "content": "seen", "tool_name": "look", "tool_call_id": "c" })
    );
}

#[test]
fn what_ollama_cannot_do_is_refused() {
    let refused = |more: Value| {
        let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        harness::asked(&Ollama, CHAT, "m", &body).unwrap_err().param
    };
    let tools = json!([{ "type": "function", "function": { "name": "f" } }]);
    assert_eq!(refused(json!({ "tools": tools, "tool_choice": "required" })).as_deref(), Some("tool_choice"));
    let picture = json!([{ "role": "user", "content": [
        { "type": "image_url", "image_url": { "url": "https://h/x.png" } } ] }]);
    assert_eq!(refused(json!({ "messages": picture })).as_deref(), Some("messages"));
}

#[test]
fn the_last_line_counts_without_its_end_and_a_failure_ends_all() {
    let read = |stream: &str| harness::events(&Ollama, std::iter::once(stream.as_bytes()));
    let done = r#"{"model":"m","message":{"content":"x"},"done":true,"prompt_eval_count":2,"eval_count":1}"#;
    let counted = Event::Usage(Usage { prompt: 2, completion: 1, ..Usage::default() });
    let events = read(done);
    assert!(events.contains(&counted) && events.last() == Some(&Event::End), "{events:?}");
    let events = read(&format!("{{\"error\":\"broken\"}}\n{done}\n"));
    let [Event::Fail(failure)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((failure.class, failure.message.as_str()), (UpstreamClass::Internal, "broken"));
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..300), status: u16) {
        let _ = Ollama.decode(&body);
        let _ = Ollama.classify(status, &body, None);
        harness::events(&Ollama, body.chunks(7));
    }
}
