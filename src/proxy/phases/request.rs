//! A request came in: which way it goes, and for a call of a model that it is read, let in and served.

use crate::dialects::openai::{forms, request as openai};
use crate::domain::{ApiError, EndpointKind};
use crate::endpoints::{self, Match};
use crate::proxy::body::{self, Body, Clock};
use crate::proxy::entry::{self, Asked};
use crate::proxy::stage::{Admitted, Ctx, Refused, Stage};
use crate::proxy::upload::{self, Form, Way};
use crate::proxy::{
    Gateway, deposit, exchange, passing, race, realtime, respond, searching, subrequest, tooling,
};
use crate::upstream::wire::Wire;
use http::Method;
use pingora::Result;
use pingora_proxy::Session;
use std::sync::atomic::Ordering;

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
    // Of HTTP/2's streams each may stand still although its connection does not.
    if session.as_downstream().as_http2().is_some() {
        let patience = gateway.runtime.load_here().config.server.body_timeout;
        session.as_mut().set_write_timeout(Some(patience).filter(|patience| !patience.is_zero()));
    }
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
    let caller = entry::caller(gateway, session, ctx, found.route, found.kind);
    let is_googles = found.kind.is_googles();
    let Some((caller, visitor)) =
        entry::visitor(gateway, &snapshot, session, ctx, (caller, is_googles)).await?
    else {
        return Ok(true);
    };
    let limits = (snapshot.config.server.max_body_bytes, snapshot.config.server.max_upload_bytes);
    let clock = Clock::of(caller.arrived, &snapshot);
    let (request, way) = match take(session, &found, clock, limits).await {
        Ok(Ok(taken)) => taken,
        Ok(Err(error)) => {
            let key_hash = Some(visitor.standing.key_hash);
            return entry::refuse(session, ctx, Refused::new(caller, error, key_hash)).await;
        }
        Err(error) => {
            return entry::unread(session, ctx, (caller, Some(visitor.standing.key_hash)), error).await;
        }
    };
    let headers = &session.req_header().headers;
    let asked = Asked { request, path_model: found.model, headers, given: None };
    match entry::admit(gateway, caller, snapshot, visitor, asked).await {
        // Refused from here, a client keeps its connection.
        Err(refused) => entry::refuse(session, ctx, *refused).await,
        Ok(admitted) if is_counted_here(&admitted) => respond::token_count(session, &admitted).await,
        Ok(admitted) => serve(gateway, wire, session, ctx, (admitted, way)).await,
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

/// Whether tokens are to be counted that no upstream of the group would count. What the call reserved is given
/// back.
fn is_counted_here(admitted: &Admitted) -> bool {
    let kind = admitted.caller.kind;
    kind.counts() && !admitted.resolution.group.deployments.iter().all(|deployment| deployment.relays(kind))
}
