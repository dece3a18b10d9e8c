use super::Gemini;
use crate::dialects::hub::{Answer, Body, Event, Stop};
use crate::dialects::openai::{OpenAi, request};
use crate::dialects::tests::harness;
use crate::dialects::{Ask, Dialect, Shape, ShapeParams, translate};
use crate::domain::{ApiError, EndpointKind, UpstreamClass, Usage};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::time::Duration;

#[test]
fn golden_requests_are_written() {
    harness::requests(&Gemini, "gemini-2.5-flash");
}

#[test]
fn golden_answers_are_read() {
    harness::answers(&Gemini);
}

#[test]
fn golden_streams_are_read_however_they_are_cut() {
    harness::streams(&Gemini);
    harness::cut_streams(&Gemini);
}

#[test]
fn golden_errors_are_classified() {
    harness::errors(&Gemini);
}

fn asked(model: &str, body: &Value) -> Result<(String, Value), ApiError> {
    let request = request::read(EndpointKind::ChatCompletions, Bytes::from(body.to_string()))?;
    let (defaults, extra_body) = (Map::new(), Map::new());
    let params = ShapeParams {
        defaults: &defaults,
        extra_body: &extra_body,
        allowed: &[],
        drop: &[],
        takes_stream_options: true,
    };
    let shape = Shape { model, params, drop_params: false, ask_usage: true };
    let ask = Ask { model, provider: "gemini", shape: &shape };
    let written = translate::encode(&request, &OpenAi, &Gemini, &ask)?;
    Ok((written.path.into_owned(), serde_json::from_slice(&written.body).unwrap()))
}

#[test]
fn a_conversation_with_calls_is_written() {
    let (path, body) = asked("gemini-2.5-flash", &json!({
        "model": "m",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "What is this?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,QUJD" } },
                { "type": "image_url", "image_url": { "url": "https://h/x.webp?y" } } ] },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "look", "arguments": "{\"at\":1}" } },
                { "id": "c2", "type": "function", "function": { "name": "look", "arguments": "" } } ] },
            { "role": "tool", "tool_call_id": "c1", "content": "{\"seen\":true}" },
            { "role": "tool", "tool_call_id": "c2", "content": "nothing" },
        ],
        "tools": [{ "type": "function", "function": { "name": "look", "description": "Looks.",
            "parameters": { "$schema": "x", "type": "object", "properties": { "strict": { "type": "integer" } } } } }],
        "tool_choice": { "type": "function", "function": { "name": "look" } },
        "max_tokens": 5, "temperature": 0.5, "stop": "END", "seed": 7, "stream": true,
        "reasoning_effort": "low",
        "safetySettings": [{ "category": "c" }],
    })).unwrap();
    assert_eq!(path, "/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    assert_eq!(body["systemInstruction"], json!({ "parts": [{ "text": "Be brief." }] }));
    assert_eq!(
        body["contents"],
        json!([
            { "role": "user", "parts": [
                { "text": "What is this?" },
                { "inlineData": { "mimeType": "image/png", "data": "QUJD" } },
                { "fileData": { "mimeType": "image/webp", "fileUri": "https://h/x.webp?y" } } ] },
            { "role": "model", "parts": [
                { "functionCall": { "name": "look", "args": { "at": 1 } } },
                { "functionCall": { "name": "look", "args": {} } } ] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "look", "response": { "seen": true } } },
                { "functionResponse": { "name": "look", "response": { "result": "nothing" } } } ] },
        ])
    );
    assert_eq!(
        body["tools"],
        json!([{ "functionDeclarations": [{ "name": "look", "description": "Looks.",
        "parametersJsonSchema": { "type": "object", "properties": { "strict": { "type": "integer" } } } }] }])
    );
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"], json!(["look"]));
    assert_eq!(
        body["generationConfig"],
        json!({
        "maxOutputTokens": 5, "stopSequences": ["END"],
        "thinkingConfig": { "thinkingBudget": 1024, "includeThoughts": true },
        "temperature": 0.5, "seed": 7 })
    );
    assert_eq!(body["safetySettings"], json!([{ "category": "c" }]));
    assert!(body.get("model").is_none() && body.get("stream").is_none());
}

#[test]
fn what_newer_models_want_is_given_to_them() {
    let call = json!([{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }]);
    let (path, body) = asked("gemini-3-pro", &json!({ "model": "m", "reasoning_effort": "high", "messages": [
        { "role": "user", "content": "x" }, { "role": "assistant", "tool_calls": call },
        { "role": "tool", "tool_call_id": "c", "content": "y" } ],
        "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": { "type": "object" } } },
    })).unwrap();
    assert_eq!(path, "/models/gemini-3-pro:generateContent");
    assert!(body["contents"][1]["parts"][0]["thoughtSignature"].is_string());
    assert_eq!(body["generationConfig"]["thinkingConfig"]["thinkingLevel"], "high");
    assert_eq!(body["generationConfig"]["responseJsonSchema"], json!({ "type": "object" }));
}

#[test]
fn what_cannot_be_said_is_refused() {
    let chat = |more: Value| {
        let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "x" }] });
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        asked("m", &body)
    };
    assert!(chat(json!({ "logit_bias": { "1": 1 } })).is_err());
    let stray = json!({ "messages": [{ "role": "tool", "tool_call_id": "nope", "content": "y" }] });
    assert!(chat(stray).unwrap_err().message.contains("nope"));
    // Nothing but instructions still needs a turn.
    let (_, body) = chat(json!({ "messages": [{ "role": "system", "content": "s" }] })).unwrap();
    assert_eq!(body["contents"], json!([{ "role": "user", "parts": [{ "text": " " }] }]));
}

const WHOLE: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true},
    {"text":"Hel"},{"text":"lo"},{"functionCall":{"name":"f","args":{"a":[1]}},"thoughtSignature":"p"}]},
    "finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"thoughtsTokenCount":3,
    "cachedContentTokenCount":2,"totalTokenCount":17},"modelVersion":"gemini-x","responseId":"r1"}"#;

#[test]
fn an_answer_is_read() {
    let Answer { id, model, content, stop, usage } = Gemini.decode(WHOLE.as_bytes()).unwrap();
    assert_eq!((id.as_str(), model.as_str(), stop), ("r1", "gemini-x", Stop::Calls));
    assert_eq!(
        usage.unwrap(),
        Usage { prompt: 10, completion: 7, cached: 2, reasoning: 3, ..Usage::default() }
    );
    let [Body::Reasoning { text: thought, .. }, Body::Text(text), Body::Call(call)] = content.as_slice()
    else {
        panic!("{content:?}");
    };
    assert_eq!((thought.as_str(), text.as_str()), ("hm", "Hello"));
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("call_r1_0", r#"{"a":[1]}"#));
    assert_eq!(call.signature.as_deref(), Some("p"));
}

#[test]
fn a_refused_prompt_is_an_answer_and_nothing_is_a_fault() {
    let blocked = Gemini.decode(br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).unwrap();
    assert_eq!((blocked.stop, blocked.content.len()), (Stop::Filter, 0));
    for body in ["", "[]", "{}", r#"{"candidates":[]}"#, "<html>"] {
        assert!(Gemini.decode(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn failures_have_their_class() {
    let read = |status, body: &str| Gemini.classify(status, body.as_bytes(), None);
    let key = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",
        "status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
    assert_eq!(read(400, key).class, UpstreamClass::Authentication);
    let quota = r#"[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED",
        "details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7.5s"}]}}]"#;
    let failure = read(429, quota);
    assert_eq!(
        (failure.class, failure.retry_after),
        (UpstreamClass::RateLimit, Some(Duration::from_millis(7500)))
    );
    assert_eq!(failure.message, "Quota exceeded");
    let long = r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}}"#;
    assert_eq!(read(400, long).class, UpstreamClass::ContextWindow);
}

const STREAM: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"think\",\"thought\":true}]}}],\"responseId\":\"r\",\"modelVersion\":\"g\"}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hé\"}]}}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":1}}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}}}]}}]}\n\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\"}],",
    "\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":2}}\n\n",
);

fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut decoder, mut events) = (Gemini.decoder(), Vec::new());
    for piece in pieces {
        decoder.push(piece, &mut events).unwrap();
    }
    decoder.finish(&mut events);
    events
}

#[test]
fn a_stream_is_read_to_its_end() {
    let counted =
        |completion, reasoning| Event::Usage(Usage { prompt: 3, completion, reasoning, ..Usage::default() });
    assert_eq!(
        streamed([STREAM.as_bytes()]),
        [
            Event::Start { id: "r".to_owned(), model: "g".to_owned() },
            Event::Reasoning("think".to_owned()),
            Event::Text("Hé".to_owned()),
            counted(1, 0),
            Event::Call { index: 0, id: "call_r_0".to_owned(), name: "f".to_owned() },
            Event::Arguments { index: 0, json: "{}".to_owned() },
            Event::Stop(Stop::Calls),
            counted(7, 2),
            Event::End,
        ]
    );
}

#[test]
fn a_stream_that_is_cut_or_fails_has_no_end() {
    let cut = &STREAM.as_bytes()[..STREAM.len() / 2];
    assert!(!streamed([cut]).contains(&Event::End));
    let failed = b"data: {\"error\":{\"code\":503,\"message\":\"overloaded\"}}\n\n";
    let Some(Event::Fail(failure)) = streamed([&failed[..]]).pop() else { panic!() };
    assert_eq!(failure.class, UpstreamClass::Unavailable);
}

#[test]
fn it_does_not_matter_where_a_stream_is_cut() {
    let whole = streamed([STREAM.as_bytes()]);
    for at in 0..STREAM.len() {
        let (first, second) = STREAM.as_bytes().split_at(at);
        assert_eq!(streamed([first, second]), whole, "cut at {at}");
    }
    assert_eq!(streamed(STREAM.as_bytes().chunks(1)), whole);
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(body in prop::collection::vec(any::<u8>(), 0..300), status: u16) {
        let _ = Gemini.decode(&body);
        let _ = Gemini.classify(status, &body, None);
        let event = [b"data: ", body.as_slice(), b"\n\n"].concat();
        streamed([event.as_slice()]);
    }
}
