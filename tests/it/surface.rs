//! The paths, names, fields and headers that a client of LiteLLM may rely on.

use crate::harness::{Config, Gateway, MASTER_KEY, Response, request};
use crate::support::{
    CHAT, answer, bearer, canned, chat, content, echo_of, echoing, error, everything, get, post, sha256,
};
use serde_json::{Value, json};
use tollgate::simulator::{Script, Seen, Simulator};

async fn healthy(config: impl FnOnce(Config, &str) -> Config) -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let gateway = Gateway::start(&config(Config::new(), &simulator.base_url())).await;
    (simulator, gateway)
}

fn sent(simulator: &Simulator) -> Value {
    let seen = simulator.seen();
    serde_json::from_slice(&seen.last().expect("a request").body).unwrap()
}

fn last(simulator: &Simulator) -> Seen {
    simulator.seen().pop().expect("a request")
}

// === paths ===

#[tokio::test]
async fn every_twin_of_the_endpoints_is_served() {
    let (simulator, gate) = healthy(|config, base| config.deployment("org/m", "up", base, "k")).await;
    let mut calls = 0;
    for (operation, field, object) in [
        ("chat/completions", "messages", "chat.completion"),
        ("completions", "prompt", "text_completion"),
        ("embeddings", "input", "list"),
    ] {
        let mut paths = vec![
            (format!("/v1/{operation}"), true),
            (format!("/{operation}"), true),
            (format!("/{operation}/"), true),
        ];
        for model in ["org/m", "org%2Fm"] {
            for query in ["", "?api-version=2024-06-01"] {
                paths.push((format!("/engines/{model}/{operation}{query}"), false));
                paths.push((format!("/openai/deployments/{model}/{operation}{query}"), false));
            }
        }
        if operation == "chat/completions" {
            paths.push(("/queue/chat/completions".to_owned(), true));
            paths.push(("/cursor/chat/completions".to_owned(), true));
        }
        for (path, named_in_body) in paths {
            let mut body = json!({ field: if field == "messages" { json!([{ "role": "user", "content": "hi" }]) } else { json!("hi") } });
            if named_in_body {
                body["model"] = json!("org/m");
            }
            let reply = gate.post(&path, &body).await;
            assert_eq!(reply.status(), 200, "{path}: {}", everything(&reply));
            assert_eq!(
                (&reply.json()["object"], &reply.json()["model"]),
                (&json!(object), &json!("org/m")),
                "{path}"
            );
            assert_eq!(sent(&simulator)["model"], "up", "{path}");
            assert_eq!(last(&simulator).path, format!("/v1/{operation}"), "{path}");
            calls += 1;
        }
    }
    assert_eq!(simulator.seen().len(), calls);
    // The path's model comes before the body's.
    let body = json!({ "model": "nope", "messages": [] });
    assert_eq!(gate.post("/engines/org/m/chat/completions", &body).await.status(), 200);
    assert_eq!(
        gate.post("/engines/nope/chat/completions", &json!({ "model": "org/m", "messages": [] }))
            .await
            .status(),
        400
    );
}

#[tokio::test]
async fn a_wrong_method_and_an_unknown_path_are_told() {
    let (simulator, gate) = healthy(|config, base| config.deployment("m", "m", base, "k")).await;
    let mut connection = gate.connect().await;
    for path in [
        CHAT,
        "/chat/completions",
        "/engines/m/chat/completions",
        "/openai/deployments/m/embeddings",
        "/v1/completions",
        "/embeddings",
    ] {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let reply = connection.ask(&request(method, path, &[bearer()], b"")).await;
            assert_eq!(
                (reply.status(), reply.text().as_str()),
                (405, r#"{"detail":"Method Not Allowed"}"#),
                "{method} {path}"
            );
            assert_eq!(reply.header("allow"), Some("POST"), "{method} {path}");
        }
    }
    for path in ["/v1/models", "/health/liveliness", "/metrics"] {
        let reply = connection.ask(&post(path, b"{}")).await;
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (405, r#"{"detail":"Method Not Allowed"}"#),
            "{path}"
        );
        assert!(reply.header("allow").is_some_and(|allow| allow.contains("GET")), "{}", everything(&reply));
    }
    for path in [
        "/v1",
        "/nowhere",
        "/v1/chat",
        "/v1/chat/completions/more",
        "/v2/chat/completions",
        "/engines//embeddings",
        "/healthz",
    ] {
        for bytes in [get(path), post(path, b"{}")] {
            let reply = connection.ask(&bytes).await;
            assert_eq!((reply.status(), reply.text().as_str()), (404, r#"{"detail":"Not Found"}"#), "{path}");
        }
    }
    assert!(simulator.seen().is_empty());
}

#[tokio::test]
async fn browsers_may_ask() {
    let (simulator, gate) = healthy(|config, base| config.deployment("m", "m", base, "k")).await;
    for path in [CHAT, "/v1/models", "/nowhere"] {
        let asks = [
            ("origin", "http://x"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization, x-mine"),
        ];
        let reply = gate.call(&request("OPTIONS", path, &asks, b"")).await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "OK"), "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{path}");
        assert!(reply.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
        assert_eq!(reply.header("access-control-allow-headers"), Some("authorization, x-mine"), "{path}");
    }
    assert!(simulator.seen().is_empty());
    let from = ("origin", "http://x");
    for bytes in [
        request("POST", CHAT, &[bearer(), from], &chat("m", "")),
        request("POST", CHAT, &[bearer(), from], &chat("m", r#","stream":true"#)),
        request("POST", CHAT, &[from], &chat("m", "")),
        request("GET", "/v1/models", &[from], b""),
    ] {
        assert_eq!(gate.call(&bytes).await.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(gate.get("/v1/models").await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_head_request_has_no_body() {
    let (_simulator, gate) = healthy(|config, base| config.deployment("m", "m", base, "k")).await;
    let mut connection = gate.connect().await;
    for path in ["/v1/models", "/health/readiness", "/nowhere"] {
        connection.send(&request("HEAD", path, &[bearer()], b"")).await;
        let status = connection.read_head().await.status;
        assert_eq!(status, if path == "/nowhere" { 404 } else { 200 });
        connection.forget_body();
        // The next answer begins where the head ended.
        let next = connection.ask(&get("/test")).await;
        assert_eq!(next.text(), r#"{"route":"/test"}"#, "after HEAD {path}");
    }
}

// === names ===

async fn named() -> (Simulator, Gateway) {
    healthy(|config, base| {
        config
            .deployment("plain", "up-plain", base, "k")
            .deployment("org/with/slashes", "up-slash", base, "k")
            .deployment("e/*", "*", base, "k")
            .deployment("anthropic/*", "claude-*", base, "k")
            .set(
                "router_settings",
                json!({ "model_group_alias": {
                    "shown": "plain",
                    "hidden": { "model": "org/with/slashes", "hidden": true },
                    "several": ["plain", "org/with/slashes"],
                }}),
            )
    })
    .await
}

#[tokio::test]
async fn models_are_listed_with_their_aliases() {
    let (_simulator, gate) = named().await;
    for path in ["/v1/models", "/models"] {
        let list = gate.get(path).await.json();
        assert_eq!(list["object"], "list");
        let ids: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        // One wildcard's server has models of its own; nothing that the other's has fits.
        let own = ["e/sim-gap=50", "e/sim-ok", "anthropic/*"];
        let expected = [&["shown", "several", "plain", "org/with/slashes"][..], &own].concat();
        assert_eq!(ids, expected, "{path}");
        let first =
            json!({ "id": "shown", "object": "model", "created": 1_677_610_602, "owned_by": "openai" });
        assert_eq!(list["data"][0], first);
    }
    for id in ["plain", "org/with/slashes", "org%2Fwith%2Fslashes", "shown", "hidden", "e/anything"] {
        for prefix in ["/v1/models", "/models"] {
            let reply = gate.get(&format!("{prefix}/{id}")).await;
            assert_eq!(
                (reply.status(), &reply.json()["id"]),
                (200, &json!(id.replace("%2F", "/"))),
                "{prefix}/{id}"
            );
        }
    }
    let reply = gate.get("/v1/models/no/such").await;
    assert_eq!(reply.status(), 404);
    assert_eq!(reply.text(), r#"{"detail":"The model `no/such` does not exist or is not accessible"}"#);
}

#[tokio::test]
async fn a_name_leads_to_its_model_and_the_client_sees_its_own() {
    let (simulator, gate) = named().await;
    for (asked, upstream) in [
        ("plain", "up-plain"),
        ("org/with/slashes", "up-slash"),
        ("shown", "up-plain"),
        ("hidden", "up-slash"),
        ("e/foo", "foo"),
        ("e/foo/bar", "foo/bar"),
        ("anthropic/sonnet", "claude-sonnet"),
    ] {
        let reply = gate.call(&post(CHAT, &chat(asked, ""))).await;
        assert_eq!(reply.status(), 200, "{asked}: {}", reply.text());
        assert_eq!(
            (&sent(&simulator)["model"], &reply.json()["model"]),
            (&json!(upstream), &json!(asked)),
            "{asked}"
        );
        let mut stream = gate.stream(CHAT, &json!({ "model": asked, "stream": true, "messages": [] })).await;
        let events = stream.events().await;
        assert_eq!(sent(&simulator)["model"], upstream);
        assert_eq!(events.last().unwrap().data, "[DONE]");
        for event in &events[..events.len() - 1] {
            let event: Value = serde_json::from_str(&event.data).unwrap();
            assert_eq!(event["model"], asked);
        }
    }
    for _ in 0..20 {
        assert_eq!(gate.call(&post(CHAT, &chat("several", ""))).await.json()["model"], "several");
    }
    for asked in ["nope", "e", "plain/more"] {
        assert_eq!(gate.call(&post(CHAT, &chat(asked, ""))).await.status(), 400, "{asked}");
    }
}

// === fields ===

#[tokio::test]
async fn what_is_the_gateways_is_kept_back_and_the_rest_goes_on() {
    let (simulator, gate) = healthy(|config, base| config.deployment("m", "m", base, "k")).await;
    let kept = json!({
        "user": "u", "metadata": {"a": 1}, "store": true, "tags": ["t"], "litellm_metadata": {}, "num_retries": 0,
        "fallbacks": ["x"], "timeout": 30, "request_timeout": 30, "stream_timeout": 30, "cache": {"no-cache": true},
        "mock_response": null, "mock_testing_fallbacks": false, "guardrails": ["g"], "disable_fallbacks": true,
        "extra_headers": {"x-evil": "1"}, "headers": {"x-evil": "1"}, "stream_options": {"include_usage": true},
        "drop_params": true, "allowed_openai_params": [], "additional_drop_params": [], "secret_fields": {}, "prompt_id": "p",
    });
    let passed = json!({
        "temperature": 0.25, "top_k": 7, "guided_json": {"type": "object"}, "chat_template_kwargs": {"enable_thinking": false},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "n": 1, "seed": 42, "x-own": [null, 1.0, "\u{e9}"],
        "logit_bias": {"1": -100}, "stop": ["a"], "response_format": {"type": "json_object"},
    });
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    for (name, value) in kept.as_object().unwrap().iter().chain(passed.as_object().unwrap()) {
        body[name] = value.clone();
    }
    let reply = gate.post(CHAT, &body).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let mut expected = passed;
    expected["model"] = json!("m");
    expected["messages"] = body["messages"].clone();
    assert_eq!(sent(&simulator), expected);
    assert!(last(&simulator).headers.iter().all(|(name, _)| name != "x-evil"));
}

#[tokio::test]
async fn extra_body_is_merged_and_deployments_add_their_own() {
    let (simulator, gate) = healthy(|config, base| {
        config.entry(json!({
            "model_name": "m",
            "litellm_params": {
                "model": "openai/m", "api_base": base, "api_key": "k", "temperature": 0.1, "max_tokens": 99,
                "extra_body": {"always": {"x": [1]}},
                "extra_headers": {"x-tenant": "blue"},
            },
        }))
    })
    .await;
    let body = json!({ "model": "m", "messages": [], "temperature": 0.9, "extra_body": { "top_k": 5, "deep": {"a": "b"} } });
    assert_eq!(gate.post(CHAT, &body).await.status(), 200);
    let expected = json!({ "model": "m", "messages": [], "temperature": 0.9, "top_k": 5, "deep": {"a": "b"}, "max_tokens": 99, "always": {"x": [1]} });
    assert_eq!(sent(&simulator), expected);
    let tenant = last(&simulator).headers.into_iter().find(|(name, _)| name == "x-tenant");
    assert_eq!(tenant.map(|(_, value)| value), Some("blue".to_owned()));
}

#[tokio::test]
async fn a_parameter_the_provider_does_not_take_is_refused_or_dropped() {
    let (simulator, gate) = healthy(|config, base| {
        config.deployment("strict", "m", base, "k").entry(json!({
            "model_name": "lenient",
            "litellm_params": { "model": "openai/m", "api_base": base, "api_key": "k", "drop_params": true, "additional_drop_params": ["seed"] },
        })).entry(json!({
            "model_name": "knowing",
            "litellm_params": { "model": "openai/m", "api_base": base, "api_key": "k", "allowed_openai_params": ["reasoning_effort"] },
        }))
    })
    .await;
    let effort = r#","reasoning_effort":"low","seed":1"#;
    let reply = gate.call(&post(CHAT, &chat("strict", effort))).await;
    assert_eq!(reply.status(), 400);
    let words = "litellm.UnsupportedParamsError: openai does not support parameters: ['reasoning_effort'], for model=m";
    assert!(error(&reply).starts_with(words), "{}", reply.text());
    assert!(simulator.seen().is_empty());
    for (model, more, effort_sent, seed_sent) in [
        ("lenient", "", false, false),
        ("knowing", "", true, true),
        ("strict", r#","drop_params":true"#, false, true),
        ("strict", r#","allowed_openai_params":["reasoning_effort"]"#, true, true),
    ] {
        let reply = gate.call(&post(CHAT, &chat(model, &format!("{effort}{more}")))).await;
        assert_eq!(reply.status(), 200, "{model} {more}: {}", reply.text());
        let sent = sent(&simulator);
        assert_eq!(
            (sent.get("reasoning_effort").is_some(), sent.get("seed").is_some()),
            (effort_sent, seed_sent),
            "{model} {more}"
        );
    }
}

#[tokio::test]
async fn bytes_pass_untouched_where_nothing_has_to_change() {
    let (_simulator, gate) = echoing(|config| config).await;
    let odd = r#" {  "messages" :[{"content":"\u00e9\ud83d\ude00 é","role":"user"}] ,"temperature":1.000,
        "big":123456789012345678901234567890, "model"	:"echo" , "seed":1E+2 } "#
        .as_bytes();
    assert_eq!(content(&gate.call(&post(CHAT, odd)).await), echo_of(odd));
    // Answers too, whatever an upstream says in them.
    let said = r#"{ "id" : "x", "model":"m", "choices":[ {"index":0,"message":{"role":"assistant","content":"\u00e9é","refusal":null}} ],
        "usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}, "service_tier":"default", "x_extra":1.0 }"#;
    let base = canned(answer(200, &[("content-type", "application/json")], said)).await;
    let gate =
        Gateway::start(&Config::new().deployment("m", "m", &base, "k").deployment("other", "m", &base, "k"))
            .await;
    assert_eq!(gate.call(&post(CHAT, &chat("m", ""))).await.text(), said);
    let renamed = said.replacen(r#""model":"m""#, r#""model":"other""#, 1);
    assert_eq!(gate.call(&post(CHAT, &chat("other", ""))).await.text(), renamed);
}

#[tokio::test]
async fn completions_and_embeddings_are_passed_on() {
    let (simulator, gate) = healthy(|config, base| config.deployment("m", "m", base, "k")).await;
    let completion =
        gate.post("/v1/completions", &json!({ "model": "m", "prompt": "one two three" })).await.json();
    assert_eq!(completion["choices"][0]["text"], "Every call pays its toll and goes on.");
    assert_eq!(completion["usage"]["prompt_tokens"], 3);
    let mut stream =
        gate.stream("/v1/completions", &json!({ "model": "m", "prompt": "hi", "stream": true })).await;
    let events = stream.events().await;
    let text: String = events
        .iter()
        .filter_map(|event| {
            serde_json::from_str::<Value>(&event.data).ok()?["choices"][0]["text"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(text, "Every call pays its toll and goes on.");
    for (format, inputs) in [("float", 1), ("base64", 1), ("base64", 3)] {
        let input: Vec<String> = (0..inputs).map(|i| format!("text {i}")).collect();
        let body = json!({ "model": "m", "input": input, "encoding_format": format, "dimensions": 16 });
        let through = gate.post("/v1/embeddings", &body).await;
        assert_eq!(through.json()["data"].as_array().unwrap().len(), inputs);
        assert_eq!(through.json()["data"][0]["embedding"].is_string(), format == "base64");
        let mut direct = crate::harness::Connection::open(simulator.addr()).await;
        let direct = direct
            .ask(&request(
                "POST",
                "/v1/embeddings",
                &[("authorization", "Bearer k")],
                body.to_string().as_bytes(),
            ))
            .await;
        assert_eq!(sha256(&through.body), sha256(&direct.body), "{format}: byte for byte");
    }
    let large = json!({ "model": "m", "input": vec!["x"; 200], "dimensions": 8192 });
    let reply = gate.post("/v1/embeddings", &large).await;
    assert!(reply.complete && reply.body.len() > 5_000_000, "{}", reply.body.len());
    assert_eq!(reply.json()["data"].as_array().unwrap().len(), 200);
}

// === headers ===

fn priced(config: Config, base: &str) -> Config {
    config.entry(json!({
        "model_name": "m",
        "litellm_params": { "model": "openai/m", "api_base": base, "api_key": "k" },
        "model_info": { "id": "the-id", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6 },
    }))
}

fn float(reply: &Response, name: &str) -> f64 {
    let text = reply.header(name).unwrap_or_else(|| panic!("{name} is missing: {}", everything(reply)));
    text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))
}

#[tokio::test]
async fn answers_carry_litellms_headers() {
    let (simulator, gate) = healthy(priced).await;
    let base = simulator.base_url();
    let reply = gate.call(&post(CHAT, &chat("m", ""))).await;
    for (name, value) in [
        ("x-litellm-model-id", "the-id"),
        ("x-litellm-model-api-base", base.as_str()),
        ("x-litellm-model-group", "m"),
        ("x-litellm-version", "1.83.14"),
        ("x-litellm-response-cost", "1.8e-05"),
        ("x-litellm-response-cost-original", "1.8e-05"),
        ("x-litellm-response-cost-discount-amount", "0.0"),
        ("x-litellm-response-cost-margin-amount", "0.0"),
        ("x-litellm-response-cost-margin-percent", "0.0"),
        ("x-litellm-key-spend", "1.8e-05"),
        ("x-litellm-attempted-retries", "0"),
        ("x-litellm-attempted-fallbacks", "0"),
        ("llm_provider-server", "simulator"),
        ("llm_provider-content-type", "application/json"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}: {}", everything(&reply));
    }
    assert!(
        float(&reply, "x-litellm-response-duration-ms") >= float(&reply, "x-litellm-overhead-duration-ms")
    );
    assert_eq!(reply.header("x-litellm-max-retries"), None);
    let again = gate.call(&post(CHAT, &chat("m", ""))).await;
    assert_eq!(again.header("x-litellm-key-spend"), Some("3.6e-05"), "the key's spend adds up");

    let mut stream = gate.stream(CHAT, &json!({ "model": "m", "stream": true, "messages": [] })).await;
    let head = stream.head.clone();
    for (name, value) in [
        ("x-litellm-model-id", Some("the-id")),
        ("content-type", Some("text/event-stream; charset=utf-8")),
        ("x-litellm-response-cost", None),
        ("content-length", None),
    ] {
        assert_eq!(head.header(name), value, "{name}: {head:?}");
    }
    assert_eq!(stream.events().await.last().unwrap().data, "[DONE]");
}

#[tokio::test]
async fn a_call_id_is_echoed_or_made() {
    let (_simulator, gate) = healthy(priced).await;
    let id = |reply: &Response| reply.header("x-litellm-call-id").unwrap().to_owned();
    let with =
        |value: &str, body: &[u8]| request("POST", CHAT, &[bearer(), ("x-litellm-call-id", value)], body);
    for body in [chat("m", ""), chat("m", r#","stream":true"#), chat("nope", ""), b"{".to_vec()] {
        assert_eq!(id(&gate.call(&with("mine-1", &body)).await), "mine-1");
        let (first, second) =
            (id(&gate.call(&post(CHAT, &body)).await), id(&gate.call(&post(CHAT, &body)).await));
        assert!(first != second && first.len() == 36 && first.matches('-').count() == 4, "{first} {second}");
    }
    let long = "x".repeat(5000);
    assert!(id(&gate.call(&with(&long, &chat("m", ""))).await).len() < 5000, "a client's id is bounded");
}

#[tokio::test]
async fn an_upstreams_headers_come_under_a_prefix_without_its_cookies() {
    let headers = [
        ("content-type", "application/json"),
        ("set-cookie", "up=1"),
        ("Set-Cookie", "up=2"),
        ("x-request-id", "r1"),
        ("x-ratelimit-remaining-requests", "999"),
        ("x-ratelimit-limit-tokens", "100000"),
        ("x-litellm-model-id", "forged"),
        ("location", "http://elsewhere"),
        ("server", "up"),
    ];
    let base = canned(answer(200, &headers, r#"{"id":"x","model":"m","choices":[]}"#)).await;
    let (_simulator, gate) = healthy(|config, _| priced(config, &base)).await;
    let reply = gate.call(&post(CHAT, &chat("m", ""))).await;
    assert_eq!(reply.status(), 200, "{}", everything(&reply));
    assert!(!everything(&reply).to_lowercase().contains("cookie"), "{}", everything(&reply));
    for (name, value) in [
        ("llm_provider-x-request-id", Some("r1")),
        ("x-request-id", None),
        ("x-ratelimit-remaining-requests", Some("999")),
        ("llm_provider-x-ratelimit-remaining-requests", Some("999")),
        ("x-ratelimit-limit-tokens", Some("100000")),
        ("x-litellm-model-id", Some("the-id")),
        ("location", None),
        ("server", None),
    ] {
        assert_eq!(reply.header(name), value, "{name}: {}", everything(&reply));
    }
    let count = reply.head.headers.iter().filter(|(name, _)| name == "x-litellm-model-id").count();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn health_and_readiness_are_litellms() {
    let (simulator, gate) = healthy(priced).await;
    for path in ["/health/liveliness", "/health/liveness"] {
        let reply = gate.call(&request("GET", path, &[], b"")).await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "\"I'm alive!\""));
    }
    let ready = gate.call(&request("GET", "/health/readiness", &[], b"")).await;
    assert_eq!(
        (ready.status(), &ready.json()["status"], &ready.json()["db"]),
        (200, &json!("healthy"), &json!("connected"))
    );
    let health = gate.get("/health").await.json();
    assert_eq!((&health["healthy_count"], &health["unhealthy_count"]), (&json!(1), &json!(0)), "{health}");
    let row = &health["healthy_endpoints"][0];
    assert_eq!((&row["model"], &row["model_id"]), (&json!("openai/m"), &json!("the-id")));
    assert!(!health.to_string().contains("api_key"), "{health}");
    assert!(simulator.seen().iter().all(|seen| seen.method == "GET"), "a health check costs no token");
    assert_eq!(gate.get("/health?model=nope").await.json()["healthy_count"], 0);
    assert_eq!(gate.get("/health?model_id=nope").await.status(), 404);
    simulator.stop().await;
    let health = gate.get("/health").await;
    assert_eq!((health.status(), &health.json()["unhealthy_count"]), (200, &json!(1)), "{}", health.text());
    assert!(!health.text().contains(MASTER_KEY));
}
