//! The request as the upstream gets it: a head made from the configuration, and our own bytes.

use crate::dialects::form;
use crate::domain::ApiError;
use crate::proxy::stage::{Admitted, Attempt, Ctx, Form, Stage};
use crate::proxy::{passing, upload};
use crate::telemetry::TraceContext;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::http_req_header_to_wire;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;

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
        Form::Client | Form::Poured(_) => relayed(attempt, client)?,
    };
    let Admitted { caller, progress, .. } = &*attempt.admitted;
    tell(&mut head, caller.trace.as_deref(), progress.attempts.len())?;
    Ok(head)
}

/// The same as it goes over the wire, with room for a body of this size behind it.
pub(in crate::proxy) fn written(client: &RequestHeader, ctx: &Ctx, room: usize) -> Result<BytesMut> {
    if let Stage::Attempting(attempt) = &ctx.stage
        && is_plain(attempt, client)
    {
        let Admitted { caller, progress, .. } = &*attempt.admitted;
        let told = caller.trace.as_ref().map(|trace| trace.lines(progress.attempts.len()));
        let told = told.as_deref().unwrap_or_default();
        if let Some(head) = attempt.deployment.wire_head(caller.kind, attempt.body.len(), told) {
            return Ok(head);
        }
    }
    let head = outgoing(client, ctx)?;
    let mut head = http_req_header_to_wire(&head)
        .ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, "a head that cannot be sent"))?;
    head.reserve(room);
    Ok(head)
}

/// What is told of a trace.
const TRACED: [&str; 2] = ["traceparent", "tracestate"];

/// Whether the deployment's head is sent as it is, but for what is told of a trace.
fn is_plain(attempt: &Attempt, client: &RequestHeader) -> bool {
    let Admitted { caller, errand, request, .. } = &*attempt.admitted;
    let has = |name: &&str| client.headers.contains_key(*name);
    matches!(attempt.form, Form::Client)
        && (caller.trace.is_none() || !TRACED.iter().any(|name| attempt.deployment.sets_header(name)))
        && errand.is_none()
        && !caller.kind.is_media()
        && request.form().is_none()
        && !caller.inbound().relayed_headers().iter().any(has)
}

fn relayed(attempt: &Attempt, client: &RequestHeader) -> Result<RequestHeader> {
    let kind = attempt.admitted.caller.kind;
    let Some(mut head) = attempt.deployment.head(kind, attempt.body.len()) else {
        return Error::e_explain(ErrorType::InternalError, "the deployment does not offer this API");
    };
    if let Some(errand) = &attempt.admitted.errand
        && let Some(path) = &errand.path
    {
        return attempt.deployment.errand_head(errand.method(), path, &errand.query);
    }
    if kind.is_media() {
        // What comes back need not be JSON.
        head.insert_header(ACCEPT, HeaderValue::from_static("*/*"))?;
    }
    if let Some(form) = attempt.admitted.request.form() {
        head.insert_header(CONTENT_TYPE, form::content_type(form.boundary()))?;
    }
    if let (Form::Poured(pour), Some(upload)) = (&attempt.form, &attempt.admitted.upload) {
        match upload.length() {
            Some(length) => head.insert_header(CONTENT_LENGTH, pour.length(length))?,
            None => {
                head.remove_header(&CONTENT_LENGTH);
                head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
            }
        }
    }
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
fn tell(head: &mut RequestHeader, trace: Option<&TraceContext>, attempt: usize) -> Result<()> {
    for (name, value) in trace.into_iter().flat_map(|trace| trace.headers(attempt)) {
        head.insert_header(name, value)?;
    }
    Ok(())
}

/// Pingora's `request_body_filter`: whatever it replays is replaced by the attempt's body; an upload passes, changed on
/// its way.
pub(in crate::proxy) fn body(body: &mut Option<Bytes>, end: bool, ctx: &mut Ctx) -> Result<()> {
    if let Stage::Passing(passing) = &mut ctx.stage {
        return passing::body(passing, body, end).map_err(|error| give_up(ctx, error));
    }
    if let Some(attempt) = ctx.stage.attempt()
        && let (Form::Poured(pour), Some(upload)) = (&mut attempt.form, &mut attempt.admitted.upload)
    {
        return match upload.pour(pour, body, end) {
            Ok(()) => Ok(()),
            Err(error) => Err(give_up(ctx, error)),
        };
    }
    match &mut ctx.stage {
        Stage::Attempting(attempt) => {
            if !end {
                // Nothing at all would be the end.
                *body = Some(Bytes::new());
                return Ok(());
            }
            // Handed over: whoever is asked after a failure is asked anew.
            *body = Some(std::mem::take(&mut attempt.body)).filter(|body| !body.is_empty());
            if let Some(ticket) = &mut attempt.quota {
                ticket.sent();
            }
        }
        // An upload whose answer is known already: the rest is for nobody.
        Stage::Refused(_) => *body = Some(Bytes::new()),
        _ => {}
    }
    Ok(())
}

/// The upload turns out to be one that is not taken. What has begun to be answered is cut short.
fn give_up(ctx: &mut Ctx, error: ApiError) -> Box<Error> {
    let fault = upload::unusable(&error);
    ctx.stage = match ctx.take() {
        Stage::Attempting(attempt) => {
            let deployment = Arc::clone(&attempt.deployment);
            Stage::Refused(Box::new(attempt.close(None, 0).refuse(error, Some(deployment))))
        }
        Stage::Passing(passing) => passing::end_with(passing, error),
        other => other,
    };
    fault.into_down()
}
