//! A reload changes what it should, at once and wholly, and one that is refused changes nothing.

use crate::harness::{
    CHAT, Config, Gateway, Launch, MASTER_KEY, Traffic, chat, eventually, upstream, upstream_of, with,
};
use crate::support::tollgate;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use tollgate::simulator::Simulator;

const RELOAD: &str = "/config/reload";
const GENERATION: &str = "tollgate_config_generation";
const RELOADS: &str = "tollgate_config_reloads_total";

async fn generation(gateway: &Gateway) -> f64 {
    gateway.metric(GENERATION, &[]).await
}

fn write(gateway: &Gateway, text: impl AsRef<[u8]>) {
    // As editors and config maps do it: never half a file.
    let draft = gateway.folder().join("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, gateway.config_file()).unwrap();
}

fn two(base: &str, rpm: u64) -> Config {
    Config::new().target("one", "m", base, "sk-up", json!({ "rpm": rpm })).deployment("n", "n", base, "sk-n")
}

#[tokio::test]
async fn the_answer_is_what_changed() {
    let simulator = upstream("ok").await;
    let base = simulator.base_url();
    let gateway = Gateway::start(&two(&base, 1)).await;
    let more = two(&base, 2)
        .deployment("new", "new", &base, "sk-canary-new")
        .set("router_settings", json!({ "num_retries": 1 }))
        .set("tollgate", json!({ "workers": 3 }));
    write(&gateway, more.text());
    let dry = gateway.post("/config/reload?dry_run=true", &json!({})).await;
    assert_eq!(dry.status(), 200, "{}", dry.text());
    assert_eq!(gateway.post(CHAT, &with(chat(), json!({ "model": "new" }))).await.status(), 400, "it is dry");
    let wet = gateway.post(RELOAD, &json!({})).await;
    let (dry, wet) = (dry.json(), wet.json());
    assert_eq!((&dry["applied"], &wet["applied"]), (&json!(false), &json!(true)));
    assert_eq!((&dry["config_generation"], &wet["config_generation"]), (&json!(1), &json!(2)));
    for key in ["changes", "deployments", "model_groups", "settings", "needs_restart"] {
        assert_eq!(dry[key], wet[key], "{key}: {dry}");
    }
    let deployments = &wet["deployments"];
    assert_eq!(deployments["added"][0]["model_name"], "new", "{wet}");
    assert_eq!(deployments["changed"][0]["model_id"], "one", "{wet}");
    assert_eq!(deployments["changed"][0]["changes"], json!(["rpm"]), "{wet}");
    assert_eq!(wet["model_groups"], json!({ "added": ["new"], "removed": [], "changed": ["m"] }));
    assert_eq!(wet["needs_restart"], json!(["workers"]));
    let retries = json!({ "name": "router_settings.num_retries", "from": 0, "to": 1 });
    assert!(wet["settings"].as_array().unwrap().contains(&retries), "{wet}");
    assert!(!wet.to_string().contains("canary"), "{wet}");
    assert_eq!(gateway.post(CHAT, &with(chat(), json!({ "model": "new" }))).await.status(), 200);
    let again = gateway.post(RELOAD, &json!({})).await.json();
    assert_eq!((&again["changes"], &again["config_generation"]), (&json!(false), &json!(3)), "{again}");
}

#[tokio::test]
async fn only_an_admin_may() {
    let simulator = upstream("ok").await;
    let mut gateway = Gateway::start(&two(&simulator.base_url(), 1)).await;
    let minted = gateway.post("/key/generate", &json!({})).await.json();
    gateway.key = minted["key"].as_str().unwrap().to_owned();
    for path in [RELOAD, "/config/reload?dry_run=true"] {
        let refused = gateway.post(path, &json!({})).await;
        assert!([401, 403].contains(&refused.status()), "{} {}", refused.status(), refused.text());
    }
    gateway.key = MASTER_KEY.to_owned();
    assert_eq!(generation(&gateway).await, 1.0);
}

#[tokio::test]
async fn a_refused_file_is_told_everywhere_and_changes_nothing() {
    let simulator = upstream("ok").await;
    let base = simulator.base_url();
    let gateway = Gateway::start(&two(&base, 1)).await;
    let bad = "model_list:\n  - model_name: m\nrouter_settings: {routing_strategy: simple-shufle}\n";
    for by_signal in [false, true] {
        write(&gateway, bad);
        let failures = gateway.metric(RELOADS, &[("result", "failure")]).await;
        if by_signal {
            gateway.signal("HUP");
        } else {
            let refused = gateway.post(RELOAD, &json!({})).await;
            assert_eq!(refused.status(), 400, "{}", refused.text());
            let (faults, error) = (&refused.json()["faults"], &refused.json()["error"]);
            assert_eq!(faults.as_array().unwrap().len(), 2, "{faults}");
            let place = ["line", "column", "path", "suggestion"].map(|key| faults[1][key].clone());
            let wanted =
                [json!(3), json!(19), json!("router_settings.routing_strategy"), json!("simple-shuffle")];
            assert_eq!(place, wanted, "{faults}");
            assert!(faults[0]["file"].as_str().unwrap().ends_with("config.yaml"), "{faults}");
            assert_eq!((&error["code"], error["type"].is_string()), (&json!("400"), true), "{error}");
        }
        gateway.metric_is(RELOADS, &[("result", "failure")], failures + 1.0).await;
        gateway.metric_is("tollgate_config_reload_successful", &[], 0.0).await;
        let ready = gateway.get("/health/readiness").await;
        assert_eq!(ready.status(), 200, "what was served is served: {}", ready.text());
        let refused = &ready.json()["config_refused"];
        assert_eq!(refused["count"], 2, "{refused}");
        assert!(refused["faults"][1].as_str().unwrap().contains("config.yaml:3:19"), "{refused}");
        assert!(gateway.output().contains("was not reloaded"));
        assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
        assert_eq!(gateway.get("/v1/models").await.json()["data"].as_array().unwrap().len(), 2);
        write(&gateway, two(&base, 1).text());
        assert_eq!(gateway.post(RELOAD, &json!({})).await.status(), 200);
        assert_eq!(gateway.metric("tollgate_config_reload_successful", &[]).await, 1.0);
        assert!(gateway.get("/health/readiness").await.json().get("config_refused").is_none());
    }
}

#[tokio::test]
async fn an_upstream_key_is_rotated_without_a_restart() {
    let simulator = upstream_of(&[("sk-old", "401"), ("sk-new", "ok")]).await;
    // The id is given, so that nothing but the key tells the deployments apart.
    let config = Config::new()
        .target("only", "m", &simulator.base_url(), "os.environ/UP_KEY", json!({}))
        .target("other", "m", &simulator.base_url(), "sk-old", json!({ "weight": 0.000_001 }))
        .set(
            "router_settings",
            json!({ "disable_cooldowns": false, "cooldown_time": 600, "allowed_fails": 0 }),
        );
    let gateway = Launch::of(&config).variable("OTHER", "x").start().await;
    fs::write(gateway.folder().join(".env"), "UP_KEY=sk-old\n").unwrap();
    assert_eq!(gateway.post(RELOAD, &json!({})).await.status(), 200);
    let refused = gateway.post(CHAT, &chat()).await;
    assert!(refused.status() >= 400, "{}", refused.text());
    fs::write(gateway.folder().join(".env"), "UP_KEY=sk-new\n").unwrap();
    let plan = gateway.post(RELOAD, &json!({})).await.json();
    let changed = &plan["deployments"]["changed"];
    assert_eq!((&changed[0]["model_id"], &changed[0]["changes"]), (&json!("only"), &json!(["credential"])));
    assert!(!plan.to_string().contains("sk-new"), "{plan}");
    // The old key was benched for ten minutes; the new one is not.
    let answer = gateway.post(CHAT, &chat()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[tokio::test]
async fn what_did_not_change_keeps_its_slots_and_its_cooldown() {
    let simulator = upstream_of(&[("sk-busy", "chunks=400+gap=20"), ("sk-bad", "500")]).await;
    let base = simulator.base_url();
    let of = |more: &str| {
        Config::new()
            .target("busy", "busy=x", &base, "sk-busy", json!({ "max_parallel_requests": 1 }))
            .target("bad", "bad=x", &base, "sk-bad", json!({}))
            .target("bad2", "bad=x", &base, "sk-bad", json!({}))
            .deployment(more, "x", &base, "sk-busy")
            .set(
                "router_settings",
                json!({ "disable_cooldowns": false, "cooldown_time": 600, "allowed_fails": 0 }),
            )
    };
    let gateway = Gateway::start(&of("first")).await;
    let mut stream = gateway.stream(CHAT, &with(chat(), json!({ "model": "busy", "stream": true }))).await;
    stream.next_event().await.unwrap();
    for _ in 0..4 {
        gateway.post(CHAT, &with(chat(), json!({ "model": "bad" }))).await;
    }
    let asked = simulator.seen().len();
    let connections = simulator.seen().iter().map(|seen| seen.connection).max();
    write(&gateway, of("second").text());
    let plan = gateway.post(RELOAD, &json!({})).await.json();
    assert_eq!(plan["deployments"]["changed"], json!([]), "{plan}");
    assert_eq!(plan["model_groups"]["added"], json!(["second"]), "{plan}");
    // One of the two is still out, so that the other is asked; both were never asked in turn.
    let cooled = gateway.get("/health").await.json();
    let cooled: Vec<&Value> = cooled["unhealthy_endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .chain(cooled["healthy_endpoints"].as_array().unwrap())
        .filter(|row| row.get("cooldown_seconds").is_some())
        .collect();
    assert!(!cooled.is_empty(), "the cooldown outlives the reload");
    // The slot is still taken: a second call waits for it, and is not made.
    let mut second = gateway.connect().await;
    second.send(&gateway.post_bytes(CHAT, &with(chat(), json!({ "model": "busy" })))).await;
    gateway.metric_is("litellm_in_flight_requests", &[], 2.0).await;
    assert!(stream.next_event().await.is_some(), "the stream goes on");
    let busy = simulator
        .seen()
        .iter()
        .skip(asked)
        .filter(|seen| seen.method == "POST" && seen.key == "sk-busy")
        .count();
    assert_eq!((busy, connections.is_some()), (0, true));
}

#[tokio::test]
async fn check_tells_what_a_reload_would_change() {
    let simulator = upstream("ok").await;
    let base = simulator.base_url();
    let gateway = Gateway::start(&two(&base, 1)).await;
    let check = async || {
        let mut command = tollgate(gateway.folder());
        command.args(["check", "config.yaml", &format!("--against-running={}", gateway.url())]);
        crate::support::run(command).await
    };
    let same = check().await;
    assert_eq!((same.code, same.stdout.as_str()), (0, "a reload would change nothing\n"), "{same:?}");
    write(&gateway, two(&base, 7).deployment("new", "x", &base, "sk-canary").text());
    let plan = check().await;
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.stdout.starts_with("+ deployment new: openai/x at http://"), "{plan:?}");
    assert!(
        plan.stdout.contains("~ deployment m: openai/m at ") && plan.stdout.contains("(one): rpm\n"),
        "{plan:?}"
    );
    assert!(!plan.stdout.contains("canary"), "{plan:?}");
    assert_eq!(generation(&gateway).await, 1.0, "nothing was reloaded");
    let mut command = tollgate(gateway.folder());
    command
        .args(["check", "config.yaml", "--against-running"])
        .env("PORT", gateway.address.port().to_string());
    assert_eq!(crate::support::run(command).await.stdout, plan.stdout, "the address is the file's");
    let mut command = tollgate(gateway.folder());
    command.args(["check", "config.yaml", "--against-running=http://127.0.0.1:1"]);
    let away = crate::support::run(command).await;
    assert_eq!(away.code, 1, "{away:?}");
    assert!(away.stdout.contains("127.0.0.1:1 cannot be asked"), "{away:?}");
}

/// How long, how often each second, how many reloads; the long one is asked for by a variable.
fn size() -> (Duration, u32, u32) {
    match std::env::var("TOLLGATE_TEST_RELOADS") {
        Ok(_) => (Duration::from_secs(60), 1000, 100),
        Err(_) => (Duration::from_secs(5), 200, 24),
    }
}

fn changing(turn: u32, base: &str) -> Config {
    let key = format!("sk-turn-{turn}");
    let models: Config = (0..turn % 5).fold(Config::new(), |config, extra| {
        config.deployment(&format!("extra-{turn}-{extra}"), "x", base, &key)
    });
    // One that stays, and one whose key changes each time.
    models
        .deployment("m", "kept", base, "sk-kept")
        .target("rotated", "m=rotated", base, &key, json!({}))
        .set("router_settings", json!({ "num_retries": turn % 3 }))
}

/// Some way to be wrong.
fn broken(turn: u32, base: &str) -> String {
    match turn % 5 {
        0 => "model_list: 1\n".to_owned(),
        1 => format!("{}]", changing(turn, base).text()),
        2 => changing(turn, base).set("router_settings", json!({ "num_retries": "many" })).text(),
        3 => String::from_utf8(vec![b'{'; 500]).unwrap(),
        _ => changing(turn, base)
            .target("odd", "odd", "ftp://nowhere/", "k", json!({}))
            .deployment("broken-name", "x", "http://broken.invalid/v1", "k")
            .text(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_call_and_refused_ones_have_no_effect() {
    let simulator: Simulator = upstream("ok").await;
    let base = simulator.base_url();
    let gateway = Gateway::start(&changing(0, &base)).await;
    let (length, rate, reloads) = size();
    let traffic = Traffic::start(gateway.address, "m", rate, 64);
    traffic.goes_on(50).await;
    let (began, mut in_use) = (Instant::now(), 1.0);
    for turn in 1..=reloads {
        let refuse = turn % 2 == 0;
        write(&gateway, if refuse { broken(turn, &base) } else { changing(turn, &base).text() });
        let before = gateway.get("/v1/models").await.json();
        if turn % 3 == 0 {
            let result = [("result", if refuse { "failure" } else { "success" })];
            let count = gateway.metric(RELOADS, &result).await;
            gateway.signal("HUP");
            gateway.metric_is(RELOADS, &result, count + 1.0).await;
        } else {
            let answer = gateway.post(RELOAD, &json!({})).await;
            assert_eq!(answer.status(), if refuse { 400 } else { 200 }, "{turn}: {}", answer.text());
        }
        let after = gateway.get("/v1/models").await.json();
        if refuse {
            assert_eq!(before, after, "{turn}");
        } else {
            in_use += 1.0;
            let names = after.to_string();
            assert!(
                (0..turn % 5).all(|extra| names.contains(&format!("extra-{turn}-{extra}"))),
                "{turn}: {names}"
            );
        }
        assert_eq!(generation(&gateway).await, in_use, "{turn}");
        let pause = (length / reloads * turn).saturating_sub(began.elapsed());
        tokio::time::sleep(pause).await;
    }
    let took = began.elapsed();
    traffic.goes_on(50).await;
    let went = traffic.stop().await;
    println!(
        "{reloads} reloads in {took:?}, {} calls answered, {} failed",
        went.answered,
        went.failures.len()
    );
    assert_eq!(went.failures, Vec::<String>::new());
    assert_eq!(
        gateway.metric("tollgate_endpoint_up", &[("endpoint", "http://broken.invalid:80")]).await,
        0.0
    );
    let used: std::collections::HashSet<String> = simulator
        .seen()
        .iter()
        .map(|seen| seen.key.clone())
        .filter(|key| key.starts_with("sk-turn-"))
        .collect();
    assert!(
        used.iter().all(|key| key[8..].parse::<u32>().unwrap() % 2 == 1 || key == "sk-turn-0"),
        "{used:?}"
    );
    eventually("no call is left", async || {
        (gateway.metric("litellm_in_flight_requests", &[]).await == 0.0).then_some(())
    })
    .await;
}
