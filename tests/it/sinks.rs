//! Finished calls reach OpenTelemetry and Langfuse as they were, and whatever becomes of those, calls are served.

use crate::harness::{
    CHAT, Collector, Config, Gateway, Launch, Load, MODEL, Manner, chat, eventually, streamed, upstream,
    upstream_of,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use tollgate::simulator::{Seen, Simulator};

const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn config(simulator: &Simulator) -> Config {
    let prices = json!({ "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6 });
    Config::new().target("only", MODEL, &simulator.base_url(), "sk-up", prices)
}

fn with_callbacks(config: Config, callbacks: Value) -> Config {
    config.set("litellm_settings", json!({ "callbacks": callbacks }))
}

fn traced(config: Config, collector: &Collector) -> Launch {
    Launch::of(&with_callbacks(config, json!(["otel"])))
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .variable("OTEL_SERVICE_NAME", "gate-7")
}

fn spans(collector: &Collector) -> Vec<Value> {
    let scopes =
        |post: &crate::harness::Post| post.body["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
    let posts = collector.posts().into_iter().filter(|post| post.path == "/v1/traces");
    posts.flat_map(|post| scopes(&post).as_array().unwrap().clone()).collect()
}

async fn so_many(collector: &Collector, count: usize) -> Vec<Value> {
    eventually(&format!("{count} spans"), async || {
        let spans = spans(collector);
        (spans.len() >= count).then_some(spans)
    })
    .await
}

fn traceparent(seen: &Seen) -> Option<String> {
    seen.headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("traceparent"))
        .map(|(_, value)| value.clone())
}

fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a Value> {
    let found = span["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    found["value"].as_object()?.values().next()
}

#[tokio::test]
async fn a_call_is_traced_from_the_client_to_the_upstream() {
    let simulator = upstream_of(&[("sk-bad", "429"), ("sk-good", "ok")]).await;
    let base = simulator.base_url();
    let collector = Collector::start().await;
    let config = Config::new()
        .target("bad", MODEL, &base, "sk-bad", json!({ "order": 1 }))
        .target("good", MODEL, &base, "sk-good", json!({ "order": 2 }))
        .set("router_settings", json!({ "num_retries": 5 }));
    let gateway =
        traced(config, &collector).variable("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b").start().await;
    let headers = [("traceparent", CLIENT), ("tracestate", "vendor=1"), ("content-type", "application/json")];
    let answer = gateway.post_with(CHAT, &headers, &chat()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let spans = so_many(&collector, 3).await;
    let post = &collector.posts()[0];
    assert_eq!(
        (post.path.as_str(), post.headers["content-type"].as_str()),
        ("/v1/traces", "application/json")
    );
    assert_eq!(post.headers["x-tenant"], "a b");
    let resource = &post.body["resourceSpans"][0]["resource"]["attributes"][0];
    assert_eq!(*resource, json!({ "key": "service.name", "value": { "stringValue": "gate-7" } }));

    let call = spans.iter().find(|span| span["kind"] == 2).unwrap();
    assert_eq!(call["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(call["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(attribute(call, "gen_ai.request.model"), Some(&json!(MODEL)));
    let tokens = answer.json()["usage"]["prompt_tokens"].to_string();
    assert_eq!(attribute(call, "gen_ai.usage.input_tokens"), Some(&json!(tokens)));
    let attempts: Vec<&Value> = spans.iter().filter(|span| span["kind"] == 3).collect();
    assert!(attempts.iter().all(|attempt| attempt["parentSpanId"] == call["spanId"]));
    let failures = attempts.iter().filter(|attempt| attempt["status"]["code"] == 2).count();
    assert_eq!((failures, attempts.len()), (1, 2), "the first deployment failed, the second answered");
    // The upstream was told the span of the attempt that asked it.
    let told: HashSet<String> = simulator.seen().iter().filter_map(traceparent).collect();
    let expected: HashSet<String> = attempts
        .iter()
        .map(|attempt| {
            format!("00-{}-{}-01", attempt["traceId"].as_str().unwrap(), attempt["spanId"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, expected);
    gateway.metric_is("tollgate_sink_sent_total", &[("callback_name", "otel")], 1.0).await;
}

#[tokio::test]
async fn no_upstream_hears_of_a_trace_unless_that_is_asked_for() {
    let simulator = upstream("ok").await;
    let headers = [("traceparent", CLIENT), ("content-type", "application/json")];
    let told = || traceparent(simulator.seen().last().unwrap());
    let gateway = Gateway::start(&config(&simulator)).await;
    assert_eq!(gateway.post_with(CHAT, &headers, &chat()).await.status(), 200);
    assert_eq!(told(), None);
    let forward =
        config(&simulator).set("litellm_settings", json!({ "forward_traceparent_to_llm_provider": true }));
    let gateway = Gateway::start(&forward).await;
    assert_eq!(gateway.post_with(CHAT, &headers, &chat()).await.status(), 200);
    assert_eq!(told().as_deref(), Some(CLIENT));
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    assert_eq!(told(), None, "nothing is made up");
    // With traces of our own, but not for others.
    let collector = Collector::start().await;
    let kept = json!({ "callbacks": ["otel"], "forward_traceparent_to_llm_provider": false });
    let kept = config(&simulator).set("litellm_settings", kept);
    let gateway = Launch::of(&kept).variable("OTEL_ENDPOINT", &collector.url()).start().await;
    assert_eq!(gateway.post_with(CHAT, &headers, &chat()).await.status(), 200);
    so_many(&collector, 2).await;
    assert_eq!(told(), None);
}

#[tokio::test]
async fn the_share_of_traces_that_is_asked_for_is_sent() {
    let simulator = upstream("ok").await;
    let collector = Collector::start().await;
    let gateway = traced(config(&simulator), &collector)
        .variable("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .variable("OTEL_TRACES_SAMPLER_ARG", "0.2")
        .start()
        .await;
    let answers = Load::of(300).run(&gateway, 8, &gateway.post_bytes(CHAT, &chat())).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    // The client's own word wins, so this one is surely sent, and last.
    gateway.post_with(CHAT, &[("traceparent", CLIENT)], &chat()).await;
    let is_last = |span: &Value| span["parentSpanId"] == "00f067aa0ba902b7";
    eventually("the last call", async || spans(&collector).iter().any(is_last).then_some(())).await;
    let calls = spans(&collector).iter().filter(|span| span["kind"] == 2).count() - 1;
    assert!((25..110).contains(&calls), "{calls} of 300");
    let all = [("callback_name", "otel")];
    assert_eq!(gateway.metric("tollgate_sink_dropped_total", &all).await, 0.0);
}

#[tokio::test]
async fn a_sink_that_is_away_or_slow_costs_calls_nothing() {
    let simulator = upstream("ok").await;
    let collector = Collector::start().await;
    let name = [("callback_name", "otel")];
    // Nobody listens there.
    let gone = crate::harness::free_address();
    let gateway = Launch::of(&with_callbacks(config(&simulator), json!(["otel"])))
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{gone}"))
        .start()
        .await;
    let answers = Load::of(100).run(&gateway, 4, &gateway.post_bytes(CHAT, &chat())).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    eventually("the loss is counted", async || {
        let lost = gateway.metric("tollgate_sink_dropped_total", &name).await;
        let failures = gateway.metric("litellm_callback_logging_failures_metric_total", &name).await;
        (lost > 0.0 && failures > 0.0).then_some(())
    })
    .await;
    assert!(gateway.output().contains("otel does not take finished calls"), "{}", gateway.output());
    drop(gateway);
    // It takes what it gets and says nothing: more calls than its queue holds.
    collector.behave(Manner { delay: Duration::from_secs(600), ..Manner::default() });
    let gateway = traced(config(&simulator), &collector).start().await;
    let answers = Load::of(6000).run(&gateway, 16, &gateway.post_bytes(CHAT, &chat())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 6000);
    eventually("what found no room is counted", async || {
        (gateway.metric("tollgate_sink_dropped_total", &name).await > 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_tried_again_and_one_that_is_refused_is_not() {
    let simulator = upstream("ok").await;
    let collector = Collector::start().await;
    let gateway = traced(config(&simulator), &collector).start().await;
    collector.behave(Manner { status: 503, ..Manner::default() });
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    eventually("the first try", async || (!collector.posts().is_empty()).then_some(())).await;
    collector.behave(Manner::default());
    let name = [("callback_name", "otel")];
    gateway.metric_is("tollgate_sink_sent_total", &name, 1.0).await;
    let tries = collector.posts();
    assert!(tries.len() > 1 && tries.iter().all(|post| post.body == tries[0].body), "{tries:?}");
    collector.behave(Manner { status: 400, ..Manner::default() });
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    gateway.metric_is("tollgate_sink_dropped_total", &name, 1.0).await;
    assert_eq!(collector.posts().len(), tries.len() + 1);
}

#[tokio::test]
async fn what_is_queued_at_the_end_is_sent() {
    let simulator = upstream("ok").await;
    let collector = Collector::start().await;
    let mut gateway = traced(config(&simulator), &collector).start().await;
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    assert_eq!(spans(&collector).iter().filter(|span| span["kind"] == 2).count(), 1);
}

fn with_langfuse(config: Config, collector: &Collector) -> Launch {
    Launch::of(&config)
        .variable("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
        .variable("LANGFUSE_SECRET_KEY", "sk-lf-canary")
        .variable("LANGFUSE_HOST", &collector.url())
}

fn generations(collector: &Collector) -> Vec<Value> {
    let events: Vec<Value> =
        collector.posts().iter().flat_map(|post| post.body["batch"].as_array().unwrap().clone()).collect();
    events
        .into_iter()
        .filter(|event| event["type"] == "generation-create")
        .map(|mut e| e["body"].take())
        .collect()
}

#[tokio::test]
async fn langfuse_gets_answered_calls_and_prompts_only_where_they_are_kept() {
    let simulator = upstream("ok").await;
    let collector = Collector::start().await;
    collector.behave(Manner { status: 207, body: r#"{"successes":[],"errors":[]}"#, ..Manner::default() });
    let listed = || config(&simulator).set("litellm_settings", json!({ "success_callback": ["langfuse"] }));
    let gateway = with_langfuse(listed(), &collector).start().await;
    assert_eq!(gateway.post(CHAT, &streamed()).await.status(), 200);
    assert_eq!(gateway.post(CHAT, &json!({ "model": "made-up", "messages": [] })).await.status(), 400);
    gateway.metric_is("tollgate_sink_sent_total", &[("callback_name", "langfuse")], 1.0).await;
    let post = &collector.posts()[0];
    assert_eq!(post.path, "/api/public/ingestion");
    // "pk-lf-1:sk-lf-canary" in base64.
    assert_eq!(post.headers["authorization"], "Basic cGstbGYtMTpzay1sZi1jYW5hcnk=");
    let generations_so_far = generations(&collector);
    assert_eq!(generations_so_far.len(), 1, "a refusal is no success");
    let generation = &generations_so_far[0];
    assert_eq!(generation["model"], format!("openai/{MODEL}"));
    assert!(generation["usage"]["output"].as_u64().unwrap() > 0, "{generation}");
    assert!(generation["completionStartTime"].is_string(), "{generation}");
    assert_eq!(generation.get("input"), None);
    assert!(!post.body.to_string().contains("toll gate work"));
    assert!(!gateway.output().contains("canary"));

    let kept = listed().set("general_settings", json!({ "store_prompts_in_spend_logs": true }));
    let gateway = with_langfuse(kept, &collector).start().await;
    let answer = gateway.post(CHAT, &chat()).await;
    let said = eventually("the second call", async || generations(&collector).get(1).cloned()).await;
    assert_eq!(said["input"], chat()["messages"]);
    assert_eq!(said["output"], answer.json()["choices"][0]["message"]);

    let private = listed()
        .set("general_settings", json!({ "store_prompts_in_spend_logs": true }))
        .set("litellm_settings", json!({ "turn_off_message_logging": true }));
    let gateway = with_langfuse(private, &collector).start().await;
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    let said = eventually("the third call", async || generations(&collector).get(2).cloned()).await;
    assert_eq!((said.get("input"), said.get("output")), (None, None), "{said}");
}

#[tokio::test]
async fn langfuse_gets_failures_by_the_callback_for_them_and_what_it_refuses_is_counted() {
    let simulator = upstream("ok").await;
    let collector = Collector::start().await;
    collector.behave(Manner {
        status: 207,
        body: r#"{"errors":[{"id":"x"},{"id":"y"}]}"#,
        ..Manner::default()
    });
    let config = config(&simulator).set("litellm_settings", json!({ "failure_callback": ["langfuse"] }));
    let gateway = with_langfuse(config, &collector).start().await;
    assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    assert_eq!(gateway.post(CHAT, &json!({ "model": "made-up", "messages": [] })).await.status(), 400);
    gateway.metric_is("tollgate_sink_dropped_total", &[("callback_name", "langfuse")], 1.0).await;
    let generations = generations(&collector);
    assert_eq!(generations.len(), 1);
    assert_eq!(
        (&generations[0]["level"], &generations[0]["statusMessage"]),
        (&json!("ERROR"), &json!("BadRequestError"))
    );
}

#[tokio::test]
async fn metrics_are_sent_too_where_that_is_asked_for() {
    let simulator = upstream("ok").await;
    let collector = Collector::start().await;
    let gateway = traced(config(&simulator), &collector)
        .variable("LITELLM_OTEL_INTEGRATION_ENABLE_METRICS", "true")
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "200")
        .variable("OTEL_TRACES_SAMPLER", "always_off")
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(gateway.post(CHAT, &chat()).await.status(), 200);
    }
    let duration = eventually("three calls are counted", async || {
        let last = collector.posts().into_iter().rfind(|post| post.path == "/v1/metrics")?;
        let metric = &last.body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
        assert_eq!(metric["name"], "gen_ai.client.operation.duration");
        let point = metric["histogram"]["dataPoints"][0].clone();
        (point["count"] == "3").then_some(point)
    })
    .await;
    assert_eq!(attribute(&duration, "gen_ai.request.model"), Some(&json!(MODEL)));
    assert!(spans(&collector).is_empty(), "no trace is kept, and every call is counted");
}
