//! Asking somebody who is no part of a client's call, and reading what he says up to a bound.

use bytes::{Bytes, BytesMut};
use pingora::Result;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::prelude::HttpPeer;
use std::time::Duration;

/// What is asked.
pub(super) struct Question {
    pub(super) head: RequestHeader,
    pub(super) body: Bytes,
    /// Longest answer that is read, in bytes.
    pub(super) longest: usize,
    /// Longest silence.
    pub(super) silence: Duration,
}

/// What came back.
pub(super) struct Fetched {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// Whether it was not longer than was to be read; else it is the beginning.
    pub(super) is_whole: bool,
}

/// Asks once; the connection is kept, if the answer was read to its end.
///
/// # Errors
/// Pingora's, when there is no answer or it breaks off.
pub(super) async fn fetch(connector: &Connector, peer: &HttpPeer, question: Question) -> Result<Fetched> {
    let Question { head, body, longest, silence } = question;
    let (mut session, _) = connector.get_http_session(peer).await?;
    session.set_read_timeout(Some(silence));
    session.write_request_header(Box::new(head)).await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().map_or(0, |head| head.status.as_u16());
    let mut answer = BytesMut::new();
    while let Some(piece) = session.read_response_body().await? {
        if answer.len() + piece.len() > longest {
            session.shutdown().await;
            return Ok(Fetched { status, body: answer.freeze(), is_whole: false });
        }
        answer.extend_from_slice(&piece);
    }
    connector.release_http_session(session, peer, None).await;
    Ok(Fetched { status, body: answer.freeze(), is_whole: true })
}
