//! Calls of search tools that are answered here: a model that asks for a search gets its results and is asked again.
//!
//! On with `tollgate.search_loop`, for chats that bring a tool with the name of a search tool. Each round is a call with
//! leave, books and record of its own, and so is each search. The client gets the last answer; where a model also
//! calls tools that are the client's to run, that is the answer.

use super::entry;
use super::exchange;
use super::searching;
use super::stage::{Admitted, Books, Ctx, Hold, Progress, Stage};
use super::{Gateway, admission, settle};
use crate::dialects::openai::request as openai;
use crate::domain::{ApiError, EndpointKind, ErrorKind, Money, unix_ms};
use crate::providers::search::{self, Question};
use crate::runtime::Snapshot;
use crate::upstream::wire::Wire;
use bytes::Bytes;
use http::HeaderValue;
use pingora::Result;
use pingora_proxy::Session;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant, SystemTime};

/// Most searches that one answer may ask for.
const SEARCHES: usize = 8;

/// Whether a chat brings a search tool, and its calls are answered here.
pub(super) fn suits(admitted: &Admitted) -> bool {
    let config = &admitted.snapshot.config;
    let body = admitted.request.body();
    // Most bodies do not even have the word in them.
    let may = |name: &str| memchr::memmem::find(body, name.as_bytes()).is_some();
    config.search_loop.is_some()
        && admitted.caller.kind == EndpointKind::ChatCompletions
        && body.len() <= exchange::LONGEST
        && config.search_tools.iter().any(|tool| may(&tool.name))
        && serde_json::from_slice(body).is_ok_and(|body: Value| brings_tool(&body, &admitted.snapshot))
}

fn brings_tool(body: &Value, snapshot: &Snapshot) -> bool {
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    tools
        .iter()
        .filter_map(|tool| tool["function"]["name"].as_str())
        .any(|name| snapshot.searcher(name).is_some())
}

/// Asks until the model asks for no more search, or a bound is reached; `logging` sends what is left.
pub(super) async fn run(
    gateway: &Gateway,
    wire: &Wire,
    session: &mut Session,
    ctx: &mut Ctx,
    mut admitted: Box<Admitted>,
) -> Result<bool> {
    let Some(rules) = admitted.snapshot.config.search_loop else { return Ok(false) };
    let (began, mut spent) = (Instant::now(), Money::ZERO);
    let wishes = Wishes::of(&admitted);
    let mut body = prepared(&admitted);
    for round in 0.. {
        let is_last =
            round >= rules.max_rounds || began.elapsed() >= rules.timeout || spent >= rules.max_cost;
        if is_last {
            // It has what it has, and must say something.
            body["tool_choice"] = "none".into();
        }
        if let Err(error) = renew(gateway, &mut admitted, &body).await {
            return entry::refuse(session, ctx, admitted.refuse(error, None)).await;
        }
        ctx.stage = Stage::Admitted(admitted);
        exchange::run(gateway, wire, session, ctx).await?;
        let Stage::Holding(mut hold) = ctx.take_if_held() else { return Ok(true) };
        let asked = if is_last { None } else { asked(&hold) };
        let Some(asked) = asked else {
            wishes.shape(&mut hold);
            ctx.stage = Stage::Holding(hold);
            return Ok(true);
        };
        let cost;
        (admitted, cost) = booked(gateway, hold);
        spent = spent.saturating_add(cost);
        spent = spent.saturating_add(search(gateway, &admitted, &mut body, asked, rules.timeout).await);
    }
    Ok(true)
}

/// How the client wants its answer.
struct Wishes {
    stream: bool,
    usage: bool,
}

impl Wishes {
    fn of(admitted: &Admitted) -> Self {
        let body: Value = serde_json::from_slice(admitted.request.body()).unwrap_or_default();
        Self { stream: admitted.request.stream(), usage: body["stream_options"]["include_usage"] == true }
    }

    /// A stream gets its answer as one chunk for each choice.
    fn shape(&self, hold: &mut Hold) {
        let Some(answer) = hold.answer.as_mut().filter(|_| self.stream) else { return };
        let Ok(mut whole) = serde_json::from_slice::<Value>(&answer.body) else { return };
        let choices = whole["choices"].take();
        let usage = whole["usage"].take();
        whole["object"] = "chat.completion.chunk".into();
        let mut text = String::new();
        let mut chunk = |choices: Value, usage: Option<&Value>| {
            let mut one = whole.clone();
            one["choices"] = choices;
            match (usage, one.as_object_mut()) {
                (Some(usage), _) => one["usage"] = usage.clone(),
                (None, Some(members)) => drop(members.shift_remove("usage")),
                (None, None) => {}
            }
            text.push_str(&format!("data: {one}\n\n"));
        };
        for choice in choices.as_array().map(Vec::as_slice).unwrap_or_default() {
            let mut delta = choice["message"].clone();
            if let Some(members) = delta.as_object_mut() {
                members.retain(|_, value| !value.is_null());
            }
            let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
            for (at, call) in calls.into_iter().flatten().enumerate() {
                call["index"] = at.into();
            }
            let one =
                json!({ "index": choice["index"], "delta": delta, "finish_reason": choice["finish_reason"] });
            chunk(json!([one]), None);
        }
        if self.usage {
            chunk(json!([]), Some(&usage));
        }
        text.push_str("data: [DONE]\n\n");
        answer.body = Bytes::from(text);
        hold.content_type = Some(HeaderValue::from_static("text/event-stream"));
    }
}

/// The client's body as it is sent: whole answers, and tools that say what they take.
fn prepared(admitted: &Admitted) -> Value {
    let mut body: Value = serde_json::from_slice(admitted.request.body()).unwrap_or_default();
    if let Some(members) = body.as_object_mut() {
        members.shift_remove("stream");
        members.shift_remove("stream_options");
    }
    for tool in body["tools"].as_array_mut().into_iter().flatten() {
        let is_ours =
            tool["function"]["name"].as_str().is_some_and(|name| admitted.snapshot.searcher(name).is_some());
        if is_ours && tool["function"]["parameters"].is_null() {
            tool["function"]["parameters"] = json!({
                "type": "object",
                "properties": {
                    "query": { "type": "string", "description": "What to look for" },
                    "max_results": { "type": "integer", "minimum": 1, "maximum": 20 },
                },
                "required": ["query"],
            });
        }
    }
    body
}

/// Puts the body in the place of the call's, and takes leave for it unless it has that.
async fn renew(
    gateway: &Gateway,
    admitted: &mut Admitted,
    body: &Value,
) -> std::result::Result<(), ApiError> {
    admitted.request = openai::read(admitted.caller.kind, Bytes::from(body.to_string()))?;
    if matches!(admitted.books, Books::Open(_)) {
        return Ok(());
    }
    let permitted = admission::permit(gateway, admitted, unix_ms(SystemTime::now())).await;
    let (permit, limits) = permitted.map_err(|(error, _)| error)?;
    (admitted.books, admitted.limits) = (Books::Open(permit), limits);
    Ok(())
}

/// What a model asks for.
struct Asked {
    /// Its message, to be repeated to it.
    message: Value,
    calls: Vec<Wanted>,
}

struct Wanted {
    id: Value,
    tool: String,
    arguments: Map<String, Value>,
}

/// The searches that an answer asks for; `None` if it asks for none, or for anything else.
fn asked(hold: &Hold) -> Option<Asked> {
    let body: Value = serde_json::from_slice(&hold.answer.as_ref()?.body).ok()?;
    let [choice] = body["choices"].as_array()?.as_slice() else { return None };
    let message = choice["message"].clone();
    let calls = message["tool_calls"].as_array().filter(|calls| (1..=SEARCHES).contains(&calls.len()))?;
    let snapshot = &hold.attempt.admitted.snapshot;
    let wanted = |call: &Value| {
        let tool = call["function"]["name"].as_str().filter(|name| snapshot.searcher(name).is_some())?;
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let arguments = serde_json::from_str(arguments).unwrap_or_default();
        Some(Wanted { id: call["id"].clone(), tool: tool.to_owned(), arguments })
    };
    let calls: Option<Vec<Wanted>> = calls.iter().map(wanted).collect();
    Some(Asked { message, calls: calls? })
}

/// Writes a round down; the call, ready for another one, and what the round cost.
fn booked(gateway: &Gateway, mut hold: Box<Hold>) -> (Box<Admitted>, Money) {
    let attribution = hold.attempt.admitted.attribution.clone();
    settle::book_held(gateway, &mut hold);
    let mut admitted = hold.attempt.close(None, 200);
    let report = admitted.progress.report.take();
    admitted.progress = Progress { report, ..Progress::default() };
    admitted.attribution = attribution;
    let cost = match std::mem::replace(&mut admitted.books, Books::Closed) {
        Books::Written(mut record) => {
            let cost = record.cost;
            gateway.telemetry.finished(&mut record, None);
            cost
        }
        _ => Money::ZERO,
    };
    (admitted, cost)
}

/// Runs the searches and adds what was found to the conversation; what they cost.
async fn search(
    gateway: &Gateway,
    admitted: &Admitted,
    body: &mut Value,
    asked: Asked,
    patience: Duration,
) -> Money {
    let mut spent = Money::ZERO;
    let mut said = vec![asked.message];
    for Wanted { id, tool, arguments } in asked.calls {
        let content = match look(gateway, admitted, &tool, &arguments, patience).await {
            Ok((found, cost)) => {
                spent = spent.saturating_add(cost);
                found
            }
            // The model may try another question, or say that it does not know.
            Err(error) => json!({ "error": error.message }),
        };
        said.push(
            json!({ "role": "tool", "tool_call_id": id, "name": tool, "content": content.to_string() }),
        );
    }
    if let Some(messages) = body["messages"].as_array_mut() {
        messages.extend(said);
    }
    // A choice that the client forced is made.
    if !matches!(body["tool_choice"].as_str(), None | Some("auto" | "none"))
        || body["tool_choice"].is_object()
    {
        body["tool_choice"] = "auto".into();
    }
    spent
}

async fn look(
    gateway: &Gateway,
    admitted: &Admitted,
    tool: &str,
    arguments: &Map<String, Value>,
    patience: Duration,
) -> std::result::Result<(Value, Money), ApiError> {
    let wrong = |words: String| ApiError::new(ErrorKind::InvalidRequest, words);
    let searcher = admitted.snapshot.searcher(tool).ok_or_else(|| wrong("no such tool".to_owned()))?;
    let question = Question::read(arguments).map_err(|fault| wrong(fault.to_string()))?;
    let asking = searching::for_model(gateway, admitted, searcher, &question);
    let (hits, mut record) = tokio::time::timeout(patience, asking)
        .await
        .map_err(|_| wrong("the search took too long".to_owned()))??;
    let cost = record.cost;
    gateway.telemetry.finished(&mut record, None);
    Ok((search::answer(&hits)["results"].take(), cost))
}
