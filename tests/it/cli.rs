//! The commands: what they say, how they end, and what signals do.

use crate::harness::{Config, Gateway, Launch, eventually, free_address};
use crate::support::{CHAT, chat, content, get, post, run, tollgate};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tollgate::simulator::{Script, Simulator};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn check(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = tollgate(folder);
    command.arg("check").args(arguments);
    // What the files of the repository refer to.
    for name in ["LITELLM_MASTER_KEY", "HUAWEI_MAAS_API_KEY", "OPENAI_API_KEY"] {
        command.env(name, "sk-5e1f6a2b9c8d7e40");
    }
    let ended = run(command).await;
    assert_eq!(ended.stderr, "", "{arguments:?}");
    (ended.code, ended.stdout)
}

// === check ===

#[tokio::test]
async fn the_files_of_the_repository_are_checked() {
    let seeds = ["seed0", "seed0_generated", "seed1", "seed2", "seed3", "seed3_advanced", "seed4"];
    let code = |name| if name == "seed1" { 0 } else { 2 };
    let seeds = seeds.map(|name| (format!("tests/fixtures/seeds/{name}.yaml"), code(name)));
    let examples = fs::read_dir(root().join("conf/examples")).unwrap();
    let mut own = vec!["conf/tollgate.yaml".to_owned()];
    own.extend(
        examples
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml"))
            .map(|name| format!("conf/examples/{name}")),
    );
    assert!(own.len() >= 7, "{own:?}");
    let own = own.into_iter().map(|file| (file, 0));
    for (file, strict) in own.into_iter().chain(seeds) {
        let (code, said) = check(root(), &[&file]).await;
        assert_eq!(code, 0, "{file}: {said}");
        assert!(
            said.contains("honoured") && said.trim_end().ends_with("warnings")
                || said.trim_end().ends_with("1 warning"),
            "{said}"
        );
        assert_eq!(check(root(), &[&file, "--strict"]).await.0, strict, "{file}: {said}");
        assert_eq!(check(root(), &["--strict", &file]).await.0, strict, "{file}: {said}");
        assert!(!said.contains("sk-5e1f6a2b9c8d7e40"), "{said}");
    }
    assert_eq!(check(root(), &[]).await.0, 0, "without a name it is conf/tollgate.yaml");
}

#[tokio::test]
async fn the_table_tells_what_becomes_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let text = "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:1/v1', api_key: k}\n\
                litellm_settings:\n  num_retry: 2\n  set_verbose: true\n  cache: true\ngeneral_settings:\n  alerting: x\n";
    fs::write(folder.path().join("c.yaml"), text).unwrap();
    let (code, said) = check(folder.path(), &["c.yaml"]).await;
    assert_eq!(code, 0);
    let row = |place: &str| {
        let found = said.lines().find(|line| line.split_whitespace().any(|word| word == place));
        found.unwrap_or_else(|| panic!("no row {place}: {said}")).to_owned()
    };
    assert!(row("model_list[0].model_name").contains("honoured"), "{said}");
    assert!(row("model_list[0].model_name").contains("2:5"), "line and column: {said}");
    assert!(row("litellm_settings.num_retry").contains("unknown"), "{said}");
    assert!(row("litellm_settings.num_retry").contains("did you mean \"num_retries\"?"), "{said}");
    assert!(row("general_settings.alerting").contains("unsupported"), "{said}");
    assert_eq!(check(folder.path(), &["c.yaml", "--strict"]).await.0, 2);
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, api_base: 'ftp://x', api_key: k}\n  - litellm_params: {model: openai/m}\n\
                router_settings:\n  routing_strategy: simple-shufle\n  num_retries: many\n";
    fs::write(folder.path().join("c.yaml"), text).unwrap();
    let (code, said) = check(folder.path(), &["c.yaml"]).await;
    assert_eq!(code, 1);
    for place in ["c.yaml:3:", "c.yaml:4:", "c.yaml:6:", "c.yaml:7:"] {
        assert!(said.contains(place), "{place}: {said}");
    }
    assert!(said.contains("did you mean \"simple-shuffle\"?"), "{said}");
    assert!(said.trim_end().ends_with("4 faults: this configuration cannot be used"), "{said}");
    for (name, text, words) in [
        ("none.yaml", None, "none.yaml"),
        ("broken.yaml", Some("model_list: [\n"), "broken.yaml:"),
        ("twice.yaml", Some("model_list: []\nmodel_list: []\n"), "twice.yaml:2:1"),
        ("includes.yaml", Some("include: [gone.yaml]\n"), "gone.yaml"),
    ] {
        if let Some(text) = text {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (code, said) = check(folder.path(), &[name, "--strict"]).await;
        assert_eq!(code, 1, "{name}: {said}");
        assert!(said.contains(words) && said.contains("1 fault"), "{name}: {said}");
    }
}

// === arguments and starts ===

#[tokio::test]
async fn help_and_wrong_arguments() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, out, err) in [
        (
            vec!["--help"],
            0,
            vec![
                "serve",
                "check",
                "demo",
                "--config",
                "--host",
                "--port",
                "--allow-insecure",
                "[default: 4000",
            ],
            vec![],
        ),
        (vec!["-h"], 0, vec!["Usage"], vec![]),
        (vec!["check", "--help"], 0, vec!["--strict"], vec![]),
        (vec!["demo", "--help"], 0, vec!["--once"], vec![]),
        (vec!["--version"], 0, vec![concat!("tollgate ", env!("CARGO_PKG_VERSION"))], vec![]),
        (vec!["--no-such-flag"], 2, vec![], vec!["--no-such-flag", "Usage"]),
        (vec!["--port", "70000"], 2, vec![], vec!["70000"]),
        (vec!["--host", "nowhere"], 2, vec![], vec!["nowhere"]),
        (vec!["serv"], 2, vec![], vec!["serv"]),
        (vec!["check", "a", "b"], 2, vec![], vec!["'b'"]),
    ] {
        let mut command = tollgate(folder.path());
        command.args(&arguments);
        let ended = run(command).await;
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert!(out.iter().all(|words| ended.stdout.contains(words)), "{arguments:?}: {ended:?}");
        assert!(err.iter().all(|words| ended.stderr.contains(words)), "{arguments:?}: {ended:?}");
        assert!(code == 0 || ended.stdout.is_empty(), "{ended:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_told_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yaml"), Config::new().text()).unwrap();
    fs::write(folder.path().join("bad.yaml"), "model_list: 1\nrouter_settings: {num_retries: x}\n").unwrap();
    let taken = TcpListener::bind(free_address()).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let listen = format!("cannot listen on 127.0.0.1:{port}");
    for (arguments, words) in [
        (vec!["--config", "good.yaml", "--port", &port], vec![listen.as_str()]),
        (vec!["--config", "none.yaml"], vec!["none.yaml cannot be served"]),
        (vec![], vec!["conf/tollgate.yaml cannot be served"]),
        (vec!["serve", "-c", "bad.yaml"], vec!["bad.yaml cannot be served", "bad.yaml:1:", "bad.yaml:2:"]),
    ] {
        let mut command = tollgate(folder.path());
        command.args(&arguments);
        let ended = run(command).await;
        assert_eq!(ended.code, 1, "{arguments:?}: {ended:?}");
        assert!(words.iter().all(|words| ended.stderr.contains(words)), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    }
}

#[tokio::test]
async fn the_demo_answers_once_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(free_address()).unwrap();
    for port in [free_address().port(), taken.local_addr().unwrap().port()] {
        let mut command = tollgate(folder.path());
        command.args(["demo", "--once", "--port", &port.to_string()]);
        let ended = run(command).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let said = &ended.stdout;
        let value = |name: &str| {
            let line = said.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name}: {said}")).trim().to_owned()
        };
        let free = port != taken.local_addr().unwrap().port();
        assert_eq!(
            value("endpoint") == format!("http://127.0.0.1:{port}/v1"),
            free,
            "a taken port is not used: {said}"
        );
        assert!(value("key").starts_with("sk-demo-"), "{said}");
        let told = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            told.contains("It takes many lanes of traffic")
                && told.contains("Nobody waits for a broken lane."),
            "{said}"
        );
        assert!(said.lines().all(|line| line.chars().count() <= 80), "it fits any screen: {said}");
        let served = value("served by");
        assert!(["key-1", "key-2", "key-3"].iter().any(|key| served.starts_with(key)), "{said}");
        // Six tokens in and 27 out at the demo's prices.
        assert_eq!(value("cost"), "$0.000108366", "{said}");
        assert_eq!(ended.stderr, "", "nothing else is in the way");
    }
}

// === signals ===

async fn streaming() -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let model = "sim-chunks=20+gap=50";
    let config = Config::new().deployment("slow", model, &simulator.base_url(), "k").deployment(
        "quick",
        "sim-ok",
        &simulator.base_url(),
        "k",
    );
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

fn slow() -> Value {
    json!({ "model": "slow", "stream": true, "messages": [{ "role": "user", "content": "hi" }] })
}

#[tokio::test]
async fn a_term_lets_open_streams_end() {
    let (_simulator, mut gate) = streaming().await;
    let mut stream = gate.stream(CHAT, &slow()).await;
    let first = stream.next_event().await.unwrap();
    gate.signal("TERM");
    let unready = eventually("it says that it is going", async || {
        let ready = gate.get("/health/readiness").await;
        (ready.status() != 200).then_some(ready)
    })
    .await;
    assert_eq!(
        (unready.status(), unready.text().as_str()),
        (503, r#"{"detail":"Service Unhealthy (shutting down)"}"#)
    );
    let rest = stream.events().await;
    assert_eq!(rest.last().unwrap().data, "[DONE]", "the whole stream after {first:?}");
    assert!(stream.complete && rest.len() >= 20, "{}", rest.len());
    let status = gate.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let records = gate.records_so_far();
    assert_eq!(
        (records.len(), &records[0]["outcome"], &records[0]["completion_tokens"]),
        (1, &json!("completed"), &json!(20))
    );
    assert!(tokio::net::TcpStream::connect(gate.address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_after_the_drain_time() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = Config::new().set("tollgate", json!({ "drain_timeout": 0.3 })).deployment(
        "stuck",
        "sim-stall=2",
        &simulator.base_url(),
        "k",
    );
    let mut gate = Gateway::start(&config).await;
    let mut stream = gate.stream(CHAT, &json!({ "model": "stuck", "stream": true, "messages": [] })).await;
    stream.next_event().await.unwrap();
    gate.signal("TERM");
    assert_eq!(gate.ended().await.code(), Some(0));
    assert!(gate.output().contains("open requests are cut off after 300ms"), "{}", gate.output());
}

#[tokio::test]
async fn an_interrupt_waits_for_nobody() {
    for first in ["INT", "TERM"] {
        let simulator = Simulator::start(Script::default()).await.unwrap();
        let config = Config::new().deployment("stuck", "sim-stall=2", &simulator.base_url(), "k");
        let mut gate = Gateway::start(&config).await;
        let mut stream =
            gate.stream(CHAT, &json!({ "model": "stuck", "stream": true, "messages": [] })).await;
        stream.next_event().await.unwrap();
        gate.signal(first);
        if first == "TERM" {
            eventually("it drains", async || gate.output().contains("going away").then_some(())).await;
            gate.signal("INT");
        }
        assert_eq!(gate.ended().await.code(), Some(0), "{first}");
    }
}

fn serving(name: &str, base: &str) -> Config {
    Config::new().deployment("always", "sim-ok", base, "k").deployment(name, "sim-ok", base, "k")
}

async fn ids(gate: &Gateway) -> Vec<String> {
    let list = gate.get("/v1/models").await.json();
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_hangup_swaps_the_models() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let base = simulator.base_url();
    let gate = Launch::of(&serving("old", &base)).start().await;
    assert_eq!(ids(&gate).await, ["always", "old"]);
    fs::write(gate.config_file(), serving("new", &base).text()).unwrap();
    gate.signal("HUP");
    eventually("the new models", async || (ids(&gate).await == ["always", "new"]).then_some(())).await;
    assert_eq!(gate.call(&post(CHAT, &chat("new", ""))).await.status(), 200);
    assert_eq!(gate.call(&post(CHAT, &chat("old", ""))).await.status(), 400);
    gate.metric_is("tollgate_config_generation", &[], 2.0).await;
    // A faulty file changes nothing and is told why.
    fs::write(gate.config_file(), "router_settings: {routing_strategy: simple-shufle}\n").unwrap();
    gate.signal("HUP");
    eventually("the refusal", async || gate.output().contains("was not reloaded").then_some(())).await;
    let said = gate.output();
    assert!(said.contains("config.yaml:1:") && said.contains("did you mean \"simple-shuffle\"?"), "{said}");
    assert_eq!(ids(&gate).await, ["always", "new"]);
    assert_eq!(gate.call(&post(CHAT, &chat("new", ""))).await.status(), 200);
    gate.metric_is("tollgate_config_generation", &[], 2.0).await;
    // A file that is gone likewise.
    fs::remove_file(gate.config_file()).unwrap();
    gate.signal("HUP");
    eventually("the second refusal", async || {
        (gate.output().matches("was not reloaded").count() == 2).then_some(())
    })
    .await;
    assert_eq!(ids(&gate).await, ["always", "new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_load_fails_no_request() {
    let simulator = Simulator::start(Script { record: 0, ..Script::default() }).await.unwrap();
    let base = simulator.base_url();
    let gate = Launch::of(&serving("n0", &base)).start().await;
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..4)
        .map(|i| {
            let (stop, served, address) = (Arc::clone(&stop), Arc::clone(&served), gate.address);
            tokio::spawn(async move {
                let mut connection = crate::harness::Connection::open(address).await;
                let body = chat("always", if i % 2 == 0 { "" } else { r#","stream":true"# });
                while !stop.load(Ordering::Relaxed) {
                    let reply = connection.ask(&post(CHAT, &body)).await;
                    assert_eq!(reply.status(), 200, "{}", reply.text());
                    assert!(reply.complete && (i % 2 == 1 || !content(&reply).is_empty()));
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for turn in 1..=10 {
        let faulty = turn % 3 == 0;
        let text =
            if faulty { "model_list: 1\n".to_owned() } else { serving(&format!("n{turn}"), &base).text() };
        fs::write(gate.config_file(), text).unwrap();
        let (refusals, before) =
            (gate.output().matches("was not reloaded").count(), served.load(Ordering::Relaxed));
        gate.signal("HUP");
        eventually("the reload", async || {
            let done = if faulty {
                gate.output().matches("was not reloaded").count() > refusals
            } else {
                gate.call(&get("/v1/models")).await.text().contains(&format!("\"n{turn}\""))
            };
            // And calls go on after it.
            (done && served.load(Ordering::Relaxed) > before + 8).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("no call failed");
    }
}
