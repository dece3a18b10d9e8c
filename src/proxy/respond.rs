//! What is written to the client from here rather than relayed: errors, held answers, and whatever
//! the control plane says.

use super::Gateway;
use super::admission;
use super::body::{self, Body, Clock};
use super::head::{self, Weighed};
use super::splice;
use super::stage::{Admitted, Books, Caller, HeldAnswer, Hold, Refused};
use crate::domain::{ApiError, ErrorKind, Money, unix_ms};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::time::Instant;

/// Sends an error as a whole answer.
pub(super) async fn refusal(session: &mut Session, refused: &Refused) -> Result<()> {
    let body = Bytes::from(refused.caller.inbound().error(&refused.error));
    let head = head::refusal(session, refused, body.len())?;
    splice::forget(session);
    whole(session, head, body).await
}

/// The same as the last thing on this connection, which is announced.
pub(super) async fn last_refusal(session: &mut Session, refused: &Refused) -> Result<()> {
    if refused.begun {
        let event = refused.caller.inbound().error_event(&refused.error);
        return session.write_response_body(Some(event), true).await;
    }
    session.set_keepalive(None);
    refusal(session, refused).await
}

/// Sends the head of a stream that still waits, if it has none, and a comment, so that nobody in between gives up.
pub(super) async fn keep_alive(session: &mut Session, admitted: &mut Admitted) -> Result<()> {
    if !admitted.progress.begun {
        let head = head::begun(session, &admitted.caller)?;
        session.write_response_header(Box::new(head), false).await?;
        admitted.progress.begun = true;
    }
    session.write_response_body(Some(Bytes::from_static(b": waiting\n\n")), false).await
}

/// Sends a held answer, which is written down, with its cost in the head.
pub(super) async fn held(session: &mut Session, hold: &mut Hold) -> Result<()> {
    let attempt = &hold.attempt;
    let (Some(HeldAnswer { body, upstream_end, .. }), Books::Written(record)) =
        (&mut hold.answer, &attempt.admitted.books)
    else {
        return Error::e_explain(ErrorType::InternalError, "no answer is held, or it is not written down");
    };
    let body = std::mem::take(body);
    let weighed = Weighed {
        length: body.len(),
        cost: record.cost,
        key_spend: attempt.admitted.standing.spent(unix_ms(attempt.admitted.caller.arrived_at)),
        total: attempt.admitted.caller.since(Instant::now()),
        upstream: upstream_end.saturating_duration_since(attempt.started),
    };
    let head = head::held(session, hold, &weighed);
    whole(session, head, body).await
}

/// Whether the client has a final head; `100 Continue` is none.
pub(super) fn is_answered(session: &Session) -> bool {
    session.response_written().is_some_and(|head| !head.status.is_informational())
}

/// Answers a fault that is in no call: the connection is closed after it.
pub(super) async fn internal(session: &mut Session) {
    session.set_keepalive(None);
    let error = ApiError::new(ErrorKind::Internal, "Internal error of the gateway.");
    let body = Bytes::from(error.to_json());
    let sent = async {
        let mut head = ResponseHeader::build_no_case(error.status(), Some(4))?;
        head.insert_header(CONTENT_TYPE, "application/json")?;
        head.insert_header(CONTENT_LENGTH, body.len())?;
        whole(session, head, body).await
    };
    if let Err(error) = sent.await {
        log::debug!("the client did not take the error: {error}");
    }
}

/// Says about how many tokens a prompt has, as the client's provider would.
pub(super) async fn token_count(session: &mut Session, admitted: &Admitted) -> Result<bool> {
    let name = if admitted.caller.kind.is_googles() { "totalTokens" } else { "input_tokens" };
    let count = serde_json::json!({ name: admitted.request.prompt_estimate() });
    let body = Bytes::from(count.to_string());
    let head = head::counted(session, &admitted.caller, body.len())?;
    whole(session, head, body).await?;
    Ok(true)
}

/// Sends what a search found, with its cost and what the key has spent.
pub(super) async fn searched(
    session: &mut Session,
    caller: &Caller,
    body: Bytes,
    (cost, key_spend): (Money, Money),
) -> Result<()> {
    let head = head::searched(session, caller, body.len(), (cost, key_spend))?;
    whole(session, head, body).await
}

/// Lets the control plane answer.
pub(super) async fn from_control(gateway: &Gateway, session: &mut Session) -> Result<bool> {
    let snapshot = gateway.runtime.load();
    let (clock, limit) = (Clock::of(Instant::now(), &snapshot), snapshot.config.server.max_body_bytes);
    let bytes = match body::read(session, clock, limit).await {
        Ok(Body::Replayable(bytes) | Body::Unreplayable(bytes)) => bytes,
        Ok(Body::TooLarge) => {
            let error = ApiError::new(ErrorKind::TooLarge, "Request body is too large.");
            return not_taken(session, &error).await;
        }
        Err(fault) => match body::fault(&fault) {
            Some(error) => return not_taken(session, &error).await,
            None => return Err(fault),
        },
    };
    let mut request = http::Request::from_parts(session.req_header().as_owned_parts(), bytes);
    request.extensions_mut().insert(admission::origin(gateway, session));
    let answer = gateway.control.answer(request).await;
    let (parts, body) = answer.into_parts();
    let mut head = control_head(session, parts.status, &parts.headers)?;
    head.insert_header(CONTENT_LENGTH, body.len())?;
    let body = if session.req_header().method == http::Method::HEAD { Bytes::new() } else { body };
    whole(session, head, body).await?;
    Ok(true)
}

/// Refuses a body that was not read to its end.
async fn not_taken(session: &mut Session, error: &ApiError) -> Result<bool> {
    session.set_keepalive(None);
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let head = control_head(session, status, &HeaderMap::new())?;
    whole(session, head, Bytes::from(error.to_json())).await?;
    body::drain(session).await;
    Ok(true)
}

fn control_head(session: &Session, status: StatusCode, headers: &HeaderMap) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(status, Some(8))?;
    for (name, value) in headers {
        head.append_header(name.clone(), value.clone())?;
    }
    head::allow_origin(&mut head, session)?;
    Ok(head)
}

async fn whole(session: &mut Session, head: ResponseHeader, body: Bytes) -> Result<()> {
    let bodiless = body.is_empty();
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
