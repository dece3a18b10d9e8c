//! Planted secrets come out nowhere: not in logs at the loudest level, errors, metrics, health, or at the wrong upstream.

use crate::harness::{Config, Gateway, Launch, Response, eventually, request};
use crate::support::{CHAT, everything, run, tollgate};
use futures::future::join_all;
use serde_json::{Value, json};
use std::fs;
use tollgate::simulator::{Behaviour, Script, Simulator, Text};

const MASTER: &str = "sk-CANARYMASTER-7d1f0a93";
const KEY_A: &str = "CANARYUPSTREAMAkeyofnoform";
const KEY_B: &str = "sk-CANARYUPSTREAMB-55e1";
const HEADER: &str = "CANARYHEADERvalue";
const CLIENT: &str = "sk-CANARYCLIENT-90ab";
const PROMPT: &str = "CANARYPROMPT words of a private question";
const ANSWER: &str = "CANARYANSWER words of a private answer";
/// All of them begin so.
const MARK: &str = "CANARY";

fn config(a: &str, b: &str) -> Config {
    let entry = |group: &str, model: &str, base: &str, key: &str| {
        json!({
            "model_name": group,
            "litellm_params": {
                "model": format!("openai/{model}"), "api_base": base, "api_key": key, "extra_headers": { "x-tenant-token": HEADER },
            },
        })
    };
    let words = [
        "500", "401", "400", "429", "502", "notjson", "hang", "close", "cut=3", "rst=3", "stall=3",
        "error=2", "gap=200",
    ];
    // Nearly always asked first, so that there is something to take out of rotation.
    let mut failing = entry("pool", "sim-500", a, "os.environ/KEY_OF_A");
    failing["litellm_params"]["weight"] = json!(1_000_000);
    let config = Config::new()
        .without("general_settings")
        .set("router_settings", json!({ "num_retries": 2, "disable_cooldowns": false, "allowed_fails": 0 }))
        .set("tollgate", json!({ "access_log": "stdout", "max_body_mb": 0.125 }))
        .entry(entry("a", "a", a, "os.environ/KEY_OF_A"))
        .entry(entry("b", "b", b, "os.environ/KEY_OF_B"))
        .entry(failing)
        .entry(entry("pool", "b", b, "os.environ/KEY_OF_B"));
    words.iter().fold(config, |config, word| {
        let model = format!("sim-{word}");
        config.entry(entry(&model, &model, a, "os.environ/KEY_OF_A"))
    })
}

fn body(model: &str, more: &str) -> Vec<u8> {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"{PROMPT}"}}]{more}}}"#).into_bytes()
}

fn clean(what: &str, text: &str) {
    if let Some(at) = text.find(MARK) {
        let (from, to) = (
            text.floor_char_boundary(at.saturating_sub(200)),
            text.ceil_char_boundary((at + 200).min(text.len())),
        );
        panic!("{what} holds a planted secret: …{}…", &text[from..to]);
    }
}

/// What the client is told, less what it asked for.
fn clean_reply(what: &str, reply: &Response) {
    clean(what, &everything(reply).replace(ANSWER, "").replace("CANARYANSWER", ""));
}

async fn started(flag: &str, level: &str) -> (Simulator, Simulator, Gateway) {
    let script = || Script::of(Behaviour { text: Text::Exact(ANSWER.to_owned()), ..Behaviour::default() });
    let (a, b) = (Simulator::start(script()).await.unwrap(), Simulator::start(script()).await.unwrap());
    let launch = Launch::of(&config(&a.base_url(), &b.base_url()))
        .variable("LITELLM_MASTER_KEY", MASTER)
        .variable("KEY_OF_A", KEY_A)
        .variable("KEY_OF_B", KEY_B)
        .variable("LITELLM_LOG", level);
    let launch = if flag.is_empty() { launch } else { launch.argument(flag) };
    let mut gate = launch.start().await;
    gate.key = MASTER.to_owned();
    (a, b, gate)
}

fn bearer() -> (&'static str, &'static str) {
    ("authorization", "Bearer sk-CANARYMASTER-7d1f0a93")
}

async fn good_and_failing_calls(gate: &Gateway) {
    let models = [
        "a",
        "b",
        "pool",
        "pool",
        "pool",
        "sim-500",
        "sim-401",
        "sim-400",
        "sim-429",
        "sim-502",
        "sim-notjson",
        "sim-close",
        "sim-cut=3",
        "sim-rst=3",
        "sim-error=2",
        "nope",
    ];
    let mores = [
        "",
        r#","stream":true"#,
        r#","reasoning_effort":"low""#,
        r#","user":"CANARYUSER","metadata":{"k":"CANARYMETADATA"}"#,
    ];
    let calls = models.iter().flat_map(|model| mores.iter().map(move |more| (*model, *more)));
    join_all(calls.map(async |(model, more)| {
        let mut connection = gate.connect().await;
        connection.send(&request("POST", CHAT, &[bearer()], &body(model, more))).await;
        if let Some(reply) = connection.try_read_response().await {
            clean_reply(&format!("the answer of {model}{more}"), &reply);
        }
    }))
    .await;
    for model in ["sim-hang", "sim-stall=3"] {
        let more = r#","stream":true,"timeout":0.2,"stream_timeout":0.2,"num_retries":0"#;
        clean_reply("a timeout", &gate.call(&request("POST", CHAT, &[bearer()], &body(model, more))).await);
    }
}

async fn strangers(gate: &Gateway) {
    for (name, value) in [
        ("authorization", format!("Bearer {CLIENT}")),
        ("authorization", format!("Basic {CLIENT}")),
        ("authorization", CLIENT.to_owned()),
        ("authorization", format!("Bearer {}", CLIENT.replace("sk-", "pk-"))),
        ("authorization", format!("AWS4-HMAC-SHA256 Credential={CLIENT}/x")),
        ("x-litellm-api-key", CLIENT.to_owned()),
        ("api-key", CLIENT.to_owned()),
        ("x-api-key", CLIENT.to_owned()),
        ("x-goog-api-key", CLIENT.to_owned()),
        ("ocp-apim-subscription-key", CLIENT.to_owned()),
        ("cookie", format!("token={CLIENT}")),
        ("x-litellm-call-id", format!("{CLIENT} with a space")),
    ] {
        for bytes in [
            request("POST", CHAT, &[(name, &value)], &body("a", "")),
            request("GET", "/v1/models", &[(name, &value)], b""),
            request("GET", &format!("/health?key={CLIENT}"), &[(name, &value)], b""),
        ] {
            clean_reply(&format!("the refusal of {name}"), &gate.call(&bytes).await);
        }
    }
    // Beside the right key.
    let mixed = [
        bearer(),
        ("x-api-key", CLIENT),
        ("api-key", CLIENT),
        ("cookie", CLIENT),
        ("openai-organization", CLIENT),
    ];
    let path = format!("{CHAT}?key={CLIENT}");
    clean_reply("a call with two keys", &gate.call(&request("POST", &path, &mixed, &body("a", ""))).await);
}

async fn malformed(gate: &Gateway) {
    let auth = format!("{}: {}\r\n", bearer().0, bearer().1);
    for bytes in [
        format!(
            "POST /v1/chat/completions?k={CLIENT} HTTP/1.1\r\nhost: g\r\n{auth}no colon {CLIENT}\r\n\r\n"
        )
        .into_bytes(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}x-bad: a\0{CLIENT}\r\n\r\n").into_bytes(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}content-length: {CLIENT}\r\n\r\n").into_bytes(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}transfer-encoding: chunked\r\n\r\n{CLIENT}\r\n")
            .into_bytes(),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}content-length: 1\r\ncontent-length: 2\r\n\r\n{PROMPT}"
        )
        .into_bytes(),
        format!("{CLIENT} {PROMPT}\r\n\r\n").into_bytes(),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{PROMPT}{PROMPT}{PROMPT}{PROMPT}").into_bytes(),
        format!("GET /v1/models HTTP/1.1\r\nhost: g\r\n{auth}x-long: {}\r\n\r\n", CLIENT.repeat(50_000))
            .into_bytes(),
        request("POST", CHAT, &[bearer()], format!("{{\"model\":\"a\",{PROMPT}").as_bytes()),
        request("POST", CHAT, &[bearer()], format!("\"{PROMPT}\"").as_bytes()),
        request("POST", CHAT, &[bearer()], format!(r#"{{"model":"a","messages":"{PROMPT}"}}"#).as_bytes()),
        request(
            "POST",
            CHAT,
            &[bearer()],
            format!(r#"{{"model":{{"x":"{PROMPT}"}},"messages":[]}}"#).as_bytes(),
        ),
        request("POST", CHAT, &[bearer()], &body("a", &format!(r#","timeout":"{CLIENT}""#))),
        request("POST", CHAT, &[bearer()], &body("a", &format!(r#","api_key":"{CLIENT}""#))),
        request("POST", CHAT, &[bearer()], &body("a", &format!(r#","x":"{}""#, PROMPT.repeat(8000)))),
        [request("POST", CHAT, &[bearer()], b""), body("a", "")].concat(),
    ] {
        let mut connection = gate.connect().await;
        drop(tokio::io::AsyncWriteExt::write_all(&mut connection.socket, &bytes).await);
        drop(tokio::io::AsyncWriteExt::shutdown(&mut connection.socket).await);
        let told = String::from_utf8_lossy(&connection.until_closed().await).into_owned();
        clean("the answer to something malformed", &told.replace(ANSWER, ""));
    }
}

async fn clients_that_leave(gate: &Gateway) {
    for (model, more) in [("sim-gap=200", r#","stream":true"#), ("sim-hang", "")] {
        let mut connection = gate.connect().await;
        connection.send(&request("POST", CHAT, &[bearer()], &body(model, more))).await;
        gate.metric_is("litellm_in_flight_requests", &[], 1.0).await;
        connection.leave();
        gate.metric_is("litellm_in_flight_requests", &[], 0.0).await;
    }
    let mut connection = gate.connect().await;
    let whole = request("POST", CHAT, &[bearer()], &body("a", ""));
    connection.send(&whole[..whole.len() - 5]).await;
    connection.leave();
}

async fn broken_reloads(gate: &Gateway, good: &str) {
    for (i, text) in faulty_files().into_iter().enumerate() {
        fs::write(gate.config_file(), text).unwrap();
        gate.signal("HUP");
        eventually("the reload is refused", async || {
            (gate.output().matches("was not reloaded").count() > i).then_some(())
        })
        .await;
    }
    fs::write(gate.config_file(), good).unwrap();
    gate.signal("HUP");
    eventually("the reload is taken", async || gate.output().contains("is in use").then_some(())).await;
}

/// Files that cannot be used and hold secrets at and around their faults.
fn faulty_files() -> Vec<String> {
    let model = |params: &str| {
        format!("model_list:\n  - model_name: a\n    litellm_params: {{model: openai/a, {params}}}\n")
    };
    vec![
        model(&format!("api_base: 'http://user:{KEY_A}@127.0.0.1:1/v1', api_key: {KEY_A}")),
        model(&format!("api_base: '{KEY_A}', api_key: {KEY_A}")),
        model(&format!("api_base: 'http://127.0.0.1:1/v1?key={KEY_A}', api_key: {KEY_A}")),
        model(&format!("api_base: 'http://127.0.0.1:1/v1', api_key: \"{KEY_A}\\n{KEY_A}\"")),
        model(&format!("api_base: 'http://127.0.0.1:1/v1', api_key: [{KEY_A}]")),
        model(&format!("api_base: 'http://127.0.0.1:1/v1', api_key: {{a: {KEY_A}}}")),
        model(&format!("api_base: 'http://127.0.0.1:1/v1', api_key: {KEY_A}, rpm: {KEY_B}")),
        model(&format!("api_base: 'http://127.0.0.1:1/v1', extra_headers: {{x-a: \"{HEADER}\\n{HEADER}\"}}")),
        format!("general_settings: {{master_key: [{MASTER}]}}\n"),
        format!("general_settings: {{master_key: {MASTER}\n"),
        format!("general_settings:\n  master_key: {MASTER}\n master_key: {MASTER}\n"),
        format!("{MASTER}\n"),
        format!("- {MASTER}\n- {KEY_A}\n"),
    ]
}

fn lit(values: &[(String, String)], name: &str) -> Vec<String> {
    values.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect()
}

fn upstreams_saw_their_own_only(a: &Simulator, b: &Simulator) {
    for (simulator, key) in [(a, KEY_A), (b, KEY_B)] {
        assert!(!simulator.seen().is_empty());
        for seen in simulator.seen() {
            assert_eq!(lit(&seen.headers, "authorization"), [format!("Bearer {key}")]);
            assert_eq!(lit(&seen.headers, "x-tenant-token"), [HEADER]);
            let others =
                seen.headers.iter().filter(|(name, _)| name != "authorization" && name != "x-tenant-token");
            clean("an upstream's request head", &format!("{} {:?}", seen.path, others.collect::<Vec<_>>()));
            let body = String::from_utf8_lossy(&seen.body).replace(PROMPT, "");
            clean("an upstream's request body", &body);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_secrets_come_out_nowhere() {
    for (flag, level) in [("--detailed_debug", "DEBUG"), ("", "DEBUG")] {
        let (a, b, gate) = started(flag, level).await;
        good_and_failing_calls(&gate).await;
        strangers(&gate).await;
        malformed(&gate).await;
        clients_that_leave(&gate).await;
        for path in
            ["/health", "/health/readiness", "/health/liveliness", "/v1/models", "/metrics", "/", "/test"]
        {
            clean_reply(path, &gate.get(path).await);
        }
        broken_reloads(&gate, &config(&a.base_url(), &b.base_url()).text()).await;
        assert_eq!(gate.call(&request("POST", CHAT, &[bearer()], &body("b", ""))).await.status(), 200);
        clean_reply("/metrics", &gate.get("/metrics").await);
        let output = gate.output();
        let records = output.lines().filter(|line| line.starts_with('{')).count();
        assert!(records > 80, "the log was on: {records} records");
        for words in ["out of rotation", "broke off"] {
            assert!(output.contains(words), "so was the program's, but no {words:?} is in it");
        }
        clean("the program's output", &output);
        upstreams_saw_their_own_only(&a, &b);
    }
}

#[tokio::test]
async fn a_faulty_configuration_names_the_place_and_not_the_value() {
    let folder = tempfile::tempdir().unwrap();
    for (i, text) in faulty_files().into_iter().enumerate() {
        let file = format!("c{i}.yaml");
        fs::write(folder.path().join(&file), &text).unwrap();
        for arguments in [
            vec!["check", &file],
            vec!["check", &file, "--strict"],
            vec!["--config", &file, "--detailed_debug"],
        ] {
            let mut command = tollgate(folder.path());
            command.args(&arguments).env("LITELLM_MASTER_KEY", MASTER).env("OPENAI_API_KEY", KEY_B);
            let ended = run(command).await;
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code, 1, "{arguments:?}: {said}\n{text}");
            assert!(said.contains(&file), "{said}");
            clean(&format!("{arguments:?} of {text:?}"), &said);
        }
    }
}

#[tokio::test]
async fn a_good_configuration_is_checked_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let text = config("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
        .set("general_settings", json!({ "master_key": MASTER, "database_url": format!("postgres://u:{KEY_A}@h/db"), "salt_key": KEY_A }))
        .set("litellm_settings", json!({ "cache_params": { "password": KEY_B }, "callbacks": ["langfuse"], "unheard_of": KEY_A }))
        .set("environment_variables", json!({ "LANGFUSE_SECRET_KEY": KEY_B, "OPENAI_API_KEY": KEY_A }))
        .text();
    fs::write(folder.path().join("c.yaml"), text).unwrap();
    fs::write(
        folder.path().join(".env"),
        format!("KEY_OF_A={KEY_A}\nKEY_OF_B='{KEY_B}'\nnot a line {MASTER}\n"),
    )
    .unwrap();
    let mut command = tollgate(folder.path());
    command.args(["check", "c.yaml"]);
    let ended = run(command).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    clean("check", &format!("{}{}", ended.stdout, ended.stderr));
}

#[tokio::test]
async fn the_canaries_would_be_seen() {
    let (_a, _b, gate) = started("", "INFO").await;
    let reply = gate.call(&request("POST", CHAT, &[bearer()], &body("a", ""))).await;
    let value: Value = reply.json();
    assert_eq!(value["choices"][0]["message"]["content"], ANSWER);
    assert!(everything(&reply).contains(MARK));
}
