//! OpenAI's responses: relayed byte for byte where the upstream has them, made of a chat elsewhere.

use crate::harness::{Config, Connection, Event, Gateway, behaviour, with};
use crate::support::{answer, canned, error, get, post};
use serde_json::{Value, json};
use tollgate::simulator::{Script, Simulator};

const RESPONSES: &str = "/v1/responses";
/// What the simulator says when it is told nothing else.
const SAID: &str = "Every call pays its toll and goes on.";
/// How the deployment is asked: by the same API, and translated for two others.
const WAYS: [&str; 3] = ["relayed", "chat", "anthropic"];

/// A group `m`, a token of which costs a dollar.
fn entry(way: &str, base: &str) -> Value {
    let mut params = match way {
        "anthropic" => json!({ "model": "anthropic/up", "api_base": base.trim_end_matches("/v1") }),
        _ => json!({ "model": "openai/up", "api_base": base }),
    };
    params["api_key"] = "up-key-of-it".into();
    if way == "relayed" {
        params["use_chat_completions_api"] = false.into();
    }
    json!({
        "model_name": "m", "litellm_params": params,
        "model_info": { "id": "d-1", "input_cost_per_token": 1, "output_cost_per_token": 1 },
    })
}

async fn serving(way: &str, words: &str) -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::of(behaviour(words))).await.unwrap();
    let gateway = Gateway::start(&Config::new().entry(entry(way, &simulator.base_url()))).await;
    (simulator, gateway)
}

fn asking(more: Value) -> Value {
    with(json!({ "model": "m", "instructions": "Be brief.", "input": "How does it work?" }), more)
}

async fn events(gate: &Gateway, body: &Value) -> Vec<Event> {
    let mut connection = Connection::open(gate.address).await;
    connection
        .send(&post(RESPONSES, with(body.clone(), json!({ "stream": true })).to_string().as_bytes()))
        .await;
    let head = connection.read_head().await;
    assert_eq!(head.status, 200);
    assert!(head.header("content-type").unwrap().starts_with("text/event-stream"));
    connection.events().await
}

/// The data of events, which bear the names of their types and are numbered.
fn data(events: &[Event]) -> Vec<Value> {
    let events = || events.iter().filter(|event| !event.data.is_empty());
    let data: Vec<Value> = events().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
    for (event, data) in events().zip(&data) {
        assert_eq!(event.name.as_deref(), data["type"].as_str());
    }
    data
}

fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

fn sent(simulator: &Simulator) -> Value {
    serde_json::from_slice(&simulator.seen().last().expect("something was sent").body).unwrap()
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
        for path in [RESPONSES, "/responses", "/openai/v1/responses"] {
            let response = gate
                .call(&post(path, asking(json!({ "max_output_tokens": 64 })).to_string().as_bytes()))
                .await;
            let said = response.json();
            assert_eq!(
                (&said["object"], &said["status"]),
                (&json!("response"), &json!("completed")),
                "{way} {said}"
            );
            assert_eq!((&said["model"], &said["error"]), (&json!("m"), &Value::Null), "{way}");
            assert!(said["id"].as_str().unwrap().starts_with("resp_"), "{way}");
            assert_eq!(said["output"][0]["content"][0]["text"], SAID, "{way}");
            let usage = &said["usage"];
            assert_eq!(
                (&usage["input_tokens"], &usage["output_tokens"]),
                (&json!(6), &json!(8)),
                "{way} {usage}"
            );
            assert_eq!(response.header("x-litellm-response-cost"), Some("14.0"), "{way}");
        }
        let (path, bound) = match way {
            "relayed" => ("/v1/responses", "max_output_tokens"),
            "chat" => ("/v1/chat/completions", "max_tokens"),
            _ => ("/v1/messages", "max_tokens"),
        };
        assert_eq!(simulator.seen().last().unwrap().path, path);
        assert_eq!(sent(&simulator)[bound], 64, "{way}");
        assert_eq!(gate.records(3).await[2]["prompt_tokens"], 6);
    }
}

#[tokio::test]
async fn a_stream_is_told_event_by_event_however_its_bytes_are_cut() {
    for way in WAYS {
        for words in ["ok", "split=1", "crlf", "comments"] {
            let (_simulator, gate) = serving(way, words).await;
            let events = data(&events(&gate, &asking(json!({}))).await);
            let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
            assert_eq!(kinds[..2], ["response.created", "response.in_progress"], "{way} {words}");
            assert_eq!(kinds.last(), Some(&"response.completed"), "{way} {words}");
            let numbers: Vec<u64> =
                events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
            assert!(numbers.iter().copied().eq(0..events.len() as u64), "{way} {numbers:?}");
            let text: String = of_type(&events, "response.output_text.delta")
                .iter()
                .map(|event| event["delta"].as_str().unwrap())
                .collect();
            assert_eq!(text, SAID, "{way} {words}");
            let whole = &events.last().unwrap()["response"];
            assert_eq!(whole["output"][0]["content"][0]["text"], SAID, "{way} {words}");
            assert_eq!(whole["usage"]["total_tokens"], 14, "{way} {words}");
            assert_eq!(metered(&gate).await, (6, 8, "upstream".to_owned()), "{way} {words}");
        }
    }
}

#[tokio::test]
async fn functions_are_called_and_their_results_taken() {
    let function = json!({ "type": "function", "name": "get_weather", "description": "d", "strict": true,
        "parameters": { "type": "object", "properties": { "city": { "type": "string" } }, "additionalProperties": false } });
    for way in WAYS {
        let (_simulator, gate) = serving(way, "tools").await;
        let tools = json!({ "tools": [function], "tool_choice": "required", "input": [{ "role": "user", "content": "Weather?" }] });
        let said = gate.call(&post(RESPONSES, asking(tools.clone()).to_string().as_bytes())).await.json();
        let call = &said["output"][0];
        assert_eq!(
            (&call["type"], &call["name"]),
            (&json!("function_call"), &json!("get_weather")),
            "{way} {said}"
        );
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({ "city": "Paris", "unit": "celsius" }), "{way}");

        let events = data(&events(&gate, &asking(tools.clone())).await);
        let pieces: String = of_type(&events, "response.function_call_arguments.delta")
            .iter()
            .map(|event| event["delta"].as_str().unwrap())
            .collect();
        let done = of_type(&events, "response.function_call_arguments.done");
        assert_eq!(done[0]["arguments"].as_str(), Some(pieces.as_str()), "{way}");
        assert_eq!(serde_json::from_str::<Value>(&pieces).unwrap(), arguments, "{way}");

        // The simulator refuses a call without its result, so an answer says that the turn was well made.
        let mut body = asking(tools);
        let result =
            json!({ "type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees" });
        body["input"].as_array_mut().unwrap().extend([call.clone(), result]);
        let said = gate.call(&post(RESPONSES, body.to_string().as_bytes())).await.json();
        assert_eq!(said["output"][0]["content"][0]["text"], SAID, "{way} {said}");
    }
}

#[tokio::test]
async fn thoughts_are_items_that_may_be_sent_back() {
    for way in WAYS {
        let (simulator, gate) = serving(way, "reasoning").await;
        let more =
            json!({ "reasoning": { "effort": "low" }, "input": [{ "role": "user", "content": "Hi" }] });
        let said = gate.call(&post(RESPONSES, asking(more.clone()).to_string().as_bytes())).await.json();
        let thought = &said["output"][0];
        assert_eq!(thought["type"], "reasoning", "{way} {said}");
        assert_eq!(thought["summary"][0]["text"], "Let me think first.", "{way}");
        let events = data(&events(&gate, &asking(more.clone())).await);
        let text: String = of_type(&events, "response.reasoning_summary_text.delta")
            .iter()
            .map(|event| event["delta"].as_str().unwrap())
            .collect();
        assert_eq!(text, "Let me think first.", "{way}");

        let mut body = asking(more);
        let items = said["output"].as_array().unwrap().clone();
        body["input"].as_array_mut().unwrap().extend(items);
        body["input"].as_array_mut().unwrap().push(json!({ "role": "user", "content": "And?" }));
        assert_eq!(gate.call(&post(RESPONSES, body.to_string().as_bytes())).await.status(), 200, "{way}");
        if way == "anthropic" {
            let block = &sent(&simulator)["messages"][1]["content"][0];
            assert_eq!((&block["type"], &block["signature"]), (&json!("thinking"), &json!("c2lnbmF0dXJl")));
        }
    }
}

#[tokio::test]
async fn a_broken_stream_has_failed_and_is_never_completed() {
    for way in WAYS {
        for words in ["cut=5", "truncate=5", "error=5", "rst=5"] {
            let (_simulator, gate) = serving(way, words).await;
            let events = data(&events(&gate, &asking(json!({}))).await);
            assert!(of_type(&events, "response.completed").is_empty(), "{way} {words}");
            let [.., failed, last] = events.as_slice() else { panic!("{way} {words}: {events:?}") };
            assert_eq!(failed["type"], "response.failed", "{way} {words}");
            assert_eq!(failed["response"]["status"], "failed", "{way} {words}");
            assert_eq!(failed["response"]["id"], events[0]["response"]["id"], "{way} {words}");
            assert_eq!((&last["type"], last["error"].is_object()), (&json!("error"), true), "{way} {words}");
            let numbers: Vec<u64> =
                events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
            assert!(
                numbers.is_sorted() && numbers.windows(2).all(|pair| pair[0] < pair[1]),
                "{way} {numbers:?}"
            );
        }
    }
}

#[tokio::test]
async fn errors_are_openais() {
    for way in WAYS {
        for (words, status) in [("429", 429), ("500", 500), ("401", 401)] {
            let (_simulator, gate) = serving(way, words).await;
            let response = gate.call(&post(RESPONSES, asking(json!({})).to_string().as_bytes())).await;
            assert_eq!(response.status(), status, "{way}");
            assert!(error(&response).starts_with("litellm."), "{way}");
        }
    }
}

#[tokio::test]
async fn what_needs_a_memory_is_the_upstreams_or_refused() {
    let kept = [
        ("store", json!(true)),
        ("previous_response_id", json!("resp_1")),
        ("background", json!(true)),
        ("conversation", json!("conv_1")),
        ("tools", json!([{ "type": "web_search" }])),
    ];
    let (simulator, gate) = serving("relayed", "ok").await;
    for (name, value) in kept.clone() {
        let body = asking(json!({ name: value, "metadata": { "a": "b" }, "user": "jo" })).to_string();
        assert_eq!(gate.call(&post(RESPONSES, body.as_bytes())).await.status(), 200, "{name}");
        let expected = body.replace("\"model\":\"m\"", "\"model\":\"up\"");
        assert_eq!(String::from_utf8_lossy(&simulator.seen().pop().unwrap().body), expected, "{name}");
    }
    let (simulator, gate) = serving("chat", "ok").await;
    for (name, value) in kept {
        let response =
            gate.call(&post(RESPONSES, asking(json!({ name: value })).to_string().as_bytes())).await;
        assert_eq!(response.status(), 400, "{name}");
        assert!(error(&response).contains(name), "{name}: {}", error(&response));
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn relayed_bytes_are_the_upstreams() {
    let stream = concat!(
        "event: response.created\r\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_x\", \"model\" : \"up\"}}\r\n\r\n",
        ": keep\n\n",
        "event: response.new_kind\ndata: {\"type\":\"response.new_kind\",\"sequence_number\":1,\"odd\":  [1]}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_x\",",
        "\"usage\":{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":7,\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":18}}}\n\n",
    );
    let base = canned(answer(200, &[("content-type", "text/event-stream")], stream)).await;
    let gate = Gateway::start(&Config::new().entry(entry("relayed", &base))).await;
    let body = asking(json!({ "stream": true })).to_string();
    let response = gate.call(&post(RESPONSES, body.as_bytes())).await;
    assert_eq!(response.text(), stream);
    assert_eq!(metered(&gate).await, (11, 7, "upstream".to_owned()));

    let whole =
        "{\"id\": \"resp_y\",\n \"odd\": [ 1 ], \"usage\": {\"input_tokens\": 3, \"output_tokens\": 2}}";
    let base = canned(answer(200, &[("content-type", "application/json")], whole)).await;
    let gate = Gateway::start(&Config::new().entry(entry("relayed", &base))).await;
    let response = gate.call(&post(RESPONSES, asking(json!({})).to_string().as_bytes())).await;
    assert_eq!(response.text(), whole);
    assert_eq!(response.header("x-litellm-response-cost"), Some("5.0"));
    assert_eq!(metered(&gate).await, (3, 2, "upstream".to_owned()));
}

#[tokio::test]
async fn parameters_that_nobody_understands_are_refused_or_dropped() {
    let (_simulator, gate) = serving("anthropic", "ok").await;
    let more = json!({ "parallel_tool_calls": false, "service_tier": "flex", "prompt_cache_key": "k", "truncation": "auto" });
    let response = gate.call(&post(RESPONSES, asking(more).to_string().as_bytes())).await;
    assert_eq!(response.status(), 200, "hints are no demands: {}", response.text());
    let mut dropping = entry("chat", "http://127.0.0.1:1/v1");
    let simulator = Simulator::start(Script::of(behaviour("ok"))).await.unwrap();
    dropping["litellm_params"]["api_base"] = simulator.base_url().into();
    dropping["litellm_params"]["additional_drop_params"] = json!(["background"]);
    dropping["litellm_params"]["drop_params"] = true.into();
    let gate = Gateway::start(&Config::new().entry(dropping)).await;
    let more = json!({ "store": true, "top_logprobs": 3, "background": true });
    let response = gate.call(&post(RESPONSES, asking(more).to_string().as_bytes())).await;
    assert_eq!(response.status(), 200, "{}", response.text());
    assert!(["store", "top_logprobs", "background"].iter().all(|name| sent(&simulator).get(*name).is_none()));
    // What an answer without it would not be one to is refused still.
    let more = json!({ "previous_response_id": "resp_1" });
    assert_eq!(gate.call(&post(RESPONSES, asking(more).to_string().as_bytes())).await.status(), 400);
}

#[tokio::test]
async fn defaults_of_chats_are_said_in_its_own_words() {
    let simulator = Simulator::start(Script::of(behaviour("ok"))).await.unwrap();
    let mut own = entry("relayed", &simulator.base_url());
    for (name, value) in [("max_tokens", json!(7)), ("temperature", json!(0.5)), ("stop", json!(["x"]))] {
        own["litellm_params"][name] = value;
    }
    let gate = Gateway::start(&Config::new().entry(own)).await;
    let response = gate.call(&post(RESPONSES, asking(json!({})).to_string().as_bytes())).await;
    assert_eq!(response.status(), 200, "{}", response.text());
    let sent = sent(&simulator);
    assert_eq!((&sent["max_output_tokens"], &sent["temperature"]), (&json!(7), &json!(0.5)));
    assert!(sent.get("max_tokens").is_none() && sent.get("stop").is_none(), "{sent}");
}

#[tokio::test]
async fn single_responses_are_nobodys() {
    let (_simulator, gate) = serving("relayed", "ok").await;
    for path in ["/v1/responses/resp_1", "/responses/resp_1/input_items", "/openai/v1/responses/resp_1"] {
        let response = gate.call(&get(path)).await;
        assert_eq!(response.status(), 404, "{path}");
        assert!(error(&response).contains("not kept"), "{path}");
    }
}
