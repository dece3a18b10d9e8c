//! What every call passes before anybody is asked, whichever way it goes then: who calls, what is meant, and what that
//! may take; or it is refused.

mod admit;
mod refuse;

pub(super) use admit::{Asked, admit};
pub(super) use refuse::{refuse, unread};

use super::Gateway;
use super::admission::{self, Visitor};
use super::stage::{Caller, Ctx, Refused};
use crate::domain::{CallId, EndpointKind};
use crate::runtime::Present;
use admit::text;
use http::{HeaderMap, HeaderName};
use pingora::Result;
use pingora_proxy::Session;
use std::time::SystemTime;

/// What is known of a call as it comes in.
pub(super) fn caller(
    gateway: &Gateway,
    session: &Session,
    ctx: &Ctx,
    route: &'static str,
    kind: EndpointKind,
) -> Caller {
    Caller {
        arrived: ctx.arrived,
        arrived_at: SystemTime::now(),
        call_id: call_id(&session.req_header().headers),
        route,
        kind,
        lists: kind == EndpointKind::StreamContent && !wants_events(session.req_header().uri.query()),
        trace: gateway.telemetry.tracer.begin(&session.req_header().headers),
        _in_flight: Some(gateway.telemetry.metrics.in_flight()),
    }
}

/// Whether a query asks for events (`alt=sse`).
fn wants_events(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair == "alt=sse")
}

/// Who calls; nobody, if the call is refused for it, and was told so. Google's clients (`is_googles`) may write their
/// key into the query.
pub(super) async fn visitor(
    gateway: &Gateway,
    snapshot: &Present,
    session: &mut Session,
    ctx: &mut Ctx,
    (caller, is_googles): (Caller, bool),
) -> Result<Option<(Caller, Visitor)>> {
    let query = session.req_header().uri.query().filter(|_| is_googles);
    match admission::visitor(gateway, snapshot, session, query, caller.arrived_at).await {
        Ok(visitor) => Ok(Some((caller, visitor))),
        Err((error, key_hash)) => {
            refuse(session, ctx, Refused::new(caller, error, key_hash)).await?;
            Ok(None)
        }
    }
}

fn call_id(headers: &HeaderMap) -> CallId {
    const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
    text(headers, &CALL_ID).and_then(CallId::from_client).unwrap_or_else(|| {
        let mut buffer = uuid::Uuid::encode_buffer();
        let random = fastrand::u128(..).to_ne_bytes();
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        CallId::new(id.hyphenated().encode_lower(&mut buffer))
    })
}
