//! Answers that nobody is asked for: `mock_response`, of the configuration and of requests.

use crate::harness::{
    CHAT, Config, Connection, Gateway, MODEL, chat, eventually, streamed, upstream, upstream_of, with,
};
use serde_json::{Value, json};
use tollgate::simulator::Simulator;

const SAID: &str = "This is a \u{201c}mock\u{201d} answer.";

/// A group that is answered by the configuration, one whose upstream is asked, and one that fails so.
async fn gateway() -> (Simulator, Gateway) {
    let simulator = upstream("ok").await;
    let base = simulator.base_url();
    let priced = json!({ "input_cost_per_token": 1e-3, "output_cost_per_token": 2e-3 });
    let config = Config::new()
        .target("real", MODEL, &base, "k", priced.clone())
        .target("mock", "mocked", &base, "k", with(priced, json!({ "mock_response": SAID })))
        .target("claude", "other", &base, "k", json!({ "model": "anthropic/claude", "mock_response": SAID }))
        .target("sick", "sick", &base, "k", json!({ "mock_response": "litellm.RateLimitError" }))
        .set("router_settings", json!({ "num_retries": 0, "fallbacks": [{ "sick": [MODEL] }] }));
    (simulator, Gateway::start(&config).await)
}

fn of(model: &str, body: Value) -> Value {
    with(body, json!({ "model": model }))
}

fn mocked(body: Value, words: &str) -> Value {
    with(body, json!({ "mock_response": words }))
}

async fn text_of(mut stream: Connection) -> (String, Vec<Value>) {
    let events = stream.events().await;
    assert!(stream.complete && events.last().is_some_and(|event| event.data == "[DONE]"), "{events:?}");
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
    let text = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    (text, chunks)
}

#[tokio::test]
async fn a_text_of_the_configuration_or_of_the_request_is_the_answer_and_nobody_is_asked() {
    let (simulator, gateway) = gateway().await;
    for body in [of("mocked", chat()), of("other", chat()), mocked(chat(), SAID)] {
        let answer = gateway.post(CHAT, &body).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let whole = answer.json();
        assert_eq!(whole["choices"][0]["message"]["content"], SAID, "{whole}");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop", "{whole}");
        assert_eq!(
            (&whole["object"], &whole["model"]),
            (&json!("chat.completion"), &body["model"]),
            "{whole}"
        );
        let usage = &whole["usage"];
        let counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| usage[name].clone());
        assert_eq!(counts, [json!(10), json!(20), json!(30)], "{whole}");
    }
    for (body, has_usage) in [
        (of("mocked", streamed()), false),
        (of("other", streamed()), false),
        (with(mocked(streamed(), SAID), json!({ "stream_options": { "include_usage": true } })), true),
    ] {
        let (text, chunks) = text_of(gateway.stream(CHAT, &body).await).await;
        assert_eq!(text, SAID);
        assert_eq!(chunks.iter().any(|chunk| chunk["usage"]["total_tokens"] == 30), has_usage, "{chunks:?}");
    }
    assert_eq!(simulator.seen().len(), 0);
    let records = gateway.records(6).await;
    for record in &records {
        assert_eq!((&record["outcome"], &record["completion_tokens"]), (&json!("completed"), &json!(20)));
    }
    let priced = records.iter().filter(|record| record["requested_model"] == "mocked");
    let costs: Vec<_> = priced.map(|record| record["spend"].as_f64().unwrap()).collect();
    assert!(costs.len() == 2 && costs.iter().all(|cost| *cost > 0.0), "as LiteLLM has it: {records:?}");
    // Whoever is answered so keeps the connection, and the next call is a real one.
    let mut wire = gateway.connect().await;
    for body in [mocked(chat(), SAID), mocked(streamed(), SAID), chat(), streamed()] {
        wire.send(&gateway.post_bytes(CHAT, &body)).await;
        let answer = wire.read_response().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.text().contains("mock"), body.get("mock_response").is_some(), "{}", answer.text());
    }
    let seen = simulator.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| !String::from_utf8_lossy(&seen.body).contains("mock_response")));
}

#[tokio::test]
async fn clients_of_every_api_for_texts_are_answered_in_its_words() {
    let (simulator, gateway) = gateway().await;
    let asked =
        json!({ "model": "mocked", "max_tokens": 9, "messages": [{ "role": "user", "content": "a" }] });
    let message = gateway.post("/v1/messages", &asked).await.json();
    assert_eq!((&message["type"], &message["content"][0]["text"]), (&json!("message"), &json!(SAID)));
    let response = gateway.post("/v1/responses", &json!({ "model": "mocked", "input": "a" })).await.json();
    assert_eq!(response["output"][0]["content"][0]["text"], SAID, "{response}");
    let text = gateway.post("/v1/completions", &json!({ "model": "mocked", "prompt": "a" })).await.json();
    assert_eq!((&text["object"], &text["choices"][0]["text"]), (&json!("text_completion"), &json!(SAID)));
    let stream = gateway
        .post("/v1/completions", &json!({ "model": "mocked", "prompt": "a", "stream": true }))
        .await
        .text();
    assert!(stream.trim_end().ends_with("data: [DONE]") && stream.contains("\"text\":\"This \""), "{stream}");
    let stream = gateway.post("/v1/messages", &with(asked, json!({ "stream": true }))).await.text();
    assert!(stream.contains("event: message_stop") && !stream.contains("\"error\""), "{stream}");
    assert_eq!(simulator.seen().len(), 0);
}

#[tokio::test]
async fn words_for_failures_are_failures() {
    let (simulator, gateway) = gateway().await;
    for (words, status) in [
        ("litellm.RateLimitError", 429),
        ("litellm.ContextWindowExceededError", 400),
        ("litellm.InternalServerError", 500),
        ("Exception: content_filter_policy", 400),
    ] {
        let answer = gateway.post(CHAT, &mocked(chat(), words)).await;
        assert_eq!(answer.status(), status, "{words}: {}", answer.text());
    }
    assert_eq!(simulator.seen().len(), 0);
    // No client puts a deployment out of rotation.
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    let answer = gateway.post(CHAT, &of("sick", chat())).await;
    assert_eq!(
        (answer.status(), answer.header("x-litellm-model-id")),
        (200, Some("real")),
        "{}",
        answer.text()
    );
    for wrong in [json!(1), json!({ "choices": [] })] {
        let answer = gateway.post(CHAT, &with(chat(), json!({ "mock_response": wrong }))).await;
        assert_eq!(answer.status(), 400, "{}", answer.text());
        assert_eq!(answer.json()["error"]["param"], "mock_response");
    }
}

#[tokio::test]
async fn limits_hold_for_answers_that_cost_nobody_anything() {
    let (_simulator, mut gateway) = gateway().await;
    let made = gateway.post("/key/generate", &json!({ "rpm_limit": 1 })).await.json();
    made["key"].as_str().unwrap().clone_into(&mut gateway.key);
    assert_eq!(gateway.post(CHAT, &mocked(chat(), SAID)).await.status(), 200);
    assert_eq!(gateway.post(CHAT, &mocked(chat(), SAID)).await.status(), 429);
}

/// Two deployments, `a` before `b` unless the strategy does not look at that.
async fn pair(a: &str, router: Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(&[("up-a", a), ("up-b", "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("a", MODEL, &base, "up-a", json!({ "order": 1 }))
        .target("b", MODEL, &base, "up-b", json!({ "order": 2 }))
        .set("router_settings", json!({ "disable_cooldowns": false, "num_retries": 1 }))
        .set("router_settings", router);
    (simulator, Gateway::start(&config).await)
}

#[tokio::test]
async fn nobody_is_well_again_because_a_text_was_given_in_its_place() {
    let (_simulator, gateway) = pair("500", json!({ "cooldown_time": 1, "allowed_fails": 3 })).await;
    for _ in 0..3 {
        assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    }
    let cooled = "litellm_deployment_cooled_down_total";
    gateway.metric_is(cooled, &[("model_id", "a")], 1.0).await;
    for (body, times) in [(chat(), 2.0), (streamed(), 3.0)] {
        eventually("it may be tried again", async || {
            let answer = gateway.post(CHAT, &mocked(body.clone(), SAID)).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            (answer.header("x-litellm-model-id") == Some("a")).then_some(())
        })
        .await;
        // Who was out for its failures needs only one to be out again, until it has answered.
        assert_eq!(gateway.post(CHAT, &chat()).await.header("x-litellm-model-id"), Some("b"));
        gateway.metric_is(cooled, &[("model_id", "a")], times).await;
    }
}

#[tokio::test]
async fn nobody_is_fast_because_a_text_was_given_in_its_place() {
    let (simulator, gateway) = pair("ok", json!({ "routing_strategy": "latency-based-routing" })).await;
    let scores = async |body: Value| {
        let answer = gateway.post_with(CHAT, &[("x-tollgate-route", "1")], &body).await;
        let route: Value = serde_json::from_str(answer.header("x-tollgate-route").unwrap()).unwrap();
        let rows = route[0]["considered"].as_array().unwrap().clone();
        rows.iter().map(|row| row["score"].as_f64().unwrap()).collect::<Vec<f64>>()
    };
    for body in [chat(), streamed()] {
        for _ in 0..4 {
            assert_eq!(scores(mocked(body.clone(), SAID)).await, [0.0, 0.0], "nothing is known of anybody");
        }
    }
    for _ in 0..2 {
        gateway.post(CHAT, &chat()).await;
    }
    assert_eq!(simulator.seen().len(), 2);
    assert!(scores(chat()).await.iter().any(|score| *score > 0.0), "of whom was asked it is");
}
