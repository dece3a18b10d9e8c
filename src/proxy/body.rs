//! Reading a request body whole, although Pingora forgets a body that was read before proxying.
//!
//! Pingora sends a body upstream only if its own 64 KiB retry buffer holds something. So that buffer
//! is switched on for the last 64 KiB only, and `request_body_filter` puts our bytes in the place of
//! what Pingora replays. Where the length is unknown and the body is larger, the buffer cannot be
//! used at all: the call re-enters the proxy as a subrequest that carries the body in its context and
//! a single byte on the wire.

use crate::domain::{ApiError, ErrorKind};
use crate::runtime::Snapshot;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::time::{Duration, Instant};

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

/// The time that a client has to send a body: as much as is configured, and a second for each [`SLOWEST`] bytes that have
/// come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
    patience: Duration,
    received: u64,
}

/// Bytes a second, of a body that may take longer than is configured.
const SLOWEST: u64 = 16 * 1024;

impl Clock {
    /// For a request that came in then.
    pub(super) fn of(began: Instant, snapshot: &Snapshot) -> Self {
        Self { began, patience: snapshot.config.server.body_timeout, received: 0 }
    }

    /// More has come.
    pub(super) const fn came(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// When the time is over; `None` is never.
    fn end(&self) -> Option<Instant> {
        let more = Duration::from_secs(self.received / SLOWEST);
        self.began.checked_add(self.patience.saturating_add(more)).filter(|_| !self.patience.is_zero())
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        self.end().is_some_and(|end| Instant::now() >= end)
    }

    /// Returns when the time is over.
    pub(super) async fn over(&self) {
        match self.end() {
            Some(end) => tokio::time::sleep_until(end.into()).await,
            None => std::future::pending().await,
        }
    }

    /// The next bytes of a body; `None` at its end.
    ///
    /// # Errors
    /// When the client breaks off, or its time is over.
    pub(super) async fn next(&mut self, session: &mut Session) -> Result<Option<Bytes>> {
        let reading = session.as_mut().read_request_body();
        let read = match self.end() {
            None => reading.await,
            Some(end) => tokio::time::timeout_at(end.into(), reading).await.unwrap_or_else(|_| late()),
        };
        if let Ok(Some(piece)) = &read {
            self.came(piece.len());
        }
        read
    }
}

/// A client's time is over.
///
/// # Errors
/// Always.
pub(super) fn late<T>() -> Result<T> {
    Error::e_explain(ErrorType::ReadTimedout, "the body came too slowly")
}

/// What to tell a client whose body could not be read, if it is still there to be told.
pub(super) fn fault(error: &Error) -> Option<ApiError> {
    (*error.etype() == ErrorType::ReadTimedout).then(too_slow)
}

/// A body that took too long.
pub(super) fn too_slow() -> ApiError {
    ApiError::new(ErrorKind::SlowBody, "The request body was not sent in time.")
}

pub(super) fn content_length(session: &Session) -> Option<usize> {
    session.get_header(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Whether everybody who reads this head sees the same end of the body: one length, or one coding, which is `chunked`.
pub(super) fn has_one_end(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (codings.next(), codings.next(), lengths.next(), lengths.next()) {
        (None, _, None, _) => true,
        (Some(coding), None, None, _) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (None, _, Some(length), None) => length.as_bytes().iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Reads the whole body.
///
/// # Errors
/// When the client breaks off or is silent for too long.
pub(super) async fn read(session: &mut Session, mut clock: Clock, limit: usize) -> Result<Body> {
    let length = content_length(session);
    if length.is_some_and(|length| length > limit) {
        return Ok(Body::TooLarge);
    }
    invite(session).await?;
    match length {
        Some(length) => read_sized(session, &mut clock, length).await.map(Body::Replayable),
        None => read_unsized(session, &mut clock, limit).await,
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
pub(super) async fn read_sized(session: &mut Session, clock: &mut Clock, length: usize) -> Result<Bytes> {
    let mut left = length;
    let mut whole = BytesMut::new();
    while left > 0 {
        if left <= REPLAYABLE {
            session.as_mut().enable_retry_buffering();
        }
        let Some(piece) = clock.next(session).await? else { break };
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

async fn read_unsized(session: &mut Session, clock: &mut Clock, limit: usize) -> Result<Body> {
    session.as_mut().enable_retry_buffering();
    let mut whole = BytesMut::new();
    while let Some(piece) = clock.next(session).await? {
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
    if !is_unread(session) {
        return;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn two_words_about_the_end_of_a_body_are_one_too_many() {
        let seen = |fields: &[(&HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            has_one_end(&headers)
        };
        let (coding, length) = (&TRANSFER_ENCODING, &CONTENT_LENGTH);
        assert!(seen(&[]) && seen(&[(coding, "Chunked")]) && seen(&[(length, "12")]));
        for fields in [
            &[(coding, "chunked"), (coding, "chunked")][..],
            &[(coding, "chunked"), (length, "12")],
            &[(length, "12"), (length, "12")],
            &[(coding, "gzip, chunked")],
            &[(length, "+1")],
            &[(length, "1, 1")],
        ] {
            assert!(!seen(fields), "{fields:?}");
        }
    }
}
