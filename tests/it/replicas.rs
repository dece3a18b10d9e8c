//! Several gateways with one database and one Redis are one gateway to whoever has limits.

use crate::databases::{Database, both};
use crate::harness::{
    CHAT, Config, Gateway, Launch, Load, MODEL, Redis, Response, chat, eventually, request, streamed,
    upstream, upstream_of, with,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate::simulator::Simulator;

/// Within this time a window of a minute that began at a moment still runs.
const WINDOW: Duration = Duration::from_secs(50);

/// Three gateways, what they share, and what they ask.
struct Replicas {
    gateways: Vec<Gateway>,
    redis: Redis,
    _simulator: Simulator,
    _database: Database,
}

fn config(simulator: &Simulator) -> Config {
    let prices = json!({ "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6 });
    Config::new()
        .target("only", MODEL, &simulator.base_url(), "sk-up", prices)
        .set("tollgate", json!({ "workers": 1, "shared": { "patience": 10 } }))
}

fn launch(config: &Config, database: &Database, redis: &Redis) -> Launch {
    let launch = database.under(Launch::of(config));
    launch.variable("REDIS_HOST", "127.0.0.1").variable("REDIS_PORT", &redis.address.port().to_string())
}

impl Replicas {
    /// On Postgres where there is one; `None` without Redis.
    async fn start(words: &str) -> Option<Self> {
        let redis = Redis::start().await?;
        let simulator = upstream(words).await;
        let database = both().await.pop()?;
        let mut gateways = Vec::new();
        for _ in 0..3 {
            gateways.push(launch(&config(&simulator), &database, &redis).start().await);
        }
        for gateway in &gateways {
            gateway.metric_is("tollgate_shared_processes", &[], 3.0).await;
        }
        Some(Self { gateways, redis, _simulator: simulator, _database: database })
    }

    async fn key(&self, fields: Value) -> String {
        let made = self.gateways[0].post("/key/generate", &fields).await;
        assert_eq!(made.status(), 200, "{}", made.text());
        made.json()["key"].as_str().unwrap().to_owned()
    }

    /// So many calls at each gateway at once.
    async fn burst(&self, calls: usize, bytes: &[u8]) -> Vec<Response> {
        let loads: Vec<Load> = self.gateways.iter().map(|_| Load::of(calls)).collect();
        let runs = self.gateways.iter().zip(&loads).map(|(gateway, load)| load.run(gateway, 10, bytes));
        futures::future::join_all(runs).await.concat()
    }

    /// Calls at all gateways in turn until none passed for two seconds; how many did.
    async fn rest(&self, bytes: &[u8]) -> usize {
        let (mut passed, mut refused) = (0, 0);
        while refused < 40 {
            let before = passed;
            for gateway in &self.gateways {
                passed += usize::from(gateway.call(bytes).await.status() == 200);
            }
            refused = if passed == before { refused + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        passed
    }
}

fn call(key: &str, body: &Value) -> Vec<u8> {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    request("POST", CHAT, &headers, body.to_string().as_bytes())
}

fn passed(responses: &[Response]) -> usize {
    for response in responses.iter().filter(|response| response.status() != 200) {
        assert!([400, 429].contains(&response.status()), "{}", response.text());
    }
    responses.iter().filter(|response| response.status() == 200).count()
}

#[tokio::test]
async fn a_hundred_requests_are_a_hundred_over_all() {
    let Some(replicas) = Replicas::start("ok").await else { return };
    loop {
        let bytes = call(&replicas.key(json!({ "rpm_limit": 100 })).await, &chat());
        let began = Instant::now();
        let responses = replicas.burst(120, &bytes).await;
        let first = passed(&responses);
        let rest = replicas.rest(&bytes).await;
        if began.elapsed() > WINDOW {
            continue;
        }
        assert!(first <= 100 && first + rest == 100, "{first} at full speed, {rest} later");
        let refused = responses.iter().find(|response| response.status() == 429).unwrap();
        assert_eq!(refused.header("rate_limit_type"), Some("requests"));
        assert!(refused.text().contains("Current limit: 100, Remaining: 0"), "{}", refused.text());
        return;
    }
}

#[tokio::test]
async fn one_gateway_can_have_all_of_it() {
    let Some(replicas) = Replicas::start("ok").await else { return };
    loop {
        let bytes = call(&replicas.key(json!({ "rpm_limit": 100, "tpm_limit": 1_000_000 })).await, &chat());
        let began = Instant::now();
        let asked = replicas.gateways[1].metric("tollgate_shared_waits", &[]).await;
        let responses = Load::of(150).run(&replicas.gateways[1], 1, &bytes).await;
        let (passed, last) = (passed(&responses), &responses[149]);
        if began.elapsed() > WINDOW {
            continue;
        }
        assert_eq!((passed, last.status()), (100, 429));
        let hundredth = responses.iter().rfind(|response| response.status() == 200).unwrap();
        assert_eq!(hundredth.header("x-ratelimit-api_key-remaining-requests"), Some("0"));
        eventually("few calls waited", async || {
            let waited = replicas.gateways[1].metric("tollgate_shared_waits", &[]).await - asked;
            (0.0 < waited && waited < 75.0).then_some(())
        })
        .await;
        return;
    }
}

#[tokio::test]
async fn a_budget_is_spent_once() {
    let Some(replicas) = Replicas::start("wait=20").await else { return };
    let body = with(chat(), json!({ "max_tokens": 64 }));
    let cost =
        |response: &Response| -> f64 { response.header("x-litellm-response-cost").unwrap().parse().unwrap() };
    let one = cost(&replicas.gateways[0].post(CHAT, &body).await);
    let key = replicas.key(json!({ "max_budget": one * 50.0 })).await;
    let bytes = call(&key, &body);
    let responses = replicas.burst(70, &bytes).await;
    let sum: f64 = responses.iter().filter(|response| response.status() == 200).map(cost).sum();
    assert!(sum <= one * 51.0 + 1e-12, "{sum} of {}", one * 50.0);
    let first = passed(&responses);
    let rest = replicas.rest(&bytes).await;
    assert_eq!(first + rest, 50, "{first} at full speed");
    eventually("all of it is in the database", async || {
        let info = replicas.gateways[2].get(&format!("/key/info?key={key}")).await.json();
        ((info["info"]["spend"].as_f64().unwrap() - one * 50.0).abs() < 1e-12).then_some(())
    })
    .await;
}

#[tokio::test]
async fn traffic_goes_on_without_redis_and_nothing_is_counted_twice() {
    let Some(mut replicas) = Replicas::start("ok").await else { return };
    loop {
        let bytes = call(&replicas.key(json!({ "rpm_limit": 90 })).await, &chat());
        let began = Instant::now();
        assert_eq!(passed(&replicas.burst(10, &bytes).await), 30);
        replicas.redis.kill();
        assert_eq!(passed(&replicas.burst(3, &bytes).await), 9);
        for gateway in &replicas.gateways {
            gateway.metric_is("tollgate_shared_up", &[], 0.0).await;
        }
        assert_eq!(passed(&replicas.burst(2, &bytes).await), 6);
        replicas.redis.restart().await;
        for gateway in &replicas.gateways {
            gateway.metric_is("tollgate_shared_up", &[], 1.0).await;
        }
        let first = passed(&replicas.burst(40, &bytes).await);
        let rest = replicas.rest(&bytes).await;
        if began.elapsed() > WINDOW {
            continue;
        }
        assert_eq!(first + rest, 45, "{first} at full speed");
        break;
    }
    for gateway in &replicas.gateways {
        let output = gateway.output();
        let count = |words: &str| output.lines().filter(|line| line.contains(words)).count();
        let losses = gateway.metric("tollgate_shared_losses", &[]).await;
        assert!(losses >= 1.0);
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let said = [
            count(" is away, limits hold for each process alone") as f64,
            count(" is back: limits hold for ") as f64,
        ];
        assert_eq!(said, [losses, losses], "one line each time:\n{output}");
    }
}

#[tokio::test]
async fn slots_are_of_all_and_those_of_a_killed_gateway_come_back() {
    let Some(mut replicas) = Replicas::start("chunks=4+gap=600000").await else { return };
    let key = replicas.key(json!({ "max_parallel_requests": 2 })).await;
    replicas.gateways.iter_mut().for_each(|gateway| gateway.key.clone_from(&key));
    let _first = replicas.gateways[0].stream(CHAT, &streamed()).await;
    let second = replicas.gateways[1].stream(CHAT, &streamed()).await;
    let refused = replicas.gateways[2].post(CHAT, &streamed()).await;
    assert_eq!(refused.header("rate_limit_type"), Some("max_parallel_requests"), "{}", refused.text());
    // A client leaves.
    drop(second);
    let stream = async |at: usize| {
        eventually("a slot is free", async || {
            let mut connection = replicas.gateways[at].connect().await;
            connection.send(&replicas.gateways[at].post_bytes(CHAT, &streamed())).await;
            (connection.read_head().await.status == 200).then_some(connection)
        })
        .await
    };
    let _third = stream(2).await;
    assert_eq!(replicas.gateways[1].post(CHAT, &streamed()).await.status(), 429);
    replicas.gateways[0].signal("KILL");
    let _fourth = stream(1).await;
}

#[tokio::test]
async fn who_is_idle_says_only_that_it_lives() {
    let Some(replicas) = Replicas::start("ok").await else { return };
    let fields =
        json!({ "rpm_limit": 100, "tpm_limit": 100_000, "max_parallel_requests": 99, "max_budget": 1 });
    let bytes = call(&replicas.key(fields).await, &chat());
    assert_eq!(passed(&replicas.burst(5, &bytes).await), 15);
    eventually("nobody has anything to tell", async || {
        let (began, before) = (Instant::now(), replicas.redis.calls("evalsha").await);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let calls = replicas.redis.calls("evalsha").await - before;
        // Each says every two seconds that it lives.
        (calls <= 3 * (began.elapsed().as_secs() / 2 + 1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deployment_that_is_out_is_out_everywhere() {
    let Some(redis) = Redis::start().await else { return };
    let simulator = upstream_of(&[("bad-0", "500"), ("bad-1", "500"), ("good", "ok")]).await;
    let database = both().await.pop().unwrap();
    let mut gateways = Vec::new();
    for n in 0..2 {
        let base = simulator.base_url();
        let config = Config::new()
            .target("bad", MODEL, &base, &format!("bad-{n}"), json!({}))
            .target("good", MODEL, &base, "good", json!({}))
            .set(
                "router_settings",
                json!({ "disable_cooldowns": false, "cooldown_time": 600, "allowed_fails": 1, "num_retries": 2 }),
            );
        gateways.push(launch(&config, &database, &redis).start().await);
    }
    let state =
        async |gateway: &Gateway| gateway.metric("litellm_deployment_state", &[("model_id", "bad")]).await;
    eventually("the first one has found out", async || {
        assert_eq!(gateways[0].post(CHAT, &chat()).await.status(), 200);
        (state(&gateways[0]).await == 2.0).then_some(())
    })
    .await;
    eventually("the second one has heard", async || (state(&gateways[1]).await == 2.0).then_some(())).await;
    for _ in 0..10 {
        assert_eq!(gateways[1].post(CHAT, &chat()).await.status(), 200);
    }
    assert!(!simulator.seen().iter().any(|seen| seen.key == "bad-1"), "it found out by itself");
}

#[tokio::test]
async fn without_redis_whoever_has_limits_can_be_refused() {
    let Some(mut redis) = Redis::start().await else { return };
    redis.kill();
    let simulator = upstream("ok").await;
    let database = both().await.pop().unwrap();
    let config =
        config(&simulator).set("tollgate", json!({ "shared": { "on_loss": "refuse", "patience": 10 } }));
    let gateway = launch(&config, &database, &redis).start().await;
    let made = gateway.post("/key/generate", &json!({ "rpm_limit": 10 })).await.json();
    let bytes = call(made["key"].as_str().unwrap(), &chat());
    let refused = gateway.call(&bytes).await;
    assert_eq!(
        (refused.status(), &refused.json()["error"]["code"]),
        (503, &json!("503")),
        "{}",
        refused.text()
    );
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200, "the master key has no limits");
    redis.restart().await;
    eventually("it passes", async || (gateway.call(&bytes).await.status() == 200).then_some(())).await;
}
