//! The answer that nobody was asked for.

use crate::dialects::mock;
use crate::domain::EndpointKind;
use crate::proxy::Gateway;
use crate::proxy::phases::{response_body, upstream_response};
use crate::proxy::stage::{Attempt, Ctx, Stage};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

/// Whether the attempt under way is one that asks nobody.
pub(in crate::proxy) fn is_due(ctx: &Ctx) -> bool {
    matches!(&ctx.stage, Stage::Attempting(attempt) if attempt.mock.is_some())
}

/// Gives the answer, as if an upstream had.
///
/// # Errors
/// When the client is gone.
pub(in crate::proxy) async fn run(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
    let Stage::Attempting(attempt) = &ctx.stage else { return Ok(()) };
    let (kind, body) = written(attempt);
    let mut head = ResponseHeader::build_no_case(200, Some(1))?;
    head.insert_header(CONTENT_TYPE, kind)?;
    upstream_response::receive(gateway, &head, ctx)?;
    let relays = matches!(ctx.stage, Stage::Relaying(_));
    if relays {
        upstream_response::send(session, &mut head, ctx)?;
        session.write_response_header(Box::new(head), false).await.map_err(|error| error.into_down())?;
    }
    let mut piece = Some(body);
    response_body::run(gateway, &mut piece, true, ctx)?;
    if relays {
        session.write_response_body(piece, true).await.map_err(|error| error.into_down())?;
    }
    Ok(())
}

/// The answer in the client's own words, with its media type.
fn written(attempt: &Attempt) -> (&'static str, Bytes) {
    let admitted = &attempt.admitted;
    let text = attempt.mock.as_deref().unwrap_or_default();
    let (inbound, given) = (admitted.caller.inbound(), admitted.given());
    let stream = admitted.request.stream();
    let kind = if stream { "text/event-stream" } else { "application/json" };
    let body = match admitted.caller.kind {
        EndpointKind::Completions => mock::completion(text, stream, &given),
        _ if stream => mock::events(text, inbound, given),
        _ => mock::whole(text, inbound, &given),
    };
    (kind, body)
}
