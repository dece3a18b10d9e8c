//! What an upstream's failure, or a request's fault, is to the client: LiteLLM's statuses and words.

use crate::harness::{Config, Gateway, Response};
use crate::support::{CHAT, answer, canned, chat, error, everything, post};
use serde_json::{Value, json};
use tollgate::simulator::{Script, Simulator};

/// Word of the simulator, status, how the message begins, type, param.
type Row = (&'static str, u16, &'static str, Value, Value);

fn table() -> Vec<Row> {
    let null = Value::Null;
    let invalid = json!("invalid_request_error");
    vec![
        (
            "400",
            400,
            "litellm.BadRequestError: OpenAIException - The request is invalid.",
            invalid.clone(),
            json!("messages"),
        ),
        (
            "context",
            400,
            "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: OpenAIException - This model's maximum context",
            null.clone(),
            null.clone(),
        ),
        (
            "policy",
            400,
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: ContentPolicyViolationError: OpenAIException - The response was filtered",
            null.clone(),
            null.clone(),
        ),
        (
            "401",
            401,
            "litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key",
            null.clone(),
            null.clone(),
        ),
        (
            "403",
            403,
            "litellm.BadRequestError: OpenAIException - You do not have access",
            invalid.clone(),
            null.clone(),
        ),
        ("404", 404, "litellm.NotFoundError: OpenAIException - The model", null.clone(), null.clone()),
        (
            "408",
            408,
            "litellm.Timeout: Timeout Error: OpenAIException - Request timed out.",
            null.clone(),
            null.clone(),
        ),
        (
            "409",
            409,
            "litellm.APIError: APIError: OpenAIException - The resource",
            null.clone(),
            null.clone(),
        ),
        (
            "422",
            422,
            "litellm.BadRequestError: OpenAIException - Unprocessable entity",
            invalid,
            json!("messages"),
        ),
        (
            "429",
            429,
            "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached",
            json!("throttling_error"),
            null.clone(),
        ),
        (
            "500",
            500,
            "litellm.InternalServerError: InternalServerError: OpenAIException - The server had an error",
            null.clone(),
            null.clone(),
        ),
        (
            "502",
            502,
            "litellm.BadGatewayError: BadGatewayError: OpenAIException - ",
            null.clone(),
            null.clone(),
        ),
        (
            "503",
            503,
            "litellm.ServiceUnavailableError: ServiceUnavailableError: OpenAIException - The engine",
            null.clone(),
            null.clone(),
        ),
        (
            "notjson",
            500,
            "litellm.InternalServerError: InternalServerError: OpenAIException - Expecting value: line 1 column 1 (char 0)",
            null.clone(),
            null.clone(),
        ),
        (
            "close",
            500,
            "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.",
            null.clone(),
            null.clone(),
        ),
        (
            "reset",
            500,
            "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.",
            null,
            Value::Null,
        ),
    ]
}

async fn failing() -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = table().iter().fold(Config::new(), |config, (word, ..)| {
        let model = format!("sim-{word}");
        config.deployment(&model, &model, &simulator.base_url(), "upstream-key")
    });
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

fn check(response: &Response, (word, status, begins, kind, param): &Row) {
    let all = everything(response);
    assert_eq!(response.status(), *status, "{word}: {all}");
    assert!(error(response).starts_with(begins), "{word}: {all}");
    let error = &response.json()["error"];
    assert_eq!((&error["type"], &error["param"]), (kind, param), "{word}: {all}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{word}: {all}");
    assert_eq!(response.header("x-litellm-response-cost"), Some("0"), "{word}: {all}");
    assert!(response.header("x-litellm-call-id").is_some(), "{word}: {all}");
    assert!(response.header("x-litellm-timeout").is_some(), "{word}: {all}");
    assert!(!all.contains("<html") && !all.contains("upstream-key"), "{word}: {all}");
}

#[tokio::test]
async fn each_failure_of_an_upstream_has_its_status_and_words() {
    let (_simulator, gate) = failing().await;
    for row in table() {
        for more in ["", r#","stream":true"#] {
            let body = chat(&format!("sim-{}", row.0), more);
            check(&gate.call(&post(CHAT, &body)).await, &row);
        }
    }
}

#[tokio::test]
async fn the_other_endpoints_use_the_same_words() {
    let (_simulator, gate) = failing().await;
    for row in table() {
        let model = format!("sim-{}", row.0);
        let completion = json!({ "model": model, "prompt": "hi" });
        check(&gate.post("/v1/completions", &completion).await, &row);
        let embedding = json!({ "model": model, "input": "hi" });
        check(&gate.post("/v1/embeddings", &embedding).await, &row);
    }
}

#[tokio::test]
async fn a_connection_survives_the_failures() {
    let (_simulator, gate) = failing().await;
    let mut connection = gate.connect().await;
    for row in table().iter().filter(|row| !["close", "reset"].contains(&row.0)) {
        let body = chat(&format!("sim-{}", row.0), "");
        assert_eq!(connection.ask(&post(CHAT, &body)).await.status(), row.1, "{}", row.0);
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_connection_error() {
    let config = Config::new().deployment("refused", "m", "http://127.0.0.1:1/v1", "k").deployment(
        "unresolved",
        "m",
        "http://does-not-exist.invalid/v1",
        "k",
    );
    let gate = Gateway::start(&config).await;
    for model in ["refused", "unresolved"] {
        let reply = gate.call(&post(CHAT, &chat(model, ""))).await;
        assert_eq!(reply.status(), 500, "{}", reply.text());
        let words = "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.";
        assert!(error(&reply).starts_with(words), "{}", reply.text());
    }
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = Config::new().deployment("sim-hang", "sim-hang", &simulator.base_url(), "k");
    let gate = Gateway::start(&config).await;
    for more in [r#","timeout":0.2"#, r#","stream":true,"stream_timeout":0.2"#] {
        let reply = gate.call(&post(CHAT, &chat("sim-hang", more))).await;
        assert_eq!(reply.status(), 408, "{}", reply.text());
        let message = error(&reply);
        assert!(message.starts_with("litellm.Timeout: "), "{message}");
        assert!(message.contains("Request timed out.") && message.contains("timeout value=0.2"), "{message}");
    }
}

#[tokio::test]
async fn when_to_come_back_is_passed_on() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let model = "sim-429+retry-after=7";
    let gate = Gateway::start(&Config::new().deployment(model, model, &simulator.base_url(), "k")).await;
    let reply = gate.call(&post(CHAT, &chat(model, ""))).await;
    assert_eq!((reply.status(), reply.header("retry-after")), (429, Some("7")));
}

#[tokio::test]
async fn when_all_are_cooling_down_the_client_hears_so() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = Config::new()
        .set(
            "router_settings",
            json!({ "disable_cooldowns": false, "allowed_fails": 0, "cooldown_time": 30 }),
        )
        .deployment("pool", "sim-401", &simulator.base_url(), "k1")
        .deployment("pool", "sim-401", &simulator.base_url(), "k2");
    let gate = Gateway::start(&config).await;
    for _ in 0..2 {
        assert_eq!(gate.call(&post(CHAT, &chat("pool", ""))).await.status(), 401);
    }
    let reply = gate.call(&post(CHAT, &chat("pool", ""))).await;
    if reply.status() == 401 {
        // The last one is not cooled without need.
        return;
    }
    assert_eq!(reply.status(), 429, "{}", reply.text());
    assert!(
        error(&reply).starts_with("No deployments available for selected model, Try again in "),
        "{}",
        reply.text()
    );
    assert_eq!(reply.json()["error"]["type"], "None");
}

// === an upstream that repeats what it was sent ===

const CANARIES: [&str; 4] = [
    "sk-canary-1f8e2d7c6b5a4938",
    "f3Kp9Zq2Lm7Xw4Rt8Vb1Nc6Yd5Hg0Js",
    "canary.with.dots.and/slashes=4711",
    "plainwordkeywithoutanydigit",
];

#[tokio::test]
async fn an_upstream_key_that_is_echoed_stops_here() {
    for key in CANARIES {
        let echoes = [
            answer(401, &[], &json!({"error": {"message": format!("Incorrect API key provided: {key}."), "type": format!("t {key}"), "param": key, "code": key}}).to_string()),
            answer(400, &[("x-echo", key), ("www-authenticate", key)], &json!({"error": {"message": format!("who is {key}?"), "type": key, "param": key}}).to_string()),
            answer(500, &[], &json!({"detail": format!("{key} is not welcome")}).to_string()),
            answer(403, &[], &json!({"error": format!("{key}")}).to_string()),
            answer(429, &[], &format!("Bearer {key}")),
            answer(422, &[], &json!({"detail": [{"loc": ["header", "authorization"], "input": format!("Bearer {key}")}]}).to_string()),
            answer(502, &[("content-type", "text/html")], &format!("<html>{key}</html>")),
            answer(302, &[("location", &format!("http://elsewhere/?key={key}"))], ""),
            answer(200, &[("content-type", "text/event-stream")], &format!("data: {{\"error\":{{\"message\":\"who is {key}?\",\"type\":\"{key}\",\"code\":500}}}}\n\n")),
            answer(200, &[("content-type", "application/json")], &format!("not json: {key}")),
            answer(200, &[("x-your-key", key), ("content-type", "application/json")], r#"{"id":"x","choices":[]}"#),
        ];
        for bytes in echoes {
            let base = canned(bytes.clone()).await;
            let config = Config::new().deployment("m", "m", &base, key);
            let gate = Gateway::start(&config).await;
            for more in ["", r#","stream":true"#] {
                let reply = gate.call(&post(CHAT, &chat("m", more))).await;
                let all = everything(&reply);
                assert!(
                    !all.contains(key),
                    "the upstream said {}\nthe client got {all}",
                    String::from_utf8_lossy(&bytes)
                );
            }
            assert!(!gate.output().contains(key), "{}", gate.output());
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let away = canned(answer(200, &[("content-type", "application/json")], r#"{"choices":[]}"#)).await;
    let base = canned(answer(307, &[("location", &away)], "")).await;
    let gate = Gateway::start(&Config::new().deployment("m", "m", &base, "k")).await;
    let reply = gate.call(&post(CHAT, &chat("m", ""))).await;
    assert!(reply.status() >= 400, "{}", everything(&reply));
    error(&reply);
}

// === faults of the request itself ===

#[tokio::test]
async fn an_unknown_model_is_refused_in_litellms_words() {
    let known = Config::new().deployment("known", "m", "http://127.0.0.1:1/v1", "k");
    let gate = Gateway::start(&known).await;
    for (path, operation, content) in [
        (CHAT, "/chat/completions", "messages"),
        ("/v1/completions", "/completions", "prompt"),
        ("/v1/embeddings", "/embeddings", "input"),
    ] {
        let mut body = json!({ "model": "nope", content: [] });
        let words = |name: &str| {
            format!(
                "{operation}: Invalid model name passed in model={name}. Call `/v1/models` to view available models for your key."
            )
        };
        let reply = gate.post(path, &body).await;
        assert_eq!((reply.status(), error(&reply)), (400, words("nope")));
        assert_eq!(
            (&reply.json()["error"]["type"], &reply.json()["error"]["param"]),
            (&json!("None"), &json!("None"))
        );
        body.as_object_mut().unwrap().remove("model");
        let reply = gate.post(path, &body).await;
        assert_eq!((reply.status(), error(&reply)), (400, words("None")));
    }
    let gate = Gateway::start(&known.deployment("e/*", "*", "http://127.0.0.1:1/v1", "k")).await;
    let reply = gate.call(&post(CHAT, &chat("nope", ""))).await;
    let words = "litellm.BadRequestError: You passed in model=nope. There are no healthy deployments for this model. Received Model Group=nope";
    assert_eq!(reply.status(), 400);
    assert!(error(&reply).starts_with(words), "{}", reply.text());
}

#[tokio::test]
async fn a_faulty_request_hears_what_is_wrong_with_it() {
    let gate = Gateway::start(&Config::new().deployment("m", "m", "http://127.0.0.1:1/v1", "k")).await;
    for (body, words, param) in [
        (
            r#"{"model": "ok""#,
            "Invalid JSON payload: unexpected end of data: line 1 column 15 (char 14)",
            "request_body",
        ),
        (
            "{\n\"model\":}",
            "Invalid JSON payload: unexpected character: line 2 column 9 (char 10)",
            "request_body",
        ),
        (
            "{\"model\":\"m\",}",
            "Invalid JSON payload: trailing comma is not allowed: line 1 column 14 (char 13)",
            "request_body",
        ),
        (r#"{"model":"m"}"#, "Missing required parameter: 'messages'.", "messages"),
        (r#"{"model":"m","messages":null}"#, "Missing required parameter: 'messages'.", "messages"),
        (r#"{"model":"m","messages":"hi"}"#, "Invalid request format", "messages"),
        (r#"{"model":123,"messages":[]}"#, "Invalid type for 'model'", "model"),
        (r#"{"model":"m","messages":[],"timeout":"soon"}"#, "Invalid value for 'timeout'", "timeout"),
        (r#"{"model":"m","messages":[],"num_retries":-1}"#, "Invalid value for 'num_retries'", "num_retries"),
    ] {
        let reply = gate.call(&post(CHAT, body.as_bytes())).await;
        assert_eq!(reply.status(), 400, "{body}: {}", reply.text());
        assert!(error(&reply).starts_with(words), "{body}: {}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(
            (&error["type"], &error["param"]),
            (&json!("invalid_request_error"), &json!(param)),
            "{body}"
        );
    }
}
