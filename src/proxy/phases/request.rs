//! A request came in: who is calling, what is asked, and may it be served.

use crate::dialects::openai::{Wishes, forms, request as openai};
use crate::domain::{ApiError, CallId, EndpointKind};
use crate::endpoints::{self, Match};
use crate::proxy::admission::{self, Visitor};
use crate::proxy::body::{self, Body, Clock};
use crate::proxy::exchange;
use crate::proxy::head::Lines;
use crate::proxy::phases::upstream_peer;
use crate::proxy::stage::{Admitted, Books, Caller, Controls, Ctx, Leanings, Progress, Refused, Stage};
use crate::proxy::trace::Trace;
use crate::proxy::upload::{self, Form, Way};
use crate::proxy::{
    Gateway, deposit, detour, passing, race, realtime, respond, searching, subrequest, tooling,
};
use crate::runtime::{self, Present, Resolution, Snapshot, TurnWish};
use crate::upstream::wire::Wire;
use http::{HeaderMap, HeaderName, Method};
use pingora::{Error, Result};
use pingora_proxy::Session;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// A client's idle connection is kept for so many seconds.
const KEEP_ALIVE_SECONDS: u64 = 75;

/// Pingora's `request_filter`: true when the answer was sent from here.
pub(in crate::proxy) async fn run(
    gateway: &Gateway,
    wire: &Wire,
    session: &mut Session,
    ctx: &mut Ctx,
) -> Result<bool> {
    // An answer is held by sending an informational head that must not reach the client.
    session.as_mut().set_ignore_info_resp(true);
    if subrequest::adopt(session, ctx).await? {
        return Ok(false);
    }
    keep_alive(gateway, session);
    let path = session.req_header().uri.path().to_owned();
    if let Some(stored) = endpoints::stored::find(&session.req_header().method, &path) {
        return deposit::run(gateway, session, ctx, stored).await;
    }
    match endpoints::find(&path) {
        Some(found) if found.kind == EndpointKind::Realtime && session.req_header().method == Method::GET => {
            realtime::start(gateway, session, ctx, found).await
        }
        Some(found) if session.req_header().method == Method::POST => match found.kind {
            EndpointKind::Search => searching::start(gateway, session, ctx, found).await,
            EndpointKind::Realtime => respond::from_control(gateway, session).await,
            _ => model_call(gateway, wire, session, ctx, found).await,
        },
        _ => {
            let snapshot = gateway.runtime.load();
            match passing::find(&snapshot, session) {
                Some(found) => passing::start(gateway, session, ctx, snapshot, found).await,
                None => respond::from_control(gateway, session).await,
            }
        }
    }
}

fn keep_alive(gateway: &Gateway, session: &mut Session) {
    // A request that comes before its predecessor is answered waits its turn; else it would break that one off. Where
    // somebody in between may see another end of this one, what follows it is no request.
    let follows = body::has_one_end(&session.req_header().headers);
    session.as_mut().set_pipelining_enabled(follows);
    if gateway.draining.load(Ordering::Relaxed) {
        session.set_keepalive(None);
    } else if session.as_mut().get_keepalive().is_some() {
        session.set_keepalive(Some(KEEP_ALIVE_SECONDS));
    }
}

async fn model_call(
    gateway: &Gateway,
    wire: &Wire,
    session: &mut Session,
    ctx: &mut Ctx,
    found: Match<'_>,
) -> Result<bool> {
    let snapshot = gateway.runtime.load_here();
    let caller = caller(gateway, session, ctx, found.route, found.kind);
    let is_googles = found.kind.is_googles();
    let Some((caller, visitor)) = visitor(gateway, &snapshot, session, ctx, (caller, is_googles)).await?
    else {
        return Ok(true);
    };
    let limits = (snapshot.config.server.max_body_bytes, snapshot.config.server.max_upload_bytes);
    let clock = Clock::of(caller.arrived, &snapshot);
    let (request, way) = match take(session, &found, clock, limits).await {
        Ok(Ok(taken)) => taken,
        Ok(Err(error)) => {
            let key_hash = Some(visitor.standing.key_hash);
            return refuse(session, ctx, Refused::new(caller, error, key_hash)).await;
        }
        Err(error) => {
            return unread(session, ctx, (caller, Some(visitor.standing.key_hash)), error).await;
        }
    };
    let headers = &session.req_header().headers;
    let asked = Asked { request, path_model: found.model, headers, given: None };
    match admit(gateway, caller, snapshot, visitor, asked).await {
        // Refused from here, a client keeps its connection.
        Err(refused) => refuse(session, ctx, *refused).await,
        Ok(admitted) if is_counted_here(&admitted) => respond::token_count(session, &admitted).await,
        Ok(admitted) => serve(gateway, wire, session, ctx, (admitted, way)).await,
    }
}

/// Who calls; nobody, if the call is refused for it, and was told so. Google's clients (`is_googles`) may write their
/// key into the query.
pub(in crate::proxy) async fn visitor(
    gateway: &Gateway,
    snapshot: &Snapshot,
    session: &mut Session,
    ctx: &mut Ctx,
    (caller, is_googles): (Caller, bool),
) -> Result<Option<(Caller, Visitor)>> {
    let query = session.req_header().uri.query().filter(|_| is_googles);
    match admission::visitor(gateway, snapshot, session, query, caller.arrived_at).await {
        Ok(visitor) => Ok(Some((caller, visitor))),
        Err((error, key_hash)) => {
            refuse(session, ctx, Refused::new(caller, error, key_hash)).await?;
            Ok(None)
        }
    }
}

type Read = std::result::Result<openai::Request, ApiError>;

/// Reads the body of a call, as far as it is read before anybody is asked. What is wrong with what it says is told
/// after it is known whose it is.
async fn take(
    session: &mut Session,
    found: &Match<'_>,
    clock: Clock,
    (limit, limit_of_uploads): (usize, usize),
) -> Result<std::result::Result<(Read, Way), ApiError>> {
    if !found.kind.is_form() {
        return match body::read(session, clock, limit).await? {
            Body::Replayable(bytes) => Ok(Ok((openai::read(found.kind, bytes), Way::Replayed))),
            Body::Unreplayable(bytes) => Ok(Ok((openai::read(found.kind, bytes), Way::Delegated))),
            Body::TooLarge => Ok(Err(upload::too_large(limit))),
        };
    }
    let form = upload::read(session, clock, found.kind, found.model.is_some(), limit_of_uploads).await?;
    let Form { scan, taken, length } = match form {
        Ok(form) => form,
        Err(error) => return Ok(Err(error)),
    };
    let taken = taken.on_its_way(limit_of_uploads);
    Ok(taken.map(|(bytes, way)| (forms::read(found.kind, bytes, scan, length), way)))
}

/// Serves a call that was let in. One whose body is still to come has one way only.
async fn serve(
    gateway: &Gateway,
    wire: &Wire,
    session: &mut Session,
    ctx: &mut Ctx,
    (admitted, way): (Box<Admitted>, Way),
) -> Result<bool> {
    if !way.is_whole() {
        return way.go(session, ctx, admitted).await;
    }
    // On the heap, so that other calls need not carry it.
    if tooling::suits(&admitted) {
        return Box::pin(tooling::run(gateway, wire, session, ctx, admitted)).await;
    }
    if let Some(late) = race::late_after(&admitted).filter(|_| matches!(way, Way::Replayed)) {
        return Box::pin(race::run(gateway, session, ctx, admitted, late)).await;
    }
    if exchange::suits(&admitted) {
        ctx.stage = Stage::Admitted(admitted);
        return Box::pin(exchange::run(gateway, wire, session, ctx)).await;
    }
    way.go(session, ctx, admitted).await
}

/// What is known of a call as it comes in.
pub(in crate::proxy) fn caller(
    gateway: &Gateway,
    session: &Session,
    ctx: &Ctx,
    route: &'static str,
    kind: EndpointKind,
) -> Caller {
    Caller {
        arrived: ctx.arrived,
        arrived_at: SystemTime::now(),
        call_id: call_id(&session.req_header().headers),
        route,
        kind,
        lists: kind == EndpointKind::StreamContent && !wants_events(session.req_header().uri.query()),
        trace: gateway.telemetry.tracer.begin(&session.req_header().headers),
        _in_flight: Some(gateway.telemetry.metrics.in_flight()),
    }
}

/// Whether a query asks for events (`alt=sse`).
fn wants_events(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair == "alt=sse")
}

/// Whether tokens are to be counted that no upstream of the group would count. What the call reserved is given
/// back.
fn is_counted_here(admitted: &Admitted) -> bool {
    let kind = admitted.caller.kind;
    kind.counts() && !admitted.resolution.group.deployments.iter().all(|deployment| deployment.relays(kind))
}

/// What the client wants.
pub(in crate::proxy) struct Asked<'a> {
    pub(in crate::proxy) request: std::result::Result<openai::Request, ApiError>,
    pub(in crate::proxy) path_model: Option<Cow<'a, str>>,
    pub(in crate::proxy) headers: &'a HeaderMap,
    /// Who is to be asked, if that is known already.
    pub(in crate::proxy) given: Option<Resolution>,
}

/// Lets a call through, or says why not; what it may take is reserved then.
pub(in crate::proxy) async fn admit(
    gateway: &Gateway,
    caller: Caller,
    snapshot: Present,
    mut visitor: Visitor,
    asked: Asked<'_>,
) -> std::result::Result<Box<Admitted>, Box<Refused>> {
    let Asked { request, path_model, headers, given } = asked;
    let body_model = request.as_ref().ok().and_then(openai::Request::model);
    let requested: Arc<str> = Arc::from(path_model.as_deref().or(body_model).unwrap_or_default());
    let named = match request {
        Ok(request) => identify(gateway, (caller.kind, given), &snapshot, &mut visitor, &requested, &request)
            .await
            .map(|named| (request, named)),
        Err(error) => Err(error),
    };
    let (request, Named { resolution, called, customer, wishes }) = match named {
        Ok(named) => named,
        Err(error) => {
            let attribution = Some(admission::attribution(&visitor, None, None, headers).0);
            let refused = Refused::new(caller, error, Some(visitor.standing.key_hash));
            return Err(Box::new(Refused { requested, attribution, ..refused }));
        }
    };
    let (attribution, tags) = admission::attribution(&visitor, customer, Some(&request), headers);
    let affinity = snapshot.wants_affinity.then(|| runtime::affinity(&request, headers));
    let controls = controls(headers, &request);
    let turns = if snapshot.has_queues { TurnWish::read(headers, &request) } else { TurnWish::default() };
    let turn = resolution.group.turn(&visitor.standing, &request, turns);
    let mut admitted = Box::new(Admitted {
        caller,
        snapshot,
        standing: visitor.standing,
        attribution,
        limits: Lines::default(),
        books: Books::Closed,
        request,
        called: called.unwrap_or_else(|| Arc::clone(&requested)),
        requested,
        resolution,
        controls,
        turns,
        turn,
        wishes,
        leanings: Leanings { tags, affinity },
        racer: None,
        progress: Progress { trace: Trace::asked(headers), ..Progress::default() },
        upload: None,
        errand: None,
    });
    if let Some(error) = upstream_peer::nobody(gateway, &mut admitted)
        && let Err((error, _)) = detour::leave(gateway, &mut admitted, error, None)
    {
        return Err(Box::new(admitted.refuse(error, None)));
    }
    match admission::permit(gateway, &admitted, visitor.now).await {
        Ok((permit, limits)) => {
            admitted.books = Books::Open(permit);
            admitted.limits = limits;
            Ok(admitted)
        }
        Err((error, headers)) => Err(Box::new(Refused { headers, ..admitted.refuse(error, None) })),
    }
}

/// What is meant, and for whom.
struct Named {
    resolution: Resolution,
    /// The name that was resolved, if it is not the one asked for.
    called: Option<Arc<str>>,
    customer: Option<Arc<str>>,
    wishes: Option<Box<Wishes>>,
}

/// The group that is meant, where else the call may go, and the end user.
async fn identify(
    gateway: &Gateway,
    (kind, given): (EndpointKind, Option<Resolution>),
    snapshot: &Snapshot,
    visitor: &mut Visitor,
    requested: &str,
    request: &openai::Request,
) -> std::result::Result<Named, ApiError> {
    let customer = request.user();
    let mut called = None;
    let resolution = match given {
        Some(given) => {
            visitor.standing.may_call(&runtime::Group::asked(&given.group.name, Some(&given.group)))?;
            given
        }
        None => match snapshot.resolve_for(&visitor.standing, kind, requested) {
            Ok(found) => found,
            Err(error) if customer.is_none() || snapshot.knows(&visitor.standing, requested) => {
                return Err(error);
            }
            Err(error) => {
                visitor
                    .standing
                    .name_customer(customer.as_ref(), &snapshot.house, &gateway.directory)
                    .await?;
                called = visitor.standing.default_model();
                let Some(name) = &called else { return Err(error) };
                snapshot.resolve_for(&visitor.standing, kind, name)?
            }
        },
    };
    let wishes = detour::wishes(snapshot, &visitor.standing, kind, request)?;
    visitor.standing.name_customer(customer.as_ref(), &snapshot.house, &gateway.directory).await?;
    Ok(Named { resolution, called, customer, wishes })
}

/// Answers with an error now; `logging` accounts for it.
pub(in crate::proxy) async fn refuse(session: &mut Session, ctx: &mut Ctx, refused: Refused) -> Result<bool> {
    let unread = body::is_unread(session);
    let written = respond::refusal(session, &refused).await;
    ctx.stage = Stage::Refused(Box::new(refused));
    written?;
    if unread {
        body::drain(session).await;
    }
    Ok(true)
}

/// A body could not be read: a client that is too slow is told so, and its connection closed.
///
/// # Errors
/// When the client is gone.
pub(in crate::proxy) async fn unread(
    session: &mut Session,
    ctx: &mut Ctx,
    (caller, key_hash): (Caller, Option<Arc<str>>),
    error: Box<Error>,
) -> Result<bool> {
    match body::fault(&error) {
        Some(slow) => {
            session.set_keepalive(None);
            refuse(session, ctx, Refused::new(caller, slow, key_hash)).await
        }
        None => {
            ctx.stage = Stage::Refused(Box::new(Refused::gone(caller, key_hash)));
            Err(error.into_down())
        }
    }
}

fn call_id(headers: &HeaderMap) -> CallId {
    const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
    text(headers, &CALL_ID).and_then(CallId::from_client).unwrap_or_else(|| {
        let mut buffer = uuid::Uuid::encode_buffer();
        let random = fastrand::u128(..).to_ne_bytes();
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        CallId::new(id.hyphenated().encode_lower(&mut buffer))
    })
}

/// A header beats the body.
fn controls(headers: &HeaderMap, request: &openai::Request) -> Controls {
    const RETRIES: HeaderName = HeaderName::from_static("x-litellm-num-retries");
    const TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-timeout");
    const STREAM_TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-stream-timeout");
    const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-max-fallbacks");
    let body = request.controls();
    Controls {
        num_retries: text(headers, &RETRIES).and_then(|n| n.parse().ok()).or(body.num_retries),
        max_fallbacks: text(headers, &FALLBACKS).and_then(|n| n.parse().ok()),
        timeout: seconds(headers, &TIMEOUT).or(body.timeout),
        stream_timeout: seconds(headers, &STREAM_TIMEOUT).or(body.stream_timeout),
    }
}

fn seconds(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let seconds: f64 = text(headers, name)?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // Looked for one by one: the hash of a name that is seldom there costs more than the few that are.
    headers.iter().find(|(known, _)| *known == name)?.1.to_str().ok()
}
