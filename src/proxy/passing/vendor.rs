//! A call of a provider's own API: what it asks for is known, and held by the caller's lists of models, limits and
//! budgets as any other.

use super::call::{Asked, Found, Passing, Who};
use super::meter::{self, Meter};
use crate::domain::usage::estimate_tokens;
use crate::domain::{ApiError, Charge, Money, Prices, Usage, UsageRecord};
use crate::limits::{Ask, Expected, Manner, Permit};
use crate::metering;
use crate::providers::{Target, Vendor};
use crate::proxy::admission::{self, Denied, Visitor};
use crate::proxy::body::{Body, Clock};
use crate::proxy::entry;
use crate::proxy::stage::{Books, Caller, Ctx, Refused, Stage};
use crate::proxy::upload;
use crate::proxy::{Gateway, body as bodies, settle, subrequest};
use crate::runtime::{Estimate, Group, Present, Snapshot};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use pingora::Result;
use pingora_proxy::Session;
use std::sync::Arc;

/// Tokens that are reserved for an answer.
const ANSWER: u64 = 1024;

/// Lets a call begin, or answers why not.
pub(super) async fn start(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Ctx,
    caller: Caller,
    snapshot: Present,
    found: Found,
) -> Result<bool> {
    let Some(vendor) = found.passage.vendor.clone() else { return Ok(false) };
    let is_googles = vendor.provider == "gemini";
    let visited = entry::visitor(gateway, &snapshot, session, ctx, (caller, is_googles)).await?;
    let Some((caller, visitor)) = visited else { return Ok(true) };
    let key_hash = Some(Arc::clone(&visitor.standing.key_hash));
    let limit = snapshot.config.server.max_body_bytes;
    let (body, replayable) = match read(session, &vendor, Clock::of(caller.arrived, &snapshot), limit).await {
        Ok(None) => (None, true),
        Ok(Some(Body::Replayable(body))) => (Some(body), true),
        Ok(Some(Body::Unreplayable(body))) => (Some(body), false),
        Ok(Some(Body::TooLarge)) => {
            let refused = Refused::new(caller, upload::too_large(limit), key_hash);
            return entry::refuse(session, ctx, refused).await;
        }
        Err(error) => return entry::unread(session, ctx, (caller, key_hash), error).await,
    };
    let counts = session.req_header().method == Method::POST;
    let asked = asked(&snapshot, &vendor, &found, body, counts);
    let permit = match permit(gateway, &snapshot, &visitor, &asked).await {
        Ok(permit) => permit,
        Err((error, headers)) => {
            let refused = Refused { headers, ..Refused::new(caller, error, key_hash) };
            return entry::refuse(session, ctx, refused).await;
        }
    };
    let (attribution, _) = admission::attribution(&visitor, None, None, &session.req_header().headers);
    let who = Some(Who { standing: visitor.standing, attribution });
    let mut passing = Box::new(Passing::new(caller, snapshot, found, who, Books::Open(permit)));
    passing.asked = Some(Box::new(asked));
    if replayable {
        ctx.stage = Stage::Passing(passing);
        return Ok(false);
    }
    subrequest::delegate(session, ctx, Stage::Passing(passing)).await
}

/// The body, if it can name a model or is to be signed; files go by unread.
async fn read(session: &mut Session, vendor: &Vendor, clock: Clock, limit: usize) -> Result<Option<Body>> {
    let kind = session.get_header(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
    let is_json = kind.is_none_or(|kind| kind.windows(4).any(|word| word == b"json"));
    if is_json || vendor.signer.is_some() {
        return bodies::read(session, clock, limit).await.map(Some);
    }
    bodies::invite(session).await?;
    Ok(None)
}

fn asked(snapshot: &Snapshot, vendor: &Vendor, found: &Found, body: Option<Bytes>, counts: bool) -> Asked {
    let model = meter::model(vendor.dialect, &found.target, body.as_deref().unwrap_or_default());
    let is_own = |target: &&Arc<Target>| {
        target.origin == found.passage.origin && Some(&target.model) == model.as_ref()
    };
    let own = snapshot.config.targets.iter().find(is_own);
    let known = || vendor.catalog.find(vendor.provider, model.as_deref()?)?.prices;
    let prices = own.and_then(|target| target.info.prices).or_else(known);
    let model = Arc::from(format!("{}/{}", vendor.provider, model.as_deref().unwrap_or("*")));
    Asked { body, model, prices, counts, meter: None }
}

/// Takes what the call will about need.
async fn permit(
    gateway: &Gateway,
    snapshot: &Snapshot,
    visitor: &Visitor,
    asked: &Asked,
) -> std::result::Result<Permit, Denied> {
    let alone = |error| (error, Vec::new());
    let bare = asked.model.split_once('/').map_or(&*asked.model, |(_, bare)| bare);
    let standing = &visitor.standing;
    let may = |name: &str| standing.may_call(&Group::asked(name, None));
    may(&asked.model).or_else(|error| if bare == "*" { Err(error) } else { may(bare) }).map_err(alone)?;
    let mut gates = standing.gates(&[&asked.model, bare]);
    gates.extend(&snapshot.house.global);
    let prompt = if asked.counts { estimate_tokens(asked.size()) } else { 0 };
    let expected = Usage { prompt, completion: if asked.counts { ANSWER } else { 0 }, ..Usage::default() };
    let tokens = expected.total();
    let unpriced = asked.counts && asked.prices.is_none();
    let dear = asked.prices.as_ref().map_or(Money::ZERO, |prices| metering::cost(&expected, prices));
    let cost = if asked.counts { Expected::About(dear) } else { Expected::Free };
    snapshot.house.check_priced(&Estimate { tokens, cost, unpriced }, &gates, &asked.model).map_err(alone)?;
    admission::admit(gateway, visitor.now, &gates, Ask { tokens, cost, manner: Manner::Decides }).await
}

/// The request's body, in the place of what Pingora replays.
///
/// # Errors
/// It passes unread, and comes too slowly.
pub(in crate::proxy) fn body(
    passing: &mut Passing,
    body: &mut Option<Bytes>,
    end: bool,
) -> std::result::Result<(), ApiError> {
    if let Some(read) = passing.asked.as_ref().and_then(|asked| asked.body.as_ref()) {
        // Nothing at all would be the end.
        *body = Some(if end { read.clone() } else { Bytes::new() });
        return Ok(());
    }
    if !end && passing.status == 0 && passing.clock.is_over() {
        return Err(bodies::too_slow());
    }
    passing.clock.came(body.as_ref().map_or(0, Bytes::len));
    Ok(())
}

/// A piece of the answer goes by.
pub(in crate::proxy) fn seen(passing: &mut Passing, piece: Option<&Bytes>) {
    let meter = passing.asked.as_mut().and_then(|asked| asked.meter.as_mut());
    if let (Some(meter), Some(piece)) = (meter, piece) {
        meter.push(piece);
    }
}

impl Asked {
    /// The size of the request as far as it was read, in bytes.
    fn size(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.len() as u64)
    }

    /// An answer begins.
    pub(super) fn answered(&mut self, vendor: &Vendor, status: u16, headers: &HeaderMap) {
        if self.counts && (200..300).contains(&status) {
            let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
            self.meter = Some(Meter::new(vendor.dialect, kind));
        }
    }

    /// Settles what was answered, and puts it down.
    pub(super) fn settle(
        &mut self,
        gateway: &Gateway,
        vendor: &Vendor,
        permit: Permit,
        record: UsageRecord,
    ) -> (Vec<Charge>, UsageRecord) {
        let stream = self.meter.as_ref().is_some_and(Meter::is_stream);
        let size = self.size();
        let counted = self.meter.as_ref().map(|meter| meter.usage(size));
        let (usage, usage_source) = counted.unwrap_or((record.usage, record.usage_source));
        let cost = self.prices.as_ref().map_or(Money::ZERO, |prices| metering::cost(&usage, prices));
        let charges = settle::close(gateway, permit, usage.total(), cost);
        let record = UsageRecord {
            requested_model: Arc::clone(&self.model),
            upstream_model: Some(Arc::clone(&self.model)),
            provider: Some(Arc::from(vendor.provider)),
            stream,
            usage,
            usage_source,
            cost,
            price_version: self.prices.as_ref().map(Prices::version),
            priced: self.prices.is_some() || self.meter.is_none(),
            ..record
        };
        (charges, record)
    }
}

/// A query without the key that some clients put there.
pub(super) fn query(query: &str) -> String {
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("key=")).collect();
    kept.join("&")
}
