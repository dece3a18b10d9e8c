//! Scarce quota: every upstream key is asked as often as it may be and no oftener, and calls wait their turn.

use crate::harness::{
    CHAT, Config, Gateway, MASTER_KEY, MODEL, Response, chat, eventually, request, streamed, upstream_of,
    with,
};
use crate::support::{answer, canned};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tollgate::simulator::{Seen, Simulator};

const DEPTH: &str = "tollgate_queue_depth";
const REFUSED: &str = "tollgate_queue_refused_total";

/// A group with these upstream keys, each of which may be asked so often in a window.
async fn pool(keys: &[(&str, &str)], rpm: u64, queue: Value) -> (Simulator, Gateway) {
    pool_with(keys, rpm, json!({ "queue": queue })).await
}

async fn pool_with(keys: &[(&str, &str)], rpm: u64, own: Value) -> (Simulator, Gateway) {
    let simulator = upstream_of(keys).await;
    let config = keys.iter().fold(Config::new(), |config, (key, _)| {
        config.target(key, MODEL, &simulator.base_url(), key, json!({ "rpm": rpm }))
    });
    let router = json!({ "disable_cooldowns": false, "cooldown_time": 60, "num_retries": 2 });
    let gateway = Gateway::start(&config.set("router_settings", router).set("tollgate", own)).await;
    (simulator, gateway)
}

/// A call whose prompt names it.
fn named(name: &str) -> Value {
    with(chat(), json!({ "messages": [{ "role": "user", "content": name }] }))
}

/// Posts all of these at once, each with its key.
fn burst(gateway: &Gateway, calls: impl IntoIterator<Item = (String, Value)>) -> JoinSet<Response> {
    let mut all = JoinSet::new();
    for (key, body) in calls {
        let bearer = format!("Bearer {key}");
        let bytes = request("POST", CHAT, &[("authorization", &bearer)], body.to_string().as_bytes());
        let address = gateway.address;
        all.spawn(async move {
            let mut connection = crate::harness::Connection::open(address).await;
            connection.send(&bytes).await;
            connection.read_response().await
        });
    }
    all
}

fn calls(count: usize) -> impl Iterator<Item = (String, Value)> {
    (0..count).map(|_| (MASTER_KEY.to_owned(), chat()))
}

async fn all_answered(calls: JoinSet<Response>) {
    for answer in calls.join_all().await {
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}

/// No key was asked more than `most` times in any `window`, as the upstream saw it.
fn assert_pace(seen: &[Seen], most: usize, window: Duration) {
    let mut keys: Vec<&str> = seen.iter().map(|seen| seen.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let at: Vec<Instant> = seen.iter().filter(|seen| seen.key == key).map(|seen| seen.at).collect();
        for span in at.windows(most + 1) {
            let length = span[most] - span[0];
            assert!(length >= window, "{key} was asked {} times within {length:?}", most + 1);
        }
    }
}

/// Every call cost one attempt: no upstream ever refused one.
async fn assert_one_attempt_each(gateway: &Gateway, calls: usize) {
    let records = gateway.records(calls).await;
    assert!(records.iter().all(|record| record["attempts"] == 1), "{records:?}");
}

#[tokio::test]
async fn four_keys_of_three_take_twelve_at_once_and_the_thirteenth_is_told_when_to_come() {
    let keys = [("k1", "limit=3"), ("k2", "limit=3"), ("k3", "limit=3"), ("k4", "limit=3")];
    let (simulator, gateway) = pool(&keys, 3, json!({ "max_wait": 60 })).await;
    let began = Instant::now();
    all_answered(burst(&gateway, calls(12))).await;
    let took = began.elapsed();
    let counts = simulator.counts_by_key();
    assert!(keys.iter().all(|(key, _)| counts[*key] == 3), "{counts:?}");
    assert_one_attempt_each(&gateway, 12).await;
    let refused = gateway.post_with(CHAT, &[("x-tollgate-max-wait", "0")], &chat()).await;
    assert_eq!(refused.status(), 429, "{}", refused.text());
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    let since = began.elapsed().as_secs() + 1;
    assert!(after <= 60 && after + since >= 60, "{after} s, {took:?} and {since} s after the first");
    assert!(refused.text().contains(&format!("Try again in {after} seconds")), "{}", refused.text());
    assert_eq!(gateway.metric(REFUSED, &[("model_group", MODEL), ("reason", "too_late")]).await, 1.0);
    // One that may wait does.
    let waiting = burst(&gateway, calls(1));
    gateway.metric_is(DEPTH, &[("model_group", MODEL)], 1.0).await;
    drop(waiting);
    gateway.metric_is(DEPTH, &[("model_group", MODEL)], 0.0).await;
    assert_eq!(simulator.counts_by_key().values().sum::<u64>(), 12);
}

#[tokio::test]
async fn who_waits_is_served_as_soon_as_no_window_of_the_upstream_is_overrun() {
    let keys = [("k1", "limit=2+window=2000"), ("k2", "limit=2+window=2000")];
    let (simulator, gateway) = pool(&keys, 2, json!({ "max_wait": 60, "window_seconds": 2 })).await;
    all_answered(burst(&gateway, calls(14))).await;
    assert_pace(&simulator.seen(), 2, Duration::from_secs(2));
    assert_one_attempt_each(&gateway, 14).await;
    assert_eq!(gateway.metric("tollgate_queue_wait_seconds_count", &[("model_group", MODEL)]).await, 10.0);
}

#[tokio::test]
async fn an_explanation_knows_the_line_and_agrees_with_what_serving_does() {
    let (simulator, gateway) = pool(&[("k", "limit=1+window=60000")], 1, json!({ "max_wait": 600 })).await;
    let explained = async |patience: &str| {
        let headers = json!({ "headers": { "x-tollgate-max-wait": patience } });
        let answer = gateway.post("/tollgate/explain", &with(chat(), headers)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    };
    let asked =
        async |patience: &str| gateway.post_with(CHAT, &[("x-tollgate-max-wait", patience)], &chat()).await;
    let told = explained("0").await;
    assert_eq!((&told["verdict"], &told["wait_seconds"]), (&json!("served"), &json!(0.0)), "{told}");
    assert_eq!(asked("0").await.status(), 200);
    // One window is to be waited for, and with each call that waits one more.
    let mut waiting = Vec::new();
    for line in 1..=3 {
        let told = explained("600").await;
        let wait = told["wait_seconds"].as_f64().unwrap();
        let window = f64::from(line) * 60.0;
        assert_eq!(told["verdict"], "served", "{told}");
        assert!((window - 40.0..window + 1.0).contains(&wait), "{wait} s behind {} others", line - 1);
        let (too_short, long_enough) = (format!("{}", wait / 2.0), format!("{}", wait + 5.0));
        let told = explained(&too_short).await;
        let refused = asked(&too_short).await;
        assert_eq!((&told["status"], refused.status()), (&json!(429), 429), "{told}");
        let said = refused.json()["error"].clone();
        assert_eq!((&said["type"], &said["code"]), (&told["error"]["type"], &told["error"]["code"]));
        let after: f64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!(after <= wait + 1.0 && told["wait_seconds"].as_f64().unwrap() <= wait, "{after} {told}");
        assert_eq!(explained(&long_enough).await["verdict"], "served");
        let bearer = gateway.bearer();
        let headers = [("authorization", bearer.as_str()), ("x-tollgate-max-wait", &long_enough)];
        let bytes = request("POST", CHAT, &headers, chat().to_string().as_bytes());
        let mut connection = gateway.connect().await;
        connection.send(&bytes).await;
        waiting.push(connection);
        gateway.metric_is(DEPTH, &[("model_group", MODEL)], f64::from(line)).await;
    }
    assert_eq!(simulator.seen().len(), 1, "nobody else was sent");
}

#[tokio::test]
async fn two_tenants_share_by_their_weights() {
    let (simulator, gateway) =
        pool(&[("k", "limit=12+window=8000")], 12, json!({ "max_wait": 60, "window_seconds": 8 })).await;
    let mut keys = Vec::new();
    for weight in [1, 3] {
        let body = json!({ "metadata": { "queue_weight": weight } });
        keys.push(gateway.post("/key/generate", &body).await.json()["key"].as_str().unwrap().to_owned());
    }
    all_answered(burst(&gateway, calls(12))).await;
    // The light one comes first, and both ask for more than there is.
    let light = burst(&gateway, (0..12).map(|_| (keys[0].clone(), named("light"))));
    gateway.metric_is(DEPTH, &[], 12.0).await;
    let heavy = burst(&gateway, (0..12).map(|_| (keys[1].clone(), named("heavy"))));
    gateway.metric_is(DEPTH, &[], 24.0).await;
    let next = eventually("a window's worth is let through", async || {
        let seen = simulator.seen();
        (seen.len() >= 24).then(|| seen[12..24].to_vec())
    })
    .await;
    drop((light, heavy));
    let is_light = |seen: &&Seen| String::from_utf8_lossy(&seen.body).contains("light");
    assert_eq!(next.iter().filter(is_light).count(), 3, "one to three");
    assert_pace(&simulator.seen(), 12, Duration::from_secs(8));
}

#[tokio::test]
async fn a_lower_priority_number_goes_first_but_not_below_what_is_configured() {
    let (simulator, gateway) = pool(
        &[("k", "429+first=1+retry-after=5")],
        1,
        json!({ "max_wait": 60, "window_seconds": 1, "priority": 5 }),
    )
    .await;
    // The key is used up for a while; whoever found that out goes first.
    let mut waiting =
        vec![burst(&gateway, [(MASTER_KEY.to_owned(), with(named("again"), json!({ "priority": 9 })))])];
    gateway.metric_is(DEPTH, &[], 1.0).await;
    for (n, (name, priority)) in [("late", 9), ("first", 5), ("bold", 0)].into_iter().enumerate() {
        let body = with(named(name), json!({ "priority": priority }));
        waiting.push(burst(&gateway, [(MASTER_KEY.to_owned(), body)]));
        gateway.metric_is(DEPTH, &[], (n + 2) as f64).await;
    }
    for calls in waiting {
        all_answered(calls).await;
    }
    let order: Vec<String> =
        simulator.seen().iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    for (body, name) in order.iter().zip(["again", "again", "first", "bold", "late"]) {
        assert!(body.contains(name), "{order:?}");
        assert!(!body.contains("priority"), "it is the gateway's: {body}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_left_out_and_no_client_sees_it() {
    let words = "limit=3+window=3000";
    let keys = [("k1", "401"), ("k2", words), ("k3", words), ("k4", words)];
    let (simulator, gateway) = pool(&keys, 3, json!({ "max_wait": 60, "window_seconds": 3 })).await;
    all_answered(burst(&gateway, calls(12))).await;
    let counts = simulator.counts_by_key();
    assert!(counts["k1"] <= 3, "{counts:?}");
    let lines = gateway.output().lines().filter(|line| line.contains("is out of rotation")).count();
    assert_eq!(lines, 1, "{}", gateway.output());
    let others: Vec<Seen> = simulator.seen().into_iter().filter(|seen| seen.key != "k1").collect();
    assert_eq!(others.len(), 12, "no call was refused for want of quota");
    assert_pace(&others, 3, Duration::from_secs(3));
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let (simulator, gateway) =
        pool(&[("k", "limit=1+window=5000")], 1, json!({ "max_wait": 60, "window_seconds": 5 })).await;
    all_answered(burst(&gateway, calls(1))).await;
    let leaves = burst(&gateway, [(MASTER_KEY.to_owned(), named("leaves"))]);
    gateway.metric_is(DEPTH, &[], 1.0).await;
    let stays = burst(&gateway, [(MASTER_KEY.to_owned(), named("stays"))]);
    gateway.metric_is(DEPTH, &[], 2.0).await;
    drop(leaves);
    gateway.metric_is(DEPTH, &[], 1.0).await;
    all_answered(stays).await;
    assert_eq!(simulator.seen().len(), 2, "who left was not asked for");
    let gone = gateway.records(3).await.into_iter().filter(|record| record["status"] == 499).count();
    assert_eq!(gone, 1);
}

#[tokio::test]
async fn who_waits_when_the_process_ends_is_told_to_come_again() {
    // One waits for quota, another for the slot that a stream without an end holds.
    let simulator = upstream_of(&[("k", "ok"), ("slow", "chunks=100000+gap=20")]).await;
    let config = Config::new()
        .target("scarce", MODEL, &simulator.base_url(), "k", json!({ "rpm": 1 }))
        .target("narrow", "n", &simulator.base_url(), "slow", json!({ "max_parallel_requests": 1 }))
        .set("tollgate", json!({ "queue": { "max_wait": 600 }, "drain_timeout": 2 }));
    let mut gateway = Gateway::start(&config).await;
    all_answered(burst(&gateway, calls(1))).await;
    let _stream = gateway.stream(CHAT, &with(streamed(), json!({ "model": "n" }))).await;
    let narrow = with(chat(), json!({ "model": "n" }));
    let waiting = burst(&gateway, [(MASTER_KEY.to_owned(), chat()), (MASTER_KEY.to_owned(), narrow)]);
    gateway.metric_is(DEPTH, &[], 1.0).await;
    gateway.metric_is("litellm_in_flight_requests", &[], 3.0).await;
    gateway.signal("TERM");
    for answer in waiting.join_all().await {
        assert_eq!(answer.status(), 503, "{}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["error"]["type"], "service_unavailable");
    }
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert_eq!(simulator.seen().len(), 2, "who waited was not asked for");
}

#[tokio::test]
async fn clients_that_come_and_go_neither_leak_nor_overrun() {
    let (simulator, gateway) = pool(
        &[("k1", "limit=5+window=1000"), ("k2", "limit=5+window=1000")],
        5,
        json!({ "max_wait": 60, "window_seconds": 1 }),
    )
    .await;
    let staying = burst(&gateway, calls(40));
    for _ in 0..40 {
        let mut leaving = burst(&gateway, calls(1));
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
        leaving.abort_all();
        while leaving.join_next().await.is_some() {}
    }
    all_answered(staying).await;
    gateway.metric_is(DEPTH, &[], 0.0).await;
    assert_pace(&simulator.seen(), 5, Duration::from_secs(1));
    all_answered(burst(&gateway, calls(10))).await;
    // Who left before it was heard has no record.
    let records = gateway.records(50).await;
    assert!(records.iter().all(|record| record["status"] != 429), "{records:?}");
}

#[tokio::test]
async fn the_line_has_an_end() {
    let (simulator, gateway) = pool(&[("k", "ok")], 1, json!({ "max_wait": 3600, "max_depth": 2 })).await;
    all_answered(burst(&gateway, calls(1))).await;
    let waiting = burst(&gateway, calls(2));
    gateway.metric_is(DEPTH, &[], 2.0).await;
    let refused = gateway.post(CHAT, &chat()).await;
    assert_eq!(refused.status(), 429, "{}", refused.text());
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((160..=180).contains(&after), "two go before it, a minute each: {after} s");
    assert_eq!(gateway.metric(REFUSED, &[("reason", "full")]).await, 1.0);
    drop(waiting);
    assert_eq!(simulator.seen().len(), 1);
}

#[tokio::test]
async fn each_group_key_and_call_has_its_own_bound() {
    let own = json!({ "queue": { "max_wait": 300 }, "groups": { "m": { "max_wait": 90 } } });
    let (_simulator, gateway) = pool_with(&[("k", "ok")], 1, own).await;
    let key = async |max_wait: Value| {
        let body = json!({ "metadata": { "max_wait": max_wait } });
        gateway.post("/key/generate", &body).await.json()["key"].as_str().unwrap().to_owned()
    };
    let (hasty, patient) = (key(json!(10)).await, key(json!(200)).await);
    all_answered(burst(&gateway, calls(1))).await;
    let hopeless = burst(&gateway, [(hasty.clone(), chat())]).join_all().await;
    assert_eq!(hopeless[0].status(), 429, "it may not wait a minute");
    // The group's own bound lets one more wait, and no second one.
    let mut waiting = vec![burst(&gateway, calls(1))];
    gateway.metric_is(DEPTH, &[], 1.0).await;
    assert_eq!(burst(&gateway, calls(1)).join_all().await[0].status(), 429);
    waiting.push(burst(&gateway, [(patient.clone(), chat())]));
    gateway.metric_is(DEPTH, &[], 2.0).await;
    // A header lowers, and does not raise.
    let headers = [("x-tollgate-max-wait", "3000")];
    assert_eq!(gateway.post_with(CHAT, &headers, &chat()).await.status(), 429);
}

#[tokio::test]
async fn an_upstream_that_allows_less_than_configured_is_believed() {
    let keys = [("k1", "limit=1+window=2000"), ("k2", "limit=1+window=2000")];
    let (simulator, gateway) = pool(&keys, 3, json!({ "max_wait": 60, "window_seconds": 2 })).await;
    // The first answer of each key tells its limit.
    for _ in 0..2 {
        all_answered(burst(&gateway, calls(1))).await;
    }
    all_answered(burst(&gateway, calls(6))).await;
    let refusals = simulator.seen().len() - 8;
    assert_eq!(refusals, 0, "asked in vain");
}

#[tokio::test]
async fn a_refusal_of_the_upstream_is_waited_out_and_costs_no_retry() {
    let (simulator, gateway) =
        pool(&[("k", "429+first=4+retry-after=1")], 100, json!({ "max_wait": 60, "window_seconds": 2 }))
            .await;
    all_answered(burst(&gateway, calls(1))).await;
    let seen = simulator.seen();
    assert_eq!(seen.len(), 5, "more tries than it has retries");
    let pause = |at: usize| seen[at + 1].at - seen[at].at;
    assert!((0..4).all(|at| pause(at) >= Duration::from_millis(990)), "its word is heeded");
}

#[tokio::test]
async fn limits_can_hold_without_anybody_waiting() {
    let simulator = upstream_of(&[("k", "ok")]).await;
    let config = Config::new()
        .target("k", MODEL, &simulator.base_url(), "k", json!({ "rpm": 2 }))
        .set("router_settings", json!({ "optional_pre_call_checks": ["enforce_model_rate_limits"] }));
    let gateway = Gateway::start(&config).await;
    let mut connection = gateway.connect().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        connection.send(&gateway.post_bytes(CHAT, &chat())).await;
        statuses.push(connection.read_response().await.status());
    }
    assert_eq!(statuses, [200, 200, 429, 429], "on one connection");
    assert_eq!(simulator.seen().len(), 2);
}

#[tokio::test]
async fn tokens_are_a_limit_too() {
    let simulator = upstream_of(&[("k", "chunks=50")]).await;
    let config = Config::new()
        .target("k", MODEL, &simulator.base_url(), "k", json!({ "tpm": 200 }))
        .set("tollgate", json!({ "queue": { "max_wait": 0 } }));
    let gateway = Gateway::start(&config).await;
    let mut served = 0;
    let refused = loop {
        let answer = gateway.post(CHAT, &with(chat(), json!({ "max_tokens": 60 }))).await;
        if answer.status() != 200 {
            break answer;
        }
        served += 1;
        assert!(served < 10, "never refused");
    };
    assert_eq!(refused.status(), 429, "{}", refused.text());
    assert!((2..=4).contains(&served), "{served} calls of about sixty tokens in two hundred");
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=60).contains(&after), "{after}");
}

/// A gateway whose one key is used up for a while, and whose waiting streams are kept alive.
async fn kept_alive(words: &str, max_wait: u64) -> (Simulator, Gateway) {
    let queue = json!({ "max_wait": max_wait, "window_seconds": 3, "keep_alive": 0.3 });
    let (simulator, gateway) = pool(&[("k", words)], 1, queue).await;
    all_answered(burst(&gateway, calls(1))).await;
    (simulator, gateway)
}

#[tokio::test]
async fn a_stream_that_waits_is_kept_alive() {
    let (_simulator, gateway) = kept_alive("limit=1+window=3000", 60).await;
    let mut stream = gateway.stream(CHAT, &streamed()).await;
    assert_eq!(stream.head.status, 200);
    assert!(stream.head.header("content-type").unwrap().starts_with("text/event-stream"));
    assert!(gateway.records_so_far().len() < 2, "it waits still");
    let text = String::from_utf8(stream.rest().await).unwrap();
    assert!(text.starts_with(": waiting\n\n: waiting\n\n"), "{text}");
    assert!(text.trim_end().ends_with("data: [DONE]") && text.matches("data: {").count() > 2, "{text}");
    assert!(stream.complete);
    let record = gateway.records(2).await.pop().unwrap();
    assert_eq!((&record["outcome"], &record["attempts"]), (&json!("completed"), &json!(1)), "{record}");
    assert!(!gateway.output().contains("already sent"), "{}", gateway.output());
}

#[tokio::test]
async fn a_stream_that_was_kept_alive_ends_in_an_error_event() {
    for words in ["400+after=1", "500+after=1", "close+after=1"] {
        let (_simulator, gateway) = kept_alive(words, 60).await;
        let body = with(streamed(), json!({ "num_retries": 0 }));
        let mut stream = gateway.stream(CHAT, &body).await;
        assert_eq!(stream.head.status, 200);
        let text = String::from_utf8(stream.rest().await).unwrap();
        let last = text.trim_end().rsplit("\n\n").next().unwrap().to_owned();
        assert!(last.starts_with("data: {\"error\":"), "{words}: {text}");
        assert_eq!(text.matches("data: ").count(), 1, "{words}: {text}");
        let record = gateway.records(2).await.pop().unwrap();
        assert_eq!(record["outcome"], "refused", "{record}");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_stream_answers_a_kept_stream_in_one_event() {
    let body = "{\n  \"id\": \"c\", \"choices\": [{\"message\": {\"content\": \"a\\nb\"}}],\n  \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 2}\n}";
    let base = canned(answer(200, &[("content-type", "application/json")], body)).await;
    let config = Config::new()
        .target("k", MODEL, &base, "k", json!({ "rpm": 1 }))
        .set("tollgate", json!({ "queue": { "window_seconds": 2, "keep_alive": 0.3 } }));
    let gateway = Gateway::start(&config).await;
    all_answered(burst(&gateway, calls(1))).await;
    let mut stream = gateway.stream(CHAT, &streamed()).await;
    let mut events = stream.events().await;
    events.retain(|event| !event.data.is_empty());
    let whole: Value = serde_json::from_str(&events[0].data).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "a\nb");
    assert_eq!((events.len(), events[1].data.as_str(), stream.complete), (2, "[DONE]", true));
    let record = gateway.records(2).await.pop().unwrap();
    assert_eq!(
        (&record["outcome"], &record["completion_tokens"]),
        (&json!("completed"), &json!(2)),
        "{record}"
    );
}
