//! Providers' own APIs, passed through below their names: the provider's words both ways, our credentials, and the
//! caller's lists of models, limits and budgets.

use crate::bodies::Two;
use crate::harness::vendor::Asked;
use crate::harness::{
    Config, Gateway, Launch, MASTER_KEY, Response, Told, Vendor, chunked_request, eventually, request,
};
use serde_json::{Value, json};

const COHERE: &str = "/cohere/v2/chat";

async fn key(gate: &Gateway, fields: Value) -> String {
    let made = gate.post("/key/generate", &fields).await;
    assert_eq!(made.status(), 200, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

async fn ask(gate: &Gateway, key: &str, path: &str, body: &Value) -> Response {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    gate.call(&request("POST", path, &headers, body.to_string().as_bytes())).await
}

fn cohere_answer(asked: &Asked) -> Told {
    if asked.uri != "/v2/chat" {
        return Told::json(&json!({ "message": "no such path" })).status(404);
    }
    if asked.body["stream"] == true {
        let stream = include_bytes!("../../src/dialects/cohere/golden/stream/text.sse");
        return Told::bytes("text/event-stream", stream.to_vec()).pieces(11);
    }
    Told::json(&json!({ "id": "c", "finish_reason": "COMPLETE",
        "message": { "role": "assistant", "content": [{ "type": "text", "text": "Hello" }] },
        "usage": { "billed_units": { "input_tokens": 100, "output_tokens": 20 },
            "tokens": { "input_tokens": 120, "output_tokens": 22 } } }))
}

async fn cohere() -> (Vendor, Gateway) {
    let vendor = Vendor::start(cohere_answer).await;
    let params = json!({ "model": "cohere/command-x", "api_key": "upstream-key-1", "api_base": vendor.base,
        "use_in_pass_through": true, "input_cost_per_token": 0.001, "output_cost_per_token": 0.01 });
    let entry = json!({ "model_name": "m", "litellm_params": params });
    let gate = Gateway::start(&Config::new().entry(entry)).await;
    (vendor, gate)
}

fn question(model: &str, stream: bool) -> Value {
    json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] })
}

#[tokio::test]
async fn answers_pass_as_they_are_and_are_counted() {
    let (vendor, gate) = cohere().await;
    let key = key(&gate, json!({ "key_alias": "k" })).await;
    let whole = ask(&gate, &key, COHERE, &question("command-x", false)).await;
    assert_eq!(
        (whole.status(), whole.json()["message"]["content"][0]["text"].as_str()),
        (200, Some("Hello"))
    );
    let asked = vendor.asked();
    assert_eq!(asked.body, question("command-x", false));
    assert_eq!(asked.header("authorization"), "Bearer upstream-key-1");
    assert!(!format!("{asked:?}").contains(&key), "the client's key went upstream");
    let streamed = ask(&gate, &key, COHERE, &question("command-x", true)).await;
    assert_eq!(streamed.body, include_bytes!("../../src/dialects/cohere/golden/stream/text.sse"));
    let records = gate.records(2).await;
    for record in &records {
        assert_eq!(record["status"], 200, "{record}");
    }
    eventually("both calls are booked", async || {
        let info = gate.get(&format!("/key/info?key={key}")).await.json();
        (info["info"]["spend"].as_f64().unwrap_or_default() > 0.3).then_some(())
    })
    .await;
    let rows = gate.get("/spend/logs").await.json();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["total_tokens"] == 120)
        .expect("the whole answer's row");
    assert_eq!((row["prompt_tokens"].as_u64(), row["completion_tokens"].as_u64()), (Some(100), Some(20)));
    assert!((row["spend"].as_f64().unwrap() - 0.3).abs() < 1e-9, "{row}");
    assert_eq!(row["model"], "cohere/command-x");
}

#[tokio::test]
async fn a_key_calls_what_its_list_names_and_no_more_than_its_budget() {
    let (vendor, gate) = cohere().await;
    let body = question("command-x", false);
    for (models, status) in
        [(json!(["other"]), 401), (json!(["command-x"]), 200), (json!(["cohere/*"]), 200), (json!([]), 200)]
    {
        let key = key(&gate, json!({ "models": models })).await;
        let answer = ask(&gate, &key, COHERE, &body).await;
        assert_eq!(answer.status(), status, "{models} {}", answer.text());
        // What names no model may be any.
        let none = ask(&gate, &key, COHERE, &json!({ "messages": [] })).await;
        assert_eq!(
            none.status() == 401,
            models == json!(["other"]) || models == json!(["command-x"]),
            "{models}"
        );
    }
    let before = vendor.all().len();
    assert_eq!(ask(&gate, "sk-wrong", COHERE, &body).await.status(), 401);
    assert_eq!(vendor.all().len(), before, "nobody is asked for a stranger");
    let poor = key(&gate, json!({ "max_budget": 0.5 })).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&gate, &poor, COHERE, &body).await.status());
    }
    assert!(statuses.contains(&400), "{statuses:?}");
    let slow = key(&gate, json!({ "rpm_limit": 1 })).await;
    assert_eq!(ask(&gate, &slow, COHERE, &body).await.status(), 200);
    assert_eq!(ask(&gate, &slow, COHERE, &body).await.status(), 429);
}

#[tokio::test]
async fn bedrock_is_signed_for_bodies_of_any_size_and_length() {
    let answer = json!({ "output": { "message": { "role": "assistant", "content": [{ "text": "Hello" }] } },
        "stopReason": "end_turn", "usage": { "inputTokens": 6, "outputTokens": 2, "totalTokens": 8 } });
    let vendor = Vendor::start(move |_| Told::json(&answer)).await;
    let params = json!({ "model": "bedrock/x", "aws_region_name": "eu-west-1", "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": "canary-secret-aws", "api_base": vendor.base, "use_in_pass_through": true });
    let entry = json!({ "model_name": "m", "litellm_params": params });
    let gate = Gateway::start(&Config::new().entry(entry)).await;
    let path = "/bedrock/model/eu.amazon.nova-lite-v1%3A0/converse";
    let long =
        json!({ "messages": [{ "role": "user", "content": [{ "text": "a".repeat(300_000) }] }] }).to_string();
    // As a client of AWS shows its key: in a signature of its own.
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={MASTER_KEY}/20260101/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"
    );
    let headers = [
        ("authorization", signed.as_str()),
        ("content-type", "application/json"),
        ("x-amz-date", "20200101T000000Z"),
    ];
    for bytes in [
        request("POST", path, &headers, long.as_bytes()),
        chunked_request("POST", path, &headers, long.as_bytes(), 9000),
    ] {
        let answer = gate.connect().await.ask(&bytes).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let asked = vendor.asked();
        assert_eq!(
            (asked.uri.as_str(), asked.raw.len()),
            ("/model/eu.amazon.nova-lite-v1%3A0/converse", long.len())
        );
        assert!(asked.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        assert_ne!(asked.header("x-amz-date"), "20200101T000000Z");
        assert!(!format!("{:?}", asked.headers).contains(MASTER_KEY));
    }
    assert_eq!(gate.get("/bedrock/model/x").await.status(), 405);
    gate.records(2).await;
}

#[tokio::test]
async fn a_file_goes_by_unread_and_names_no_model() {
    let vendor = Vendor::start(|_| Told::json(&json!({ "id": "file-1" }))).await;
    let params = json!({ "model": "openai/x", "api_key": "upstream-key-1", "api_base": format!("{}/v1", vendor.base),
        "use_in_pass_through": true });
    let gate =
        Gateway::start(&Config::new().entry(json!({ "model_name": "m", "litellm_params": params }))).await;
    let file = vec![b'x'; 2_000_000];
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let restricted = key(&gate, json!({ "models": ["m"] })).await;
    for (key, status) in [(MASTER_KEY, 200), (restricted.as_str(), 401)] {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), kind];
        for bytes in [
            request("POST", "/openai/v1/uploads/u/parts", &headers, &file),
            chunked_request("POST", "/openai/v1/uploads/u/parts", &headers, &file, 9000),
        ] {
            let answer = gate.connect().await.ask(&bytes).await;
            assert_eq!(answer.status(), status, "{}", answer.text());
        }
    }
    let asked = vendor.all();
    assert!(
        asked.len() == 2 && asked.iter().all(|asked| asked.raw == file && asked.uri == "/v1/uploads/u/parts")
    );
    assert!(asked.iter().all(|asked| asked.header("content-type") == kind.1));
}

#[tokio::test]
async fn the_environments_keys_serve_and_nothing_else_is_open() {
    let gemini = json!({ "candidates": [{ "content": { "parts": [{ "text": "Hello" }] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 2 } });
    let vendor = Vendor::start(move |_| Told::json(&gemini)).await;
    let gate = Launch::of(&Config::new())
        .variable("GEMINI_API_KEY", "gemini-key-1")
        .variable("GEMINI_API_BASE", &format!("{}/v1beta", vendor.base))
        .variable("OLLAMA_API_BASE", &vendor.base)
        .variable("ANTHROPIC_API_KEY", "anthropic-key-1")
        .variable("ANTHROPIC_BASE_URL", &vendor.base)
        .start()
        .await;
    let call = "/gemini/v1beta/models/gemini-2.5-flash:generateContent";
    let headers = [("x-goog-api-key", MASTER_KEY), ("content-type", "application/json")];
    let path = format!("{call}?key={MASTER_KEY}&alt=sse");
    let answer = gate.call(&request("POST", &path, &headers, b"{}")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let asked = vendor.asked();
    assert_eq!(asked.uri, "/v1beta/models/gemini-2.5-flash:generateContent?alt=sse");
    assert_eq!((asked.header("x-goog-api-key"), asked.header("authorization")), ("gemini-key-1", ""));
    assert_eq!(gate.get("/ollama/api/tags").await.status(), 200);
    assert_eq!((vendor.asked().uri.as_str(), vendor.asked().method.as_str()), ("/api/tags", "GET"));
    let headers = [("x-api-key", MASTER_KEY), ("anthropic-version", "2023-06-01"), ("x-own", "1")];
    gate.call(&request("POST", "/anthropic/v1/messages", &headers, b"{}")).await;
    let asked = vendor.asked();
    assert_eq!((asked.uri.as_str(), asked.header("x-api-key")), ("/v1/messages", "anthropic-key-1"));
    assert_eq!((asked.header("anthropic-version"), asked.header("x-own")), ("2023-06-01", ""));
    let body = json!({ "model": "claude", "messages": [{ "role": "user", "content": "x".repeat(1000) }] });
    let sent = body.to_string();
    let mut two = Two::late(&gate).await;
    let kind = "application/json";
    let (status, _) =
        two.post("/anthropic/v1/messages", kind, Some(sent.len()), sent.as_bytes(), 16_000).await;
    assert_eq!((status, &vendor.asked().body), (200, &body));
    let before = vendor.all().len();
    assert_eq!(gate.post("/mistral/v1/chat/completions", &json!({})).await.status(), 404);
    assert_eq!(gate.post("/gemini/../admin", &json!({})).await.status(), 404);
    assert_eq!(vendor.all().len(), before);
}
