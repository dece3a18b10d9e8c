//! Searches: a question is put to a configured engine, and its results are told in one shape whatever the engine.

use super::admission::{self, Denied, Visitor};
use super::body::{self, Body, Clock};
use super::entry::{self, caller, refuse};
use super::stage::{Admitted, Caller, Ctx, Refused, Served, Stage};
use super::{Gateway, respond, settle};
use crate::domain::{ApiError, EndpointKind, ErrorKind, Failure, Money, UpstreamClass, UsageRecord, unix_ms};
use crate::endpoints::Match;
use crate::limits::{Ask, Expected, Manner, Permit};
use crate::providers::search::{self, Hit, Question};
use crate::runtime::{Snapshot, Standing};
use crate::upstream::{NotFound, Searcher};
use bytes::Bytes;
use pingora::Result;
use pingora_proxy::Session;
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Largest body.
const LARGEST: usize = 256 * 1024;

/// Answers a search.
pub(super) async fn start(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    found: Match<'_>,
) -> Result<bool> {
    let snapshot = gateway.runtime.load();
    let caller = caller(gateway, session, ctx, found.route, EndpointKind::Search);
    let visited = entry::visitor(gateway, &snapshot, session, ctx, (caller, false)).await?;
    let Some((caller, visitor)) = visited else { return Ok(true) };
    let key_hash = Some(Arc::clone(&visitor.standing.key_hash));
    let bytes = match body::read(session, Clock::of(caller.arrived, &snapshot), LARGEST).await {
        Ok(Body::Replayable(bytes) | Body::Unreplayable(bytes)) => bytes,
        Ok(Body::TooLarge) => {
            let error = ApiError::new(ErrorKind::TooLarge, "Request body is too large for a search.");
            return refuse(session, ctx, Refused::new(caller, error, key_hash)).await;
        }
        Err(error) => return entry::unread(session, ctx, (caller, key_hash), error).await,
    };
    match answer(gateway, &snapshot, &visitor, &caller, (found.model.as_deref(), bytes)).await {
        Ok((record, body)) => {
            let key_spend = visitor.standing.spent(unix_ms(SystemTime::now()));
            let sent = respond::searched(session, &caller, body, (record.cost, key_spend)).await;
            let Caller { trace, _in_flight, .. } = caller;
            ctx.stage = Stage::Served(Box::new(Served { record: Box::new(record), trace, _in_flight }));
            sent.map(|()| true)
        }
        Err((requested, (error, headers))) => {
            let attribution =
                Some(admission::attribution(&visitor, None, None, &session.req_header().headers).0);
            let refused = Refused::new(caller, error, key_hash);
            refuse(session, ctx, Refused { requested, attribution, headers, ..refused }).await
        }
    }
}

/// What was asked for, and why it is not answered.
type NotAnswered = (Arc<str>, Denied);

/// The record, written down, and the body of the answer.
async fn answer(
    gateway: &Gateway,
    snapshot: &Snapshot,
    visitor: &Visitor,
    caller: &Caller,
    (path_tool, bytes): (Option<&str>, Bytes),
) -> std::result::Result<(UsageRecord, Bytes), NotAnswered> {
    let plain = |error| (error, Vec::new());
    let body = read(&bytes).map_err(|error| (Arc::from(path_tool.unwrap_or_default()), plain(error)))?;
    let named = path_tool.or_else(|| body.get("search_tool_name").and_then(Value::as_str));
    let requested: Arc<str> = Arc::from(named.unwrap_or_default());
    let refused = |denied| (Arc::clone(&requested), denied);
    let asked = ask(snapshot, &requested, &body).map_err(|error| refused(plain(error)))?;
    let (searcher, question) = asked;
    let permit =
        permit(gateway, snapshot, (&visitor.standing, visitor.now), searcher).await.map_err(&refused)?;
    let started = Instant::now();
    let found = searcher.search(&question).await;
    let hits = found.map_err(|why| refused(plain(told(why, searcher.tool.engine.name))))?;
    let payer = Payer { standing: &visitor.standing, ip: visitor.ip, caller };
    let record = book(gateway, &payer, permit, (searcher, started));
    Ok((record, shown(&hits)))
}

fn shown(hits: &[Hit]) -> Bytes {
    Bytes::from(search::answer(hits).to_string())
}

fn read(bytes: &Bytes) -> std::result::Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(ApiError::new(ErrorKind::InvalidRequest, "the body of a search is a JSON object")),
        Err(_) => Err(ApiError::new(ErrorKind::InvalidJson, "Invalid JSON payload")),
    }
}

fn ask<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    body: &Map<String, Value>,
) -> std::result::Result<(&'a Searcher, Question), ApiError> {
    if name.is_empty() {
        let words = "search_tool_name is required: in the path or in the body";
        return Err(ApiError::new(ErrorKind::InvalidRequest, words).with_param("search_tool_name"));
    }
    let Some(searcher) = snapshot.searcher(name) else {
        let words = "no search tool has this name. Call `/v1/search/tools` to see which there are.";
        return Err(ApiError::new(ErrorKind::Missing, words));
    };
    let question = Question::read(body).map_err(|fault| {
        ApiError::new(ErrorKind::InvalidRequest, fault.to_string()).with_param(fault.param)
    })?;
    Ok((searcher, question))
}

async fn permit(
    gateway: &Gateway,
    snapshot: &Snapshot,
    (standing, now): (&Standing, i64),
    searcher: &Searcher,
) -> std::result::Result<Permit, Denied> {
    let cost = match searcher.tool.cost {
        Some(cost) if cost.is_zero() => Expected::Free,
        cost => Expected::About(cost.unwrap_or_default()),
    };
    let mut gates = standing.gates(&[]);
    gates.extend(&snapshot.house.global);
    admission::admit(gateway, now, &gates, Ask { tokens: 0, cost, manner: Manner::Decides }).await
}

/// Searches for a model, at its caller's cost; the record is written down.
///
/// # Errors
/// What the model is to be told.
pub(super) async fn for_model(
    gateway: &Gateway,
    admitted: &Admitted,
    searcher: &Searcher,
    question: &Question,
) -> std::result::Result<(Vec<Hit>, UsageRecord), ApiError> {
    let now = unix_ms(SystemTime::now());
    let permit = permit(gateway, &admitted.snapshot, (&admitted.standing, now), searcher)
        .await
        .map_err(|(error, _)| error)?;
    let started = Instant::now();
    let hits = searcher.search(question).await.map_err(|why| told(why, searcher.tool.engine.name))?;
    let payer = Payer { standing: &admitted.standing, ip: admitted.attribution.ip, caller: &admitted.caller };
    Ok((hits, book(gateway, &payer, permit, (searcher, started))))
}

/// Who pays for a search.
struct Payer<'a> {
    standing: &'a Standing,
    ip: Option<IpAddr>,
    caller: &'a Caller,
}

fn told(why: NotFound, engine: &str) -> ApiError {
    let class = match why {
        NotFound::TooSlow => UpstreamClass::Timeout,
        NotFound::Unreachable => UpstreamClass::Connection,
        // A key that the engine refuses is the gateway's fault, and not the client's.
        NotFound::Status(401 | 403) | NotFound::Strange => UpstreamClass::BadGateway,
        NotFound::Status(status) => UpstreamClass::of_status(status).unwrap_or(UpstreamClass::BadGateway),
    };
    ApiError::upstream(&Failure::without_answer(class, &why.to_string()), engine)
}

fn book(
    gateway: &Gateway,
    payer: &Payer<'_>,
    permit: Permit,
    (searcher, started): (&Searcher, Instant),
) -> UsageRecord {
    let (tool, caller) = (&searcher.tool, payer.caller);
    let cost = tool.cost.unwrap_or(Money::ZERO);
    let now = Instant::now();
    let timings = caller.timings(started, Some(now), now);
    let mut attribution = payer.standing.attribution();
    attribution.ip = payer.ip;
    attribution.charges = settle::close(gateway, permit, 0, cost);
    let record = UsageRecord {
        timings,
        cost,
        priced: tool.cost.is_some(),
        provider: Some(Arc::from(tool.engine.name)),
        endpoint: EndpointKind::Search,
        key_hash: Some(Arc::clone(&payer.standing.key_hash)),
        attribution: Some(Box::new(attribution)),
        ..settle::blank(caller, Arc::from(tool.name.as_str()), false)
    };
    settle::write(gateway, &record);
    record
}
