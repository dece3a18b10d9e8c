//! Calls as events of Langfuse's ingestion API: a trace for each call and a generation in it.

use super::text::{after, moment, shortened};
use super::{Batch, Finished};
use crate::domain::{Outcome, UsageRecord};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Langfuse refuses larger bodies than 3.5 MB.
const LARGEST: usize = 3_000_000;

/// The bodies of as many requests as the calls need.
pub(super) fn batches(calls: &[Arc<Finished>]) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for call in calls {
        let events = events(call);
        match batches.last_mut() {
            Some(last) if last.body.len() + events.len() < LARGEST => {
                last.body.push(b',');
                last.body.extend_from_slice(events.as_bytes());
                last.calls += 1;
            }
            _ => {
                let body = [br#"{"batch":["#, events.as_bytes()].concat();
                batches.push(Batch { body, calls: 1 });
            }
        }
    }
    let end =
        format!(r#"],"metadata":{{"sdk_name":"tollgate","sdk_version":"{}"}}}}"#, env!("CARGO_PKG_VERSION"));
    batches.iter_mut().for_each(|batch| batch.body.extend_from_slice(end.as_bytes()));
    batches
}

/// Events that were not taken: the answer to a batch is 207 with a list of them. Each call has two.
pub(super) fn refused(answer: &[u8]) -> usize {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        errors: Vec<&'a RawValue>,
    }
    serde_json::from_slice::<Answer<'_>>(answer).map_or(0, |answer| answer.errors.len().div_ceil(2))
}

/// A call's two events, with a comma between.
fn events(call: &Finished) -> String {
    let record = &call.record;
    let id = format!("{:032x}", record.id.bits());
    let trace_id = call.trace.as_ref().map_or_else(|| id.clone(), |trace| trace.id());
    let at = moment(record.arrived);
    let trace = json!({
        "id": format!("{id}-t"), "type": "trace-create", "timestamp": at, "body": trace(call, &trace_id, &at),
    });
    let generation = json!({
        "id": format!("{id}-g"), "type": "generation-create", "timestamp": at,
        "body": generation(call, &id, &trace_id, &at),
    });
    format!("{trace},{generation}")
}

/// What is set; Langfuse takes null for a value.
struct Body(Map<String, Value>);

impl Body {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn maybe(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

fn trace(call: &Finished, id: &str, at: &str) -> Value {
    let (record, who) = (&call.record, call.record.attribution.as_deref());
    let mut body = Body(Map::new());
    body.put("id", id);
    body.put("timestamp", at);
    body.put("name", format!("litellm-{}", record.endpoint.call_type()));
    let user = who.and_then(|who| who.customer.as_deref().or(who.user_id.as_deref()));
    body.maybe("userId", user.map(shortened));
    body.maybe("sessionId", who.and_then(|who| who.session_id.as_deref()).map(shortened));
    let tags: Vec<&str> =
        who.map(|who| who.tags.iter().map(|tag| shortened(tag)).collect()).unwrap_or_default();
    body.put("tags", tags);
    body.maybe("input", call.content().map(|said| input(&said.request)));
    body.maybe("output", call.content().and_then(|said| output(&said.response)));
    Value::Object(body.0)
}

fn generation(call: &Finished, id: &str, trace_id: &str, at: &str) -> Value {
    let (record, usage, times) = (&call.record, &call.record.usage, &call.record.timings);
    let mut body = Body(Map::new());
    body.put("id", id);
    body.put("traceId", trace_id);
    body.put("name", format!("litellm-{}", record.endpoint.call_type()));
    body.put("startTime", at);
    body.put("endTime", moment(after(record.arrived, times.end)));
    body.maybe("completionStartTime", times.first_token.map(|first| moment(after(record.arrived, first))));
    body.put("model", shortened(record.upstream_model.as_deref().unwrap_or(&record.requested_model)));
    body.put(
        "usage",
        json!({
            "input": usage.prompt, "output": usage.completion, "total": usage.total(), "unit": "TOKENS",
            "totalCost": record.cost.dollars(),
        }),
    );
    body.put(
        "usageDetails",
        json!({
            "input": usage.prompt, "output": usage.completion, "total": usage.total(),
            "cache_read_input_tokens": usage.cached, "cache_creation_input_tokens": usage.cache_write,
        }),
    );
    body.put("costDetails", json!({ "total": record.cost.dollars() }));
    let (_, error) = record.outcome.words();
    let level = match record.outcome {
        Outcome::Completed | Outcome::Superseded => "DEFAULT",
        Outcome::ClientGone => "WARNING",
        Outcome::Refused(_) | Outcome::Interrupted(_) => "ERROR",
    };
    body.put("level", level);
    body.maybe("statusMessage", error);
    body.put("metadata", metadata(record));
    body.maybe("input", call.content().map(|said| input(&said.request)));
    body.maybe("output", call.content().and_then(|said| output(&said.response)));
    Value::Object(body.0)
}

fn metadata(record: &UsageRecord) -> Value {
    let who = record.attribution.as_deref();
    let mut body = Body(Map::new());
    body.put("call_id", record.call_id.as_str());
    body.put("requested_model", shortened(&record.requested_model));
    body.maybe("model_group", record.group.as_deref());
    body.maybe("model_id", record.target.as_ref().map(|target| target.as_str()));
    body.maybe("api_key_hash", record.key_hash.as_deref());
    body.maybe("api_key_alias", who.and_then(|who| who.key_alias.as_deref()));
    body.maybe("team_id", who.and_then(|who| who.team_id.as_deref()));
    body.maybe("team_alias", who.and_then(|who| who.team_alias.as_deref()));
    body.put("stream", record.stream);
    body.put("status", record.status);
    body.put("outcome", record.outcome.words().0);
    body.put("attempts", record.attempts.len());
    body.put("usage_source", record.usage_source.as_str());
    Value::Object(body.0)
}

/// The messages of a request; the whole text if it was cut.
fn input(request: &str) -> Value {
    match serde_json::from_str::<Value>(request) {
        Ok(Value::Object(mut body)) => {
            let part = ["messages", "prompt", "input"].iter().find_map(|name| body.remove(*name));
            part.unwrap_or(Value::Object(body))
        }
        _ => Value::from(request),
    }
}

/// The message of an answer; of a stream nothing is kept.
fn output(response: &str) -> Option<Value> {
    if response.is_empty() {
        return None;
    }
    let Ok(mut body) = serde_json::from_str::<Value>(response) else { return Some(Value::from(response)) };
    let choice = body.pointer_mut("/choices/0").map(Value::take);
    Some(match choice {
        Some(Value::Object(mut choice)) => {
            let part = ["message", "text"].iter().find_map(|name| choice.remove(*name));
            part.unwrap_or(Value::Object(choice))
        }
        _ => body,
    })
}
