//! Realtime sessions: a client's WebSocket, joined with one of a deployment's.
//!
//! Until the upstream agrees it is a call like any other: the caller is let in, the group picks a deployment, a failure
//! may lead to another one. From then on frames pass untouched in both directions (`relay`), and what answers used is
//! read of them on the way.

mod client;
mod relay;

use super::entry::{self, Asked};
use super::phases::failure;
use super::phases::seat::{Seat, Stop, seat, told};
use super::stage::{Admitted, Attempt, Ctx, Form, Refused, Stage};
use super::waiting::while_client_stays;
use super::{Gateway, detour, respond};
use crate::dialects::openai::request as openai;
use crate::domain::{ApiError, EndpointKind, ErrorKind, Failure, UpstreamClass};
use crate::endpoints::Match;
use crate::providers::realtime;
use crate::upstream::{Handshake, Upgraded, upgrade, upgrade_head};
use bytes::Bytes;
use http::{HeaderMap, header};
use pingora::http::RequestHeader;
use pingora::{ErrorType, Result};
use pingora_proxy::Session;
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for an upstream to agree.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// Joins a client with a deployment until one of them, or a bound, ends it.
pub(super) async fn start(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    found: Match<'_>,
) -> Result<bool> {
    let hello = client::Hello::read(session);
    let snapshot = gateway.runtime.load();
    let caller = entry::caller(gateway, session, ctx, found.route, EndpointKind::Realtime);
    let visited = entry::visitor(gateway, &snapshot, session, ctx, (caller, false)).await?;
    let Some((caller, visitor)) = visited else { return Ok(true) };
    let hello = match hello {
        Ok(hello) => hello,
        Err(error) => {
            let refused = Refused::new(caller, error, Some(Arc::clone(&visitor.standing.key_hash)));
            return entry::refuse(session, ctx, refused).await;
        }
    };
    // The rest of the call is said in the session itself.
    let body = Bytes::from(json!({ "model": hello.model, "input": [] }).to_string());
    let asked = Asked {
        request: openai::read(EndpointKind::Realtime, body),
        path_model: Some(Cow::Borrowed(hello.model.as_str())),
        headers: &session.req_header().headers,
        given: None,
    };
    let admitted = match entry::admit(gateway, caller, snapshot, visitor, asked).await {
        Ok(admitted) => admitted,
        Err(refused) => return entry::refuse(session, ctx, *refused).await,
    };
    match join(gateway, session, admitted, &hello).await {
        Ok(Joined { attempt, upgraded }) => {
            let served = relay::run(gateway, session, attempt, *upgraded, &hello).await;
            ctx.stage = Stage::Served(Box::new(served));
            Ok(true)
        }
        Err(NotJoined::Gone(refused, error)) => {
            ctx.stage = Stage::Refused(refused);
            Err(error)
        }
        Err(NotJoined::Refused(refused)) => entry::refuse(session, ctx, *refused).await,
        Err(NotJoined::Lost(stage)) => {
            ctx.stage = *stage;
            respond::internal(session).await;
            Ok(true)
        }
    }
}

/// A deployment that agreed.
struct Joined {
    attempt: Box<Attempt>,
    upgraded: Box<Upgraded>,
}

/// Why there is no session.
enum NotJoined {
    /// The client left.
    Gone(Box<Refused>, pingora::BError),
    /// Nobody takes it.
    Refused(Box<Refused>),
    /// The call is in a stage that no failed attempt leads to.
    Lost(Box<Stage>),
}

/// Asks deployments until one agrees.
async fn join(
    gateway: &Gateway,
    session: &mut Session,
    mut admitted: Box<Admitted>,
    hello: &client::Hello,
) -> std::result::Result<Joined, NotJoined> {
    loop {
        let attempt = seated(gateway, session, admitted).await?;
        let Some(head) = head(&attempt, hello) else {
            let deployment = Arc::clone(&attempt.deployment);
            let error = not_offered(&attempt.admitted, &deployment.target.provider);
            return Err(NotJoined::Refused(Box::new(attempt.admitted.refuse(error, Some(deployment)))));
        };
        let fault = match upgrade(&attempt.deployment.endpoint, head, HANDSHAKE).await {
            Ok(Handshake::Agreed(upgraded)) => {
                attempt.deployment.state.succeeded(Instant::now());
                attempt.deployment.endpoint.answered();
                return Ok(Joined { attempt, upgraded });
            }
            Ok(Handshake::Refused(status, headers, body)) => {
                attempt.deployment.endpoint.answered();
                refusal(&attempt, status, &headers, &body)
            }
            Err(error) => unreached(&error),
        };
        admitted = match failure::decide(gateway, attempt, fault) {
            (Stage::Admitted(again), true) => again,
            (Stage::Refused(refused), _) => return Err(NotJoined::Refused(refused)),
            // Nothing else comes of a failed attempt.
            (other, _) => return Err(NotJoined::Lost(Box::new(other))),
        };
    }
}

/// The next deployment, after what wait the last one asks for.
async fn seated(
    gateway: &Gateway,
    session: &mut Session,
    mut admitted: Box<Admitted>,
) -> std::result::Result<Box<Attempt>, NotJoined> {
    let wait = std::mem::take(&mut admitted.progress.wait);
    if !wait.is_zero()
        && let Err(error) = while_client_stays(session, tokio::time::sleep(wait)).await
    {
        return Err(gone(admitted, error));
    }
    let seat = loop {
        let error = match seat(gateway, session, &mut admitted).await {
            Ok(seat) => break seat,
            Err(Stop::Gone(error)) => return Err(gone(admitted, error)),
            Err(Stop::Cannot(error)) => told(&mut admitted, error),
        };
        if let Err((error, deployment)) = detour::leave(gateway, &mut admitted, error, None) {
            return Err(NotJoined::Refused(Box::new(admitted.refuse(error, deployment))));
        }
    };
    let Seat { index, deployment, slot, leave, quota } = seat;
    admitted.progress.tried.push(index);
    let (body, form, started) = (Bytes::new(), Form::Client, Instant::now());
    let attempt = Attempt {
        admitted,
        index,
        deployment,
        slot,
        leave,
        quota,
        body,
        form,
        mock: None,
        started,
        patience: HANDSHAKE,
    };
    Ok(Box::new(attempt))
}

/// The request for a session; `None` where there are none.
fn head(attempt: &Attempt, hello: &client::Hello) -> Option<RequestHeader> {
    let (admitted, target) = (&attempt.admitted, &attempt.deployment.target);
    let model = admitted.resolution.upstream_model(&target.model, &admitted.called);
    let mut path = realtime::path(target, &model)?;
    if hello.transcribes {
        path.push_str("&intent=transcription");
    }
    upgrade_head(&attempt.deployment, &path, &hello.headers).ok()
}

fn not_offered(admitted: &Admitted, provider: &str) -> ApiError {
    let words = format!(
        "litellm.BadRequestError: {provider} has no realtime sessions. Passed model={}",
        admitted.requested
    );
    ApiError::new(ErrorKind::InvalidRequest, words).with_param("model")
}

fn refusal(attempt: &Attempt, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // An answer that is no refusal is none that a session can come of either.
    let status = if status < 400 { 502 } else { status };
    attempt.deployment.target.dialect.classify(status, body, after.map(Duration::from_secs))
}

fn unreached(error: &pingora::Error) -> Failure {
    use ErrorType as E;
    let (class, words) = match error.etype() {
        E::ReadTimedout | E::WriteTimedout | E::ConnectTimedout | E::TLSHandshakeTimedout => {
            (UpstreamClass::Timeout, "Request timed out.")
        }
        E::InvalidHTTPHeader => (UpstreamClass::Internal, "The upstream's answer is not HTTP."),
        _ => (UpstreamClass::Connection, "Connection error."),
    };
    Failure::without_answer(class, words)
}

fn gone(admitted: Box<Admitted>, error: pingora::BError) -> NotJoined {
    let left = ApiError::new(ErrorKind::InvalidRequest, "the client left");
    NotJoined::Gone(Box::new(Refused { client_gone: true, ..admitted.refuse(left, None) }), error)
}
