//! `tollgate doctor`, `health`, `top` and `backup` against gateways that are well, ill and absent.

use crate::harness::{Config, Gateway, Launch, MASTER_KEY, eventually, free_address, upstream, upstream_of};
use crate::support::{CHAT, Ended, Running, answer, bearer, canned, chat, post, run, tollgate};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tollgate::simulator::Simulator;

const KEYS: [&str; 2] = ["maas-canary-first-key", "maas-canary-second-key"];

/// The first seed's configuration with two upstream keys.
async fn maas(upstream: &Simulator) -> Gateway {
    Launch::of_text(include_str!("../fixtures/seeds/seed0.yaml"))
        .variable("LITELLM_MASTER_KEY", MASTER_KEY)
        .variable("HUAWEI_MAAS_API_BASE", &upstream.base_url())
        .variable("HUAWEI_MAAS_API_KEY", KEYS[0])
        .variable("HUAWEI_MAAS_EXTRA_API_KEYS", KEYS[1])
        .start()
        .await
}

/// Runs it where the gateway's files are; the answer is its JSON.
async fn doctor(folder: &Path, url: &str, arguments: &[&str]) -> (i32, Value) {
    doctor_of("http://127.0.0.1:9/v1", folder, url, arguments).await
}

/// The same, where the address of MaaS is known as the gateway knows it.
async fn doctor_of(base: &str, folder: &Path, url: &str, arguments: &[&str]) -> (i32, Value) {
    let mut command = tollgate(folder);
    command
        .args(["doctor", "--json", "--timeout", "20", "--url", url, "--config", "config.yaml"])
        .args(arguments);
    command
        .env("LITELLM_MASTER_KEY", MASTER_KEY)
        .env("HUAWEI_MAAS_API_KEY", KEYS[0])
        .env("HUAWEI_MAAS_EXTRA_API_KEYS", KEYS[1]);
    command.env("HUAWEI_MAAS_API_BASE", base);
    let ended = run(command).await;
    assert_eq!(ended.stderr, "", "{ended:?}");
    for secret in [MASTER_KEY, KEYS[0], KEYS[1]] {
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    }
    (ended.code, serde_json::from_str(&ended.stdout).unwrap())
}

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let found = report["steps"].as_array().unwrap().iter().find(|step| step["step"] == name);
    found.unwrap_or_else(|| panic!("no step {name}: {report:#}"))
}

fn of_verdict<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    let steps = report["steps"].as_array().unwrap().iter().filter(|step| step["verdict"] == verdict);
    steps.map(|step| step["step"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_deployment_that_is_well_passes_every_step() {
    let upstream = upstream_of(&KEYS.map(|key| (key, "ok"))).await;
    let gate = maas(&upstream).await;
    let targets = json!({ "data": {
        "activeTargets": [{ "labels": { "job": "litellm" }, "health": "up", "lastError": "" }],
        "result": [{ "value": [0, "417"] }],
    }});
    let prometheus = canned(answer(200, &[], &targets.to_string())).await;
    let grafana = canned(answer(200, &[], r#"{"database":"ok","version":"11.5.2"}"#)).await;
    let monitoring =
        ["--prometheus", prometheus.trim_end_matches("/v1"), "--grafana", grafana.trim_end_matches("/v1")];
    // What costs nothing asks for no completion.
    let (code, report) = doctor_of(&upstream.base_url(), gate.folder(), &gate.url(), &monitoring).await;
    assert_eq!((code, &report["ok"]), (0, &json!(true)), "{report:#}");
    assert_eq!(of_verdict(&report, "skip"), [".env", "completion", "stream", "budget"], "{report:#}");
    assert!(
        upstream.seen().iter().all(|request| !request.path.ends_with("/completions")),
        "no token was used"
    );
    fs::write(gate.folder().join(".env"), "A=1\n").unwrap();
    fs::set_permissions(gate.folder().join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let (code, report) = doctor_of(
        &upstream.base_url(),
        gate.folder(),
        &gate.url(),
        &[&monitoring[..], &["--spend"]].concat(),
    )
    .await;
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(of_verdict(&report, "pass").len(), report["steps"].as_array().unwrap().len(), "{report:#}");
    let detail = |name: &str| step(&report, name)["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail("configuration"), "config.yaml: 10 deployments of 5 models");
    assert!(detail("upstream keys").starts_with("10 deployments, 2 keys"), "{report:#}");
    assert!(
        detail("completion").starts_with("glm-5.1: ") && detail("Prometheus").contains("417"),
        "{report:#}"
    );
    // The key it made is gone.
    let left = gate.get("/key/list").await.json();
    assert_eq!(left["keys"].as_array().map(Vec::len), Some(0), "{left}");
}

#[tokio::test]
async fn each_trouble_is_told_with_its_cause_and_cure() {
    let upstream = upstream_of(&[(KEYS[0], "ok")]).await;
    let gate = maas(&upstream).await;
    let down = canned(answer(200, &[], r#"{"data":{"activeTargets":[{"labels":{"job":"tollgate"},"health":"down","lastError":"no such host"}]}}"#)).await;
    let none = free_address().to_string();
    let (code, report) = doctor_of(
        &upstream.base_url(),
        gate.folder(),
        &gate.url(),
        &["--prometheus", down.trim_end_matches("/v1"), "--grafana", &format!("http://{none}")],
    )
    .await;
    assert_eq!((code, &report["ok"]), (1, &json!(false)), "{report:#}");
    assert_eq!(of_verdict(&report, "fail"), ["upstream keys", "Prometheus", "Grafana"], "{report:#}");
    let keys = step(&report, "upstream keys");
    let detail = keys["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("5 of 10 deployments: HUAWEI_MAAS_EXTRA_API_KEYS: ")
            && detail.contains("401")
            && detail.contains("glm-5.1"),
        "{detail}"
    );
    assert!(
        keys["cause"].as_str().unwrap().contains("refuses the key")
            && keys["cure"].as_str().unwrap().contains("remove-key")
    );
    assert!(step(&report, "Prometheus")["detail"].as_str().unwrap().contains("no such host"));
    // Another master key than the gateway's.
    let mut command = tollgate(gate.folder());
    command.args(["doctor", "--url", &gate.url()]).env("LITELLM_MASTER_KEY", "sk-canary-of-another-gateway");
    let ended = run(command).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("FAIL  admin key") && ended.stdout.contains("cure"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("canary") && !ended.stdout.contains('\x1b'), "{}", ended.stdout);
    // Nobody there.
    let (code, report) = doctor(gate.folder(), &format!("http://{none}"), &["--spend"]).await;
    assert_eq!((code, of_verdict(&report, "fail")), (1, vec!["process"]), "{report:#}");
    assert!(step(&report, "process")["detail"].as_str().unwrap().starts_with("nothing listens"));
    // Something else there.
    let other = canned(answer(200, &[], "<html>")).await;
    let (_, report) = doctor(gate.folder(), other.trim_end_matches("/v1"), &[]).await;
    assert!(
        step(&report, "process")["cause"].as_str().unwrap().contains("not one that the gateway gives"),
        "{report:#}"
    );
    // A file with faults, and one that others can read.
    fs::write(gate.folder().join("config.yaml"), "router_settings: {routing_strategy: simple-shufle}\n")
        .unwrap();
    fs::write(gate.folder().join(".env"), "HUAWEI_MAAS_API_KEY=\"change-me-to-your-maas-api-key\"\n")
        .unwrap();
    let (_, report) = doctor(gate.folder(), &gate.url(), &[]).await;
    assert!(
        step(&report, "configuration")["detail"].as_str().unwrap().contains("simple-shuffle"),
        "{report:#}"
    );
    assert!(step(&report, ".env")["detail"].as_str().unwrap().contains("HUAWEI_MAAS_API_KEY"), "{report:#}");
    fs::write(gate.folder().join(".env"), "A=1\n").unwrap();
    fs::set_permissions(gate.folder().join(".env"), fs::Permissions::from_mode(0o644)).unwrap();
    let (_, report) = doctor(gate.folder(), &gate.url(), &[]).await;
    assert!(step(&report, ".env")["cure"].as_str().unwrap().contains("chmod 600"), "{report:#}");
}

#[tokio::test]
async fn a_model_without_a_price_and_a_database_that_is_away_are_found() {
    let upstream = upstream("ok").await;
    let config = Config::new().deployment("free", "free", &upstream.base_url(), "k");
    let gate = Gateway::start(&config).await;
    let (code, report) = doctor(gate.folder(), &gate.url(), &["--spend", "--model", "free"]).await;
    assert_eq!(
        (code, of_verdict(&report, "warn"), of_verdict(&report, "fail")),
        (1, vec!["prices"], vec!["budget"]),
        "{report:#}"
    );
    assert!(step(&report, "budget")["cause"].as_str().unwrap().contains("missing or zero"), "{report:#}");
    let (_, report) = doctor(gate.folder(), &gate.url(), &["--model", "Free"]).await;
    assert!(step(&report, "admin key")["cure"].as_str().unwrap().contains("case-sensitive"), "{report:#}");
    drop(gate);
    let away = format!("postgresql://u:canary@{}/x?pool_timeout=1", free_address());
    let gate = Launch::of(&config).variable("DATABASE_URL", &away).start().await;
    let (code, report) = doctor(gate.folder(), &gate.url(), &[]).await;
    assert_eq!((code, of_verdict(&report, "fail")), (1, vec!["database", "key made"]), "{report:#}");
    assert!(step(&report, "database")["cure"].as_str().unwrap().contains("DB_PASSWORD"), "{report:#}");
}

#[tokio::test]
async fn a_health_check_is_one_question() {
    let upstream = upstream("ok").await;
    let gate = Gateway::start(&Config::new().deployment("m", "m", &upstream.base_url(), "k")).await;
    let ask = async |arguments: &[&str], port: &str| -> Ended {
        let mut command = tollgate(gate.folder());
        command.arg("health").args(arguments).env("PORT", port);
        run(command).await
    };
    let (url, port) = (gate.url(), gate.address.port().to_string());
    for (arguments, port, words) in [
        (vec![url.as_str()], "1", "I'm alive!\n"),
        (vec![], &port, "I'm alive!\n"),
        (vec!["--ready", &url], "1", "healthy\n"),
    ] {
        let ended = ask(&arguments, port).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (0, words), "{ended:?}");
    }
    let none = format!("http://{}", free_address());
    let ended = ask(&[&none], "1").await;
    assert!(ended.code == 1 && ended.stderr.contains("nothing listens"), "{ended:?}");
    let ill = canned(answer(503, &[], r#"{"detail":"Service Unhealthy (shutting down)"}"#)).await;
    let ended = ask(&["--ready", ill.trim_end_matches("/v1")], "1").await;
    assert!(ended.code == 1 && ended.stdout.contains("shutting down"), "{ended:?}");
    assert_eq!(ask(&["--timeout", "0"], "1").await.code, 2);
}

/// Over TLS the machine's own authorities count, and a server that none of them vouches for is not asked.
#[tokio::test]
async fn a_gateway_behind_tls_is_asked_if_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let mut make = Command::new("openssl");
    make.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    make.args([
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]);
    make.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    make.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    if !make.status().is_ok_and(|status| status.success()) {
        eprintln!("left out, for want of openssl: run tests/run needs");
        return;
    }
    let port = free_address().port().to_string();
    let mut server = Command::new("openssl");
    server.args([
        "s_server",
        "-quiet",
        "-www",
        "-accept",
        &format!("127.0.0.1:{port}"),
        "-key",
        "key.pem",
        "-cert",
        "cert.pem",
    ]);
    server.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Running(server.spawn().unwrap());
    let url = format!("https://localhost:{port}");
    let ask = async |trusted: bool| {
        let mut command = tollgate(folder.path());
        command.args(["health", &url]);
        if trusted {
            command.env("SSL_CERT_FILE", folder.path().join("cert.pem"));
        }
        run(command).await
    };
    let well = eventually("it answers", async || Some(ask(true).await).filter(|ended| ended.code == 0)).await;
    assert_eq!(well.stdout, "it answers\n");
    let ended = ask(false).await;
    assert!(ended.code == 1 && ended.stderr.contains("certificate"), "{ended:?}");
}

#[tokio::test]
async fn a_frame_of_top_shows_what_was_called() {
    let upstream = upstream("ok").await;
    let gate =
        Gateway::start(&Config::new().deployment("m", "served-model", &upstream.base_url(), "k")).await;
    assert_eq!(gate.call(&post(CHAT, &chat("m", ""))).await.status(), 200);
    let mut command = tollgate(gate.folder());
    command.args(["top", &gate.url(), "--once", "--interval", "0.2"]);
    let ended = run(command).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.contains("healthy  served-model") && ended.stdout.contains("database connected"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.lines().count() == 24 && ended.stdout.lines().all(|line| line.chars().count() <= 80)
    );
    let mut command = tollgate(gate.folder());
    command.args(["top", "--once", "--interval", "0.2", &format!("http://{}", free_address())]);
    let ended = run(command).await;
    assert!(ended.code == 1 && ended.stderr.contains("nothing listens"), "{ended:?}");
}

#[tokio::test]
async fn a_backup_of_a_running_gateway_is_whole_and_serves() {
    let upstream = upstream("ok").await;
    let config = Config::new().deployment("m", "m", &upstream.base_url(), "k");
    let gate = Gateway::start(&config).await;
    let made = gate.post("/key/generate", &json!({ "key_alias": "kept", "max_budget": 2 })).await.json();
    let key = made["key"].as_str().unwrap().to_owned();
    let back_up = async |file: &str| -> Ended {
        let mut command = tollgate(gate.folder());
        command.args(["backup", file, "--config", "config.yaml"]).env("HOME", gate.folder());
        run(command).await
    };
    let ended = back_up("copy.db").await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    let copy = gate.folder().join("copy.db");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let again = back_up("copy.db").await;
    assert!(again.code == 1 && again.stderr.contains("copy.db"), "{again:?}");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await.unwrap();
    let aliases: Vec<String> = sqlx::query_scalar(
        r#"SELECT key_alias FROM "LiteLLM_VerificationToken" WHERE key_alias IS NOT NULL"#,
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(aliases, ["kept"]);
    connection.close().await.unwrap();
    // Restored: another gateway starts on it, and the key is known.
    let url = format!("sqlite://{}", copy.display());
    let other = Launch::of(&config).variable("DATABASE_URL", &url).start().await;
    let bearer_of_key = format!("Bearer {key}");
    let asked = crate::harness::request("GET", "/v1/models", &[("authorization", &bearer_of_key)], b"");
    assert_eq!(other.call(&asked).await.status(), 200);
    assert_ne!(bearer().1, bearer_of_key);
    // What cannot be copied so is said.
    for (variables, words) in [
        (("DATABASE_URL", "postgresql://u:canary@127.0.0.1:9/x"), "pg_dump"),
        (("TOLLGATE_DATA_DIR", "nowhere"), "no database at nowhere"),
    ] {
        let mut command = tollgate(gate.folder());
        command.args(["backup", "other.db", "--config", "config.yaml"]).env(variables.0, variables.1);
        let ended = run(command).await;
        assert!(
            ended.code == 1 && ended.stderr.contains(words) && !ended.stderr.contains("canary"),
            "{ended:?}"
        );
        assert!(!gate.folder().join("other.db").exists());
    }
}

#[tokio::test]
async fn shells_complete_and_the_manual_has_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let mut command = tollgate(folder.path());
        command.args(["completions", shell]);
        let ended = run(command).await;
        assert!(
            ended.code == 0 && ended.stdout.contains("doctor") && ended.stdout.contains("allow-insecure"),
            "{shell}"
        );
        if shell == "bash" {
            fs::write(folder.path().join("c"), &ended.stdout).unwrap();
            let mut bash = Command::new("bash");
            bash.args(["-n", "c"]).current_dir(folder.path());
            assert_eq!(run(bash).await.code, 0);
        }
    }
    let mut command = tollgate(folder.path());
    command.arg("man");
    let page = run(command).await;
    assert!(page.code == 0 && page.stdout.contains(".TH tollgate 1"), "{page:?}");
    let mut command = tollgate(folder.path());
    command.args(["man", "pages"]);
    assert_eq!(run(command).await.code, 0);
    for name in [
        "tollgate",
        "tollgate-init",
        "tollgate-init-add-key",
        "tollgate-doctor",
        "tollgate-top",
        "tollgate-serve",
    ] {
        assert!(folder.path().join(format!("pages/{name}.1")).exists(), "{name}");
    }
}
