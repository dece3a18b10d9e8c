//! Whether a call may be served: which group it means, where else it may go, and what is reserved for it.

use crate::dialects::openai::{Wishes, request as openai};
use crate::domain::{ApiError, EndpointKind};
use crate::proxy::admission::{self, Visitor};
use crate::proxy::head::Lines;
use crate::proxy::outlook;
use crate::proxy::route_report::RouteReport;
use crate::proxy::stage::{Admitted, Books, Caller, Controls, Leanings, Progress, Refused};
use crate::proxy::{Gateway, detour};
use crate::runtime::{self, Present, Resolution, Snapshot, TurnWish};
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What the client wants.
pub(in crate::proxy) struct Asked<'a> {
    pub(in crate::proxy) request: Result<openai::Request, ApiError>,
    pub(in crate::proxy) path_model: Option<Cow<'a, str>>,
    pub(in crate::proxy) headers: &'a HeaderMap,
    /// Who is to be asked, if that is known already.
    pub(in crate::proxy) given: Option<Resolution>,
}

/// Lets a call through, or says why not; what it may take is reserved then.
pub(in crate::proxy) async fn admit(
    gateway: &Gateway,
    caller: Caller,
    snapshot: Present,
    mut visitor: Visitor,
    asked: Asked<'_>,
) -> Result<Box<Admitted>, Box<Refused>> {
    let Asked { request, path_model, headers, given } = asked;
    let body_model = request.as_ref().ok().and_then(openai::Request::model);
    let requested: Arc<str> = Arc::from(path_model.as_deref().or(body_model).unwrap_or_default());
    let named = match request {
        Ok(request) => identify(gateway, (caller.kind, given), &snapshot, &mut visitor, &requested, &request)
            .await
            .map(|named| (request, named)),
        Err(error) => Err(error),
    };
    let (request, Named { resolution, called, customer, wishes }) = match named {
        Ok(named) => named,
        Err(error) => {
            let attribution = Some(admission::attribution(&visitor, None, None, headers).0);
            let refused = Refused::new(caller, error, Some(visitor.standing.key_hash));
            return Err(Box::new(Refused { requested, attribution, ..refused }));
        }
    };
    let (attribution, tags) = admission::attribution(&visitor, customer, Some(&request), headers);
    let affinity = snapshot.wants_affinity.then(|| runtime::affinity(&request, headers));
    let controls = controls(headers, &request);
    let turns = if snapshot.has_queues { TurnWish::read(headers, &request) } else { TurnWish::default() };
    let turn = resolution.group.turn(&visitor.standing, &request, turns);
    let mut admitted = Box::new(Admitted {
        caller,
        snapshot,
        standing: visitor.standing,
        attribution,
        limits: Lines::default(),
        books: Books::Closed,
        request,
        called: called.unwrap_or_else(|| Arc::clone(&requested)),
        requested,
        resolution,
        controls,
        turns,
        turn,
        wishes,
        leanings: Leanings { tags, affinity },
        racer: None,
        progress: Progress { report: RouteReport::asked(headers), ..Progress::default() },
        upload: None,
        errand: None,
    });
    if let Some(error) = outlook::nobody(gateway, &mut admitted)
        && let Err((error, _)) = detour::leave(gateway, &mut admitted, error, None)
    {
        return Err(Box::new(admitted.refuse(error, None)));
    }
    match admission::permit(gateway, &admitted, visitor.now).await {
        Ok((permit, limits)) => {
            admitted.books = Books::Open(permit);
            admitted.limits = limits;
            Ok(admitted)
        }
        Err((error, headers)) => Err(Box::new(Refused { headers, ..admitted.refuse(error, None) })),
    }
}

/// What is meant, and for whom.
struct Named {
    resolution: Resolution,
    /// The name that was resolved, if it is not the one asked for.
    called: Option<Arc<str>>,
    customer: Option<Arc<str>>,
    wishes: Option<Box<Wishes>>,
}

/// The group that is meant, where else the call may go, and the end user.
async fn identify(
    gateway: &Gateway,
    (kind, given): (EndpointKind, Option<Resolution>),
    snapshot: &Snapshot,
    visitor: &mut Visitor,
    requested: &str,
    request: &openai::Request,
) -> Result<Named, ApiError> {
    let customer = request.user();
    let mut called = None;
    let resolution = match given {
        Some(given) => {
            visitor.standing.may_call(&runtime::Group::asked(&given.group.name, Some(&given.group)))?;
            given
        }
        None => match snapshot.resolve_for(&visitor.standing, kind, requested) {
            Ok(found) => found,
            Err(error) if customer.is_none() || snapshot.knows(&visitor.standing, requested) => {
                return Err(error);
            }
            Err(error) => {
                visitor
                    .standing
                    .name_customer(customer.as_ref(), &snapshot.house, &gateway.directory)
                    .await?;
                called = visitor.standing.default_model();
                let Some(name) = &called else { return Err(error) };
                snapshot.resolve_for(&visitor.standing, kind, name)?
            }
        },
    };
    let wishes = detour::wishes(snapshot, &visitor.standing, kind, request)?;
    visitor.standing.name_customer(customer.as_ref(), &snapshot.house, &gateway.directory).await?;
    Ok(Named { resolution, called, customer, wishes })
}

/// A header beats the body.
fn controls(headers: &HeaderMap, request: &openai::Request) -> Controls {
    const RETRIES: HeaderName = HeaderName::from_static("x-litellm-num-retries");
    const TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-timeout");
    const STREAM_TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-stream-timeout");
    const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-max-fallbacks");
    let body = request.controls();
    Controls {
        num_retries: text(headers, &RETRIES).and_then(|n| n.parse().ok()).or(body.num_retries),
        max_fallbacks: text(headers, &FALLBACKS).and_then(|n| n.parse().ok()),
        timeout: seconds(headers, &TIMEOUT).or(body.timeout),
        stream_timeout: seconds(headers, &STREAM_TIMEOUT).or(body.stream_timeout),
    }
}

fn seconds(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let seconds: f64 = text(headers, name)?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero())
}

/// The value of a header, if it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // Looked for one by one: the hash of a name that is seldom there costs more than the few that are.
    headers.iter().find(|(known, _)| *known == name)?.1.to_str().ok()
}
