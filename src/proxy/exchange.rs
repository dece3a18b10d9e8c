//! Asking an upstream for a whole answer by the short way.
//!
//! Pingora relays each direction as it comes, through channels and a phase for each piece. A call whose body is at
//! hand and whose answer is held until its end needs none of it: head and body leave in one write, and the answer is
//! read. What is asked, what an answer means, and what follows a failure is decided by the phases here as there;
//! streams, and bodies that may block while they are sent, go Pingora's way.

use super::phases::upstream_peer::while_client_stays;
use super::phases::{failure, response_body, upstream_peer, upstream_request, upstream_response};
use super::stage::{Admitted, Ctx, Stage};
use super::{Gateway, UPSTREAM_POOL, mock};
use bytes::{Bytes, BytesMut};
use once_cell::sync::OnceCell;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::prelude::HttpPeer;
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::{HttpSession, http_req_header_to_wire};
use pingora::upstreams::peer::Peer;
use pingora::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;
use std::pin::pin;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Longer bodies are sent while the answer is watched for, as an upstream may refuse one before it has read it.
pub(super) const LONGEST: usize = 128 * 1024;
/// A body up to this size is copied behind its head, in bytes; a longer one is written after it.
const COPIED: usize = 16 * 1024;
/// So many interim answers are passed over.
const INTERIM: usize = 16;

/// One data-plane thread's connections for whole answers.
#[derive(Default)]
pub(super) struct Wire(OnceCell<TransportConnector>);

impl Wire {
    /// Made when it is needed first: it reads the trusted certificates.
    fn connector(&self) -> &TransportConnector {
        self.0.get_or_init(|| TransportConnector::new(Some(ConnectorOptions::new(UPSTREAM_POOL))))
    }
}

/// Whether a call can go this way.
pub(super) fn suits(admitted: &Admitted) -> bool {
    // What nobody is asked for has no other way.
    mock::may_be(admitted) || (!admitted.request.stream() && admitted.request.body().len() <= LONGEST)
}

/// Asks one deployment after the other until the call has an answer, or is refused; `logging` sends either.
///
/// # Errors
/// When the client left, and when it has the beginning of an answer that broke off.
pub(super) async fn run(
    gateway: &Gateway,
    wire: &Wire,
    session: &mut Session,
    ctx: &mut Ctx,
) -> Result<bool> {
    loop {
        match attempt(gateway, wire.connector(), session, ctx).await {
            Ok(()) => return Ok(true),
            Err(error) if error.retry() => {}
            Err(error) => return Err(error),
        }
    }
}

async fn attempt(
    gateway: &Gateway,
    connector: &TransportConnector,
    session: &mut Session,
    ctx: &mut Ctx,
) -> Result<()> {
    upstream_peer::begin(gateway, session, ctx).await?;
    if mock::is_due(ctx) {
        return mock::play(gateway, session, ctx).await;
    }
    let peer = upstream_peer::peer(gateway, ctx)?;
    let kept = connector.reused_stream(&*peer).await;
    let reused = kept.is_some();
    let stream = match kept {
        Some(stream) => stream,
        // Seldom needed and large: on the heap, so that it is not part of every call.
        None => match while_client_stays(session, Box::pin(connector.new_stream(&*peer))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(failure::connecting(gateway, ctx, error)),
            Err(left) => return Err(failure::proxying(gateway, ctx, left, false)),
        },
    };
    let call = Call { gateway, connector, peer: &peer };
    let answered = call.through(stream, session, ctx).await;
    answered.map_err(|error| failure::proxying(gateway, ctx, error, reused))
}

/// An attempt that has its connection.
struct Call<'a> {
    gateway: &'a Gateway,
    connector: &'a TransportConnector,
    peer: &'a HttpPeer,
}

impl Call<'_> {
    async fn through(&self, stream: Stream, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        let request = Outgoing::new(session, ctx)?;
        let mut answer = while_client_stays(session, pin!(request.send(stream, self.peer))).await??;
        let head = answer.session.resp_header().ok_or_else(|| Error::new_up(ErrorType::InvalidHTTPHeader))?;
        upstream_response::receive(self.gateway, head, ctx)?;
        let relays = matches!(ctx.stage, Stage::Relaying(_));
        if relays {
            let mut head = head.clone();
            upstream_response::send(session, &mut head, ctx)?;
            session.write_response_header(Box::new(head), false).await.map_err(|error| error.into_down())?;
        }
        while ctx.stage.takes_body() {
            let mut piece = while_client_stays(session, pin!(answer.read())).await??;
            let end = answer.session.is_body_done();
            let taken = response_body::run(self.gateway, &mut piece, end, ctx);
            if end {
                self.release(answer).await;
                taken?;
                return if relays { write(session, piece, true).await } else { Ok(()) };
            }
            taken?;
            if relays {
                write(session, piece, false).await?;
            }
        }
        self.release(answer).await;
        Ok(())
    }

    /// Keeps the connection for another call, if its upstream does.
    async fn release(&self, mut answer: Answer) {
        if !answer.is_asked_whole {
            return;
        }
        answer.session.respect_keepalive();
        if let Some(stream) = answer.session.reuse().await {
            self.connector.release_stream(stream, self.peer.reuse_hash(), self.peer.idle_timeout());
        }
    }
}

async fn write(session: &mut Session, piece: Option<Bytes>, end: bool) -> Result<()> {
    session.write_response_body(piece, end).await.map_err(|error| error.into_down())
}

/// A request as it goes over the wire.
struct Outgoing {
    /// The head, and a short body.
    first: BytesMut,
    /// A longer body.
    rest: Bytes,
}

impl Outgoing {
    fn new(session: &Session, ctx: &mut Ctx) -> Result<Self> {
        let head = upstream_request::outgoing(session.req_header(), ctx)?;
        let mut first = http_req_header_to_wire(&head)
            .ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, "a head that cannot be sent"))?;
        let mut body = None;
        upstream_request::body(&mut body, true, ctx)?;
        let mut rest = body.unwrap_or_default();
        if rest.len() <= COPIED {
            first.extend_from_slice(&rest);
            rest = Bytes::new();
        }
        Ok(Self { first, rest })
    }

    /// Sends it and waits for the head of the answer. An upstream that closes before it has all may have said why.
    async fn send(self, mut stream: Stream, peer: &HttpPeer) -> Result<Answer> {
        let sent = self.write(&mut stream, peer.options.write_timeout).await;
        let mut session = HttpSession::new_with_options(stream, peer);
        session.read_timeout = peer.options.read_timeout;
        let head = read_head(&mut session).await;
        match sent {
            Err(fault) if head.is_err() => Err(fault),
            sent => head.map(|()| Answer { session, is_asked_whole: sent.is_ok() }),
        }
    }

    async fn write(&self, stream: &mut Stream, limit: Option<Duration>) -> Result<()> {
        let writing = async {
            stream.write_all(&self.first).await?;
            if !self.rest.is_empty() {
                stream.write_all(&self.rest).await?;
            }
            stream.flush().await
        };
        match limit {
            None => writing.await.or_err(ErrorType::WriteError, "while the request was sent"),
            Some(limit) => match tokio::time::timeout(limit, writing).await {
                Ok(written) => written.or_err(ErrorType::WriteError, "while the request was sent"),
                Err(_) => Error::e_explain(ErrorType::WriteTimedout, "while the request was sent"),
            },
        }
    }
}

async fn read_head(session: &mut HttpSession) -> Result<()> {
    for _ in 0..INTERIM {
        session.read_response().await?;
        if session.get_status().is_some_and(|status| !status.is_informational()) {
            return Ok(());
        }
    }
    Error::e_explain(ErrorType::InvalidHTTPHeader, "too many interim answers")
}

/// An answer of which the head is read.
struct Answer {
    session: HttpSession,
    is_asked_whole: bool,
}

impl Answer {
    async fn read(&mut self) -> Result<Option<Bytes>> {
        if self.session.is_body_done() { Ok(None) } else { self.session.read_body_bytes().await }
    }
}
