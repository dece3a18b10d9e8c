//! Files and batches, which an upstream keeps: each is asked of the deployment that has it.
//!
//! Which one that is, and who may ask, stands in the id that clients are given (`auth::receipt`). A file of a batch is
//! read before it is sent on: all its lines have to name a model that its client may call.

mod answer;
mod errand;
mod keeper;
mod new;
mod owner;

pub(super) use answer::answer;
pub(super) use errand::Errand;

use super::Gateway;
use super::admission::Visitor;
use super::body::{self, Body, Clock};
use super::entry::{self, Asked};
use super::stage::{Ctx, Refused};
use super::upload::Way;
use crate::dialects::openai::{self as dialect, request as json_request};
use crate::domain::{ApiError, EndpointKind, ErrorKind};
use crate::endpoints::stored::{Stored, Verb};
use crate::runtime::{Resolution, Snapshot};
use bytes::Bytes;
use keeper::Place;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pingora::Result;
use pingora_proxy::Session;
use std::sync::Arc;

/// Largest body of what is no upload, in bytes.
const BODY: usize = 1024 * 1024;
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is to be done, and who is to do it.
struct Plan {
    errand: Errand,
    given: Option<Resolution>,
    requested: Option<String>,
    request: std::result::Result<dialect::Request, ApiError>,
    way: Way,
}

/// Asks for what a path of these asks.
pub(super) async fn run(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    stored: Stored<'_>,
) -> Result<bool> {
    let snapshot = gateway.runtime.load();
    let caller = entry::caller(gateway, session, ctx, stored.route, stored.kind);
    let visited = entry::visitor(gateway, &snapshot, session, ctx, (caller, false)).await?;
    let Some((caller, visitor)) = visited else { return Ok(true) };
    let key_hash = Some(Arc::clone(&visitor.standing.key_hash));
    let plan = match plan(&snapshot, session, Clock::of(caller.arrived, &snapshot), &visitor, &stored).await {
        Ok(Ok(plan)) => plan,
        Ok(Err(error)) => return entry::refuse(session, ctx, Refused::new(caller, error, key_hash)).await,
        Err(error) => return entry::unread(session, ctx, (caller, key_hash), error).await,
    };
    let Plan { errand, given, requested, request, way } = plan;
    let headers = &session.req_header().headers;
    let asked = Asked { request, path_model: requested.map(Into::into), headers, given };
    let mut admitted = match entry::admit(gateway, caller, snapshot, visitor, asked).await {
        Err(refused) => return entry::refuse(session, ctx, *refused).await,
        Ok(admitted) => admitted,
    };
    admitted.errand = Some(Box::new(errand));
    way.go(session, ctx, admitted).await
}

type Planned = std::result::Result<Plan, ApiError>;

async fn plan(
    snapshot: &Snapshot,
    session: &mut Session,
    clock: Clock,
    visitor: &Visitor,
    stored: &Stored<'_>,
) -> Result<Planned> {
    let Some(verb) = stored.verb else {
        return Ok(Err(ApiError::new(ErrorKind::MethodNotAllowed, "Method Not Allowed")));
    };
    let errand = Errand {
        verb,
        kind: stored.kind,
        path: None,
        query: String::new(),
        owner: owner::of(&visitor.standing),
        record: None,
    };
    if (stored.kind, verb) == (EndpointKind::Files, Verb::Create) {
        return new::file(snapshot, session, clock, (visitor, stored, errand)).await;
    }
    let bytes = match body::read(session, clock, BODY).await? {
        Body::Replayable(bytes) => bytes,
        Body::Unreplayable(_) | Body::TooLarge => {
            return Ok(Err(ApiError::new(
                ErrorKind::TooLarge,
                "Request body is too large: the limit is 1 MiB.",
            )));
        }
    };
    Ok(match verb {
        Verb::Create => new::batch(snapshot, visitor, errand, &bytes),
        Verb::List => list(snapshot, session, visitor, stored, errand),
        _ => one(snapshot, visitor, stored, errand),
    })
}

/// What is asked of one that there is.
fn one(snapshot: &Snapshot, visitor: &Visitor, stored: &Stored<'_>, errand: Errand) -> Planned {
    let (receipt, given) =
        owner::open(snapshot, &visitor.standing, stored.id.unwrap_or_default(), stored.kind)?;
    let base = stored.kind.upstream_path();
    let id = utf8_percent_encode(&receipt.id, PLAIN);
    let end = match errand.verb {
        Verb::Content => "/content",
        Verb::Cancel => "/cancel",
        _ => "",
    };
    let errand = Errand { path: Some(format!("{base}/{id}{end}")), owner: receipt.owner, ..errand };
    plain(stored.kind, errand, given)
}

fn plain(kind: EndpointKind, errand: Errand, given: Resolution) -> Planned {
    let request = json_request::read(EndpointKind::Batches, Bytes::from_static(b"{}"));
    let requested = Some(given.group.name.to_string());
    let request = request.map(|request| request.of_kind(kind));
    Ok(Plan { errand, given: Some(given), requested, request, way: Way::Replayed })
}

/// A list shows what everybody made at that upstream.
fn list(
    snapshot: &Snapshot,
    session: &Session,
    visitor: &Visitor,
    stored: &Stored<'_>,
    errand: Errand,
) -> Planned {
    let standing = &visitor.standing;
    if standing.key().is_some() {
        let words = "A list shows what other keys have at the same upstream: only the master key may ask for one. Ask \
                     for what you made by its id.";
        return Err(ApiError::new(ErrorKind::Forbidden, words));
    }
    let query = session.req_header().uri.query().unwrap_or_default();
    let name = keeper::named(session, stored, None);
    let given = match &name {
        Place::Model(model) => snapshot
            .resolve_for(standing, stored.kind, model)
            .map(|found| keeper::first_of(snapshot, stored.kind, found))?,
        Place::Provider(provider) => keeper::of_provider(snapshot, standing, stored.kind, provider)?,
    };
    let kept = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        match key {
            "purpose" | "limit" | "order" => Some(pair.to_owned()),
            "after" => {
                snapshot.seal.open(value).map(|own| format!("after={}", utf8_percent_encode(&own.id, PLAIN)))
            }
            _ => None,
        }
    });
    let query = kept.collect::<Vec<_>>().join("&");
    let errand = Errand { path: Some(stored.kind.upstream_path().to_owned()), query, ..errand };
    plain(stored.kind, errand, given)
}
