//! Calls that are passed through as they are: to a configured place, with its own credentials, unread.
//!
//! Bodies of any size stream both ways. Nothing is tried twice: what was sent on cannot be taken back. Of a provider's
//! own API, the request is read before it is sent on, for the model that it names, and its answer on its way, for what
//! it counts.

mod call;
mod ending;
mod head;
mod meter;
mod vendor;

use super::admission::{self, Denied};
use super::entry;
use super::stage::{Books, Ctx, Refused, Stage};
use super::{Gateway, body};
use crate::domain::{ApiError, ErrorKind, unix_ms};
use crate::limits::{Ask, Expected, Manner};
use crate::providers::Passage;
use crate::runtime::{Present, Snapshot};
use crate::upstream::Patience;
use call::Who;
use http::Method;
use pingora::prelude::HttpPeer;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub(super) use call::{Found, Passing};
pub(super) use ending::{book, end_with, finish, record};
pub(super) use head::{receive, request as upstream_head, respond};
pub(super) use vendor::{body, seen};

/// The pattern that metrics and logs know these calls by.
pub(super) const ROUTE: &str = "/{pass_through}";

/// Finds the pass-through endpoint that is asked for.
pub(super) fn find(snapshot: &Snapshot, session: &Session) -> Option<Found> {
    let uri = &session.req_header().uri;
    let (passage, endpoint, below) = snapshot.passage(uri.path())?;
    let path = passage.at_target(below);
    let path = if path.is_empty() { "/" } else { path.as_str() };
    let query = match &passage.vendor {
        Some(_) => uri.query().map(vendor::query).filter(|query| !query.is_empty()),
        None => uri.query().map(str::to_owned),
    };
    let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    Some(Found { passage: Arc::clone(passage), endpoint: Arc::clone(endpoint), target })
}

/// Lets a call begin, or answers why not.
pub(super) async fn start(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    snapshot: Present,
    found: Found,
) -> Result<bool> {
    let caller = entry::caller(gateway, session, ctx, ROUTE, crate::domain::EndpointKind::PassThrough);
    let Found { passage, endpoint, target } = found;
    let method = &session.req_header().method;
    if !passage.methods.contains(method) {
        let error = ApiError::new(ErrorKind::MethodNotAllowed, "Method Not Allowed");
        return entry::refuse(session, ctx, Refused::new(caller, error, None)).await;
    }
    let bodiless = *method == Method::GET || *method == Method::HEAD;
    if passage.vendor.is_some() {
        return vendor::start(gateway, session, ctx, caller, snapshot, Found { passage, endpoint, target })
            .await;
    }
    let (who, books) = match admit(gateway, &snapshot, session, &passage, caller.arrived_at).await {
        Ok(admitted) => admitted,
        Err((key_hash, (error, headers))) => {
            let refused = Refused { headers, ..Refused::new(caller, error, key_hash) };
            return entry::refuse(session, ctx, refused).await;
        }
    };
    if !bodiless {
        body::invite(session).await?;
    }
    let found = Found { passage, endpoint, target };
    ctx.stage = Stage::Passing(Box::new(Passing::new(caller, snapshot, found, who, books)));
    Ok(false)
}

type Refusal = (Option<Arc<str>>, Denied);

async fn admit(
    gateway: &Gateway,
    snapshot: &Present,
    session: &Session,
    passage: &Passage,
    arrived_at: SystemTime,
) -> std::result::Result<(Option<Who>, Books), Refusal> {
    let cost = if passage.cost.is_zero() { Expected::Free } else { Expected::About(passage.cost) };
    let ask = Ask { tokens: 0, cost, manner: Manner::Decides };
    if passage.is_open {
        let from = admission::origin(gateway, session).0;
        let nobody = |error| (None, (error, Vec::new()));
        snapshot.house.lets_in(from).map_err(nobody)?;
        let gates = snapshot.house.global.iter().collect();
        let permit = admission::admit(gateway, unix_ms(arrived_at), &gates, ask).await;
        let permit = permit.map_err(|denied| (None, denied))?;
        return Ok((None, Books::Open(permit)));
    }
    let visitor = admission::visitor(gateway, snapshot, session, None, arrived_at).await;
    let visitor = visitor.map_err(|(error, key_hash)| (key_hash, (error, Vec::new())))?;
    let permit = {
        let mut gates = visitor.standing.gates(&[]);
        gates.extend(&snapshot.house.global);
        admission::admit(gateway, visitor.now, &gates, ask).await
    };
    let permit = permit.map_err(|denied| (Some(Arc::clone(&visitor.standing.key_hash)), denied))?;
    let (attribution, _) = admission::attribution(&visitor, None, None, &session.req_header().headers);
    Ok((Some(Who { standing: visitor.standing, attribution }), Books::Open(permit)))
}

/// Where the call goes.
pub(super) fn peer(passing: &mut Passing) -> Result<Box<HttpPeer>> {
    let patience = passing.snapshot.config.router.timeout;
    passing.started = Instant::now();
    let peer = passing.endpoint.peer(Patience { connect: patience, read: patience, write: Some(patience) });
    peer.ok_or_else(|| Error::explain(ErrorType::ConnectError, "the target's host name is not resolved"))
}
