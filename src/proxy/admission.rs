//! May this call be made: whose is it, what may they call, and is there room and money for it.

use super::Gateway;
use super::head::Lines;
use super::stage::{Admitted, Explained};
use crate::auth::{self, Claim, Origin, Presented};
use crate::dialects::openai;
use crate::domain::{ApiError, Attribution, EndpointKind, ErrorKind, Money, unix_ms};
use crate::limits::{self, Ask, Manner, Permit, Refusal, Share};
use crate::runtime::{GateList, Group, Present, Snapshot, Standing, Tags};
use crate::shared::Shared;
use http::{HeaderMap, HeaderName, HeaderValue};
use once_cell::sync::Lazy;
use pingora_proxy::Session;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// A refusal with the headers that explain it.
pub(super) type Denied = (ApiError, Explained);

/// A caller that was let in.
pub(super) struct Visitor {
    pub(super) standing: Standing,
    pub(super) ip: Option<IpAddr>,
    /// Unix milliseconds.
    pub(super) now: i64,
}

/// Says who is calling, and whether they may at all. The key may stand in `query`, if it is given.
pub(super) async fn visitor(
    gateway: &Gateway,
    snapshot: &Present,
    session: &Session,
    query: Option<&str>,
    arrived_at: SystemTime,
) -> Result<Visitor, (ApiError, Option<Arc<str>>)> {
    let headers = &session.req_header().headers;
    let ip = address(session, headers, snapshot.house.forwarded_for);
    let nobody = |error| (error, None);
    snapshot.house.lets_in(ip).map_err(nobody)?;
    let in_query = query.and_then(auth::key_in_query);
    let presented = match auth::presented(headers, snapshot.config.server.key_header.as_deref()) {
        Presented::Nothing => in_query.as_deref().map_or(Presented::Nothing, Presented::Key),
        found => found,
    };
    let standing = match snapshot.verifier.check(presented).map_err(nobody)? {
        Claim::Known(_) => snapshot.bare(),
        Claim::Virtual(candidate) => gateway.directory.standing(&candidate).await.map_err(nobody)?,
    };
    let now = unix_ms(arrived_at);
    let known = |error| (error, Some(Arc::clone(&standing.key_hash)));
    standing.usable(now, session.req_header().uri.path(), ip).map_err(known)?;
    if !gateway.ledger.has_room() {
        let words =
            "Spending cannot be written down: the disk is full. No call is taken until there is room.";
        return Err(known(ApiError::new(ErrorKind::LedgerFull, words)));
    }
    Ok(Visitor { standing, ip, now })
}

/// Where a request that is no model call came from.
pub(super) fn origin(gateway: &Gateway, session: &Session) -> Origin {
    let forwarded = gateway.runtime.load().house.forwarded_for;
    Origin(address(session, &session.req_header().headers, forwarded))
}

fn address(session: &Session, headers: &HeaderMap, forwarded: bool) -> Option<IpAddr> {
    const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");
    let peer = || session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip());
    if !forwarded {
        return peer();
    }
    // The last entry is the nearest proxy's; those before it can be made up.
    let list = headers.get_all(FORWARDED).iter().next_back().and_then(|value| value.to_str().ok());
    list.and_then(|list| list.rsplit(',').next()?.trim().parse().ok()).or_else(peer)
}

/// Takes what the call will about need, of everybody whom it touches.
pub(super) async fn permit(
    gateway: &Gateway,
    admitted: &Admitted,
    now: i64,
) -> Result<(Permit, Lines), Denied> {
    let buyer = Buyer { snapshot: &admitted.snapshot, standing: &admitted.standing };
    let to = (&*admitted.called, &*admitted.resolution.group);
    let (gates, ask) = buyer.asks(to, &admitted.request).map_err(|error| (error, Vec::new()))?;
    match admit(gateway, now, &gates, ask).await {
        Ok(permit) => {
            let lines = standing_lines(&permit, &gates);
            Ok((permit, lines))
        }
        Err(refusal) => Err(refusal),
    }
}

/// What [`permit`] takes at the gates; where counters are shared with other processes, these may be asked first.
pub(super) async fn admit(
    gateway: &Gateway,
    now: i64,
    gates: &GateList<'_>,
    ask: Ask,
) -> Result<Permit, Denied> {
    let permit = match &gateway.shared {
        None => limits::admit(now, gates.iter().copied(), ask),
        Some(shared) => {
            let ask = Ask { manner: Manner::Waits, ..ask };
            match limits::admit(now, gates.iter().copied(), ask) {
                Err(Refusal::Unknown) => Box::pin(admit_with_leave(shared, now, gates, ask)).await,
                known => known,
            }
        }
    };
    permit.map_err(|refusal| refused(&refusal))
}

/// Others may take what a call got leave for before it comes back for it; so often it asks.
const MOST_TRIES: usize = 8;

async fn admit_with_leave(
    shared: &Shared,
    now: i64,
    gates: &GateList<'_>,
    ask: Ask,
) -> Result<Permit, Refusal> {
    for _ in 0..MOST_TRIES {
        shared.lend(limits::wants(now, gates.iter().copied(), ask)).await;
        match limits::admit(now, gates.iter().copied(), ask) {
            Err(Refusal::Unknown) => {}
            known => return known,
        }
    }
    limits::admit(now, gates.iter().copied(), Ask { manner: Manner::Decides, ..ask })
}

/// Takes the money that another attempt of a call will about need.
///
/// # Errors
/// The first budget that has too little left; nothing is taken then.
pub(super) fn permit_again(admitted: &Admitted, now: i64) -> Result<Permit, ApiError> {
    let buyer = Buyer { snapshot: &admitted.snapshot, standing: &admitted.standing };
    let to = (&*admitted.called, &*admitted.resolution.group);
    let (gates, ask) = buyer.asks(to, &admitted.request)?;
    limits::admit_again(now, gates.iter().copied(), ask).map_err(|refusal| refused(&refusal).0)
}

/// Moves what a call holds to the group of this name.
///
/// # Errors
/// As [`permit`]; what was held is held still.
pub(super) fn transfer(
    permit: &mut Permit,
    buyer: &Buyer<'_>,
    to: (&str, &Group),
    request: &openai::Request,
    now: i64,
) -> Result<(), ApiError> {
    let (gates, ask) = buyer.asks(to, request)?;
    permit.transfer(now, gates.iter().copied(), ask).map_err(|refusal| refused(&refusal).0)
}

/// Who wants to make a call.
pub(super) struct Buyer<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) standing: &'a Standing,
}

impl<'a> Buyer<'a> {
    /// What a call to this name passes, and what it will about need.
    fn asks(
        &self,
        (name, group): (&str, &Group),
        request: &openai::Request,
    ) -> Result<(GateList<'a>, Ask), ApiError> {
        let house = &self.snapshot.house;
        let mut gates = self.standing.gates(&[name, &*group.name]);
        gates.extend(&house.global);
        let mut units = *request.units();
        if units.images > 0 {
            let (size, quality) = request.image();
            units.image_price = group.image_price(&size, &quality);
        }
        // What produces no tokens says how many in another way.
        let most = if request.kind().is_media() { Some(0) } else { request.max_tokens() };
        let expected = group.expected_of(request.prompt_estimate(), most, &units);
        if matches!(request.kind(), EndpointKind::Files | EndpointKind::Batches) {
            // To keep a thing costs nothing, and what a batch will cost nobody knows: there must be something left.
            return Ok((
                gates,
                Ask { tokens: 0, cost: limits::Expected::About(Money::ZERO), manner: Manner::Decides },
            ));
        }
        house.check_priced(&expected, &gates, name)?;
        Ok((gates, Ask { tokens: expected.tokens, cost: expected.cost, manner: Manner::Decides }))
    }
}

/// A limit that is reached, as the client is told.
pub(super) fn refused(refusal: &Refusal) -> Denied {
    let error = refusal.to_error();
    let Refusal::Rate { kind, .. } = refusal else { return (error, Vec::new()) };
    let mut headers = vec![(RATE_LIMIT_TYPE, HeaderValue::from_static(kind.as_str()))];
    let reset = refusal.reset_at().and_then(|moment| HeaderValue::try_from(moment).ok());
    headers.extend(reset.map(|moment| (RESET_AT, moment)));
    (error, headers)
}

const RATE_LIMIT_TYPE: HeaderName = HeaderName::from_static("rate_limit_type");
const RESET_AT: HeaderName = HeaderName::from_static("reset_at");

/// The names of a descriptor's four headers: limit and rest of requests, limit and rest of tokens.
type Names = [String; 4];

static NAMES: Lazy<Vec<(limits::Descriptor, Names)>> = Lazy::new(|| {
    let names = |descriptor| {
        let all = ["limit-requests", "remaining-requests", "limit-tokens", "remaining-tokens"];
        (descriptor, all.map(|what| format!("x-ratelimit-{descriptor}-{what}")))
    };
    limits::Descriptor::ALL.into_iter().map(names).collect()
});

/// How the caller stands, for the answer's head.
fn standing_lines(permit: &Permit, gates: &GateList<'_>) -> Lines {
    let mut lines = Lines::roomy();
    let key = gates.first().filter(|gate| gate.descriptor() == limits::Descriptor::ApiKey);
    if let Some(key) = key {
        let rates = key.rates().map(|(_, terms)| *terms).unwrap_or_default();
        rates.rpm.iter().for_each(|limit| lines.number("x-litellm-key-rpm-limit", *limit));
        rates.tpm.iter().for_each(|limit| lines.number("x-litellm-key-tpm-limit", *limit));
        let max = key.purses().first().and_then(|purse| purse.terms().max);
        max.iter().for_each(|max| lines.money("x-litellm-key-max-budget", *max));
    }
    for standing in permit.standing() {
        let Some((_, names)) = NAMES.iter().find(|(descriptor, _)| *descriptor == standing.descriptor) else {
            continue;
        };
        let [limit_requests, requests, limit_tokens, tokens] = names;
        let mut put = |share: Option<Share>, limit: &str, rest: &str| {
            if let Some(share) = share {
                lines.number(limit, share.limit);
                lines.number(rest, share.remaining);
            }
        };
        put(standing.requests, limit_requests, requests);
        put(standing.tokens, limit_tokens, tokens);
    }
    lines
}

/// Who is to be named in the call's record, and how many of its labels decide about its route: the first ones.
pub(super) fn attribution(
    visitor: &Visitor,
    customer: Option<Arc<str>>,
    request: Option<&openai::Request>,
    headers: &HeaderMap,
) -> (Box<Attribution>, usize) {
    const SESSION: HeaderName = HeaderName::from_static("x-litellm-session-id");
    const TRACE: HeaderName = HeaderName::from_static("x-litellm-trace-id");
    let mut attribution = visitor.standing.attribution();
    let mut decisive = 0;
    attribution.ip = visitor.ip;
    attribution.customer = customer;
    let said = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let session = said(&SESSION).or_else(|| said(&TRACE)).filter(|id| id.len() <= LONGEST_SESSION);
    attribution.session_id = session.map(Arc::from);
    if let Some(request) = request {
        let own = std::mem::take(&mut attribution.tags);
        let tags = Tags::of(own, &visitor.standing, request, headers);
        (attribution.tags, decisive) = (tags.all, tags.decisive);
        attribution.session_id = attribution.session_id.or_else(|| request.session());
    }
    (Box::new(attribution), decisive)
}

const LONGEST_SESSION: usize = 256;
