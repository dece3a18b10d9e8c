//! The upstream's head: is it an answer, and how will it be relayed.

use crate::dialects::gemini::List;
use crate::dialects::openai::{StreamOptions, StreamRelay};
use crate::dialects::{Flow, Translation};
use crate::domain::EndpointKind;
use crate::proxy::head;
use crate::proxy::phases::queue;
use crate::proxy::stage::{Attempt, Capture, Ctx, Form, Hold, Kept, Meter, Relay, Stage};
use crate::proxy::{Gateway, media, passing, quota};
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use smallvec::SmallVec;
use std::time::Duration;

/// A whole answer up to this size is held until its cost is known; a larger one is relayed as it comes.
const HELD: usize = 4 * 1024 * 1024;

/// Pingora's `upstream_response_filter`.
pub(in crate::proxy) fn receive(gateway: &Gateway, response: &ResponseHeader, ctx: &mut Ctx) -> Result<()> {
    // Nobody asks an upstream for another protocol here, and what follows such a head is no answer.
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "another protocol that nobody asked for");
    }
    if response.status.is_informational() {
        return Ok(());
    }
    if let Stage::Passing(passing) = &mut ctx.stage {
        passing::receive(passing, response);
        return Ok(());
    }
    let mut attempt = match ctx.take() {
        Stage::Attempting(attempt) => attempt,
        other => {
            ctx.stage = other;
            return Error::e_explain(ErrorType::InternalError, "no attempt is under way");
        }
    };
    if attempt.is_telling() {
        hear(gateway, &mut attempt, response);
    }
    let length = content_length(&response.headers);
    ctx.stage = next(attempt, response, length);
    // A refusal without a body has no body filter to end it.
    let bodiless =
        length == Some(0) || matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless && matches!(ctx.stage, Stage::Capturing(_) | Stage::Holding(_)) {
        return super::response_body::complete(gateway, ctx);
    }
    Ok(())
}

/// Takes note of what the head says of the upstream, whatever the answer is.
fn hear(gateway: &Gateway, attempt: &mut Attempt, response: &ResponseHeader) {
    quota::note(gateway, attempt, &response.headers);
    attempt.deployment.endpoint.answered();
    if attempt.quota.is_some() {
        let after = retry_after(response);
        queue::hear(attempt, response.status.as_u16(), &response.headers, after);
    }
    if response.status == StatusCode::UNAUTHORIZED {
        attempt.deployment.doubt();
    }
}

fn next(mut attempt: Box<Attempt>, response: &ResponseHeader, length: Option<usize>) -> Stage {
    let headers = &response.headers;
    let content_type = headers.get(CONTENT_TYPE).cloned();
    let is = |prefix: &[u8]| content_type.as_ref().is_some_and(|v| starts_with(v.as_bytes(), prefix));
    let translated = matches!(attempt.form, Form::Own(_));
    let kind = attempt.admitted.caller.kind;
    let is_vague =
        length.is_none() && (content_type.is_none() || is(b"text/plain")) && wants_events(&attempt);
    let streams = is_vague
        || match translated {
            true => is(attempt.deployment.traits.dialect.stream_type().as_bytes()),
            false => is(b"text/event-stream"),
        };
    // An answer that names no type is read as JSON; HTML from a proxy in between is none.
    let readable = match kind.is_media() {
        true => !is(b"text/html"),
        false => streams || content_type.is_none() || is(b"application/"),
    };
    if !response.status.is_success() || !readable {
        let status = response.status.as_u16();
        let retry_after = retry_after(response);
        return Stage::Capturing(Box::new(Capture { attempt, status, retry_after, body: BytesMut::new() }));
    }
    let passed = head::passed(headers, &attempt.deployment);
    // The type is that of the client's dialect; a translation needs all of an answer.
    let lists = streams && attempt.admitted.caller.lists;
    let content_type = match (translated, streams) {
        _ if lists => None,
        (false, _) if !is_vague => content_type,
        (_, true) => Some(HeaderValue::from_static("text/event-stream")),
        _ => None,
    };
    let content_type = match kind {
        EndpointKind::Speech if content_type.is_none() => {
            Some(HeaderValue::from_static(media::spoken_type(&attempt.admitted)))
        }
        _ => content_type,
    };
    // What is spoken is heard as it comes.
    if !streams && kind != EndpointKind::Speech && (translated || length.is_none_or(|length| length <= HELD))
    {
        let (pieces, size, answer) = (SmallVec::new(), 0, None);
        return Stage::Holding(Box::new(Hold { attempt, passed, content_type, pieces, size, answer }));
    }
    attempt.begun();
    let (meter, kept) = (meter(&attempt, streams), kept(&attempt, streams));
    let has_won = attempt.admitted.resolution.group.hedge.is_none();
    attempt.admitted.forget_body();
    Stage::Relaying(Box::new(Relay {
        attempt,
        passed,
        content_type,
        meter,
        kept,
        list: lists.then(List::default),
        first_token: None,
        upstream_end: None,
        interrupted: None,
        next_top_up: 0,
        complete: false,
        client_gone: false,
        has_won,
    }))
}

/// Whether an answer is a stream though nothing calls it one: one of a model that was asked for it.
fn wants_events(attempt: &Attempt) -> bool {
    attempt.admitted.request.stream() && !attempt.admitted.caller.kind.is_media()
}

/// How this stream becomes the client's.
fn flow(attempt: &Attempt) -> Flow {
    let caller = &attempt.admitted.caller;
    if let Form::Own(_) = attempt.form {
        let decoder = attempt.deployment.traits.dialect.decoder();
        let encoder = caller.inbound().encoder(attempt.admitted.given());
        return Flow::Translated(Box::new(Translation::new(decoder, encoder)));
    }
    match caller.kind {
        EndpointKind::Messages => Flow::Anthropic(Box::default()),
        EndpointKind::Responses => Flow::Responses(Box::default()),
        kind if kind.is_googles() => Flow::Gemini(Box::default()),
        _ => Flow::OpenAi(StreamRelay::new(stream_options(attempt))),
    }
}

/// How an answer under way is read.
fn meter(attempt: &Attempt, streams: bool) -> Meter {
    if streams && !attempt.admitted.caller.kind.is_media() {
        Meter::Stream(flow(attempt))
    } else {
        Meter::Tail { of_events: streams, tail: BytesMut::new(), size: 0 }
    }
}

/// How what a stream says is kept, if it is to be. Of two APIs the streams are not read here.
fn kept(attempt: &Attempt, streams: bool) -> Option<Kept> {
    let (admitted, kind) = (&attempt.admitted, attempt.admitted.caller.kind);
    if !streams || kind.is_media() || !admitted.snapshot.config.spending.ledger.keeps_content {
        return None;
    }
    let is_read = matches!(attempt.form, Form::Own(_))
        || !matches!(kind, EndpointKind::Responses | EndpointKind::Completions);
    Some(Kept::new(is_read.then(|| attempt.deployment.traits.dialect.decoder())))
}

fn stream_options(attempt: &Attempt) -> StreamOptions {
    let admitted = &attempt.admitted;
    StreamOptions {
        rename_to: admitted.shown_model(&attempt.deployment.traits.model).cloned(),
        strip_usage: !admitted.request.asks_usage(),
    }
}

/// Pingora's `response_filter`: the head that the client gets. A held or captured answer has its head
/// turned into an informational one, which the session was told to ignore: the real head follows
/// from `logging`, or another attempt does.
pub(in crate::proxy) fn send(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut Ctx,
) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    match &mut ctx.stage {
        Stage::Relaying(relay) if relay.attempt.admitted.progress.begun => {
            response.set_status(StatusCode::PROCESSING)
        }
        Stage::Relaying(relay) => {
            *response = head::relayed(session, relay);
            Ok(())
        }
        Stage::Passing(passing) => passing::respond(passing, session, response),
        _ => response.set_status(StatusCode::PROCESSING),
    }
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// `Retry-After` in seconds or as a date; of a 429 without one, when the quota is back.
fn retry_after(response: &ResponseHeader) -> Option<Duration> {
    let said = response.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let limited =
        || (response.status == StatusCode::TOO_MANY_REQUESTS).then(|| quota::told(&response.headers));
    said.and_then(|value| wait(value.trim())).or_else(|| limited()?.refused_for())
}

fn wait(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(value).ok()?;
    at.duration_since(std::time::SystemTime::now()).ok()
}
