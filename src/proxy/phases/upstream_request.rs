//! The request as the upstream gets it: a head made from the configuration, and our own bytes.

use crate::proxy::passing;
use crate::proxy::stage::{Ctx, Stage};
use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};

/// Pingora's `upstream_request_filter`: replaces the client's head altogether, so that nothing a
/// client wrote into it (credentials least of all) goes upstream.
pub(in crate::proxy) fn head(request: &mut RequestHeader, ctx: &Ctx) -> Result<()> {
    if let Stage::Passing(passing) = &ctx.stage {
        return passing::upstream_head(passing, request);
    }
    let Stage::Attempting(attempt) = &ctx.stage else {
        return Error::e_explain(ErrorType::InternalError, "no attempt is under way");
    };
    let length = Some(attempt.body.len());
    let Some(head) = attempt.deployment.head(attempt.admitted.caller.kind, length) else {
        return Error::e_explain(ErrorType::InternalError, "the deployment does not offer this API");
    };
    *request = head;
    Ok(())
}

/// Pingora's `request_body_filter`: whatever it replays is replaced by the attempt's body.
pub(in crate::proxy) fn body(body: &mut Option<Bytes>, end: bool, ctx: &mut Ctx) {
    if let Stage::Attempting(attempt) = &mut ctx.stage {
        *body = end.then(|| attempt.body.clone());
        if let Some(ticket) = attempt.quota.as_mut().filter(|_| end) {
            ticket.sent();
        }
    }
}
