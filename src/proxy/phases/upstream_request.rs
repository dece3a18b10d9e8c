//! The request as the upstream gets it: a head made from the configuration, and our own bytes.

use crate::proxy::passing;
use crate::proxy::stage::{Admitted, Attempt, Ctx, Form, Stage};
use crate::telemetry::Trace;
use bytes::Bytes;
use http::HeaderValue;
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};

/// Pingora's `upstream_request_filter`: replaces the client's head altogether, so that nothing a
/// client wrote into it (credentials least of all) goes upstream.
pub(in crate::proxy) fn head(request: &mut RequestHeader, ctx: &Ctx) -> Result<()> {
    if let Stage::Passing(passing) = &ctx.stage {
        passing::upstream_head(passing, request)?;
        return tell(request, passing.caller.trace.as_deref(), 0);
    }
    *request = outgoing(request, ctx)?;
    Ok(())
}

/// The head of the attempt that is under way, for a client that sent this one.
pub(in crate::proxy) fn outgoing(client: &RequestHeader, ctx: &Ctx) -> Result<RequestHeader> {
    let Stage::Attempting(attempt) = &ctx.stage else {
        return Error::e_explain(ErrorType::InternalError, "no attempt is under way");
    };
    let mut head = match &attempt.form {
        Form::Own(head) | Form::Placed(head) => (**head).clone(),
        Form::Client => relayed(attempt, client)?,
    };
    let Admitted { caller, progress, .. } = &*attempt.admitted;
    tell(&mut head, caller.trace.as_deref(), progress.attempts.len())?;
    Ok(head)
}

fn relayed(attempt: &Attempt, client: &RequestHeader) -> Result<RequestHeader> {
    let kind = attempt.admitted.caller.kind;
    let Some(mut head) = attempt.deployment.head(kind, attempt.body.len()) else {
        return Error::e_explain(ErrorType::InternalError, "the deployment does not offer this API");
    };
    for name in attempt.admitted.caller.inbound().relayed_headers() {
        // What the configuration sets stays, and a list of words can hold no harm.
        let value = client.headers.get(*name).filter(|value| is_word_list(value));
        if let Some(value) = value
            && !attempt.deployment.sets_header(name)
        {
            head.insert_header(*name, value.clone())?;
        }
    }
    Ok(head)
}

/// Letters, digits and dashes, with commas between.
fn is_word_list(value: &HeaderValue) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b',' | b' ');
    value.len() <= LONGEST_LIST && value.as_bytes().iter().all(plain)
}

const LONGEST_LIST: usize = 1024;

/// Tells the upstream which trace its work is part of, if it is to be told.
fn tell(head: &mut RequestHeader, trace: Option<&Trace>, attempt: usize) -> Result<()> {
    for (name, value) in trace.into_iter().flat_map(|trace| trace.headers(attempt)) {
        head.insert_header(name, value)?;
    }
    Ok(())
}

/// Pingora's `request_body_filter`: whatever it replays is replaced by the attempt's body.
pub(in crate::proxy) fn body(body: &mut Option<Bytes>, end: bool, ctx: &mut Ctx) {
    if let Stage::Passing(passing) = &ctx.stage {
        return passing::body(passing, body, end);
    }
    if let Stage::Attempting(attempt) = &mut ctx.stage {
        *body = end.then(|| attempt.body.clone());
        if let Some(ticket) = attempt.quota.as_mut().filter(|_| end) {
            ticket.sent();
        }
    }
}
