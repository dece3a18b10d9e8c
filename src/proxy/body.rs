//! Reading a request body whole, although Pingora forgets a body that was read before proxying.
//!
//! Pingora sends a body upstream only if its own 64 KiB retry buffer holds something. So that buffer
//! is switched on for the last 64 KiB only, and `request_body_filter` puts our bytes in the place of
//! what Pingora replays. Where the length is unknown and the body is larger, the buffer cannot be
//! used at all: the call re-enters the proxy as a subrequest that carries the body in its context and
//! a single byte on the wire.

use bytes::{Bytes, BytesMut};
use pingora::Result;
use pingora_proxy::Session;
use std::time::Duration;

/// What Pingora can replay.
pub(super) const REPLAYABLE: usize = 64 * 1024;
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
