use super::*;
use crate::domain::{Attribution, UpstreamClass};
use crate::telemetry::fixture::{failure, stream, success, target};
use crate::telemetry::{Configured, Sampler, Selection, Tracer};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn metrics() -> Metrics {
    let metrics = Metrics::new(Selection::default()).unwrap();
    let targets = vec![target("a", "glm"), target("b", "glm")];
    metrics.set_names(Configured { targets, ..Configured::default() });
    metrics
}

fn traced() -> Option<Arc<TraceContext>> {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_static(CLIENT));
    Tracer::new(Some(Sampler::default()), true).begin(&headers)
}

const EVERYTHING: Choice = Choice { successes: true, failures: true, share: 1.0 };

fn wanted(otel: bool, langfuse: Option<Choice>) -> Wanted {
    Wanted { otel, langfuse, otel_metrics: false }
}

fn content(request: &str, response: &str) -> Option<Box<Content>> {
    Some(Box::new(Content { request: request.to_owned(), response: response.to_owned() }))
}

/// What lies in the queue of the only sink.
fn queued(sinks: &Sinks) -> Vec<Arc<Finished>> {
    let mut outlets = sinks.outlets();
    let mut calls = Vec::new();
    while let Ok(Parcel::Call(call)) = outlets[0].queue.try_recv() {
        calls.push(call);
    }
    calls
}

fn finished(record: UsageRecord, trace: Option<Arc<TraceContext>>) -> Arc<Finished> {
    Arc::new(Finished { record, trace, content: None })
}

fn body(format: &Format, calls: &[Arc<Finished>]) -> Value {
    let batches = format.batches(calls, &metrics());
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].calls, calls.len());
    serde_json::from_slice(&batches[0].body).unwrap()
}

fn spans(calls: &[Arc<Finished>]) -> Vec<Value> {
    let format = Format::Otlp { resource: vec![("service.name".to_owned(), "gate".to_owned())] };
    let body = body(&format, calls);
    let resource = &body["resourceSpans"][0];
    assert_eq!(
        resource["resource"]["attributes"][0],
        json!({"key": "service.name", "value": {"stringValue": "gate"}})
    );
    resource["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    let found: Vec<&Value> = all.iter().filter(|attribute| attribute["key"] == key).collect();
    assert!(found.len() < 2, "{key} is there twice");
    found.first().map_or(&Value::Null, |attribute| {
        attribute["value"].as_object().and_then(|value| value.values().next()).unwrap()
    })
}

#[test]
fn a_call_is_a_span_and_so_is_each_of_its_attempts() {
    let mut record = stream();
    record.attempts.insert(0, failure().attempts[1].clone());
    let who = Attribution {
        session_id: Some("talk-7".into()),
        user_id: Some("ada".into()),
        ..Attribution::default()
    };
    record.attribution = Some(Box::new(who));
    let trace = traced().unwrap();
    let spans = spans(&[finished(record, Some(Arc::clone(&trace)))]);
    assert_eq!(spans.len(), 3);
    is_the_call(&spans[0]);
    are_the_attempts(&spans, &trace);
}

fn is_the_call(call: &Value) {
    assert_eq!(call["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&call["parentSpanId"], &call["kind"]), (&json!("00f067aa0ba902b7"), &json!(2)));
    assert_eq!(call["name"], "chat glm");
    assert_eq!(call["startTimeUnixNano"], "1750000000123000000");
    assert_eq!(call["endTimeUnixNano"], "1750000000373000000");
    for (key, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("openai")),
        ("gen_ai.request.model", json!("glm")),
        ("gen_ai.response.model", json!("glm-5.1")),
        ("gen_ai.response.id", json!("chatcmpl-1")),
        ("gen_ai.usage.input_tokens", json!("11")),
        ("gen_ai.usage.output_tokens", json!("7")),
        ("gen_ai.usage.cache_read.input_tokens", json!("4")),
        ("gen_ai.conversation.id", json!("talk-7")),
        ("http.response.status_code", json!("200")),
        ("user.id", json!("ada")),
        ("tollgate.stream", json!(true)),
        ("error.type", Value::Null),
    ] {
        assert_eq!(*attribute(call, key), value, "{key}");
    }
}

fn are_the_attempts(spans: &[Value], trace: &TraceContext) {
    let [call, failed, answered] = [&spans[0], &spans[1], &spans[2]];
    for (number, attempt) in [failed, answered].into_iter().enumerate() {
        assert_eq!((&attempt["parentSpanId"], &attempt["kind"]), (&call["spanId"], &json!(3)));
        assert_eq!(attempt["spanId"], trace.attempt(number));
        assert_eq!(attempt["traceId"], call["traceId"]);
        assert_eq!(*attribute(attempt, "server.address"), "up");
        assert_eq!(*attribute(attempt, "server.port"), "80");
    }
    assert_eq!(
        (&failed["status"]["code"], attribute(failed, "error.type")),
        (&json!(2), &json!("RateLimitError"))
    );
    assert_eq!(*attribute(failed, "http.response.status_code"), "429");
    assert_eq!((&answered["status"], &answered["name"]), (&json!({}), &json!("chat glm-5.1")));
    assert_eq!(*attribute(answered, "tollgate.deployment_id"), "a");
}

#[test]
fn a_refusal_that_blames_the_client_is_no_error_of_the_server() {
    let status = |record| spans(&[finished(record, traced())])[0]["status"].clone();
    assert_eq!(status(failure()), json!({}));
    assert_eq!(status(UsageRecord { status: 503, ..failure() })["code"], 2);
    let broken = UsageRecord { outcome: Outcome::Interrupted(UpstreamClass::Connection), ..stream() };
    assert_eq!(status(broken)["code"], 2);
}

#[test]
fn langfuse_gets_a_trace_and_a_generation_for_each_call() {
    let mut record = stream();
    let who = Attribution {
        customer: Some("visitor".into()),
        session_id: Some("talk-7".into()),
        tags: vec!["blue".into()],
        team_id: Some("t1".into()),
        ..Attribution::default()
    };
    record.attribution = Some(Box::new(who));
    record.content = content(r#"{"model":"glm","messages":[{"role":"user","content":"hi"}]}"#, "");
    let sinks = Sinks::new(&wanted(false, Some(EVERYTHING)), &metrics());
    sinks.push(&mut record, None);
    assert_eq!(record.content, None, "the log must not get it");
    let calls = queued(&sinks);
    let body = body(&Format::Langfuse, &calls);
    let [trace, generation] = [&body["batch"][0], &body["batch"][1]];
    holds(trace, json!({ "type": "trace-create", "timestamp": "2025-06-15T15:06:40.123Z" }));
    holds(generation, json!({ "type": "generation-create" }));
    assert_ne!(trace["id"], generation["id"]);
    let (trace, generation) = (&trace["body"], &generation["body"]);
    holds(trace, json!({ "userId": "visitor", "sessionId": "talk-7", "tags": ["blue"] }));
    holds(
        generation,
        json!({
            "traceId": trace["id"], "model": "openai/glm-5.1", "level": "DEFAULT",
            "startTime": "2025-06-15T15:06:40.123Z", "completionStartTime": "2025-06-15T15:06:40.229Z",
            "endTime": "2025-06-15T15:06:40.373Z", "input": [{"role": "user", "content": "hi"}],
        }),
    );
    holds(&generation["usage"], json!({ "input": 11, "output": 7, "total": 18, "unit": "TOKENS" }));
    holds(&generation["metadata"], json!({ "team_id": "t1", "outcome": "completed" }));
    let cost = generation["costDetails"]["total"].as_f64().unwrap();
    assert!((cost - 33.964e-6).abs() < 1e-12);
    assert!(generation.get("output").is_none() && generation.get("statusMessage").is_none());
}

fn holds(object: &Value, members: Value) {
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(&object[name], value, "{name}");
    }
}

#[test]
fn an_answer_that_was_kept_goes_to_langfuse_as_its_message() {
    let mut record = success();
    record.content = content("not json", r#"{"choices":[{"message":{"role":"assistant","content":"yes"}}]}"#);
    let sinks = Sinks::new(&wanted(false, Some(EVERYTHING)), &metrics());
    sinks.push(&mut record, None);
    let body = body(&Format::Langfuse, &queued(&sinks));
    let generation = &body["batch"][1]["body"];
    assert_eq!(generation["input"], "not json");
    assert_eq!(generation["output"], json!({"role": "assistant", "content": "yes"}));
}

#[test]
fn each_sink_gets_only_what_it_is_for() {
    let taken = |wanted: &Wanted, record: UsageRecord, trace| {
        let sinks = Sinks::new(wanted, &metrics());
        let mut record = record;
        sinks.push(&mut record, trace);
        queued(&sinks).len()
    };
    let choice = |successes, failures, share| wanted(false, Some(Choice { successes, failures, share }));
    assert_eq!(taken(&choice(true, false, 1.0), success(), None), 1);
    assert_eq!(taken(&choice(true, false, 1.0), failure(), None), 0);
    assert_eq!(taken(&choice(false, true, 1.0), success(), None), 0);
    assert_eq!(taken(&choice(false, true, 1.0), failure(), None), 1);
    assert_eq!(taken(&choice(true, true, 0.0), success(), None), 0);
    let otel = wanted(true, None);
    assert_eq!(taken(&otel, success(), traced()), 1);
    assert_eq!(taken(&otel, success(), None), 0);
    let unkept = Tracer::new(Sampler::named("always_off", 1.0), true).begin(&HeaderMap::new());
    assert!(unkept.is_some());
    assert_eq!(taken(&otel, success(), unkept), 0);
    assert!(Sinks::new(&Wanted::default(), &metrics()).outlets().is_empty());
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let metrics = metrics();
    let sinks = Sinks::new(&wanted(true, None), &metrics);
    for _ in 0..QUEUE + 10 {
        sinks.push(&mut success(), traced());
    }
    let text = metrics.render(&[]);
    assert!(text.contains("tollgate_sink_dropped_total{callback_name=\"otel\"} 10\n"), "{text}");
    assert_eq!(queued(&sinks).len(), QUEUE);
}

#[test]
fn what_was_said_is_cut_short_and_all_of_it_has_a_bound() {
    let sinks = Sinks::new(&wanted(false, Some(EVERYTHING)), &metrics());
    for _ in 0..300 {
        let mut record = success();
        record.content = content(&"ä".repeat(LONGEST), "");
        sinks.push(&mut record, None);
    }
    let calls = queued(&sinks);
    assert_eq!(calls.len(), 300, "the calls themselves go out");
    let said: Vec<usize> = calls.iter().filter_map(|call| Some(call.content()?.request.len())).collect();
    assert_eq!(said.len(), WAITING / LONGEST);
    assert!(said.iter().all(|size| *size <= LONGEST));
    drop(calls);
    assert_eq!(sinks.waiting.load(Ordering::Relaxed), 0, "the room is given back");
}

#[test]
fn what_does_not_fit_into_one_request_to_langfuse_goes_in_several() {
    let sinks = Sinks::new(&wanted(false, Some(EVERYTHING)), &metrics());
    for _ in 0..100 {
        let mut record = success();
        record.content = content(&"x".repeat(LONGEST), "");
        sinks.push(&mut record, None);
    }
    let batches = Format::Langfuse.batches(&queued(&sinks), &metrics());
    assert!(batches.len() > 1);
    assert_eq!(batches.iter().map(|batch| batch.calls).sum::<usize>(), 100);
    for batch in &batches {
        assert!(batch.body.len() < 3_500_000);
        let body: Value = serde_json::from_slice(&batch.body).unwrap();
        assert_eq!(body["batch"].as_array().unwrap().len(), batch.calls * 2);
    }
}

#[test]
fn an_answer_of_langfuse_says_what_it_did_not_take() {
    let refused = |answer: &str| Format::Langfuse.refused(answer.as_bytes());
    assert_eq!(refused(r#"{"successes":[{"id":"1","status":201}],"errors":[]}"#), 0);
    assert_eq!(
        refused(r#"{"errors":[{"id":"1","status":400},{"id":"2","status":400},{"id":"3","status":400}]}"#),
        2
    );
    assert_eq!(refused("garbage"), 0);
}

#[test]
fn no_name_that_a_client_made_up_is_sent_whole() {
    let long = "m".repeat(100_000);
    let mut record = success();
    record.requested_model = long.as_str().into();
    let calls = [finished(record, traced())];
    for format in [Format::Otlp { resource: Vec::new() }, Format::Langfuse] {
        let size: usize = format.batches(&calls, &metrics()).iter().map(|batch| batch.body.len()).sum();
        assert!(size < 10_000, "{size} bytes");
    }
}

#[test]
fn what_is_counted_for_opentelemetry_are_its_two_histograms() {
    let since = std::time::SystemTime::UNIX_EPOCH;
    let metrics = metrics().with_genai(since).unwrap();
    let format = Format::Otlp { resource: vec![("service.name".to_owned(), "gate".to_owned())] };
    assert_eq!(format.counted(&metrics, since), None, "there is nothing yet");
    for record in [success(), success(), failure()] {
        metrics.record(&record);
    }
    assert_eq!(Format::Langfuse.counted(&metrics, since), None);
    let body = format.counted(&metrics, text::after(since, std::time::Duration::from_secs(1))).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let all = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    assert_eq!(all[0]["name"], "gen_ai.client.operation.duration");
    assert_eq!(all[1]["name"], "gen_ai.client.token.usage");
    let points = |n: usize| all[n]["histogram"]["dataPoints"].as_array().unwrap().clone();
    let with = |n: usize, key: &str, value: &str| {
        let found: Vec<Value> =
            points(n).into_iter().filter(|point| attribute(point, key) == value).collect();
        assert_eq!(found.len(), 1, "{key} {value}");
        found[0].clone()
    };
    assert_eq!((points(0).len(), points(1).len()), (2, 2));
    let failed = with(0, "error.type", "RateLimitError");
    assert_eq!(failed["count"], "1");
    let input = with(1, "gen_ai.token.type", "input");
    holds(
        &input,
        json!({ "count": "2", "sum": 22.0, "startTimeUnixNano": "0", "timeUnixNano": "1000000000" }),
    );
    assert_eq!(*attribute(&input, "gen_ai.request.model"), "glm");
    assert_eq!(*attribute(&input, "gen_ai.response.model"), "glm-5.1");
    assert_eq!(*attribute(&input, "gen_ai.operation.name"), "chat");
    // Eleven tokens lie between 4 and 16.
    assert_eq!(input["explicitBounds"][2], 16.0);
    assert_eq!(input["bucketCounts"][2], "2");
    let bounds = input["explicitBounds"].as_array().unwrap().len();
    assert_eq!(input["bucketCounts"].as_array().unwrap().len(), bounds + 1);
}
