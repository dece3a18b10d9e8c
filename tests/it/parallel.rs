//! `max_parallel_requests`: no more than that at the upstream; the others wait their turn.

use crate::harness::{CHAT, Config, Gateway, Load, MODEL, chat, streamed};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tollgate::simulator::{Script, Seen, Simulator};

const MOST: usize = 3;
const CALLS: usize = 40;

/// The most calls that were under way at one moment.
fn most_at_once(seen: &[Seen]) -> usize {
    let ended = |seen: &Seen| seen.answered.or(seen.closed_early).unwrap();
    let at_once = |moment| seen.iter().filter(|other| other.at <= moment && moment < ended(other)).count();
    seen.iter().map(|seen| at_once(seen.at)).max().unwrap_or_default()
}

async fn run(params: Value, router: Value, body: &Value) -> usize {
    let script = Script::of("wait=20+chunks=4+gap=5".parse().unwrap());
    let simulator = Simulator::start_thread(SocketAddr::from(([127, 0, 0, 1], 0)), script).unwrap();
    let config = Config::new()
        .target("only", MODEL, &simulator.base_url(), "sk-up", params)
        .set("router_settings", router);
    let gateway = Gateway::start(&config).await;
    let bytes = gateway.post_bytes(CHAT, body);
    let responses = Load::of(CALLS).run(&gateway, CALLS, &bytes).await;
    assert!(responses.iter().all(|response| response.status() == 200 && response.complete));
    // A client may have its answer before the simulator has noted that it gave one.
    let all_ended = |seen: &[Seen]| seen.iter().all(|seen| seen.answered.or(seen.closed_early).is_some());
    assert!(simulator.wait_until(std::time::Duration::from_secs(10), all_ended).await);
    let seen = simulator.seen();
    assert_eq!(seen.len(), CALLS);
    most_at_once(&seen)
}

#[tokio::test]
async fn whole_answers_take_turns() {
    assert_eq!(run(json!({ "max_parallel_requests": MOST }), json!({}), &chat()).await, MOST);
}

#[tokio::test]
async fn streams_take_turns() {
    assert_eq!(run(json!({ "max_parallel_requests": MOST }), json!({}), &streamed()).await, MOST);
}

#[tokio::test]
async fn the_router_has_a_default() {
    let most = run(json!({}), json!({ "default_max_parallel_requests": MOST }), &chat()).await;
    assert_eq!(most, MOST);
}

#[tokio::test]
async fn without_a_limit_they_go_side_by_side() {
    assert!(run(json!({}), json!({}), &chat()).await > MOST);
}

#[tokio::test]
async fn a_full_deployment_is_passed_over_while_another_has_room() {
    let simulator = crate::harness::upstream_of(&[("sk-a", "hang"), ("sk-b", "ok")]).await;
    let base = simulator.base_url();
    let config = Config::new()
        .target("a", MODEL, &base, "sk-a", json!({ "order": 1, "max_parallel_requests": 1 }))
        .target("b", MODEL, &base, "sk-b", json!({ "order": 2 }));
    let gateway = Gateway::start(&config).await;
    let mut held = gateway.connect().await;
    held.send(&gateway.post_bytes(CHAT, &chat())).await;
    assert!(simulator.wait_until(std::time::Duration::from_secs(10), |seen| seen.len() == 1).await);
    for _ in 0..5 {
        let answer = gateway.post(CHAT, &chat()).await;
        assert_eq!(answer.header("x-litellm-model-id"), Some("b"), "{}", answer.text());
    }
}
