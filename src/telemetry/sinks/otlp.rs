//! Calls as OTLP traces in JSON, by OpenTelemetry's conventions for generative AI: a span for the call, and one below
//! it for each attempt.

use super::Finished;
use super::text::{after, nanos, shortened};
use crate::domain::{AttemptRecord, Decimal, Outcome, TargetId, UsageRecord};
use crate::telemetry::metrics::Point;
use crate::telemetry::metrics::genai::operation;
use crate::telemetry::spans::Spans;
use crate::telemetry::{TargetLabels, TraceContext};
use serde::{Serialize, Serializer};
use serde_json::json;
use std::sync::Arc;
use std::time::SystemTime;

/// Kinds of spans, by OTLP's numbers.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// A status that is an error, by OTLP's number.
const ERROR: u8 = 2;

/// A value as OTLP has it: an object whose only name says of which kind it is.
#[derive(Serialize)]
enum Value<'a> {
    #[serde(rename = "stringValue")]
    Text(&'a str),
    #[serde(rename = "intValue", serialize_with = "quoted")]
    Number(u64),
    #[serde(rename = "doubleValue")]
    Float(f64),
    #[serde(rename = "boolValue")]
    Flag(bool),
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: Value<'a>,
}

/// The attributes of a span under construction.
#[derive(Serialize)]
#[serde(transparent)]
struct Attributes<'a>(Vec<Attribute<'a>>);

impl<'a> Attributes<'a> {
    fn of(pairs: &'a [(String, String)]) -> Self {
        Self(pairs.iter().map(|(key, value)| Attribute { key, value: Value::Text(value) }).collect())
    }

    fn text(&mut self, key: &'a str, value: &'a str) {
        self.0.push(Attribute { key, value: Value::Text(value) });
    }

    fn maybe(&mut self, key: &'a str, value: Option<&'a str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn number(&mut self, key: &'a str, value: u64) {
        self.0.push(Attribute { key, value: Value::Number(value) });
    }

    fn some(&mut self, key: &'a str, value: u64) {
        if value > 0 {
            self.number(key, value);
        }
    }

    fn float(&mut self, key: &'a str, value: f64) {
        self.0.push(Attribute { key, value: Value::Float(value) });
    }

    fn flag(&mut self, key: &'a str, value: bool) {
        self.0.push(Attribute { key, value: Value::Flag(value) });
    }
}

/// OTLP has its whole numbers in quotes.
fn quoted<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(Decimal::new(*number, 0).as_str())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<&'a str>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Attributes<'a>,
    status: Status<'a>,
}

/// Of what went well, nothing is said.
#[derive(Default, Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> Status<'a> {
    fn of(is_error: bool, message: Option<&'a str>) -> Self {
        if is_error { Self { code: Some(ERROR), message } } else { Self::default() }
    }
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

const SCOPE: Scope = Scope { name: "tollgate", version: env!("CARGO_PKG_VERSION") };

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Attributes<'a>,
}

/// The body of an export. Calls without a trace are left out.
pub(super) fn traces(
    calls: &[Arc<Finished>],
    resource: &[(String, String)],
    target: &dyn Fn(&TargetId) -> Option<TargetLabels>,
) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Export<'a> {
        resource_spans: [Resources<'a>; 1],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Resources<'a> {
        resource: Resource<'a>,
        scope_spans: [Spans<'a>; 1],
    }
    #[derive(Serialize)]
    struct Spans<'a> {
        scope: Scope,
        spans: Vec<Span<'a>>,
    }
    let told: Vec<Told<'_>> = calls.iter().filter_map(|call| Told::of(call, target)).collect();
    let spans = told.iter().flat_map(Told::spans).collect();
    let scope_spans = [Spans { scope: SCOPE, spans }];
    let resource_spans =
        [Resources { resource: Resource { attributes: Attributes::of(resource) }, scope_spans }];
    // Nothing in it can fail to be written.
    serde_json::to_vec(&Export { resource_spans }).unwrap_or_default()
}

/// A call that spans are made of, and who was asked in its attempts.
struct Told<'a> {
    record: &'a UsageRecord,
    trace: &'a TraceContext,
    asked: Vec<Option<TargetLabels>>,
}

impl<'a> Told<'a> {
    fn of(call: &'a Finished, target: &dyn Fn(&TargetId) -> Option<TargetLabels>) -> Option<Self> {
        let (record, trace) = (&call.record, call.trace.as_deref()?);
        let asked = record.attempts.iter().map(|attempt| target(&attempt.target)).collect();
        Some(Self { record, trace, asked })
    }

    fn spans(&self) -> impl Iterator<Item = Span<'_>> {
        let attempts = self.record.attempts.iter().zip(&self.asked).enumerate();
        let below = attempts.map(|(n, (attempt, asked))| self.attempt(n, attempt, asked.as_ref()));
        std::iter::once(self.call()).chain(below)
    }
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
        let points: Vec<_> = own.map(|point| data_point(point, since, now)).collect();
        let histogram = json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": points });
        json!({ "name": name, "unit": unit, "histogram": histogram })
    });
    let scopes = json!([{ "scope": SCOPE, "metrics": all }]);
    let resource = Resource { attributes: Attributes::of(resource) };
    json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": scopes }] }).to_string().into_bytes()
}

fn data_point(point: &Point, since: SystemTime, now: SystemTime) -> serde_json::Value {
    let mut about = Attributes(Vec::new());
    point.attributes.iter().for_each(|(key, value)| about.text(key, value));
    let quoted = |count: &u64| count.to_string();
    json!({
        "attributes": about,
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

impl Told<'_> {
    fn call(&self) -> Span<'_> {
        let Self { record, trace, .. } = self;
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
        Span {
            trace_id: trace.id(),
            span_id: trace.span(),
            parent_span_id: trace.parent(),
            trace_state: trace.state(),
            name: format!("{operation} {model}"),
            kind: SERVER,
            start_time_unix_nano: nanos(record.arrived),
            end_time_unix_nano: nanos(after(record.arrived, record.timings.end)),
            attributes: about,
            status: Status::of(is_error, error),
        }
    }

    fn attempt<'a>(
        &'a self,
        number: usize,
        attempt: &'a AttemptRecord,
        known: Option<&'a TargetLabels>,
    ) -> Span<'a> {
        let Self { record, trace, .. } = self;
        let operation = operation(record.endpoint);
        let (model, provider) = match known {
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
        if let Some((host, port)) = known.and_then(|known| address(&known.endpoint)) {
            about.text("server.address", host);
            about.number("server.port", port);
        }
        about.some("http.response.status_code", attempt.status.into());
        about.maybe("error.type", attempt.failure.map(|class| class.word()));
        about.text("tollgate.deployment_id", attempt.target.as_str());
        about.number("tollgate.attempt", number as u64 + 1);
        let start = after(record.arrived, attempt.started);
        Span {
            trace_id: trace.id(),
            span_id: trace.attempt(number),
            parent_span_id: Some(trace.span()),
            trace_state: None,
            name: format!("{operation} {}", model.map_or(attempt.target.as_str(), shortened)),
            kind: CLIENT,
            start_time_unix_nano: nanos(start),
            end_time_unix_nano: nanos(after(start, attempt.duration)),
            attributes: about,
            status: Status::of(attempt.failure.is_some(), attempt.failure.map(|class| class.word())),
        }
    }
}

/// Whose call it is.
fn attribute<'a>(about: &mut Attributes<'a>, record: &'a UsageRecord) {
    about.maybe("tollgate.key_hash", record.key_hash.as_deref());
    let Some(who) = record.attribution.as_deref() else { return };
    about.maybe("tollgate.key_alias", who.key_alias.as_deref());
    about.maybe("tollgate.team_id", who.team_id.as_deref());
    about.maybe("tollgate.team_alias", who.team_alias.as_deref());
    about.maybe("user.id", who.user_id.as_deref());
    about.maybe("enduser.id", who.customer.as_deref().map(shortened));
    about.maybe("gen_ai.conversation.id", who.session_id.as_deref().map(shortened));
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
