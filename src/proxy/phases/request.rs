//! A request came in: who is calling, what is asked, and may it be served.

use crate::auth::{self, Claim, Principal};
use crate::dialects::openai::request as openai;
use crate::domain::{ApiError, CallId, EndpointKind, ErrorKind};
use crate::endpoints::{self, Match};
use crate::proxy::body::{self, Body};
use crate::proxy::phases::upstream_peer;
use crate::proxy::stage::{Admitted, Caller, Controls, Ctx, Progress, Refused, Stage};
use crate::proxy::{Gateway, respond};
use crate::runtime::Snapshot;
use http::{HeaderMap, HeaderName, Method};
use pingora::Result;
use pingora_proxy::Session;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// A client's idle connection is kept for so many seconds.
const KEEP_ALIVE_SECONDS: u64 = 75;

/// Pingora's `request_filter`: true when the answer was sent from here.
pub(in crate::proxy) async fn run(gateway: &Gateway, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
    // An answer is held by sending an informational head that must not reach the client.
    session.as_mut().set_ignore_info_resp(true);
    if body::adopt(session, ctx).await? {
        return Ok(false);
    }
    keep_alive(gateway, session);
    let path = session.req_header().uri.path().to_owned();
    match endpoints::find(&path) {
        Some(found) if session.req_header().method == Method::POST => {
            model_call(gateway, session, ctx, found).await
        }
        _ => respond::from_control(gateway, session).await,
    }
}

fn keep_alive(gateway: &Gateway, session: &mut Session) {
    if gateway.draining.load(Ordering::Relaxed) {
        session.set_keepalive(None);
    } else if session.as_mut().get_keepalive().is_some() {
        session.set_keepalive(Some(KEEP_ALIVE_SECONDS));
    }
}

async fn model_call(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    found: Match<'_>,
) -> Result<bool> {
    let snapshot = gateway.runtime.load();
    let caller = Caller {
        arrived: ctx.arrived,
        arrived_at: SystemTime::now(),
        call_id: call_id(&session.req_header().headers),
        route: found.route,
        kind: found.kind,
        _in_flight: gateway.telemetry.metrics.in_flight(),
    };
    let key_header = snapshot.config.server.key_header.as_deref();
    let presented = auth::presented(&session.req_header().headers, key_header);
    let claim = snapshot.verifier.check(presented);
    let principal = match claim {
        Ok(Claim::Known(principal)) => Ok(principal),
        Ok(Claim::Virtual(candidate)) => gateway.directory.principal(&candidate).await,
        Err(error) => Err(error),
    };
    let principal = match principal {
        Ok(principal) => principal,
        Err(error) => return refuse(session, ctx, Refused::new(caller, error, None)).await,
    };
    let limit = snapshot.config.server.max_body_bytes;
    let (bytes, replayable) = match body::read(session, limit).await {
        Ok(Body::Replayable(bytes)) => (bytes, true),
        Ok(Body::Unreplayable(bytes)) => (bytes, false),
        Ok(Body::TooLarge) => {
            let error = ApiError::new(ErrorKind::TooLarge, too_large(limit));
            return refuse(session, ctx, Refused::new(caller, error, Some(principal.key_hash))).await;
        }
        Err(error) => {
            ctx.stage = Stage::Refused(Box::new(Refused::gone(caller, Some(principal.key_hash))));
            return Err(error.into_down());
        }
    };
    let headers = &session.req_header().headers;
    let admitted = admit(caller, snapshot, principal, openai::read(found.kind, bytes), found.model, headers);
    // Refused from here, a client keeps its connection.
    let admitted = admitted.and_then(|admitted| match upstream_peer::nobody(&admitted) {
        Some(error) => Err(Box::new(admitted.refuse(error, None))),
        None => Ok(admitted),
    });
    match admitted {
        Err(refused) => refuse(session, ctx, *refused).await,
        Ok(admitted) if replayable => {
            ctx.stage = Stage::Admitted(admitted);
            Ok(false)
        }
        Ok(admitted) => body::delegate(session, ctx, admitted).await,
    }
}

/// Everything that can be said of a call without asking anyone.
fn admit(
    caller: Caller,
    snapshot: Arc<Snapshot>,
    principal: Principal,
    request: std::result::Result<openai::Request, ApiError>,
    path_model: Option<Cow<'_, str>>,
    headers: &HeaderMap,
) -> std::result::Result<Box<Admitted>, Box<Refused>> {
    let body_model = request.as_ref().ok().and_then(openai::Request::model);
    let requested: Arc<str> = Arc::from(path_model.as_deref().or(body_model).unwrap_or_default());
    let found = request.and_then(|request| {
        let resolution = snapshot.resolve(&requested).filter(|_| !requested.is_empty());
        resolution.map(|r| (request, r)).ok_or_else(|| unknown_model(&snapshot, caller.kind, &requested))
    });
    match found {
        Ok((request, resolution)) => {
            let controls = controls(headers, &request);
            let progress = Progress::default();
            Ok(Box::new(Admitted {
                caller,
                snapshot,
                principal,
                request,
                requested,
                resolution,
                controls,
                progress,
            }))
        }
        Err(error) => {
            let refused = Refused::new(caller, error, Some(principal.key_hash));
            Err(Box::new(Refused { requested, ..refused }))
        }
    }
}

/// Answers with an error now; `logging` accounts for it.
async fn refuse(session: &mut Session, ctx: &mut Ctx, refused: Refused) -> Result<bool> {
    let unread = body::is_unread(session);
    let written = respond::refusal(session, &refused).await;
    ctx.stage = Stage::Refused(Box::new(refused));
    written?;
    if unread {
        body::drain(session).await;
    }
    Ok(true)
}

fn too_large(limit: usize) -> String {
    format!("Request body is too large: the limit is {limit} bytes.")
}

fn unknown_model(snapshot: &Snapshot, kind: EndpointKind, requested: &str) -> ApiError {
    let name = if requested.is_empty() { "None" } else { requested };
    let words = if snapshot.has_wildcard() {
        format!(
            "litellm.BadRequestError: You passed in model={name}. There are no healthy deployments for this \
             model. Received Model Group={name}\nAvailable Model Group Fallbacks=None"
        )
    } else {
        format!(
            "{}: Invalid model name passed in model={name}. Call `/v1/models` to view available models for \
             your key.",
            kind.upstream_path()
        )
    };
    ApiError::new(ErrorKind::UnknownModel, words)
}

fn call_id(headers: &HeaderMap) -> CallId {
    const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
    text(headers, &CALL_ID).and_then(CallId::from_client).unwrap_or_else(|| {
        let mut buffer = uuid::Uuid::encode_buffer();
        CallId::new(uuid::Uuid::new_v4().hyphenated().encode_lower(&mut buffer))
    })
}

/// A header beats the body.
fn controls(headers: &HeaderMap, request: &openai::Request) -> Controls {
    const RETRIES: HeaderName = HeaderName::from_static("x-litellm-num-retries");
    const TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-timeout");
    const STREAM_TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-stream-timeout");
    let body = request.controls();
    Controls {
        num_retries: text(headers, &RETRIES).and_then(|n| n.parse().ok()).or(body.num_retries),
        timeout: seconds(headers, &TIMEOUT).or(body.timeout),
        stream_timeout: seconds(headers, &STREAM_TIMEOUT).or(body.stream_timeout),
    }
}

fn seconds(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let seconds: f64 = text(headers, name)?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
