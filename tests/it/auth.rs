//! A key is taken from every place LiteLLM takes it, and nobody else gets in.

use crate::harness::{Config, Gateway, Launch, MASTER_KEY, Response, eventually, free_address, request};
use crate::support::{CHAT, bearer, chat, echoing, everything, run, sha256, tollgate};
use serde_json::{Value, json};
use std::fs::File;
use std::process::Stdio;

async fn call(gate: &Gateway, headers: &[(&str, &str)]) -> (Response, Response) {
    let model = gate.call(&request("POST", CHAT, headers, &chat("echo", ""))).await;
    let list = gate.call(&request("GET", "/v1/models", headers, b"")).await;
    (model, list)
}

async fn statuses(gate: &Gateway, headers: &[(&str, &str)]) -> (u16, u16) {
    let (model, list) = call(gate, headers).await;
    (model.status(), list.status())
}

fn with_key_header(config: Config) -> Config {
    config.set("general_settings", json!({ "litellm_key_header_name": "X-Team-Key" }))
}

#[tokio::test]
async fn the_key_is_found_in_every_place() {
    let (simulator, gate) = echoing(with_key_header).await;
    let form = |scheme: &str, key: &str| format!("{scheme}{key}");
    let aws =
        |key: &str| format!("AWS4-HMAC-SHA256 Credential={key}/20260101/eu/s3/aws4_request, Signature=x");
    for key in [MASTER_KEY, "sk-somebody-else"] {
        let expected = if key == MASTER_KEY { (200, 200) } else { (401, 401) };
        for (name, value) in [
            ("x-litellm-api-key", form("", key)),
            ("x-litellm-api-key", form("Bearer ", key)),
            ("x-team-key", form("", key)),
            ("X-Team-Key", form("Bearer ", key)),
            ("authorization", form("Bearer ", key)),
            ("Authorization", form("bearer ", key)),
            ("authorization", form("Basic ", key)),
            ("authorization", aws(key)),
            ("api-key", form("", key)),
            ("x-api-key", form("", key)),
            ("x-goog-api-key", form("", key)),
            ("Ocp-Apim-Subscription-Key", form("", key)),
        ] {
            assert_eq!(statuses(&gate, &[(name, &value)]).await, expected, "{name}: {value}");
        }
    }
    assert_eq!(simulator.seen().len(), 12);
    assert!(simulator.seen().iter().all(|seen| seen.key == "upstream-key"));
}

#[tokio::test]
async fn the_first_place_decides() {
    let (_simulator, gate) = echoing(with_key_header).await;
    let wrong = "Bearer sk-wrong";
    let order = [
        "x-team-key",
        "x-litellm-api-key",
        "authorization",
        "api-key",
        "x-api-key",
        "x-goog-api-key",
        "ocp-apim-subscription-key",
    ];
    let right = bearer().1;
    for (i, first) in order.into_iter().enumerate() {
        for second in &order[i + 1..] {
            let form = |name: &str, value: &'static str| {
                let raw = order[3..].contains(&name);
                if raw { value.trim_start_matches("Bearer ").to_owned() } else { value.to_owned() }
            };
            let both = [(*second, form(second, wrong)), (first, form(first, right))];
            let both = both.each_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(statuses(&gate, &both).await, (200, 200), "{first} before {second}");
            let both = [(*second, form(second, right)), (first, form(first, wrong))];
            let both = both.each_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(statuses(&gate, &both).await, (401, 401), "{first} before {second}");
        }
    }
}

fn refusal(response: &Response) -> (u16, Value, Value, String) {
    let error = &response.json()["error"];
    assert_eq!(error["code"], "401");
    assert_eq!(error.as_object().unwrap().len(), 4, "{error}");
    let message = error["message"].as_str().unwrap().to_owned();
    (response.status(), error["type"].clone(), error["param"].clone(), message)
}

#[tokio::test]
async fn refusals_are_litellms() {
    let (simulator, gate) = echoing(|config| config).await;
    let malformed = "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.";
    let digest = sha256(b"sk-nobodys-key-000");
    let unknown = format!(
        "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...-000, Key Hash (Token) ={digest}. \
         Unable to find token in cache or `LiteLLM_VerificationTokenTable`"
    );
    let (auth, none) = (json!("auth_error"), json!("None"));
    for (header, kind, param, message) in [
        (None, &auth, &none, "Authentication Error, No api key passed in."),
        (Some(("authorization", MASTER_KEY)), &auth, &none, malformed),
        (Some(("authorization", "Bearer")), &auth, &none, malformed),
        (Some(("authorization", "Bearer ")), &auth, &none, malformed),
        (Some(("authorization", "")), &auth, &none, malformed),
        (Some(("authorization", "Digest x")), &auth, &none, malformed),
        (
            Some(("authorization", "Bearer pk-abcdefgh-5678")),
            &auth,
            &none,
            "Authentication Error, LiteLLM Virtual Key expected. Received=****, expected to start with 'sk-'.",
        ),
        (
            Some(("authorization", "Bearer sk-nobodys-key-000")),
            &json!("token_not_found_in_db"),
            &json!("key"),
            unknown.as_str(),
        ),
    ] {
        let headers: Vec<_> = header.into_iter().collect();
        let (model, list) = call(&gate, &headers).await;
        let expected = (401, kind.clone(), param.clone(), message.to_owned());
        assert_eq!(refusal(&model), expected, "{header:?}");
        assert_eq!(refusal(&list), expected, "{header:?}");
        assert_eq!(model.header("x-litellm-response-cost"), Some("0"));
        assert!(model.header("x-litellm-call-id").is_some());
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn what_is_near_the_key_is_not_the_key() {
    let (simulator, gate) = echoing(|config| config).await;
    let digest = sha256(MASTER_KEY.as_bytes());
    let upper = MASTER_KEY.to_uppercase();
    let (start, longer) = (&MASTER_KEY[..MASTER_KEY.len() - 1], format!("{MASTER_KEY}x"));
    for key in [
        digest.as_str(),
        &format!("sk-{digest}"),
        &digest.to_uppercase(),
        start,
        &longer,
        &upper,
        "sk-",
        "upstream-key",
    ] {
        let value = format!("Bearer {key}");
        assert_eq!(statuses(&gate, &[("authorization", &value)]).await, (401, 401), "{key}");
        assert_eq!(statuses(&gate, &[("x-api-key", key)]).await, (401, 401), "{key}");
    }
    // Not in a query, not in a body, not in a cookie.
    let path = format!("{CHAT}?key={MASTER_KEY}&api_key={MASTER_KEY}");
    let cookie = format!("token={MASTER_KEY}");
    let body = chat("echo", &format!(r#","key":"{MASTER_KEY}""#));
    let reply = gate.call(&request("POST", &path, &[("cookie", &cookie)], &body)).await;
    assert_eq!(reply.status(), 401, "{}", everything(&reply));
    // A wrong key comes before everything that could be said about the request.
    for body in [&b"not json"[..], br#"{"model":"nope","messages":[]}"#, b""] {
        let reply = gate.call(&request("POST", CHAT, &[("authorization", "Bearer sk-wrong")], body)).await;
        assert_eq!(refusal(&reply).1, "token_not_found_in_db");
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn without_a_master_key_a_loopback_gateway_is_open() {
    let (_simulator, gate) = echoing(|config| config.without("general_settings")).await;
    for headers in [vec![], vec![("authorization", "Bearer anything")], vec![("authorization", "nonsense")]] {
        assert_eq!(statuses(&gate, &headers).await, (200, 200), "{headers:?}");
        let health = gate.call(&request("GET", "/health", &headers, b"")).await;
        assert_eq!(health.status(), 200);
    }
    assert!(gate.output().contains("every request is accepted"), "it says so: {}", gate.output());
}

#[tokio::test]
async fn the_master_key_may_come_from_the_environment() {
    let config =
        Config::new().without("general_settings").deployment("echo", "echo", "http://127.0.0.1:1/v1", "k");
    let mut gate =
        Launch::of(&config).variable("LITELLM_MASTER_KEY", "sk-from-the-environment").start().await;
    assert_eq!(gate.get("/v1/models").await.status(), 401);
    gate.key = "sk-from-the-environment".to_owned();
    assert_eq!(gate.get("/v1/models").await.status(), 200);
}

// === a public address wants a master key ===

fn model_list() -> String {
    "model_list:\n  - {model_name: m, litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:1/v1', api_key: up-canary-key}}\n".to_owned()
}

#[tokio::test]
async fn a_public_address_is_not_served_without_a_good_master_key() {
    for (key, words) in [
        (None, "there is no master key"),
        (Some("sk-1234"), "one that documentation shows"),
        (Some("sk-change-me-now"), "one that documentation shows"),
        (Some("sk-ab"), "shorter than 8"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.yaml"), model_list()).unwrap();
        for host in ["0.0.0.0", "::", "192.0.2.1"] {
            let port = free_address().port().to_string();
            let mut command = tollgate(folder.path());
            command.args(["--config", "c.yaml", "--host", host, "--port", &port]);
            if let Some(key) = key {
                command.env("LITELLM_MASTER_KEY", key);
            }
            let ended = run(command).await;
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code, 1, "{host} with {key:?}: {said}");
            assert!(
                said.contains(words) && said.contains("reachable from outside"),
                "{host} with {key:?}: {said}"
            );
            assert!(
                said.contains("LITELLM_MASTER_KEY") && said.contains("--allow-insecure"),
                "the way out: {said}"
            );
            assert!(!said.contains("up-canary-key"), "{said}");
            assert!(key.is_none_or(|key| !said.contains(key)), "{said}");
        }
    }
}

#[tokio::test]
async fn a_public_address_is_served_with_a_good_key_or_on_request() {
    for (key, flag) in [(Some("sk-1234"), true), (None, true), (Some("sk-b8c1e5a09d6f7742"), false)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.yaml"), model_list()).unwrap();
        let log = folder.path().join("log");
        let address = free_address();
        let mut command = tollgate(folder.path());
        command.args(["--config", "c.yaml", "--host", "0.0.0.0", "--port", &address.port().to_string()]);
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        if flag {
            command.arg("--allow-insecure");
        }
        if let Some(key) = key {
            command.env("LITELLM_MASTER_KEY", key);
        }
        let mut child = crate::support::Running(command.spawn().unwrap());
        eventually("it listens", async || {
            let said = std::fs::read_to_string(&log).unwrap();
            assert!(child.0.try_wait().unwrap().is_none(), "{key:?}: {said}");
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        let said = std::fs::read_to_string(&log).unwrap();
        assert_eq!(said.contains("master key"), flag, "a warning where one is due: {said}");
    }
}
