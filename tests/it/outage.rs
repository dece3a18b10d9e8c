//! A key that is revoked and an upstream that dies in mid-run: no client sees it.

use crate::harness::{CHAT, Config, Gateway, Load, MODEL, Response, chat, eventually, script, streamed};
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tollgate::simulator::{Script, Seen, Simulator};

const CALLS: usize = 2000;
const CLIENTS: usize = 16;
const KEYS: [&str; 4] = ["sk-up-a", "sk-up-b", "sk-up-c", "sk-up-d"];
const COOLDOWN: Duration = Duration::from_secs(2);
const COOLED: &str = "litellm_deployment_cooled_down_total";
const STATE: &str = "litellm_deployment_state";

fn own_thread(words: &str) -> Simulator {
    let script = Script::of(words.parse().unwrap());
    Simulator::start_thread(SocketAddr::from(([127, 0, 0, 1], 0)), script).unwrap()
}

fn config() -> Config {
    Config::new().set(
        "router_settings",
        json!({ "num_retries": 3, "disable_cooldowns": false, "cooldown_time": COOLDOWN.as_secs() }),
    )
}

fn all_answered(responses: &[Response]) {
    assert_eq!(responses.len(), CALLS);
    let refused = responses.iter().find(|response| response.status() != 200 || !response.complete);
    assert!(refused.is_none(), "{:?}", refused.map(Response::text));
}

fn id(key: &str) -> &str {
    key.trim_start_matches("sk-up-")
}

/// Each call takes a moment, so that several are under way when something happens.
fn all(words: &str) -> Script {
    script(&KEYS.map(|key| (key, words)))
}

fn moments(seen: &[Seen], key: &str) -> Vec<Instant> {
    seen.iter().filter(|seen| seen.key == key).map(|seen| seen.at).collect()
}

/// How many came together each time, where a pause parts them.
fn bursts(moments: &[Instant]) -> Vec<usize> {
    moments.chunk_by(|one, next| *next - *one < COOLDOWN / 2).map(<[Instant]>::len).collect()
}

#[tokio::test]
async fn a_revoked_key_is_out_alone_and_comes_back() {
    let simulator = own_thread("ok");
    simulator.set(all("wait=10"));
    let base = simulator.base_url();
    let config =
        KEYS.iter().fold(config(), |config, key| config.target(id(key), MODEL, &base, key, json!({})));
    let gateway = Gateway::start(&config).await;
    let bytes = gateway.post_bytes(CHAT, &chat());
    let load = Load::of(CALLS);
    let (responses, before) = tokio::join!(load.run(&gateway, CLIENTS, &bytes), async {
        load.reaches(CALLS / 4).await;
        let others = KEYS[1..].iter().map(|key| (*key, "wait=10"));
        let revoked: Vec<_> = [(KEYS[0], "401+wait=10")].into_iter().chain(others).collect();
        simulator.set(script(&revoked));
        let before = simulator.counts_by_key();
        gateway.metric_is(STATE, &[("model_id", id(KEYS[0]))], 2.0).await;
        before
    });
    all_answered(&responses);

    let after = simulator.counts_by_key();
    let since = |key: &str| after[key] - before[key];
    // On a slow machine the run outlasts the cooldown, and the key is tried again.
    let refused = moments(&simulator.seen(), KEYS[0]).split_off(usize::try_from(before[KEYS[0]]).unwrap());
    let bursts = bursts(&refused);
    assert!(!bursts.is_empty() && bursts.iter().all(|calls| *calls <= CLIENTS), "{bursts:?}");
    let rest: u64 = KEYS[1..].iter().map(|key| since(key)).sum();
    for key in &KEYS[1..] {
        let share = since(key) as f64 / rest as f64;
        assert!((0.3..0.37).contains(&share), "{key} has {share} of what is left");
        assert_eq!(gateway.metric(COOLED, &[("model_id", id(key))]).await, 0.0, "{key}");
        assert_eq!(gateway.metric(STATE, &[("model_id", id(key))]).await, 0.0, "{key}");
    }
    let labels = [("model_id", id(KEYS[0]))];
    assert_eq!(gateway.metric(COOLED, &[labels[0], ("exception_status", "401")]).await, bursts.len() as f64);
    let output = gateway.output();
    assert_eq!(output.matches("out of rotation").count(), bursts.len(), "{output}");
    assert!(!output.contains("sk-up-"), "{output}");

    simulator.set(all("ok"));
    let count = after[KEYS[0]];
    eventually("the key is used again", async || {
        gateway.post(CHAT, &chat()).await;
        (simulator.counts_by_key()[KEYS[0]] > count).then_some(())
    })
    .await;
    let after = moments(&simulator.seen(), KEYS[0])[usize::try_from(count).unwrap()];
    let pause = after - *refused.last().unwrap();
    assert!(pause >= COOLDOWN, "its traffic stopped for {pause:?} only");
    gateway.metric_is(STATE, &labels, 0.0).await;
}

#[tokio::test]
async fn an_upstream_that_dies_takes_no_call_with_it() {
    let simulators: Vec<Simulator> = KEYS.iter().map(|_| own_thread("wait=10")).collect();
    let config = simulators.iter().zip(KEYS).fold(config(), |config, (simulator, key)| {
        config.target(id(key), MODEL, &simulator.base_url(), key, json!({}))
    });
    let gateway = Gateway::start(&config).await;
    let bytes = gateway.post_bytes(CHAT, &chat());
    let load = Load::of(CALLS);
    let mut simulators = simulators.into_iter();
    let first = simulators.next().unwrap();
    let ((), responses) = tokio::join!(
        async {
            load.reaches(CALLS / 4).await;
            assert!(!first.seen().is_empty());
            first.stop().await;
        },
        load.run(&gateway, CLIENTS, &bytes)
    );
    all_answered(&responses);

    let records = gateway.records(CALLS).await;
    let failed: Vec<_> = records.iter().filter(|record| record["attempts"] != 1).collect();
    assert!(!failed.is_empty(), "nobody met the dead upstream");
    assert!(records.iter().all(|record| record["outcome"] == "completed"));
    let mut counts = HashMap::new();
    for record in &records {
        *counts.entry(record["model_id"].as_str().unwrap()).or_insert(0) += 1;
    }
    for key in &KEYS[1..] {
        assert!(counts[id(key)] > CALLS / 5, "{counts:?}");
    }
}

#[tokio::test]
async fn streams_of_an_upstream_that_dies_say_so_and_all_others_are_whole() {
    const STREAMS: usize = 300;
    let simulators: Vec<Simulator> = KEYS.iter().map(|_| own_thread("wait=5+chunks=8+gap=4")).collect();
    let config = simulators.iter().zip(KEYS).fold(config(), |config, (simulator, key)| {
        config.target(id(key), MODEL, &simulator.base_url(), key, json!({}))
    });
    let gateway = Gateway::start(&config).await;
    let bytes = gateway.post_bytes(CHAT, &streamed());
    // The head of a stream promises to keep the connection; one whose upstream died is closed all the same.
    let load = Load::of(STREAMS).unkept();
    let mut simulators = simulators.into_iter();
    let first = simulators.next().unwrap();
    let ((), responses) = tokio::join!(
        async {
            load.reaches(STREAMS / 4).await;
            first.stop().await;
        },
        load.run(&gateway, CLIENTS, &bytes)
    );
    let mut broken = 0;
    for response in &responses {
        let text = response.text();
        assert!(response.status() == 200 && response.complete, "{text}");
        let (done, error) = (text.ends_with("data: [DONE]\n\n"), text.matches("data: {\"error\":").count());
        let whole = done && error == 0 && text.contains(" on.") && text.contains("\"stop\"");
        let said = !done && error == 1 && !text.contains("\"stop\"") && !text.contains("[DONE]");
        assert!(whole || said, "{text}");
        broken += usize::from(said);
    }
    assert!(broken <= CLIENTS, "{broken} broken streams of at most {CLIENTS} under way");
    let records = gateway.records(STREAMS).await;
    let interrupted = records.iter().filter(|record| record["outcome"] == "interrupted").count();
    assert_eq!(interrupted, broken);
    assert!(records.iter().all(|r| r["outcome"] == "completed" || r["outcome"] == "interrupted"));
}

#[tokio::test]
async fn a_call_is_refused_when_every_upstream_is_dead() {
    let simulator = own_thread("ok");
    let base = simulator.base_url();
    let config =
        KEYS.iter().fold(config(), |config, key| config.target(id(key), MODEL, &base, key, json!({})));
    let gateway = Gateway::start(&config).await;
    simulator.stop().await;
    let refused = gateway.post(CHAT, &chat()).await;
    assert_eq!(refused.status(), 500, "{}", refused.text());
    let words = "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.";
    assert_eq!(refused.json()["error"]["message"], words);
    let record = gateway.records(1).await.remove(0);
    assert_eq!((record["attempts"].as_u64(), &record["outcome"]), (Some(4), &json!("refused")));
}
