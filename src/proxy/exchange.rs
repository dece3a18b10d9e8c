//! Asking an upstream for a whole answer by the short way.
//!
//! Pingora relays each direction as it comes, through channels and a phase for each piece. A call whose body is at
//! hand and whose answer is held until its end needs none of it: head and body leave in one write, and the answer is
//! read. What is asked, what an answer means, and what follows a failure is decided by the phases here as there;
//! streams, and bodies that may block while they are sent, go Pingora's way.

use super::Gateway;
use super::phases::{failure, response_body, upstream_peer, upstream_request, upstream_response};
use super::stage::{Admitted, Ctx, Stage};
use super::waiting::while_client_stays;
use crate::proxy::mock::{self, play};
use crate::upstream::wire::{Outgoing, Wire};
use crate::upstream::{Patience, Route};
use bytes::Bytes;
use pingora::Result;
use pingora::protocols::Stream;
use pingora_proxy::Session;
use std::pin::pin;

/// Longer bodies are sent while the answer is watched for, as an upstream may refuse one before it has read it.
pub(super) const LONGEST: usize = 128 * 1024;
/// A body up to this size is copied behind its head, in bytes; a longer one is written after it.
const COPIED: usize = 16 * 1024;

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
        match attempt(gateway, wire, session, ctx).await {
            Ok(()) => return Ok(true),
            Err(error) if error.retry() => {}
            Err(error) => return Err(error),
        }
    }
}

async fn attempt(gateway: &Gateway, wire: &Wire, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
    upstream_peer::begin(gateway, session, ctx).await?;
    if play::is_due(ctx) {
        return play::run(gateway, session, ctx).await;
    }
    let (route, patience) = upstream_peer::route(gateway, ctx)?;
    let kept = wire.kept(&route);
    let reused = kept.is_some();
    let stream = match kept {
        Some(stream) => stream,
        None => {
            let peer = upstream_peer::peer(ctx, route.clone(), patience)?;
            // Seldom needed and large: on the heap, so that it is not part of every call.
            match while_client_stays(session, Box::pin(wire.connect(&peer))).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Err(failure::connecting(gateway, ctx, error)),
                Err(left) => return Err(failure::proxying(gateway, ctx, left, false)),
            }
        }
    };
    let call = Call { gateway, wire, route, patience };
    let answered = call.through(stream, session, ctx).await;
    answered.map_err(|error| failure::proxying(gateway, ctx, error, reused))
}

/// An attempt that has its connection.
struct Call<'a> {
    gateway: &'a Gateway,
    wire: &'a Wire,
    route: Route,
    patience: Patience,
}

impl Call<'_> {
    async fn through(self, stream: Stream, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        let request = outgoing(session, ctx)?;
        let mut answer = while_client_stays(session, pin!(request.send(stream, self.patience))).await??;
        upstream_response::receive(self.gateway, &answer.head, ctx)?;
        let relays = matches!(ctx.stage, Stage::Relaying(_));
        if relays {
            let mut head = answer.head.clone();
            upstream_response::send(session, &mut head, ctx)?;
            session.write_response_header(Box::new(head), false).await.map_err(|error| error.into_down())?;
        }
        while ctx.stage.takes_body() {
            let mut piece = while_client_stays(session, pin!(answer.read())).await??;
            let end = answer.is_done();
            let taken = response_body::run(self.gateway, &mut piece, end, ctx);
            if end {
                self.wire.release(self.route, answer);
                taken?;
                return if relays { write(session, piece, true).await } else { Ok(()) };
            }
            taken?;
            if relays {
                write(session, piece, false).await?;
            }
        }
        self.wire.release(self.route, answer);
        Ok(())
    }
}

async fn write(session: &mut Session, piece: Option<Bytes>, end: bool) -> Result<()> {
    session.write_response_body(piece, end).await.map_err(|error| error.into_down())
}

/// The request of the attempt that is under way.
fn outgoing(session: &Session, ctx: &mut Ctx) -> Result<Outgoing> {
    let mut first = upstream_request::written(session.req_header(), ctx, COPIED)?;
    let mut body = None;
    upstream_request::body(&mut body, true, ctx)?;
    let mut rest = body.unwrap_or_default();
    if rest.len() <= COPIED {
        first.extend_from_slice(&rest);
        rest = Bytes::new();
    }
    Ok(Outgoing { first, rest })
}
