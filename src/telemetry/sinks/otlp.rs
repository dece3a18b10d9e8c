//! Calls as OTLP traces in JSON, by OpenTelemetry's conventions for generative AI: a span for the call, and one below
//! it for each attempt.

use super::Finished;
use super::text::{after, nanos, shortened};
use crate::domain::{AttemptRecord, Outcome, TargetId, UsageRecord};
use crate::telemetry::metrics::Point;
use crate::telemetry::metrics::genai::operation;
use crate::telemetry::spans::Spans;
use crate::telemetry::{TargetLabels, TraceContext};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::SystemTime;

/// Kinds of spans, by OTLP's numbers.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// A status that is an error, by OTLP's number.
const ERROR: u8 = 2;

/// The attributes of a span under construction.
struct Attributes(Vec<Value>);

impl Attributes {
    fn text(&mut self, key: &str, value: impl AsRef<str>) {
        self.0.push(json!({ "key": key, "value": { "stringValue": value.as_ref() } }));
    }

    fn maybe(&mut self, key: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// OTLP has its whole numbers in quotes.
    fn number(&mut self, key: &str, value: u64) {
        self.0.push(json!({ "key": key, "value": { "intValue": value.to_string() } }));
    }

    fn some(&mut self, key: &str, value: u64) {
        if value > 0 {
            self.number(key, value);
        }
    }

    fn float(&mut self, key: &str, value: f64) {
        self.0.push(json!({ "key": key, "value": { "doubleValue": value } }));
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.0.push(json!({ "key": key, "value": { "boolValue": value } }));
    }
}

/// The body of an export. Calls without a trace are left out.
pub(super) fn traces(
    calls: &[Arc<Finished>],
    resource: &[(String, String)],
    target: &dyn Fn(&TargetId) -> Option<TargetLabels>,
) -> Vec<u8> {
    let spans: Vec<Value> = calls
        .iter()
        .filter_map(|call| Some((&call.record, call.trace.as_deref()?)))
        .flat_map(|(record, trace)| {
            let attempts = record.attempts.iter().enumerate();
            let below = attempts.map(move |(n, attempt)| attempt_span(record, trace, n, attempt, target));
            std::iter::once(call_span(record, trace)).chain(below)
        })
        .collect();
    let scopes = json!([{ "scope": scope(), "spans": spans }]);
    let body = json!({ "resourceSpans": [{ "resource": described(resource), "scopeSpans": scopes }] });
    body.to_string().into_bytes()
}

fn scope() -> Value {
    json!({ "name": "tollgate", "version": env!("CARGO_PKG_VERSION") })
}

fn described(resource: &[(String, String)]) -> Value {
    let mut about = Attributes(Vec::new());
    resource.iter().for_each(|(key, value)| about.text(key, value));
    json!({ "attributes": about.0 })
}

/// Histograms that are sent whole each time, by OTLP's number.
const CUMULATIVE: u8 = 2;

/// The body of an export of metrics.
pub(super) fn metrics(
    points: &[Point],
    (since, now): (SystemTime, SystemTime),
    resource: &[(String, String)],
) -> Vec<u8> {
    let named =
        [("gen_ai.client.operation.duration", "s", true), ("gen_ai.client.token.usage", "{token}", false)];
    let all = named.map(|(name, unit, is_duration)| {
        let own = points.iter().filter(|point| point.is_duration == is_duration);
        let points: Vec<Value> = own.map(|point| data_point(point, since, now)).collect();
        let histogram = json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": points });
        json!({ "name": name, "unit": unit, "histogram": histogram })
    });
    let scopes = json!([{ "scope": scope(), "metrics": all }]);
    let body = json!({ "resourceMetrics": [{ "resource": described(resource), "scopeMetrics": scopes }] });
    body.to_string().into_bytes()
}

fn data_point(point: &Point, since: SystemTime, now: SystemTime) -> Value {
    let mut about = Attributes(Vec::new());
    point.attributes.iter().for_each(|(key, value)| about.text(key, value));
    let quoted = |count: &u64| count.to_string();
    json!({
        "attributes": about.0,
        "startTimeUnixNano": nanos(since),
        "timeUnixNano": nanos(now),
        "count": point.counts.iter().sum::<u64>().to_string(),
        "sum": point.sum,
        "bucketCounts": point.counts.iter().map(quoted).collect::<Vec<_>>(),
        "explicitBounds": point.bounds,
    })
}

/// The model as the upstream knows it.
fn upstream_model(record: &UsageRecord) -> Option<&str> {
    let whole = record.upstream_model.as_deref()?;
    let prefix = record.provider.as_deref().unwrap_or_default();
    Some(whole.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')).unwrap_or(whole))
}

fn call_span(record: &UsageRecord, trace: &TraceContext) -> Value {
    let (usage, operation) = (&record.usage, operation(record.endpoint));
    let (outcome, error) = record.outcome.words();
    let model = shortened(&record.requested_model);
    let mut about = Attributes(Vec::with_capacity(24));
    about.text("gen_ai.operation.name", operation);
    about.maybe("gen_ai.provider.name", record.provider.as_deref());
    about.maybe("gen_ai.system", record.provider.as_deref());
    about.text("gen_ai.request.model", model);
    about.maybe("gen_ai.response.model", upstream_model(record));
    about.maybe("gen_ai.response.id", record.response_id.as_deref().map(shortened));
    about.number("gen_ai.usage.input_tokens", usage.prompt);
    about.number("gen_ai.usage.output_tokens", usage.completion);
    about.some("gen_ai.usage.cache_read.input_tokens", usage.cached);
    about.some("gen_ai.usage.cache_creation.input_tokens", usage.cache_write);
    about.maybe("error.type", error);
    about.text("http.request.method", "POST");
    about.text("http.route", record.route.split('?').next().unwrap_or_default());
    about.number("http.response.status_code", record.status.into());
    about.text("tollgate.call_id", record.call_id.as_str());
    about.text("tollgate.outcome", outcome);
    about.flag("tollgate.stream", record.stream);
    about.maybe("tollgate.model_group", record.group.as_deref());
    about.float("tollgate.cost_usd", record.cost.dollars());
    about.text("tollgate.usage_source", record.usage_source.as_str());
    if let Some(seconds) = Spans::of(record).ttft {
        about.float("tollgate.time_to_first_token_seconds", seconds);
    }
    attribute(&mut about, record);
    // Of a server's span, an answer that blames the client is no error.
    let is_error = match record.outcome {
        Outcome::Refused(_) => record.status >= 500,
        Outcome::Interrupted(_) => true,
        Outcome::Completed | Outcome::ClientGone | Outcome::Superseded => false,
    };
    let mut span = json!({
        "traceId": trace.id(),
        "spanId": trace.span(),
        "name": format!("{operation} {model}"),
        "kind": SERVER,
        "startTimeUnixNano": nanos(record.arrived),
        "endTimeUnixNano": nanos(after(record.arrived, record.timings.end)),
        "attributes": about.0,
        "status": status(is_error, error),
    });
    put(&mut span, "parentSpanId", trace.parent());
    put(&mut span, "traceState", trace.state());
    span
}

/// Whose call it is.
fn attribute(about: &mut Attributes, record: &UsageRecord) {
    about.maybe("tollgate.key_hash", record.key_hash.as_deref());
    let Some(who) = record.attribution.as_deref() else { return };
    about.maybe("tollgate.key_alias", who.key_alias.as_deref());
    about.maybe("tollgate.team_id", who.team_id.as_deref());
    about.maybe("tollgate.team_alias", who.team_alias.as_deref());
    about.maybe("user.id", who.user_id.as_deref());
    about.maybe("enduser.id", who.customer.as_deref().map(shortened));
    about.maybe("gen_ai.conversation.id", who.session_id.as_deref().map(shortened));
}

fn attempt_span(
    record: &UsageRecord,
    trace: &TraceContext,
    number: usize,
    attempt: &AttemptRecord,
    target: &dyn Fn(&TargetId) -> Option<TargetLabels>,
) -> Value {
    let (known, operation) = (target(&attempt.target), operation(record.endpoint));
    let (model, provider) = match &known {
        Some(known) if !known.litellm_model_name.contains('*') => {
            (Some(&*known.litellm_model_name), Some(&*known.api_provider))
        }
        Some(known) => (upstream_model(record), Some(&*known.api_provider)),
        None => (None, None),
    };
    let mut about = Attributes(Vec::with_capacity(10));
    about.text("gen_ai.operation.name", operation);
    about.maybe("gen_ai.provider.name", provider);
    about.maybe("gen_ai.system", provider);
    about.maybe("gen_ai.request.model", model.map(shortened));
    if let Some((host, port)) = known.as_ref().and_then(|known| address(&known.endpoint)) {
        about.text("server.address", host);
        about.number("server.port", port);
    }
    about.some("http.response.status_code", attempt.status.into());
    about.maybe("error.type", attempt.failure.map(|class| class.word()));
    about.text("tollgate.deployment_id", attempt.target.as_str());
    about.number("tollgate.attempt", number as u64 + 1);
    let start = after(record.arrived, attempt.started);
    json!({
        "traceId": trace.id(),
        "spanId": trace.attempt(number),
        "parentSpanId": trace.span(),
        "name": format!("{operation} {}", model.map_or(attempt.target.as_str(), shortened)),
        "kind": CLIENT,
        "startTimeUnixNano": nanos(start),
        "endTimeUnixNano": nanos(after(start, attempt.duration)),
        "attributes": about.0,
        "status": status(attempt.failure.is_some(), attempt.failure.map(|class| class.word())),
    })
}

/// Host and port of `https://host:443`.
fn address(endpoint: &str) -> Option<(&str, u64)> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let default = if scheme == "https" { 443 } else { 80 };
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((host, port.parse().ok()?)),
        _ => Some((rest, default)),
    }
}

fn status(is_error: bool, message: Option<&str>) -> Value {
    let mut status = json!({});
    if is_error {
        put(&mut status, "code", Some(ERROR));
        put(&mut status, "message", message);
    }
    status
}

fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Value::Object(members), Some(value)) = (object, value) {
        members.insert(name.to_owned(), value.into());
    }
}
