//! Every call leaves one record and its marks in the metrics, and costs what its tokens cost, to the pico-dollar.

use crate::harness::{ACCESS_LOG, Config, Gateway, eventually, request};
use crate::support::{CHAT, answer, bearer, canned, chat, get, post, sha256};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use tollgate::simulator::{Script, Simulator};

fn priced(group: &str, base: &str, prices: Value) -> Value {
    let mut info = prices;
    info["id"] = json!(format!("id-of-{group}"));
    json!({
        "model_name": group,
        "litellm_params": { "model": format!("openai/{group}"), "api_base": base, "api_key": "k" },
        "model_info": info,
    })
}

const PRICES: fn() -> Value =
    || json!({ "input_cost_per_token": 1.078e-6, "output_cost_per_token": 3.774e-6 });

async fn simulated(groups: &[&str]) -> (Simulator, Gateway) {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = groups
        .iter()
        .fold(Config::new(), |config, group| config.entry(priced(group, &simulator.base_url(), PRICES())));
    let gateway = Gateway::start(&config).await;
    (simulator, gateway)
}

async fn record_of(gate: &Gateway, call_id: &str) -> Value {
    eventually(&format!("the record of {call_id}"), async || {
        gate.records_so_far().into_iter().find(|record| record["call_id"] == call_id)
    })
    .await
}

fn of(id: &str, body: &[u8]) -> Vec<u8> {
    request("POST", CHAT, &[bearer(), ("x-litellm-call-id", id)], body)
}

fn holds(record: &Value, expected: Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&record[name], value, "{name}: {record}");
    }
}

const FIELDS: [&str; 29] = [
    "ts",
    "call_id",
    "route",
    "call_type",
    "requested_model",
    "model_group",
    "model_id",
    "model",
    "provider",
    "api_key",
    "stream",
    "status",
    "outcome",
    "error_class",
    "attempts",
    "attempt_details",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "total_tokens",
    "usage_source",
    "spend",
    "spend_pico",
    "priced",
    "duration_ms",
    "ttft_ms",
    "upstream_ms",
    "overhead_ms",
];

// === records ===

#[tokio::test]
async fn each_ending_leaves_one_record_that_says_it_all() {
    let (_simulator, gate) = simulated(&["sim-ok", "sim-nousage", "sim-429", "sim-reasoning"]).await;
    let hash = sha256(crate::harness::MASTER_KEY.as_bytes());

    assert_eq!(gate.call(&of("plain", &chat("sim-ok", ""))).await.status(), 200);
    let record = record_of(&gate, "plain").await;
    let names: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>(), FIELDS.iter().collect::<HashSet<_>>());
    holds(
        &record,
        json!({
            "route": CHAT, "call_type": "acompletion", "requested_model": "sim-ok", "model_group": "sim-ok",
            "model_id": "id-of-sim-ok", "model": "openai/sim-ok", "provider": "openai", "api_key": hash, "stream": false,
            "status": 200, "outcome": "completed", "error_class": null, "attempts": 1, "prompt_tokens": 2,
            "completion_tokens": 8, "cached_tokens": 0, "reasoning_tokens": 0, "total_tokens": 10, "usage_source": "upstream",
            "spend_pico": 2 * 1_078_000 + 8 * 3_774_000, "priced": true, "ttft_ms": null,
        }),
    );
    let number = |name: &str| record[name].as_f64().unwrap();
    assert!(number("duration_ms") >= number("upstream_ms") && number("upstream_ms") > 0.0, "{record}");
    assert!(record["ts"].as_str().unwrap().ends_with('Z'), "{record}");
    assert_eq!(record["attempt_details"][0]["status"], 200);

    assert_eq!(gate.call(&of("stream", &chat("sim-ok", r#","stream":true"#))).await.status(), 200);
    let record = record_of(&gate, "stream").await;
    holds(
        &record,
        json!({
            "stream": true, "status": 200, "outcome": "completed", "prompt_tokens": 2, "completion_tokens": 8,
            "usage_source": "upstream", "spend_pico": 2 * 1_078_000 + 8 * 3_774_000,
        }),
    );
    assert!(record["ttft_ms"].as_f64().unwrap() > 0.0, "{record}");

    for (id, more) in [("untold", ""), ("untold-stream", r#","stream":true"#)] {
        assert_eq!(gate.call(&of(id, &chat("sim-nousage", more))).await.status(), 200);
        let record = record_of(&gate, id).await;
        holds(&record, json!({ "outcome": "completed", "usage_source": "estimated" }));
        let (prompt, completion) =
            (record["prompt_tokens"].as_i64().unwrap(), record["completion_tokens"].as_i64().unwrap());
        assert!(prompt > 0 && completion > 0, "{record}");
        assert_eq!(record["spend_pico"], prompt * 1_078_000 + completion * 3_774_000);
    }

    assert_eq!(gate.call(&of("thinking", &chat("sim-reasoning", ""))).await.status(), 200);
    holds(
        &record_of(&gate, "thinking").await,
        json!({ "reasoning_tokens": 4, "completion_tokens": 12, "total_tokens": 14 }),
    );

    assert_eq!(gate.call(&of("limited", &chat("sim-429", ""))).await.status(), 429);
    let record = record_of(&gate, "limited").await;
    holds(
        &record,
        json!({
            "status": 429, "outcome": "refused", "error_class": "RateLimitError", "attempts": 1, "model_id": "id-of-sim-429",
            "total_tokens": 0, "spend_pico": 0, "usage_source": "absent",
        }),
    );
    holds(
        &record["attempt_details"][0],
        json!({ "model_id": "id-of-sim-429", "status": 429, "error": "RateLimitError" }),
    );

    for (id, body, status, class) in [
        ("unknown", chat("nope", ""), 400, "BadRequestError"),
        ("unreadable", b"{".to_vec(), 400, "BadRequestError"),
        ("banned", chat("sim-ok", r#","api_base":"x""#), 401, "ProxyException"),
    ] {
        assert_eq!(gate.call(&of(id, &body)).await.status(), status);
        holds(
            &record_of(&gate, id).await,
            json!({
                "status": status, "outcome": "refused", "error_class": class, "attempts": 0, "model_id": null, "api_key": hash,
            }),
        );
    }
    let stranger = request(
        "POST",
        CHAT,
        &[("authorization", "Bearer sk-no"), ("x-litellm-call-id", "stranger")],
        &chat("sim-ok", ""),
    );
    assert_eq!(gate.call(&stranger).await.status(), 401);
    holds(
        &record_of(&gate, "stranger").await,
        json!({ "status": 401, "api_key": null, "requested_model": "" }),
    );

    // One call, one record; what is no call leaves none.
    gate.get("/v1/models").await;
    gate.get("/nowhere").await;
    assert_eq!(gate.call(&of("last", &chat("sim-ok", ""))).await.status(), 200);
    record_of(&gate, "last").await;
    assert_eq!(gate.records_so_far().len(), 11, "{:#?}", gate.records_so_far());
}

#[tokio::test]
async fn a_retried_call_is_one_record_with_its_attempts() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let base = simulator.base_url();
    let entry = |model: &str, id: &str| {
        json!({
            "model_name": "pool", "litellm_params": { "model": format!("openai/{model}"), "api_base": base, "api_key": "k" },
            "model_info": { "id": id, "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6 },
        })
    };
    let config = Config::new()
        .set("router_settings", json!({ "num_retries": 3 }))
        .entry(entry("sim-500", "bad"))
        .entry(entry("sim-ok", "good"));
    let gate = Gateway::start(&config).await;
    let mut retried = 0;
    for i in 0..30 {
        let id = format!("call-{i}");
        let reply = gate.call(&of(&id, &chat("pool", ""))).await;
        assert_eq!(reply.status(), 200);
        let record = record_of(&gate, &id).await;
        holds(
            &record,
            json!({ "status": 200, "model_id": "good", "spend_pico": 10_000_000, "model": "openai/sim-ok" }),
        );
        let attempts = record["attempts"].as_u64().unwrap();
        assert_eq!(reply.header("x-litellm-attempted-retries"), Some((attempts - 1).to_string().as_str()));
        if attempts == 2 {
            retried += 1;
            holds(
                &record["attempt_details"][0],
                json!({ "model_id": "bad", "status": 500, "error": "InternalServerError" }),
            );
        }
        holds(
            &record["attempt_details"][usize::try_from(attempts).unwrap() - 1],
            json!({ "model_id": "good", "error": null }),
        );
    }
    assert!(retried > 0, "in thirty calls the bad one was never first");
    assert_eq!(
        gate.metric("litellm_deployment_failure_responses_total", &[("model_id", "bad")]).await,
        f64::from(retried)
    );
    assert_eq!(
        gate.metric("litellm_deployment_success_responses_total", &[("model_id", "good")]).await,
        30.0
    );
    assert_eq!(gate.metric("litellm_proxy_failed_requests_metric_total", &[]).await, 0.0);
}

#[tokio::test]
async fn the_access_log_goes_where_it_is_told() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    for (target, in_file, in_output) in [
        (json!(ACCESS_LOG), true, false),
        (json!("stdout"), false, true),
        (json!("off"), false, false),
        (json!(false), false, false),
    ] {
        let config = Config::new()
            .deployment("sim-ok", "sim-ok", &simulator.base_url(), "k")
            .set("tollgate", json!({ "access_log": target }));
        let mut gate = Gateway::start(&config).await;
        assert_eq!(gate.call(&of("this-call", &chat("sim-ok", ""))).await.status(), 200);
        gate.signal("TERM");
        assert!(gate.ended().await.success());
        // What was finished is written before the process ends.
        assert_eq!(gate.records_so_far().len(), usize::from(in_file), "{target}");
        let lines = gate.output().lines().filter(|line| line.contains("this-call")).count();
        assert_eq!(lines, usize::from(in_output), "{target}: {}", gate.output());
    }
}

// === cost ===

#[tokio::test]
async fn costs_are_exact_to_the_pico_dollar() {
    let usage = |prompt: u64, completion: u64, cached: u64, reasoning: u64| {
        json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": { "cached_tokens": cached }, "completion_tokens_details": { "reasoning_tokens": reasoning },
        })
    };
    let all = json!({
        "input_cost_per_token": 1.078e-6, "output_cost_per_token": 3.774e-6,
        "cache_read_input_token_cost": 1.5e-7, "output_cost_per_reasoning_token": 5.5e-6,
    });
    let tiny = json!({ "input_cost_per_token": 3.75e-8, "output_cost_per_token": 1.1e-11 });
    for (usage, prices, pico, header) in [
        (usage(11, 7, 0, 0), PRICES(), 11 * 1_078_000 + 7 * 3_774_000, Some("3.8276e-05")),
        (usage(11, 7, 4, 2), PRICES(), 11 * 1_078_000 + 7 * 3_774_000, Some("3.8276e-05")),
        (
            usage(1000, 300, 400, 120),
            all.clone(),
            600 * 1_078_000 + 400 * 150_000 + 180 * 3_774_000 + 120 * 5_500_000,
            Some("0.00204612"),
        ),
        (usage(10, 10, 10, 10), all.clone(), 10 * 150_000 + 10 * 5_500_000, Some("5.65e-05")),
        (
            usage(1_000_000, 0, 0, 0),
            json!({ "input_cost_per_token": 2e-6, "output_cost_per_token": 0 }),
            2_000_000_000_000_i64,
            Some("2.0"),
        ),
        (usage(1, 0, 0, 0), tiny.clone(), 37_500, Some("3.75e-08")),
        (usage(0, 1, 0, 0), tiny, 11, Some("1.1e-11")),
        (usage(11, 7, 4, 2), json!({ "input_cost_per_token": 0, "output_cost_per_token": 0 }), 0, None),
        (usage(0, 0, 0, 0), all, 0, None),
    ] {
        let plain = json!({ "id": "x", "model": "m", "choices": [], "usage": usage }).to_string();
        let event = json!({ "id": "x", "model": "m", "choices": [{ "index": 0, "delta": { "content": "a" }, "finish_reason": "stop" }] });
        let last = json!({ "id": "x", "model": "m", "choices": [], "usage": usage });
        let stream = format!("data: {event}\n\ndata: {last}\n\ndata: [DONE]\n\n");
        for (kind, said, more) in
            [("application/json", plain, ""), ("text/event-stream", stream, r#","stream":true"#)]
        {
            let base = canned(answer(200, &[("content-type", kind)], &said)).await;
            let gate = Gateway::start(&Config::new().entry(priced("m", &base, prices.clone()))).await;
            let reply = gate.call(&of("it", &chat("m", more))).await;
            assert_eq!(reply.status(), 200, "{}", reply.text());
            let record = record_of(&gate, "it").await;
            assert_eq!(record["spend_pico"], pico, "{usage} at {prices}: {record}");
            #[expect(clippy::cast_precision_loss, reason = "as it is shown")]
            let dollars = pico as f64 / 1e12;
            assert_eq!(record["spend"].as_f64(), Some(dollars), "{record}");
            for (field, pointer) in [
                ("prompt_tokens", "/prompt_tokens"),
                ("completion_tokens", "/completion_tokens"),
                ("cached_tokens", "/prompt_tokens_details/cached_tokens"),
                ("reasoning_tokens", "/completion_tokens_details/reasoning_tokens"),
            ] {
                assert_eq!(&record[field], usage.pointer(pointer).unwrap(), "{field}: {record}");
            }
            let told = reply.header("x-litellm-response-cost");
            assert_eq!(told, header.filter(|_| more.is_empty()), "{usage} at {prices}");
            if let Some(told) = told {
                assert_eq!(
                    told.parse::<f64>().ok(),
                    record["spend"].as_f64(),
                    "header and record say the same"
                );
            }
            gate.metric_is("litellm_spend_metric_total", &[("model_id", "id-of-m")], dollars).await;
        }
    }
}

// === metrics ===

#[tokio::test]
async fn metrics_count_calls_tokens_money_and_latencies() {
    let (_simulator, gate) = simulated(&["sim-ok", "sim-500", "sim-cut=3", "sim-401"]).await;
    for _ in 0..3 {
        assert_eq!(gate.call(&post(CHAT, &chat("sim-ok", ""))).await.status(), 200);
    }
    for _ in 0..2 {
        assert_eq!(gate.call(&post(CHAT, &chat("sim-ok", r#","stream":true"#))).await.status(), 200);
    }
    assert_eq!(gate.call(&post(CHAT, &chat("sim-500", ""))).await.status(), 500);
    assert_eq!(gate.call(&post(CHAT, &chat("sim-401", ""))).await.status(), 401);
    assert_eq!(gate.call(&post(CHAT, &chat("sim-cut=3", r#","stream":true"#))).await.status(), 200);
    assert_eq!(gate.call(&post(CHAT, &chat("nope", ""))).await.status(), 400);
    let hash = sha256(crate::harness::MASTER_KEY.as_bytes());
    gate.metric_is("litellm_proxy_total_requests_metric_total", &[], 9.0).await;
    for (name, labels, value) in [
        (
            "litellm_proxy_total_requests_metric_total",
            vec![
                ("requested_model", "sim-ok"),
                ("status_code", "200"),
                ("hashed_api_key", &hash),
                ("route", CHAT),
            ],
            5.0,
        ),
        (
            "litellm_proxy_total_requests_metric_total",
            vec![("requested_model", "other"), ("status_code", "400")],
            1.0,
        ),
        ("litellm_proxy_failed_requests_metric_total", vec![], 4.0),
        (
            "litellm_proxy_failed_requests_metric_total",
            vec![
                ("requested_model", "sim-500"),
                ("exception_status", "500"),
                ("exception_class", "Openai.InternalServerError"),
            ],
            1.0,
        ),
        ("litellm_requests_metric_total", vec![], 5.0),
        (
            "litellm_requests_metric_total",
            vec![("model", "sim-ok"), ("api_provider", "openai"), ("model_id", "id-of-sim-ok")],
            5.0,
        ),
        ("litellm_input_tokens_metric_total", vec![("requested_model", "sim-ok")], 10.0),
        ("litellm_output_tokens_metric_total", vec![("requested_model", "sim-ok")], 40.0),
        ("litellm_total_tokens_metric_total", vec![("requested_model", "sim-ok")], 50.0),
        ("litellm_deployment_success_responses_total", vec![("model_id", "id-of-sim-ok")], 5.0),
        (
            "litellm_deployment_failure_responses_total",
            vec![("model_id", "id-of-sim-500"), ("exception_status", "500")],
            1.0,
        ),
        ("litellm_deployment_failure_responses_total", vec![("model_id", "id-of-sim-cut=3")], 1.0),
        ("litellm_deployment_total_requests_total", vec![], 8.0),
        ("litellm_llm_api_failed_requests_metric_total", vec![], 3.0),
        ("litellm_request_total_latency_metric_count", vec![("model", "sim-ok")], 5.0),
        ("litellm_llm_api_latency_metric_count", vec![("model", "sim-ok")], 5.0),
        ("litellm_llm_api_time_to_first_token_metric_count", vec![("model", "sim-ok")], 2.0),
        (
            "litellm_custom_ttft_seconds_count",
            vec![("model", "openai/sim-ok"), ("model_group", "sim-ok"), ("api_provider", "openai")],
            2.0,
        ),
        ("litellm_custom_itl_seconds_count", vec![("model", "openai/sim-ok")], 2.0),
        ("litellm_custom_tpot_seconds_count", vec![("model", "openai/sim-ok")], 5.0),
        ("litellm_custom_tpot_seconds_bucket", vec![("model", "openai/sim-ok"), ("le", "+Inf")], 5.0),
        ("litellm_in_flight_requests", vec![], 0.0),
    ] {
        gate.metric_is(name, &labels, value).await;
    }
    let spend = gate.metric("litellm_spend_metric_total", &[("model_id", "id-of-sim-ok")]).await;
    let expected = 5.0 * (2.0 * 1.078e-6 + 8.0 * 3.774e-6);
    assert!((spend - expected).abs() < 1e-12, "{spend} {expected}");
}

/// Each sample's name, labels and value, in the text format; panics at a line that is none.
fn samples(text: &str) -> Vec<(String, String, f64)> {
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(labels.ends_with('}'), "{line}");
        (name.to_owned(), labels.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample).collect()
}

#[tokio::test]
async fn both_paths_serve_the_text_format_with_the_seeds_names() {
    let (_simulator, gate) = simulated(&["sim-ok"]).await;
    assert_eq!(gate.call(&post(CHAT, &chat("sim-ok", r#","stream":true"#))).await.status(), 200);
    gate.metric_is("litellm_proxy_total_requests_metric_total", &[], 1.0).await;
    for path in ["/metrics", "/metrics/"] {
        let reply = gate.call(&request("GET", path, &[], b"")).await;
        assert_eq!(reply.status(), 200, "{path}");
        assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"), "{path}");
        let text = reply.text();
        let samples = samples(&text);
        let mut types: HashMap<&str, &str> = HashMap::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            assert_eq!(types.insert(name, kind), None, "{name} is declared twice");
        }
        let mut seen = HashSet::new();
        for (name, labels, _) in &samples {
            assert!(seen.insert((name, labels)), "{name}{{{labels} is there twice");
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end).filter(|base| types.contains_key(base)));
            assert!(types.contains_key(name.as_str()) || base.is_some(), "{name} has no type");
        }
        for bare in [
            "litellm_proxy_total_requests_metric",
            "litellm_spend_metric",
            "litellm_input_tokens_metric",
            "litellm_output_tokens_metric",
        ] {
            let of = |wanted: &str| -> Vec<_> {
                samples
                    .iter()
                    .filter(|(name, ..)| name == wanted)
                    .map(|(_, labels, value)| (labels, value))
                    .collect()
            };
            assert!(!of(bare).is_empty(), "{bare} is missing");
            assert_eq!(of(bare), of(&format!("{bare}_total")), "{bare} is the twin of its total");
        }
        assert!(
            types.contains_key("litellm_deployment_cooled_down")
                && types.contains_key("litellm_deployment_cooled_down_total"),
            "{types:?}"
        );
        for name in [
            "litellm_deployment_state",
            "litellm_deployment_latency_per_output_token",
            "litellm_request_total_latency_metric",
        ] {
            assert!(types.contains_key(name), "{name} is missing");
        }
        let buckets = |name: &str| -> Vec<f64> {
            let of = samples.iter().filter(|(n, ..)| *n == format!("{name}_bucket"));
            let limit = |labels: &str| labels.split("le=\"").nth(1)?.split('"').next()?.parse().ok();
            of.map(|(_, labels, _)| limit(labels).unwrap()).collect()
        };
        let end = f64::INFINITY;
        let first = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, end];
        assert_eq!(buckets("litellm_custom_ttft_seconds"), first);
        for name in ["litellm_custom_tpot_seconds", "litellm_custom_itl_seconds"] {
            assert_eq!(buckets(name), [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, end], "{name}");
        }
    }
}

#[tokio::test]
async fn metrics_want_a_key_if_that_is_configured() {
    let config = Config::new().set("litellm_settings", json!({ "require_auth_for_metrics_endpoint": true }));
    let gate = Gateway::start(&config).await;
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(gate.call(&request("GET", path, &[], b"")).await.status(), 401, "{path}");
        assert_eq!(
            gate.call(&request("GET", path, &[("authorization", "Bearer sk-x")], b"")).await.status(),
            401
        );
        assert_eq!(gate.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_cooldown_is_counted_and_shown() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = Config::new()
        .set("router_settings", json!({ "disable_cooldowns": false, "cooldown_time": 60, "num_retries": 2 }))
        .entry(json!({ "model_name": "pool", "litellm_params": { "model": "openai/sim-401", "api_base": simulator.base_url(), "api_key": "a" }, "model_info": { "id": "revoked" } }))
        .entry(json!({ "model_name": "pool", "litellm_params": { "model": "openai/sim-ok", "api_base": simulator.base_url(), "api_key": "b" }, "model_info": { "id": "fine" } }));
    let gate = Gateway::start(&config).await;
    assert_eq!(gate.metric("litellm_deployment_cooled_down_total", &[]).await, 0.0);
    for _ in 0..40 {
        assert_eq!(gate.call(&post(CHAT, &chat("pool", ""))).await.status(), 200);
    }
    for name in ["litellm_deployment_cooled_down_total", "litellm_deployment_cooled_down"] {
        assert_eq!(
            gate.metric(name, &[("model_id", "revoked"), ("exception_status", "401")]).await,
            1.0,
            "{name}"
        );
        assert_eq!(gate.metric(name, &[("model_id", "fine")]).await, 0.0, "{name}");
    }
    assert_eq!(gate.metric("litellm_deployment_state", &[("model_id", "revoked")]).await, 2.0);
    assert_eq!(gate.metric("litellm_deployment_state", &[("model_id", "fine")]).await, 0.0);
}

#[tokio::test]
async fn what_clients_make_up_is_in_no_label() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let config = Config::new().deployment("known", "sim-ok", &simulator.base_url(), "k").deployment(
        "sim-w*",
        "sim-ok",
        &simulator.base_url(),
        "k",
    );
    let gate = Gateway::start(&config).await;
    let mut connection = gate.connect().await;
    let mut before = None;
    for i in 0..500 {
        let made_up = format!("madeup{i:x}{}", i * 7919);
        let user = format!(r#","user":"{made_up}""#);
        let (model, path) = match i % 5 {
            0 => (format!("sim-w{made_up}"), CHAT.to_owned()),
            1 => (made_up.clone(), CHAT.to_owned()),
            2 => ("known".to_owned(), format!("{CHAT}?{made_up}")),
            3 => ("known".to_owned(), format!("/engines/{made_up}/chat/completions")),
            _ => ("known".to_owned(), format!("/v1/{made_up}/chat/completions")),
        };
        let headers = [
            bearer(),
            ("user-agent", &*made_up),
            ("x-forwarded-for", &*made_up),
            ("x-litellm-call-id", &*made_up),
        ];
        let reply = connection.ask(&request("POST", &path, &headers, &chat(&model, &user))).await;
        assert!([200, 400, 404].contains(&reply.status()), "{}", reply.text());
        if i == 9 {
            gate.metric_is("litellm_proxy_total_requests_metric_total", &[], 8.0).await;
            before = Some(samples(&gate.call(&get("/metrics")).await.text()).len());
        }
    }
    gate.metric_is("litellm_proxy_total_requests_metric_total", &[], 400.0).await;
    let text = gate.call(&get("/metrics")).await.text();
    assert!(!text.contains("madeup"), "{:?}", text.lines().find(|line| line.contains("madeup")));
    assert_eq!(Some(samples(&text).len()), before, "no series was added by 490 more names");
}
