//! A client of one dialect reaches an upstream of another, and one of the same gets its bytes as they are.

use crate::harness::{
    Config, Connection, Event, Gateway, MASTER_KEY, Response, behaviour, eventually, request,
};
use crate::support::{CHAT, answer, bearer, canned, post};
use serde_json::{Value, json};
use tollgate::simulator::{Script, Simulator};

const MESSAGES: &str = "/v1/messages";
const COUNT: &str = "/v1/messages/count_tokens";
/// What the simulator says when it is told nothing else.
const SAID: &str = "Every call pays its toll and goes on.";

/// A group of this name whose upstream is `provider`'s; a token costs a dollar.
fn entry(provider: &str, group: &str, simulator: &Simulator) -> Value {
    let base = match provider {
        "anthropic" => format!("http://{}", simulator.addr()),
        _ => simulator.base_url(),
    };
    json!({
        "model_name": group,
        "litellm_params": { "model": format!("{provider}/{group}"), "api_base": base, "api_key": "up-key-of-it" },
        "model_info": { "id": format!("id-{provider}-{group}"), "input_cost_per_token": 1, "output_cost_per_token": 1 },
    })
}

async fn serving(provider: &str, words: &str) -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::of(behaviour(words))).await.unwrap();
    let gateway = Gateway::start(&Config::new().entry(entry(provider, "m", &simulator))).await;
    (simulator, gateway)
}

fn chat(more: Value) -> Value {
    let body = json!({ "model": "m", "messages": [
        { "role": "system", "content": "Be brief." }, { "role": "user", "content": "How does it work?" },
    ] });
    crate::harness::with(body, more)
}

fn message(more: Value) -> Value {
    let body = json!({ "model": "m", "max_tokens": 64, "system": "Be brief.", "messages": [
        { "role": "user", "content": "How does it work?" },
    ] });
    crate::harness::with(body, more)
}

async fn asked(gate: &Gateway, path: &str, body: &Value) -> Response {
    gate.call(&post(path, body.to_string().as_bytes())).await
}

async fn events(gate: &Gateway, path: &str, body: &Value) -> Vec<Event> {
    let mut connection = Connection::open(gate.address).await;
    connection.send(&post(path, body.to_string().as_bytes())).await;
    let head = connection.read_head().await;
    assert_eq!(head.status, 200);
    assert!(head.header("content-type").unwrap().starts_with("text/event-stream"));
    connection.events().await
}

fn data(events: &[Event]) -> Vec<Value> {
    let data = events.iter().map(|event| event.data.as_str()).filter(|data| !matches!(*data, "[DONE]" | ""));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn text_of_chunks(events: &[Value], member: &str) -> String {
    events.iter().filter_map(|chunk| chunk["choices"][0]["delta"][member].as_str()).collect()
}

fn text_of_blocks(events: &[Value], member: &str) -> String {
    events.iter().filter_map(|event| event["delta"][member].as_str()).collect()
}

fn sent(simulator: &Simulator) -> Value {
    serde_json::from_slice(&simulator.seen().last().expect("something was sent").body).unwrap()
}

fn header(simulator: &Simulator, name: &str) -> Option<String> {
    let seen = simulator.seen().pop().expect("something was sent");
    seen.headers.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The tokens of the last call that was written down, and what they cost.
async fn metered(gate: &Gateway, calls: usize) -> (u64, u64, String) {
    let record = eventually("the record", async || {
        let records = gate.records_so_far();
        (records.len() >= calls).then(|| records.last().cloned().unwrap())
    })
    .await;
    let number = |name: &str| record[name].as_u64().unwrap();
    (
        number("prompt_tokens"),
        number("completion_tokens"),
        record["usage_source"].as_str().unwrap().to_owned(),
    )
}

// === OpenAI's client, Anthropic's upstream ===

#[tokio::test]
async fn a_chat_reaches_anthropic_in_its_own_words() {
    let (simulator, gate) = serving("anthropic", "ok").await;
    let body = chat(json!({ "temperature": 0.5, "stop": "x", "top_k": 3, "user": "jo" }));
    let response = asked(&gate, CHAT, &body).await;
    let said = response.json();
    assert_eq!(said["object"], "chat.completion", "{said}");
    assert_eq!(said["model"], "m");
    assert_eq!(said["choices"][0]["message"], json!({ "role": "assistant", "content": SAID }));
    assert_eq!(said["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&said["usage"]["prompt_tokens"], &said["usage"]["completion_tokens"]),
        (&json!(6), &json!(8))
    );
    assert_eq!(response.header("x-litellm-response-cost"), Some("14.0"));
    assert!(said["id"].as_str().unwrap().starts_with("msg_sim_"));
    let expected = json!({
        "model": "m", "max_tokens": 4096, "system": "Be brief.",
        "messages": [{ "role": "user", "content": "How does it work?" }],
        "temperature": 0.5, "stop_sequences": ["x"], "top_k": 3,
    });
    assert_eq!(sent(&simulator), expected);
    let seen = simulator.seen().pop().unwrap();
    assert_eq!((seen.path.as_str(), seen.key.as_str()), ("/v1/messages", "up-key-of-it"));
    assert_eq!(header(&simulator, "x-api-key").as_deref(), Some("up-key-of-it"));
    assert_eq!(header(&simulator, "anthropic-version").as_deref(), Some("2023-06-01"));
    assert_eq!(header(&simulator, "authorization"), None);
    assert_eq!(metered(&gate, 1).await, (6, 8, "upstream".to_owned()));
}

#[tokio::test]
async fn a_streamed_chat_reaches_anthropic_however_its_bytes_are_cut() {
    for words in ["ok", "crlf", "comments", "split=1", "split=7", "group=3", "nodone"] {
        let (_simulator, gate) = serving("anthropic", words).await;
        let body = chat(json!({ "stream": true, "stream_options": { "include_usage": true } }));
        let events = events(&gate, CHAT, &body).await;
        assert_eq!(events.last().unwrap().data, "[DONE]", "{words}");
        let chunks = data(&events);
        assert_eq!(text_of_chunks(&chunks, "content"), SAID, "{words}");
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let reasons: Vec<_> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str()).collect();
        assert_eq!(reasons, ["stop"], "{words}");
        let usage = &chunks.last().unwrap()["usage"];
        assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(6), &json!(8)), "{words}");
        assert!(
            chunks.iter().all(|chunk| chunk["model"] == "m" && chunk["object"] == "chat.completion.chunk")
        );
        assert_eq!(metered(&gate, 1).await, (6, 8, "upstream".to_owned()), "{words}");
    }
}

#[tokio::test]
async fn usage_is_told_at_the_end_of_a_stream_to_those_who_ask() {
    let (_simulator, gate) = serving("anthropic", "ok").await;
    let chunks = data(&events(&gate, CHAT, &chat(json!({ "stream": true }))).await);
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(metered(&gate, 1).await.2, "upstream");
}

#[tokio::test]
async fn functions_are_called_and_their_results_taken() {
    let (simulator, gate) = serving("anthropic", "tools").await;
    let function = json!({ "name": "get_weather", "description": "d", "parameters": {
        "type": "object", "properties": { "city": { "type": "string" } } } });
    let tools = json!({ "tools": [{ "type": "function", "function": function }], "tool_choice": "required" });
    let said = asked(&gate, CHAT, &chat(tools.clone())).await.json();
    let choice = &said["choices"][0];
    assert_eq!(
        (choice["finish_reason"].as_str(), &choice["message"]["content"]),
        (Some("tool_calls"), &Value::Null)
    );
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "get_weather");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({ "city": "Paris", "unit": "celsius" }));
    assert_eq!(sent(&simulator)["tool_choice"], json!({ "type": "any" }));
    assert_eq!(sent(&simulator)["tools"][0]["input_schema"], function["parameters"]);

    let chunks = data(
        &events(&gate, CHAT, &chat(crate::harness::with(tools.clone(), json!({ "stream": true })))).await,
    );
    let deltas: Vec<&Value> =
        chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]).collect();
    let arguments: String = deltas.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap()["city"], "Paris");
    assert_eq!(deltas.iter().filter_map(|call| call["id"].as_str()).collect::<Vec<_>>(), ["toolu_sim_1"]);

    // The simulator refuses a call without its result, so an answer says that the turn was well made.
    let mut body = chat(tools);
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(choice["message"].clone());
    turns.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": "18 degrees" }));
    assert_eq!(asked(&gate, CHAT, &body).await.json()["choices"][0]["message"]["content"], SAID);
    let result = json!([{ "type": "tool_result", "tool_use_id": "toolu_sim_1", "content": "18 degrees" }]);
    assert_eq!(sent(&simulator)["messages"][2], json!({ "role": "user", "content": result }));
}

#[tokio::test]
async fn thoughts_are_shown_and_asked_for() {
    let (simulator, gate) = serving("anthropic", "reasoning").await;
    let said = asked(&gate, CHAT, &chat(json!({ "reasoning_effort": "low" }))).await.json();
    let answered = &said["choices"][0]["message"];
    assert_eq!(answered["reasoning_content"], "Let me think first.");
    assert_eq!(answered["thinking_blocks"][0]["signature"], "c2lnbmF0dXJl");
    assert_eq!(sent(&simulator)["thinking"], json!({ "type": "enabled", "budget_tokens": 1024 }));
    assert_eq!(sent(&simulator)["max_tokens"], 1024 + 4096);
    let chunks = data(&events(&gate, CHAT, &chat(json!({ "stream": true }))).await);
    assert_eq!(text_of_chunks(&chunks, "reasoning_content"), "Let me think first.");
    assert_eq!(text_of_chunks(&chunks, "content"), SAID);
}

#[tokio::test]
async fn what_anthropic_has_no_words_for_is_refused_or_dropped() {
    let (simulator, gate) = serving("anthropic", "ok").await;
    let body = chat(json!({ "frequency_penalty": 1, "logit_bias": { "1": 2 }, "seed": 7 }));
    let response = asked(&gate, CHAT, &body).await;
    assert_eq!(response.status(), 400);
    let words = crate::support::error(&response);
    assert!(
        words.contains("anthropic does not support parameters: ['frequency_penalty', 'logit_bias', 'seed']"),
        "{words}"
    );
    assert!(simulator.seen().is_empty());
    let body = crate::harness::with(body, json!({ "drop_params": true, "presence_penalty": 0, "n": 1 }));
    assert_eq!(asked(&gate, CHAT, &body).await.status(), 200);
    let sent = sent(&simulator);
    for name in ["frequency_penalty", "logit_bias", "seed", "presence_penalty", "n", "drop_params"] {
        assert!(sent.get(name).is_none(), "{name}: {sent}");
    }
}

#[tokio::test]
async fn anthropics_failures_are_told_in_openais_words() {
    let expected = [
        ("429+retry-after=7", 429, "litellm.RateLimitError: RateLimitError: AnthropicException - Rate limit"),
        ("529", 503, "litellm.ServiceUnavailableError: "),
        ("401", 401, "litellm.AuthenticationError: "),
        ("500", 500, "litellm.InternalServerError: "),
        ("context", 400, "litellm.ContextWindowExceededError: "),
        ("notjson", 500, "litellm.InternalServerError: "),
    ];
    for (words, status, begin) in expected {
        let (_simulator, gate) = serving("anthropic", words).await;
        let response = asked(&gate, CHAT, &chat(json!({}))).await;
        assert_eq!(response.status(), status, "{words}");
        assert!(crate::support::error(&response).starts_with(begin), "{words}: {}", response.text());
        if words.contains("retry-after") {
            assert_eq!(response.header("retry-after"), Some("7"));
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_never_ends_well() {
    for words in ["cut=5", "truncate=5", "error=5", "rst=5"] {
        for (path, body) in
            [(CHAT, chat(json!({ "stream": true }))), (MESSAGES, message(json!({ "stream": true })))]
        {
            for provider in ["anthropic", "openai"] {
                let (_simulator, gate) = serving(provider, words).await;
                let events = events(&gate, path, &body).await;
                let what = format!("{words} of {provider} at {path}");
                let last = events.last().unwrap();
                let told: Value = serde_json::from_str(&last.data).expect(&what);
                assert!(
                    told["error"]["message"].as_str().is_some_and(|words| !words.is_empty()),
                    "{what}: {told}"
                );
                assert_eq!(last.name.as_deref(), (path == MESSAGES).then_some("error"), "{what}");
                let ended = |event: &Event| {
                    matches!(event.name.as_deref(), Some("message_stop" | "message_delta"))
                        || event.data.contains("\"finish_reason\":\"")
                        || event.data == "[DONE]"
                };
                assert!(!events.iter().any(ended), "{what}");
                let (_, completion, _) = metered(&gate, 1).await;
                assert!(completion > 0, "{what}");
            }
        }
    }
}

// === Anthropic's client, OpenAI's upstream ===

#[tokio::test]
async fn a_message_reaches_openais_upstreams() {
    let (simulator, gate) = serving("openai", "ok").await;
    let more = json!({ "temperature": 0.5, "stop_sequences": ["x"], "metadata": { "user_id": "u" },
        "thinking": { "type": "enabled", "budget_tokens": 2000 }, "context_management": {} });
    let response = asked(&gate, MESSAGES, &message(more)).await;
    let said = response.json();
    let id = said["id"].as_str().unwrap().to_owned();
    let expected = json!({
        "id": id, "type": "message", "role": "assistant", "model": "m",
        "content": [{ "type": "text", "text": SAID }], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": { "input_tokens": 6, "output_tokens": 8, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0 },
    });
    assert_eq!(said, expected);
    assert_eq!(simulator.seen().pop().unwrap().path, "/v1/chat/completions");
    let expected = json!({
        "model": "m", "max_tokens": 64, "temperature": 0.5, "stop": ["x"],
        "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "How does it work?" }],
    });
    assert_eq!(sent(&simulator), expected);
    assert_eq!(header(&simulator, "authorization").as_deref(), Some("Bearer up-key-of-it"));
    assert_eq!(metered(&gate, 1).await, (6, 8, "upstream".to_owned()));
}

#[tokio::test]
async fn a_streamed_message_is_made_of_blocks() {
    for words in ["ok", "crlf", "split=1", "group=3"] {
        let (_simulator, gate) = serving("openai", &format!("reasoning+{words}")).await;
        let events = events(&gate, MESSAGES, &message(json!({ "stream": true }))).await;
        let mut names: Vec<&str> = events.iter().map(|event| event.name.as_deref().unwrap()).collect();
        names.dedup();
        let block = ["content_block_start", "content_block_delta", "content_block_stop"];
        let expected = [&["message_start"][..], &block, &block, &["message_delta", "message_stop"]].concat();
        assert_eq!(names, expected, "{words}");
        let told = data(&events);
        assert!(told.iter().zip(&events).all(|(data, event)| data["type"] == event.name.as_deref().unwrap()));
        assert_eq!(text_of_blocks(&told, "thinking"), "Let me think first.", "{words}");
        assert_eq!(text_of_blocks(&told, "text"), SAID, "{words}");
        assert_eq!(told[0]["message"]["model"], "m");
        let last = &told[told.len() - 2];
        assert_eq!(last["delta"]["stop_reason"], "end_turn");
        assert_eq!(
            (&last["usage"]["input_tokens"], &last["usage"]["output_tokens"]),
            (&json!(6), &json!(12))
        );
        assert_eq!(metered(&gate, 1).await, (6, 12, "upstream".to_owned()), "{words}");
    }
}

#[tokio::test]
async fn a_message_calls_functions_of_openais_upstreams() {
    let (simulator, gate) = serving("openai", "tools").await;
    let tools = json!({ "tools": [{ "name": "get_weather", "input_schema": { "type": "object" } }],
        "tool_choice": { "type": "any", "disable_parallel_tool_use": true } });
    let said = asked(&gate, MESSAGES, &message(tools.clone())).await.json();
    let call = json!({ "type": "tool_use", "id": "call_sim_1", "name": "get_weather",
        "input": { "city": "Paris", "unit": "celsius" } });
    assert_eq!((&said["content"], said["stop_reason"].as_str()), (&json!([call]), Some("tool_use")));
    assert_eq!(sent(&simulator)["tool_choice"], "required");
    assert_eq!(sent(&simulator)["parallel_tool_calls"], false);

    let told = data(
        &events(&gate, MESSAGES, &message(crate::harness::with(tools.clone(), json!({ "stream": true }))))
            .await,
    );
    let input: Value = serde_json::from_str(&text_of_blocks(&told, "partial_json")).unwrap();
    assert_eq!(input["city"], "Paris");

    let mut body = message(tools);
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({ "role": "assistant", "content": said["content"] }));
    turns.push(json!({ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": "call_sim_1", "content": [{ "type": "text", "text": "18" }] },
        { "type": "text", "text": "And tomorrow?" },
    ] }));
    asked(&gate, MESSAGES, &body).await;
    let sent = sent(&simulator);
    assert_eq!(sent["messages"][3], json!({ "role": "tool", "tool_call_id": "call_sim_1", "content": "18" }));
    assert_eq!(sent["messages"][4], json!({ "role": "user", "content": "And tomorrow?" }));
}

#[tokio::test]
async fn errors_are_anthropics_where_its_clients_ask() {
    let (_simulator, gate) = serving("openai", "429+retry-after=3").await;
    let call = async |headers: &[(&str, &str)], body: Vec<u8>| {
        let response = gate.call(&request("POST", MESSAGES, headers, &body)).await;
        let said = response.json();
        assert_eq!(said["type"], "error", "{said}");
        assert!(said["error"]["message"].as_str().is_some_and(|words| !words.is_empty()), "{said}");
        (response.status(), said["error"]["type"].as_str().unwrap().to_owned())
    };
    let body = |more: Value| message(more).to_string().into_bytes();
    let error = |status: u16, kind: &str| (status, kind.to_owned());
    assert_eq!(call(&[], body(json!({}))).await, error(401, "authentication_error"));
    assert_eq!(
        call(&[("x-api-key", "sk-nobody")], body(json!({}))).await,
        error(401, "authentication_error")
    );
    let key = [("x-api-key", MASTER_KEY)];
    assert_eq!(call(&key, body(json!({ "model": "other" }))).await, error(400, "invalid_request_error"));
    assert_eq!(call(&key, b"{".to_vec()).await, error(400, "invalid_request_error"));
    let broken = body(json!({ "messages": [{ "role": "king", "content": "" }] }));
    assert_eq!(call(&key, broken).await, error(400, "invalid_request_error"));
    assert_eq!(call(&key, body(json!({}))).await, error(429, "rate_limit_error"));
}

// === Anthropic's client, Anthropic's upstream ===

#[tokio::test]
async fn anthropics_bytes_are_relayed_as_they_are() {
    let stream = include_str!("../../src/dialects/anthropic/golden/stream/tools.sse");
    let base = canned(answer(200, &[("content-type", "text/event-stream")], stream)).await;
    let base = base.trim_end_matches("/v1");
    let params = json!({ "model": "anthropic/claude-x", "api_base": base, "api_key": "k" });
    let gate =
        Gateway::start(&Config::new().entry(json!({ "model_name": "m", "litellm_params": params }))).await;
    let response = asked(&gate, MESSAGES, &message(json!({ "stream": true }))).await;
    assert_eq!(response.text(), stream);
    assert!(response.complete);
    assert_eq!(metered(&gate, 1).await.2, "upstream");
}

#[tokio::test]
async fn a_relayed_request_keeps_its_form_and_its_headers() {
    let (simulator, gate) = serving("anthropic", "ok").await;
    let body = message(json!({ "metadata": { "user_id": "u" }, "context_management": { "edits": [] } }));
    let headers =
        [bearer(), ("anthropic-beta", "context-management-2025-06-27"), ("anthropic-version", "2023-01-01")];
    let response = gate.call(&request("POST", MESSAGES, &headers, body.to_string().as_bytes())).await;
    assert_eq!(response.json()["content"][0]["text"], SAID);
    assert_eq!(simulator.seen().pop().unwrap().body, body.to_string().as_bytes());
    assert_eq!(header(&simulator, "anthropic-beta").as_deref(), Some("context-management-2025-06-27"));
    assert_eq!(header(&simulator, "anthropic-version").as_deref(), Some("2023-01-01"));
    assert_eq!(metered(&gate, 1).await, (6, 8, "upstream".to_owned()));
    let told = data(&events(&gate, MESSAGES, &message(json!({ "stream": true }))).await);
    assert_eq!(text_of_blocks(&told, "text"), SAID);
    assert!(sent(&simulator).get("stream_options").is_none());
    assert_eq!(metered(&gate, 2).await, (6, 8, "upstream".to_owned()));
}

#[tokio::test]
async fn tokens_are_counted_by_anthropic_or_else_here() {
    let body = json!({ "model": "m", "system": "Be brief.", "messages": [{ "role": "user", "content": "How so?" }] });
    let (simulator, gate) = serving("anthropic", "ok").await;
    assert_eq!(asked(&gate, COUNT, &body).await.json(), json!({ "input_tokens": 4 }));
    assert_eq!(simulator.seen().pop().unwrap().path, COUNT);
    let (simulator, gate) = serving("openai", "ok").await;
    let counted = asked(&gate, COUNT, &body).await.json();
    assert!(counted["input_tokens"].as_u64().is_some_and(|tokens| (4..40).contains(&tokens)), "{counted}");
    assert!(simulator.seen().is_empty());
}

// === one group of several dialects ===

#[tokio::test]
async fn a_call_moves_on_to_an_upstream_of_another_dialect() {
    let broken = Simulator::start(Script::of(behaviour("500"))).await.unwrap();
    let sound = Simulator::start(Script::of(behaviour("ok"))).await.unwrap();
    for (first, second) in [("openai", "anthropic"), ("anthropic", "openai")] {
        let ordered = |provider: &str, simulator: &Simulator, order: u64| {
            let mut entry = entry(provider, "m", simulator);
            entry["litellm_params"]["order"] = order.into();
            entry
        };
        let config = Config::new()
            .entry(ordered(first, &broken, 1))
            .entry(ordered(second, &sound, 2))
            .set("router_settings", json!({ "num_retries": 2 }));
        let gate = Gateway::start(&config).await;
        let said = asked(&gate, CHAT, &chat(json!({}))).await.json();
        assert_eq!(said["choices"][0]["message"]["content"], SAID, "{first} then {second}: {said}");
        let said = asked(&gate, MESSAGES, &message(json!({}))).await.json();
        assert_eq!(said["content"][0]["text"], SAID, "{first} then {second}: {said}");
    }
}

#[tokio::test]
async fn an_api_that_the_provider_does_not_have_is_refused_clearly() {
    let (simulator, gate) = serving("anthropic", "ok").await;
    let response = asked(&gate, "/v1/embeddings", &json!({ "model": "m", "input": "x" })).await;
    assert_eq!(response.status(), 400);
    assert!(crate::support::error(&response).contains("anthropic has no /embeddings"), "{}", response.text());
    assert!(simulator.seen().is_empty());
}
