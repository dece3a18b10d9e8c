//! Calls that are answered by a text of the configuration or of their client, `mock_response`: they pass all that other
//! calls pass, and nobody is asked. They say nothing of how their deployments do.

use super::Gateway;
use super::phases::{response_body, upstream_response};
use super::stage::{Admitted, Attempt, Ctx, Stage};
use crate::dialects::mock::{self, Mock};
use crate::domain::{ApiError, EndpointKind, Failure};
use crate::upstream::Deployment;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;

/// Whether some deployment may answer so.
pub(super) fn may_be(admitted: &Admitted) -> bool {
    admitted.snapshot.has_mocks || admitted.request.mock().is_some()
}

/// What the call is answered with at this deployment, if it is not asked.
///
/// # Errors
/// What the text stands for is a failure.
pub(super) fn of(
    admitted: &Admitted,
    deployment: &Deployment,
) -> std::result::Result<Option<Arc<str>>, ApiError> {
    let own = deployment.traits.params.mock_response.as_ref();
    let Some(text) = admitted.request.mock().or(own).filter(|_| is_answered(admitted.caller.kind)) else {
        return Ok(None);
    };
    match Mock::of(text) {
        Mock::Says(_) => Ok(Some(Arc::clone(text))),
        Mock::Fails(class, words) => {
            let failure = Failure::without_answer(class, words);
            Err(ApiError::upstream(&failure, &deployment.target.provider))
        }
    }
}

/// Whether a text can be the answer.
const fn is_answered(kind: EndpointKind) -> bool {
    use EndpointKind as K;
    matches!(
        kind,
        K::ChatCompletions
            | K::Completions
            | K::Messages
            | K::Responses
            | K::GenerateContent
            | K::StreamContent
    )
}

/// Whether the attempt under way is one that asks nobody.
pub(super) fn is_due(ctx: &Ctx) -> bool {
    matches!(&ctx.stage, Stage::Attempting(attempt) if attempt.mock.is_some())
}

/// Gives the answer, as if an upstream had.
///
/// # Errors
/// When the client is gone.
pub(super) async fn play(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
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
