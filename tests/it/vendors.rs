//! Vendors with words of their own, through the whole gateway: where they are asked, with what, and what the client sees.

use crate::harness::{Config, Gateway, Vendor};
use crate::support::CHAT;
use serde_json::{Value, json};

async fn gateway(params: Value) -> Gateway {
    let entry = json!({ "model_name": "m", "litellm_params": params });
    Gateway::start(&Config::new().entry(entry)).await
}

fn chat(stream: bool) -> Value {
    json!({ "model": "m", "stream": stream, "max_tokens": 7, "messages": [{ "role": "user", "content": "hi" }] })
}

/// What a whole answer says, and what it counts.
async fn said(gate: &Gateway) -> (String, u64, u64) {
    let answer = gate.post(CHAT, &chat(false)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["object"], "chat.completion", "{body}");
    let text = body["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let count = |name: &str| body["usage"][name].as_u64().unwrap();
    (text, count("prompt_tokens"), count("completion_tokens"))
}

/// All text of a streamed answer, which ends as OpenAI's do.
async fn streamed(gate: &Gateway) -> String {
    let answer = gate.post(CHAT, &chat(true)).await;
    let text = answer.text();
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    let chunks =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    chunks.filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn gemini_is_asked_in_its_own_words() {
    let piece = |text: &str, more: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}{more}}}],"responseId":"r","modelVersion":"g"#
        ) + r#"","usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}"#
    };
    let stop = r#","finishReason":"STOP""#;
    let vendor = Vendor::telling("application/json", piece("Hello", stop)).await;
    let params = |vendor: &Vendor| json!({ "model": "gemini/gemini-2.5-flash", "api_key": "upstream-key-1", "api_base": format!("{}/v1beta", vendor.base) });
    let gate = gateway(params(&vendor)).await;
    assert_eq!(said(&gate).await, ("Hello".to_owned(), 3, 2));
    let asked = vendor.asked();
    assert_eq!(asked.uri, "/v1beta/models/gemini-2.5-flash:generateContent");
    assert_eq!((asked.header("x-goog-api-key"), asked.header("authorization")), ("upstream-key-1", ""));
    assert_eq!(asked.body["generationConfig"]["maxOutputTokens"], 7);
    let events = format!("data: {}\r\n\r\ndata: {}\r\n\r\n", piece("Hel", ""), piece("lo", stop));
    let vendor = Vendor::telling("text/event-stream", events).await;
    assert_eq!(streamed(&gateway(params(&vendor)).await).await, "Hello");
    assert_eq!(vendor.asked().uri, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
}

#[tokio::test]
async fn ollama_is_asked_in_its_own_words() {
    let line = |text: &str, done: bool| {
        let counts = if done { r#","done_reason":"stop","prompt_eval_count":4,"eval_count":2"# } else { "" };
        format!(
            r#"{{"model":"llama3","created_at":"2026-01-01T00:00:00Z","message":{{"role":"assistant","content":"{text}"}},"done":{done}{counts}}}"#
        )
    };
    let vendor = Vendor::telling("application/json", line("Hello", true)).await;
    let params = |vendor: &Vendor| json!({ "model": "ollama_chat/llama3", "api_base": vendor.base.clone() });
    let gate = gateway(params(&vendor)).await;
    assert_eq!(said(&gate).await, ("Hello".to_owned(), 4, 2));
    let asked = vendor.asked();
    assert_eq!((asked.uri.as_str(), &asked.body["options"]["num_predict"]), ("/api/chat", &json!(7)));
    let lines = format!("{}\n{}\n{}\n", line("Hel", false), line("lo", false), line("", true));
    let vendor = Vendor::telling("application/x-ndjson", lines).await;
    assert_eq!(streamed(&gateway(params(&vendor)).await).await, "Hello");
}

#[tokio::test]
async fn cohere_is_asked_in_its_own_words() {
    let answer = r#"{"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"Hello"}]},
        "usage":{"billed_units":{"input_tokens":5,"output_tokens":2},"tokens":{"input_tokens":5,"output_tokens":2}}}"#;
    let vendor = Vendor::telling("application/json", answer).await;
    let gate =
        gateway(json!({ "model": "cohere/command-a", "api_key": "k", "api_base": vendor.base.clone() }))
            .await;
    assert_eq!(said(&gate).await, ("Hello".to_owned(), 5, 2));
    let asked = vendor.asked();
    assert_eq!((asked.uri.as_str(), asked.header("authorization")), ("/v2/chat", "Bearer k"));
}

#[tokio::test]
async fn bedrock_is_asked_with_a_signature_and_the_secret_stays_here() {
    let answer = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"end_turn",
        "usage":{"inputTokens":6,"outputTokens":2,"totalTokens":8}}"#;
    let vendor = Vendor::telling("application/json", answer).await;
    let gate = gateway(json!({ "model": "bedrock/anthropic.claude-3-haiku-20240307-v1:0", "aws_region_name": "us-east-1",
        "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "canary-secret-aws", "api_base": vendor.base.clone() }))
    .await;
    assert_eq!(said(&gate).await, ("Hello".to_owned(), 6, 2));
    let asked = vendor.asked();
    let uri = &asked.uri;
    assert!(uri.starts_with("/model/anthropic.claude-3-haiku") && uri.ends_with("/converse"), "{uri}");
    let signed = asked.header("authorization");
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signed}");
    assert!(!format!("{asked:?}").contains("canary-secret-aws"));
}

#[tokio::test]
async fn azure_is_asked_by_deployment_and_version() {
    let answer = r#"{"id":"a","object":"chat.completion","model":"gpt-4o","choices":[{"index":0,"finish_reason":"stop",
        "message":{"role":"assistant","content":"Hello"}}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;
    let vendor = Vendor::telling("application/json", answer).await;
    let gate =
        gateway(json!({ "model": "azure/my-gpt", "api_key": "azure-key-1", "api_version": "2024-06-01",
        "api_base": vendor.base.clone() }))
        .await;
    assert_eq!(said(&gate).await, ("Hello".to_owned(), 7, 2));
    let asked = vendor.asked();
    assert_eq!(asked.uri, "/openai/deployments/my-gpt/chat/completions?api-version=2024-06-01");
    assert_eq!((asked.header("api-key"), asked.header("authorization")), ("azure-key-1", ""));
}
