//! A deployment at work: its compiled target, its endpoint and its state.

use super::head::{Alike, Heads};
use super::lender::Lender;
use super::traits::{of_own_names, value};
use super::{Endpoint, QuotaLane, Station, TargetState, Traits};
use crate::dialects::{self, translate::Translated};
use crate::domain::{EndpointKind, Money, Secret, TargetId};
use crate::providers::{self, Target, realtime};
use bytes::BytesMut;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use pingora::http::RequestHeader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// More deployments than these that have all in common but their keys: threads seldom meet at one of them.
const MANY: usize = 64;

/// Tells deployments apart that were made one after the other for the same target.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// A deployment that can be called. What every call reads comes first: of many deployments it is in no cache.
#[repr(C)]
pub struct Deployment {
    /// What it has in common with others.
    pub traits: Arc<Traits>,
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    /// How it has been doing.
    pub state: Arc<TargetState>,
    /// Who lends it tokens, if its key is no token.
    lender: Option<Arc<Lender>>,
    /// Its id.
    pub id: TargetId,
    heads: Heads,
    api_key: Option<Secret>,
    /// What its server tells of itself, if it is one that does.
    pub station: Option<Arc<Station>>,
    /// The quota of its key for its model.
    pub quota: Arc<QuotaLane>,
    number: u64,
    /// What was configured.
    pub target: Arc<Target>,
}

/// A deployment with a header, key or path that cannot stand in a request.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub struct Uncallable(pub(super) TargetId, pub(super) String);

impl Uncallable {
    /// Which deployment.
    #[must_use]
    pub const fn id(&self) -> &TargetId {
        &self.0
    }
}

/// Whether a target can be called at all.
///
/// # Errors
/// When a configured header, key or path cannot stand in a request.
pub fn callable(target: &Target) -> Result<(), Uncallable> {
    heads(target, &mut Alike::default()).map(drop)
}

fn heads(target: &Target, alike: &mut Alike) -> Result<Heads, Uncallable> {
    Heads::new(target, alike).map_err(|error| Uncallable(target.id.clone(), error.to_string()))
}

impl Deployment {
    /// Joins a target with what is kept of it.
    ///
    /// # Errors
    /// When a configured header, key or path cannot stand in a request.
    pub fn new(
        target: Arc<Target>,
        endpoint: Arc<Endpoint>,
        state: Arc<TargetState>,
        quota: Arc<QuotaLane>,
    ) -> Result<Self, Uncallable> {
        Self::alike(target, endpoint, (state, quota), &mut Alike::default())
    }

    /// The same, sharing what it has in common with others.
    pub(super) fn alike(
        target: Arc<Target>,
        endpoint: Arc<Endpoint>,
        (state, quota): (Arc<TargetState>, Arc<QuotaLane>),
        alike: &mut Alike,
    ) -> Result<Self, Uncallable> {
        let heads = heads(&target, alike)?;
        let traits = alike.traits(&target);
        let (id, api_key) = (TargetId::new(target.id.as_str()), target.api_key.clone());
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (station, lender) = (None, None);
        Ok(Self { traits, endpoint, state, lender, id, heads, api_key, station, quota, number, target })
    }

    /// Its id for a record. Of few deployments each thread has copies of its own: to count those who use one text,
    /// threads would wait for each other.
    #[must_use]
    pub fn own_id(&self) -> TargetId {
        if self.is_one_of_many() {
            return self.id.clone();
        }
        of_own_names(self.number, &self.id, |(id, _)| id.clone())
    }

    /// Its id for a head.
    #[must_use]
    pub fn own_model_id(&self) -> HeaderValue {
        if self.is_one_of_many() {
            return value(self.id.as_str());
        }
        of_own_names(self.number, &self.id, |(_, value)| value.clone())
    }

    fn is_one_of_many(&self) -> bool {
        Arc::strong_count(&self.traits) > MANY
    }

    /// What only this upstream may see, as far as it is long enough to be found in other words.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        providers::secrets(self.api_key.as_ref(), &self.traits.params)
    }

    /// With what its server tells of itself.
    #[must_use]
    pub fn with_station(mut self, station: Option<Arc<Station>>) -> Self {
        self.station = station;
        self
    }

    /// Whether the model that it is asked for is in its server's memory; `None` if that is not known.
    #[must_use]
    pub fn has_loaded(&self, model: &str) -> Option<bool> {
        self.station.as_ref()?.has_loaded(model)
    }

    /// Calls under way, those of others at the same server included where that tells.
    #[must_use]
    pub fn busy(&self) -> u64 {
        let own = self.in_flight();
        self.station.as_ref().map_or(own, |station| station.busy(own))
    }

    /// The same, with tokens for its key.
    pub(super) fn lent(self, lender: Option<Arc<Lender>>) -> Self {
        Self { lender, ..self }
    }

    /// Whether it needs no token, or has one.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        self.lender.as_ref().is_none_or(|lender| lender.token().is_some())
    }

    /// Waits for a token where one is needed, so long at most; whether the deployment can be asked then.
    pub async fn authorized(&self, patience: Duration) -> bool {
        match &self.lender {
            None => true,
            Some(lender) => lender.has_token(patience).await,
        }
    }

    /// The upstream does not take the token: another one is asked for.
    pub fn doubt(&self) {
        if let Some(lender) = &self.lender {
            lender.doubt();
        }
    }

    fn authorize(&self, mut head: RequestHeader) -> RequestHeader {
        if let Some(token) = self.lender.as_ref().and_then(|lender| lender.token()) {
            // A header that the configuration sets stays.
            if !self.sets_header(AUTHORIZATION.as_str()) {
                let _ = head.insert_header(AUTHORIZATION, token);
            }
        }
        head
    }

    /// Whether the upstream takes requests of this API as clients wrote them.
    #[must_use]
    pub fn relays(&self, kind: EndpointKind) -> bool {
        self.heads.relay(kind) || self.traits.dialect.relays_at(kind, "").is_some()
    }

    /// Whether calls of this API can be made there, as clients wrote them or translated.
    #[must_use]
    pub fn serves(&self, kind: EndpointKind) -> bool {
        match kind {
            EndpointKind::Realtime => realtime::is_offered(&self.target),
            // What counts no tokens is counted for.
            _ => dialects::is_translatable(kind) || kind.counts() || self.relays(kind),
        }
    }

    /// What an image of this size and quality costs, if that depends on them. What is not said is taken for the
    /// usual; a quality that is not known costs what the dearest does.
    #[must_use]
    pub fn image_price(&self, size: &str, quality: &str) -> Option<Money> {
        let images = &self.target.info.images;
        let size = if matches!(size, "" | "auto") { "1024x1024" } else { size };
        let of = |wanted: &str| {
            images.iter().find(|own| own.size == size && own.quality == wanted).map(|own| own.price)
        };
        let usual = || ["", "standard", "medium"].into_iter().filter(|_| quality.is_empty()).find_map(of);
        let dearest = || images.iter().filter(|own| own.size == size).map(|own| own.price).max();
        of(quality).or_else(usual).or_else(dearest)
    }

    /// The upstream request's head for a translated request.
    ///
    /// # Errors
    /// When its path or one of its headers cannot stand in a request.
    pub fn translated_head(&self, sent: &Translated) -> pingora::Result<RequestHeader> {
        self.heads.translated(&self.target, sent).map(|head| self.authorize(head))
    }

    /// Whether the configuration sets this header.
    #[must_use]
    pub fn sets_header(&self, name: &str) -> bool {
        self.traits.params.extra_headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// A head without a body, whose method and path are to be set.
    #[must_use]
    pub fn bare_head(&self) -> RequestHeader {
        self.authorize(self.heads.bare())
    }

    /// The head of a request that is made to this path (after the base) with this query, and has no body.
    ///
    /// # Errors
    /// When the path cannot stand in a request.
    pub fn errand_head(&self, method: Method, path: &str, query: &str) -> pingora::Result<RequestHeader> {
        let sent = Translated {
            path: std::borrow::Cow::Owned(path.to_owned()),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        };
        let mut head = self.heads.translated(&self.target, &sent)?;
        if !query.is_empty() {
            let mark = if self.target.query.is_empty() { '?' } else { '&' };
            let uri = format!("{}{mark}{query}", head.uri);
            let no_uri =
                |_| pingora::Error::explain(pingora::ErrorType::InvalidHTTPHeader, "a query cannot be sent");
            head.set_uri(uri.parse().map_err(no_uri)?);
        }
        if method != Method::POST {
            head.remove_header(&http::header::CONTENT_LENGTH);
        }
        head.set_method(method);
        head.remove_header(&http::header::CONTENT_TYPE);
        Ok(self.authorize(head))
    }

    /// The upstream request's head for this API and a body of so many bytes.
    #[must_use]
    pub fn head(&self, kind: EndpointKind, length: usize) -> Option<RequestHeader> {
        self.heads.of(kind, length).map(|head| self.authorize(head))
    }

    /// The same as it goes over the wire, with these lines more (which the configuration must not set) and room for the
    /// body; `None` where it changes from call to call.
    #[must_use]
    pub fn wire_head(&self, kind: EndpointKind, length: usize, more: &[u8]) -> Option<BytesMut> {
        if self.lender.is_some() { None } else { self.heads.wire(kind, length, more) }
    }

    /// Takes one of the deployment's parallel slots; `None` if all are taken.
    #[must_use]
    pub fn try_enter(&self) -> Option<InFlight> {
        match &self.state.slots {
            None => Some(self.slot(None)),
            Some(slots) => Arc::clone(slots).try_acquire_owned().ok().map(|permit| self.slot(Some(permit))),
        }
    }

    /// Takes one of the deployment's parallel slots, in turn when all are taken.
    pub async fn enter(&self) -> InFlight {
        match &self.state.slots {
            None => self.slot(None),
            // The semaphore is never closed, so waiting cannot fail.
            Some(slots) => self.slot(Arc::clone(slots).acquire_owned().await.ok()),
        }
    }

    fn slot(&self, permit: Option<OwnedSemaphorePermit>) -> InFlight {
        self.state.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { state: Arc::clone(&self.state), _permit: permit }
    }

    /// Whether a parallel slot is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.state.slots.as_ref().is_none_or(|slots| slots.available_permits() > 0)
    }

    /// The share of its key's quota that is left now, from 0 to 1; 1 where none is counted.
    #[must_use]
    pub fn headroom(&self) -> f64 {
        self.quota.headroom()
    }

    /// Calls under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.state.in_flight.load(Ordering::Relaxed)
    }
}

/// A slot of a deployment; it comes back when this is dropped, however the call ends.
pub struct InFlight {
    state: Arc<TargetState>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.state.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
