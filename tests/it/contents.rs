//! Google's `generateContent`: relayed byte for byte where the upstream speaks it, translated elsewhere.

use crate::harness::{Config, Connection, Gateway, MASTER_KEY, behaviour, request, with};
use crate::support::{answer, canned, everything, post};
use serde_json::{Value, json};
use tollgate::simulator::{Script, Simulator};

const WHOLE: &str = "/v1beta/models/m:generateContent";
const STREAM: &str = "/v1beta/models/m:streamGenerateContent?alt=sse";
const LIST: &str = "/v1beta/models/m:streamGenerateContent";
const COUNT: &str = "/v1beta/models/m:countTokens";
/// What the simulator says when it is told nothing else.
const SAID: &str = "Every call pays its toll and goes on.";
const WAYS: [&str; 3] = ["gemini", "openai", "anthropic"];

/// A group `m`, a token of which costs a dollar.
fn entry(way: &str, base: &str) -> Value {
    let root = base.trim_end_matches("/v1");
    let base = match way {
        "gemini" => format!("{root}/v1beta"),
        "anthropic" => root.to_owned(),
        _ => base.to_owned(),
    };
    json!({
        "model_name": "m",
        "litellm_params": { "model": format!("{way}/up"), "api_base": base, "api_key": "up-key-of-it" },
        "model_info": { "id": "d-1", "input_cost_per_token": 1, "output_cost_per_token": 1 },
    })
}

async fn serving(way: &str, words: &str) -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::of(behaviour(words))).await.unwrap();
    let gateway = Gateway::start(&Config::new().entry(entry(way, &simulator.base_url()))).await;
    (simulator, gateway)
}

fn asking(more: Value) -> Value {
    let body = json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [{ "role": "user", "parts": [{ "text": "How does it work?" }] }],
    });
    with(body, more)
}

async fn asked(gate: &Gateway, path: &str, body: &Value) -> Value {
    let response = gate.call(&post(path, body.to_string().as_bytes())).await;
    assert_eq!(response.status(), 200, "{}", response.text());
    response.json()
}

async fn events(gate: &Gateway, body: &Value) -> Vec<Value> {
    let mut connection = Connection::open(gate.address).await;
    connection.send(&post(STREAM, body.to_string().as_bytes())).await;
    let head = connection.read_head().await;
    assert_eq!(head.status, 200);
    assert!(head.header("content-type").unwrap().starts_with("text/event-stream"));
    let events = connection.events().await;
    let data = events.iter().map(|event| event.data.as_str()).filter(|data| !data.is_empty());
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn text(chunks: &[Value], thought: bool) -> String {
    let parts = chunks
        .iter()
        .flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().into_iter().flatten());
    let parts = parts.filter(|part| part["thought"].as_bool().unwrap_or_default() == thought);
    parts.filter_map(|part| part["text"].as_str()).collect()
}

async fn metered(gate: &Gateway) -> (u64, u64, String) {
    let record = gate.records(1).await.pop().unwrap();
    let number = |name: &str| record[name].as_u64().unwrap();
    (
        number("prompt_tokens"),
        number("completion_tokens"),
        record["usage_source"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn an_answer_has_its_form_and_its_price_whoever_gives_it() {
    for way in WAYS {
        let (simulator, gate) = serving(way, "ok").await;
        for path in [WHOLE, "/models/m:generateContent", "/v1/models/m:generateContent"] {
            let body = asking(json!({ "generationConfig": { "maxOutputTokens": 64 } }));
            let response = gate.call(&post(path, body.to_string().as_bytes())).await;
            let said = response.json();
            let candidate = &said["candidates"][0];
            assert_eq!(
                candidate["content"],
                json!({ "parts": [{ "text": SAID }], "role": "model" }),
                "{way} {said}"
            );
            assert_eq!(candidate["finishReason"], "STOP", "{way}");
            let usage = &said["usageMetadata"];
            assert_eq!(
                (&usage["promptTokenCount"], &usage["candidatesTokenCount"]),
                (&json!(6), &json!(8)),
                "{way}"
            );
            assert_eq!(response.header("x-litellm-response-cost"), Some("14.0"), "{way}");
        }
        let path = match way {
            "gemini" => "/v1beta/models/up:generateContent",
            "openai" => "/v1/chat/completions",
            _ => "/v1/messages",
        };
        let seen = simulator.seen().pop().unwrap();
        assert_eq!((seen.path.as_str(), seen.key.as_str()), (path, "up-key-of-it"));
        assert_eq!(gate.records(3).await[2]["prompt_tokens"], 6);
    }
}

#[tokio::test]
async fn a_stream_is_one_of_events_or_one_array() {
    for way in WAYS {
        for words in ["ok", "split=1", "crlf", "comments"] {
            let (_simulator, gate) = serving(way, words).await;
            let chunks = events(&gate, &asking(json!({}))).await;
            assert_eq!(text(&chunks, false), SAID, "{way} {words}");
            let last = chunks.last().unwrap();
            assert_eq!(last["candidates"][0]["finishReason"], "STOP", "{way} {words}");
            assert_eq!(last["usageMetadata"]["totalTokenCount"], 14, "{way} {words}");
            assert_eq!(metered(&gate).await, (6, 8, "upstream".to_owned()), "{way} {words}");

            let response = gate.call(&post(LIST, asking(json!({})).to_string().as_bytes())).await;
            assert!(response.header("content-type").unwrap().starts_with("application/json"), "{way}");
            let listed = response.json();
            assert_eq!(text(listed.as_array().unwrap(), false), SAID, "{way} {words}");
            assert_eq!(listed.as_array().unwrap().len(), chunks.len(), "{way} {words}");
        }
    }
}

#[tokio::test]
async fn functions_are_called_and_their_results_taken() {
    for way in WAYS {
        let (_simulator, gate) = serving(way, "tools").await;
        let function = json!({ "name": "get_weather", "parameters": { "type": "OBJECT", "properties": { "city": { "type": "STRING" } } } });
        let tools = json!({ "tools": [{ "functionDeclarations": [function] }] });
        let said = asked(&gate, WHOLE, &asking(tools.clone())).await;
        let content = &said["candidates"][0]["content"];
        let call = &content["parts"][0]["functionCall"];
        assert_eq!(
            (&call["name"], &call["args"]["city"]),
            (&json!("get_weather"), &json!("Paris")),
            "{way} {said}"
        );
        let chunks = events(&gate, &asking(tools.clone())).await;
        let called =
            chunks.iter().find_map(|chunk| chunk.pointer("/candidates/0/content/parts/0/functionCall"));
        assert_eq!(called.map(|call| &call["args"]), Some(&call["args"]), "{way}");

        // The simulator refuses a call without its result, so an answer says that the turn was well made.
        let mut body = asking(tools);
        let result = json!({ "functionResponse": { "name": "get_weather", "response": { "result": "18" } } });
        let turns = body["contents"].as_array_mut().unwrap();
        turns.extend([content.clone(), json!({ "role": "user", "parts": [result] })]);
        let said = asked(&gate, WHOLE, &body).await;
        assert_eq!(said["candidates"][0]["content"]["parts"][0]["text"], SAID, "{way} {said}");
    }
}

#[tokio::test]
async fn thoughts_are_told_apart() {
    for way in WAYS {
        let (_simulator, gate) = serving(way, "reasoning").await;
        let more = json!({ "generationConfig": { "thinkingConfig": { "includeThoughts": true, "thinkingBudget": 1024 } } });
        let said = asked(&gate, WHOLE, &asking(more.clone())).await;
        assert_eq!(text(std::slice::from_ref(&said), true), "Let me think first.", "{way} {said}");
        assert_eq!(text(&events(&gate, &asking(more)).await, true), "Let me think first.", "{way}");
    }
}

#[tokio::test]
async fn a_broken_stream_ends_in_an_error_and_never_in_a_reason_to_stop() {
    for way in WAYS {
        for words in ["cut=5", "truncate=5", "error=5", "rst=5"] {
            let (_simulator, gate) = serving(way, words).await;
            let chunks = events(&gate, &asking(json!({}))).await;
            let last = chunks.last().unwrap();
            assert!(
                last["error"]["code"].is_u64() && last["error"]["status"].is_string(),
                "{way} {words}: {last}"
            );
            assert!(
                chunks.iter().all(|chunk| chunk["candidates"][0].get("finishReason").is_none()),
                "{way} {words}"
            );
            let listed = gate.call(&post(LIST, asking(json!({})).to_string().as_bytes())).await.json();
            let listed = listed.as_array().unwrap();
            assert!(
                listed.len() > 1 && listed.last().unwrap()["error"].is_object(),
                "{way} {words}: {listed:?}"
            );
        }
    }
}

#[tokio::test]
async fn errors_are_googles() {
    for way in WAYS {
        for (words, status, word) in
            [("429", 429, "RESOURCE_EXHAUSTED"), ("500", 500, "INTERNAL"), ("503", 503, "UNAVAILABLE")]
        {
            let (_simulator, gate) = serving(way, words).await;
            for path in [WHOLE, STREAM] {
                let response = gate.call(&post(path, asking(json!({})).to_string().as_bytes())).await;
                let told = response.json();
                assert_eq!(
                    (response.status(), &told["error"]["code"]),
                    (status, &json!(status)),
                    "{way} {told}"
                );
                assert_eq!(told["error"]["status"], word, "{way}");
            }
        }
    }
    let (_simulator, gate) = serving("openai", "ok").await;
    for (path, body, status, word) in [
        ("/v1beta/models/nobody:generateContent", asking(json!({})), 400, "INVALID_ARGUMENT"),
        (WHOLE, json!({}), 400, "INVALID_ARGUMENT"),
        (WHOLE, asking(json!({ "tools": [{ "googleSearch": {} }] })), 400, "INVALID_ARGUMENT"),
        (WHOLE, asking(json!({ "api_base": "http://evil" })), 401, "UNAUTHENTICATED"),
    ] {
        let response = gate.call(&post(path, body.to_string().as_bytes())).await;
        assert_eq!(response.status(), status, "{path} {}", response.text());
        assert_eq!(response.json()["error"]["status"], word);
    }
}

#[tokio::test]
async fn the_key_may_stand_where_google_has_it_and_goes_nowhere_from_there() {
    let (simulator, gate) = serving("gemini", "ok").await;
    let body = asking(json!({})).to_string();
    let ask = |path: &str, headers: &[(&str, &str)]| request("POST", path, headers, body.as_bytes());
    for (path, headers) in [
        (WHOLE.to_owned(), vec![("x-goog-api-key", MASTER_KEY)]),
        (format!("{WHOLE}?key={MASTER_KEY}"), vec![]),
        (format!("{STREAM}&key={MASTER_KEY}"), vec![]),
    ] {
        let response = gate.call(&ask(&path, &headers)).await;
        assert_eq!(response.status(), 200, "{}", response.text());
        assert!(!everything(&response).contains(MASTER_KEY));
    }
    assert_eq!(gate.call(&ask(WHOLE, &[])).await.status(), 401);
    assert_eq!(gate.call(&ask(&format!("{WHOLE}?key=sk-other"), &[])).await.status(), 401);
    // A header comes first, and no other API reads the query.
    let both = gate.call(&ask(&format!("{WHOLE}?key={MASTER_KEY}"), &[("x-goog-api-key", "sk-other")])).await;
    assert_eq!(both.status(), 401);
    let chat = json!({ "model": "m", "messages": [{ "role": "user", "content": "x" }] }).to_string();
    let other = request("POST", &format!("/v1/chat/completions?key={MASTER_KEY}"), &[], chat.as_bytes());
    assert_eq!(gate.call(&other).await.status(), 401);
    for seen in simulator.seen() {
        let told = format!("{} {:?}", seen.path, seen.headers);
        assert!(!told.contains(MASTER_KEY) && seen.key == "up-key-of-it", "{told}");
    }
    let records = gate.records(3).await;
    assert!(!format!("{records:?}\n{}", gate.output()).contains(MASTER_KEY));
}

#[tokio::test]
async fn tokens_are_counted_by_the_upstream_or_estimated() {
    let (simulator, gate) = serving("gemini", "ok").await;
    let body = json!({ "contents": [{ "parts": [{ "text": "How does it work?" }] }] });
    assert_eq!(asked(&gate, COUNT, &body).await, json!({ "totalTokens": 4 }));
    assert_eq!(simulator.seen().pop().unwrap().path, "/v1beta/models/up:countTokens");
    let (simulator, gate) = serving("openai", "ok").await;
    let counted = asked(&gate, COUNT, &body).await;
    assert!((4..40).contains(&counted["totalTokens"].as_u64().unwrap()), "{counted}");
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn relayed_bytes_are_the_upstreams() {
    let stream = concat!(
        "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Hé\", \"odd\" : 1}],\"role\": \"model\"}}],\"responseId\": \"r\"}\r\n\r\n",
        "data: {\"candidates\": [{\"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 11,\"candidatesTokenCount\": 5,\"thoughtsTokenCount\": 2}}\r\n\r\n",
    );
    let base = canned(answer(200, &[("content-type", "text/event-stream")], stream)).await;
    let gate = Gateway::start(&Config::new().entry(entry("gemini", &base))).await;
    let response = gate.call(&post(STREAM, asking(json!({})).to_string().as_bytes())).await;
    assert_eq!(response.text(), stream);
    assert_eq!(metered(&gate).await, (11, 7, "upstream".to_owned()));

    let whole = "{\"candidates\": [\n{\"finishReason\": \"STOP\"}], \"odd\" : [ 1 ], \"usageMetadata\": {\"promptTokenCount\": 3, \"candidatesTokenCount\": 2}}\n";
    let base = canned(answer(200, &[("content-type", "application/json; charset=UTF-8")], whole)).await;
    let gate = Gateway::start(&Config::new().entry(entry("gemini", &base))).await;
    let response = gate.call(&post(WHOLE, asking(json!({})).to_string().as_bytes())).await;
    assert_eq!(response.text(), whole);
    assert_eq!(metered(&gate).await, (3, 2, "upstream".to_owned()));
    let (simulator, gate) = serving("gemini", "ok").await;
    let body =
        "{ \"contents\" : [ {\"role\":\"user\", \"parts\": [{\"text\":\"x\"}]} ],\n\"safetySettings\":[] }";
    assert_eq!(gate.call(&post(WHOLE, body.as_bytes())).await.status(), 200);
    assert_eq!(simulator.seen().pop().unwrap().body, body);
}
