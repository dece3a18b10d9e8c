//! The program serves what its file says, and keeps its secrets to itself.

use crate::harness::{Config, Gateway, Launch, MASTER_KEY};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate::simulator::{Behaviour, Script, Simulator};

const UPSTREAM_KEYS: [&str; 2] = ["sk-upstream-canary-1", "sk-upstream-canary-2"];
const PROMPT: &str = "canary prompt";

async fn simulator(words: &str) -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::of(words.parse::<Behaviour>().unwrap())).await.unwrap();
    let base = simulator.base_url();
    let targets = UPSTREAM_KEYS.map(|key| (base.as_str(), key));
    let gateway = Gateway::start(&Config::new().pool("m", "sim", &targets)).await;
    (simulator, gateway)
}

fn chat(stream: bool) -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": PROMPT }], "stream": stream })
}

#[tokio::test]
async fn a_completion_names_the_group_not_the_upstream_model() {
    let (_simulator, gateway) = simulator("ok").await;
    let answer = gateway.post("/v1/chat/completions", &chat(false)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(answer.complete);
    assert_eq!(answer.json()["model"], "m");
    assert!(answer.header("x-litellm-call-id").is_some(), "{:?}", answer.head);
}

#[tokio::test]
async fn a_stream_arrives_event_by_event() {
    let (_simulator, gateway) = simulator("chunks=5+gap=40").await;
    let mut stream = gateway.stream("/v1/chat/completions", &chat(true)).await;
    assert_eq!(stream.head.status, 200);
    let events = stream.events().await;
    assert!(stream.complete, "the stream ends in good order");
    assert_eq!(events.last().unwrap().data, "[DONE]");
    let span = events.last().unwrap().at - events[0].at;
    assert!(span >= Duration::from_millis(4 * 40), "all came within {span:?}");
}

#[tokio::test]
async fn no_secret_and_no_prompt_is_printed() {
    let simulator = Simulator::start(Script::of("401".parse().unwrap())).await.unwrap();
    let base = simulator.base_url();
    let config = Config::new().pool("m", "sim", &UPSTREAM_KEYS.map(|key| (base.as_str(), key)));
    let gateway = Launch::of(&config).argument("--detailed_debug").start().await;
    for path in ["/v1/chat/completions", "/v1/completions", "/nowhere"] {
        gateway.post(path, &chat(false)).await;
    }
    let answer = gateway.post("/v1/chat/completions", &chat(true)).await.text();
    let output = gateway.output();
    for canary in UPSTREAM_KEYS.iter().chain(&[MASTER_KEY, PROMPT]) {
        assert!(!output.contains(canary), "{canary} is printed");
        assert!(!answer.contains(canary), "{canary} is answered");
    }
}

#[tokio::test]
async fn a_file_with_faults_is_refused() {
    let (status, output) = Launch::of_text("model_list: [{ model_name: m }]").refused();
    assert!(!status.success());
    assert!(output.contains("litellm_params"), "{output}");
}

#[tokio::test]
async fn it_ends_in_good_order_when_asked_to() {
    let (_simulator, mut gateway) = simulator("ok").await;
    assert_eq!(gateway.post("/v1/chat/completions", &chat(false)).await.status(), 200);
    gateway.signal("TERM");
    let status = gateway.ended().await;
    assert!(status.success(), "{status}");
}
