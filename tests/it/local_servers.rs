//! Servers near the gateway: what their lists show, which of them is preferred, and that nobody else is asked.

use crate::harness::{Asked, Config, Gateway, Reply, Scripted, eventually};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A whole answer of a model.
fn said(model: &Value) -> Reply {
    Reply::json(&json!({
        "id": "c-1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello." } }],
        "usage": { "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7 }
    }))
}

/// A llama-swap with these models, which has `qwen` in memory while `loaded` is set, and answers while `well` is.
async fn swap(loaded: Arc<AtomicBool>, well: Arc<AtomicBool>) -> Scripted {
    Scripted::start(move |asked: &Asked| {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        match asked.route() {
            "/v1/models" if is(&well) => {
                Reply::json(&json!({ "object": "list", "data": [{ "id": "qwen" }, { "id": "gemma" }] }))
            }
            "/running" if is(&loaded) => {
                Reply::json(&json!({ "running": [{ "model": "qwen", "state": "ready" }] }))
            }
            "/running" => Reply::json(&json!({ "running": [] })),
            "/v1/chat/completions" if is(&well) => said(&asked.json()["model"]),
            _ => Reply::status(500),
        }
    })
    .await
}

fn flag(value: bool) -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(value))
}

fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] })
}

async fn names(gateway: &Gateway) -> Vec<String> {
    let listed = gateway.get("/v1/models").await.json();
    listed["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_wildcard_lists_what_its_server_has() {
    let server = swap(flag(true), flag(true)).await;
    let away = swap(flag(true), flag(false)).await;
    let entry = |group: &str, model: &str, server: &Scripted| json!({ "model_name": group, "litellm_params": { "model": model, "api_base": format!("{}/v1", server.url()) } });
    let config = Config::new()
        .entry(entry("local/*", "openai/*", &server))
        .entry(entry("qwen", "openai/qwen", &server))
        .entry(entry("away/*", "openai/*", &away));
    let gateway = Gateway::start(&config).await;
    assert_eq!(names(&gateway).await, ["local/gemma", "local/qwen", "qwen", "away/*"]);
    for _ in 0..5 {
        assert_eq!(names(&gateway).await.len(), 4);
    }
    assert_eq!((server.count("/v1/models"), away.count("/v1/models")), (1, 1), "the list is kept");
    assert_eq!(
        (server.count("/running"), server.count("/metrics")),
        (0, 0),
        "it is not said to be such a server"
    );
    assert_eq!(gateway.post("/v1/chat/completions", &chat("local/gemma")).await.status(), 200);
    assert_eq!(server.asked().last().unwrap().json()["model"], "gemma");
}

#[tokio::test]
async fn the_server_that_has_the_model_in_memory_is_preferred_while_it_is_well() {
    let (cold, warm, well) = (flag(false), flag(true), flag(true));
    let one = swap(Arc::clone(&cold), flag(true)).await;
    let two = swap(Arc::clone(&warm), Arc::clone(&well)).await;
    let entry = |server: &Scripted| {
        json!({
            "model_name": "*", "model_info": { "local_server": "llama-swap" },
            "litellm_params": { "model": "openai/*", "api_base": format!("{}/v1", server.url()) },
        })
    };
    let config = Config::new()
        .entry(entry(&one))
        .entry(entry(&two))
        .set("router_settings", json!({ "num_retries": 2 }));
    let gateway = Gateway::start(&config).await;
    let calls = async |count: usize| {
        let before = [one.count("/v1/chat/completions"), two.count("/v1/chat/completions")];
        for _ in 0..count {
            let answer = gateway.post("/v1/chat/completions", &chat("qwen")).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
        }
        [one.count("/v1/chat/completions") - before[0], two.count("/v1/chat/completions") - before[1]]
    };
    eventually("both have told", async || {
        (one.count("/running") > 1 && two.count("/running") > 1).then_some(())
    })
    .await;
    assert_eq!(calls(10).await, [0, 10]);

    // It moves; the gateway hears of it.
    cold.store(true, Ordering::Relaxed);
    warm.store(false, Ordering::Relaxed);
    eventually("the other one is preferred", async || (calls(1).await == [1, 0]).then_some(())).await;
    assert_eq!(calls(10).await, [10, 0]);

    // It moves back, to a server that fails: health comes first.
    cold.store(false, Ordering::Relaxed);
    warm.store(true, Ordering::Relaxed);
    well.store(false, Ordering::Relaxed);
    eventually("the failing one is asked", async || (calls(1).await[1] > 0).then_some(())).await;
    assert!(calls(5).await[0] == 5, "every call is answered by the one that is well");

    // A model that nobody has loaded goes to any.
    let answer = gateway.post("/v1/chat/completions", &chat("gemma")).await;
    assert_eq!(answer.status(), 200);
    let asked: Vec<Asked> = [one.asked(), two.asked()].concat();
    assert!(
        asked
            .iter()
            .filter(|asked| asked.route() == "/running")
            .all(|asked| asked.method == "GET" && asked.body.is_empty())
    );
}

#[tokio::test]
async fn the_least_busy_vllm_is_the_one_with_the_shortest_queue() {
    let vllm = |waiting: u64, cache: f64| {
        Scripted::start(move |asked: &Asked| match asked.route() {
            "/metrics" => Reply::text(
                "text/plain; version=0.0.4",
                format!(
                    "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{model_name=\"m\"}} 1.0\nvllm:num_requests_waiting{{model_name=\"m\"}} {waiting}\nvllm:kv_cache_usage_perc{{model_name=\"m\"}} {cache}\n"
                ),
            ),
            "/v1/chat/completions" => said(&asked.json()["model"]),
            _ => Reply::status(404),
        })
    };
    let servers = [vllm(40, 0.1).await, vllm(0, 0.9).await, vllm(0, 0.2).await];
    let config = servers.iter().fold(Config::new(), |config, server| {
        config.entry(json!({ "model_name": "m", "litellm_params": { "model": "hosted_vllm/m", "api_base": format!("{}/v1", server.url()) } }))
    });
    let gateway =
        Gateway::start(&config.set("router_settings", json!({ "routing_strategy": "least-busy" }))).await;
    eventually("all have told", async || {
        servers.iter().all(|server| server.count("/metrics") > 1).then_some(())
    })
    .await;
    for _ in 0..10 {
        assert_eq!(gateway.post("/v1/chat/completions", &chat("m")).await.status(), 200);
    }
    let counts: Vec<usize> = servers.iter().map(|server| server.count("/v1/chat/completions")).collect();
    assert_eq!(counts, [0, 0, 10]);
}

#[tokio::test]
async fn nobody_is_asked_whose_answers_nobody_needs() {
    let server = swap(flag(true), flag(true)).await;
    let entry = |group: &str, model: &str| json!({ "model_name": group, "litellm_params": { "model": model, "api_base": server.url() } });
    // One deployment each: there is nothing to choose.
    let config = Config::new().entry(entry("a", "ollama/a")).entry(entry("b", "hosted_vllm/b"));
    let gateway = Gateway::start(&config).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(names(&gateway).await, ["a", "b"]);
    assert!(server.asked().is_empty(), "{:?}", server.asked());
}
