//! Reading a request body whole, although Pingora forgets a body that was read before proxying.
//!
//! Pingora sends a body upstream only if its own 64 KiB retry buffer holds something. So that buffer
//! is switched on for the last 64 KiB only, and `request_body_filter` puts our bytes in the place of
//! what Pingora replays. Where the length is unknown and the body is larger, the buffer cannot be
//! used at all: the call re-enters the proxy as a subrequest that carries the body in its context and
//! a single byte on the wire. Subrequests are marked alpha upstream, so they stay in this file.

use super::stage::{Admitted, Ctx, Stage};
use super::upload::Source;
use bytes::{Bytes, BytesMut};
use pingora::http::RequestHeader;
use pingora::protocols::http::HttpTask;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::Session;
use pingora_proxy::subrequest::{BodyMode, Ctx as SubrequestCtx};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;

/// What Pingora can replay.
const REPLAYABLE: usize = 64 * 1024;
/// A refused body is read and thrown away up to this size, so that the client gets to our answer.
const DRAINED: usize = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// A body as it was read.
pub(super) enum Body {
    /// Pingora will replay it.
    Replayable(Bytes),
    /// It must go through a subrequest.
    Unreplayable(Bytes),
    /// It is over the limit.
    TooLarge,
}

/// Only a body of unknown length can need a subrequest.
pub(super) fn may_need_subrequest(session: &Session) -> bool {
    session.subrequest_ctx.is_none()
        && (content_length(session).is_none() || super::upload::may_be_pumped(session))
}

pub(super) fn content_length(session: &Session) -> Option<usize> {
    session.get_header(http::header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Reads the whole body.
///
/// # Errors
/// When the client breaks off or is silent for too long.
pub(super) async fn read(session: &mut Session, limit: usize) -> Result<Body> {
    let length = content_length(session);
    if length.is_some_and(|length| length > limit) {
        return Ok(Body::TooLarge);
    }
    invite(session).await?;
    match length {
        Some(length) => read_sized(session, length).await.map(Body::Replayable),
        None => read_unsized(session, limit).await,
    }
}

/// Tells a client that waits for leave to send its body that it may.
pub(super) async fn invite(session: &mut Session) -> Result<()> {
    if session.get_header(http::header::EXPECT).is_some() {
        // Pingora takes the interim answer for a final one before the body, and would close.
        let keep_alive = session.as_mut().get_keepalive();
        session.as_mut().write_continue_response().await?;
        session.as_mut().set_keepalive(keep_alive);
    }
    Ok(())
}

/// Reads a body of a known length, so that Pingora can replay it.
///
/// # Errors
/// When the client breaks off or is silent for too long.
pub(super) async fn read_sized(session: &mut Session, length: usize) -> Result<Bytes> {
    let mut left = length;
    let mut whole = BytesMut::new();
    while left > 0 {
        if left <= REPLAYABLE {
            session.as_mut().enable_retry_buffering();
        }
        let Some(piece) = session.as_mut().read_request_body().await? else { break };
        if piece.len() == length {
            return Ok(piece);
        }
        if whole.is_empty() {
            whole.reserve(length);
        }
        left = left.saturating_sub(piece.len());
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

async fn read_unsized(session: &mut Session, limit: usize) -> Result<Body> {
    session.as_mut().enable_retry_buffering();
    let mut whole = BytesMut::new();
    while let Some(piece) = session.as_mut().read_request_body().await? {
        if whole.len() + piece.len() > limit {
            return Ok(Body::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    let body = whole.freeze();
    Ok(if body.len() <= REPLAYABLE { Body::Replayable(body) } else { Body::Unreplayable(body) })
}

/// Reads what is left of a refused body and forgets it, within bounds: a client that is still
/// sending would otherwise see a broken connection instead of the answer.
pub(super) async fn drain(session: &mut Session) {
    let discard = async {
        let mut size = 0;
        while size < DRAINED {
            match session.as_mut().read_request_body().await {
                Ok(Some(piece)) => size += piece.len(),
                Ok(None) | Err(_) => break,
            }
        }
    };
    // Running out of time only means that the connection is closed with bytes unread.
    let _ = tokio::time::timeout(DRAIN_TIME, discard).await;
}

/// Whether the client has more to send.
pub(super) fn is_unread(session: &mut Session) -> bool {
    !session.as_mut().is_body_done()
}

type Parcel = Mutex<Option<(std::time::Instant, Box<Admitted>)>>;

/// Takes over a call from the request that spawned this subrequest; `false` if it is none.
pub(super) async fn adopt(session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
    let parcel = session.subrequest_ctx.as_ref().and_then(|sub| sub.user_ctx());
    let Some(parcel) = parcel.and_then(|any| any.downcast_ref::<Parcel>()) else { return Ok(false) };
    let taken = parcel.lock().map_or(None, |mut slot| slot.take());
    let Some((arrived, admitted)) = taken else { return Ok(false) };
    ctx.arrived = arrived;
    let is_uploading = admitted.upload.is_some();
    ctx.stage = Stage::Admitted(admitted);
    if is_uploading {
        return Ok(true);
    }
    session.as_mut().enable_retry_buffering();
    while session.as_mut().read_request_body().await?.is_some() {}
    Ok(true)
}

/// A subrequest's head is written out and read again as HTTP/1.1, which has no `HTTP/2` in its first line
/// and takes a body only where it is announced.
fn as_http_1(head: &mut RequestHeader) -> Result<()> {
    if head.version == http::Version::HTTP_2 {
        head.set_version(http::Version::HTTP_11);
        if !head.headers.contains_key(http::header::CONTENT_LENGTH) {
            head.insert_header(http::header::TRANSFER_ENCODING, "chunked")?;
        }
    }
    Ok(())
}

/// Runs the call as a subrequest and relays its answer. When the client leaves, the subrequest's
/// channels close, which ends its upstream call.
///
/// # Errors
/// When the client is gone.
pub(super) async fn delegate(session: &mut Session, ctx: &mut Ctx, admitted: Box<Admitted>) -> Result<bool> {
    let (tx, mut rx) = spawn(session, ctx, admitted)?;
    // One byte is enough to make Pingora ask our body filter for the real body.
    let _ = tx.send(HttpTask::Body(Some(Bytes::from_static(b" ")), true)).await;
    loop {
        tokio::select! {
            task = rx.recv() => if relay(session, task).await? { return Ok(true) },
            gone = session.as_mut().read_body_or_idle(true) => {
                if let Err(mut error) = gone {
                    error.esource = ErrorSource::Downstream;
                    return Err(error);
                }
            }
        }
    }
}

/// The same for a body that is still coming: it is handed on as it comes.
///
/// # Errors
/// When the client is gone.
pub(super) async fn pump(
    session: &mut Session,
    ctx: &mut Ctx,
    admitted: Box<Admitted>,
    mut source: Source,
) -> Result<bool> {
    let (tx, mut rx) = spawn(session, ctx, admitted)?;
    let mut next = None;
    let (mut all_read, mut all_sent) = (false, false);
    loop {
        // The last piece may tell that it is; nothing comes after it then.
        all_read |= session.as_mut().is_body_done();
        if next.is_none() && !all_sent {
            next = match source.next().await? {
                Some(piece) => Some(HttpTask::Body(Some(piece), false)),
                None if all_read => Some(HttpTask::Body(None, true)),
                None => None,
            };
        }
        tokio::select! {
            task = rx.recv() => if relay(session, task).await? { return Ok(true) },
            permit = tx.reserve(), if next.is_some() => match (permit, next.take()) {
                (Ok(permit), Some(task)) => {
                    all_sent = matches!(task, HttpTask::Body(None, _));
                    permit.send(task);
                }
                // It wants no more, and will say why.
                _ => all_sent = true,
            },
            piece = session.as_mut().read_body_or_idle(all_read), if next.is_none() => match piece {
                Ok(Some(piece)) if !all_sent => next = Some(HttpTask::Body(Some(piece), false)),
                Ok(Some(_)) => {}
                Ok(None) => all_read = true,
                Err(mut error) => {
                    error.esource = ErrorSource::Downstream;
                    return Err(error);
                }
            },
        }
    }
}

type Channels = (mpsc::Sender<HttpTask>, mpsc::Receiver<HttpTask>);

fn spawn(session: &mut Session, ctx: &mut Ctx, admitted: Box<Admitted>) -> Result<Channels> {
    let Some(spawner) = session.subrequest_spawner.take() else {
        return Error::e_explain(ErrorType::InternalError, "no subrequest can be made here");
    };
    let parcel: Parcel = Mutex::new(Some((ctx.arrived, admitted)));
    ctx.stage = Stage::Delegated;
    as_http_1(session.req_header_mut())?;
    let sub = SubrequestCtx::builder().body_mode(BodyMode::ExpectBody).user_ctx(Box::new(parcel)).build();
    let (prepared, handle) = spawner.create_subrequest(&session.downstream_session, sub);
    // Not awaited: it ends when its channels do, and accounts for itself.
    drop(tokio::spawn(prepared.run()));
    Ok((handle.tx, handle.rx))
}

/// Sends on what a subrequest says; whether it has said all.
async fn relay(session: &mut Session, task: Option<HttpTask>) -> Result<bool> {
    match task {
        Some(HttpTask::Header(head, _)) if head.status.is_informational() => Ok(false),
        Some(task) => session.write_response_tasks(vec![task]).await,
        None if super::respond::is_answered(session) => Ok(true),
        None => Error::e_explain(ErrorType::InternalError, "the subrequest gave no answer"),
    }
}
