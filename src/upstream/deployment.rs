//! A deployment at work: its compiled target, its endpoint and its state.

use super::head::Heads;
use super::{Endpoint, TargetState};
use crate::domain::EndpointKind;
use crate::providers::Target;
use pingora::http::RequestHeader;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A deployment that can be called.
pub struct Deployment {
    /// What was configured.
    pub target: Arc<Target>,
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    /// How it has been doing.
    pub state: Arc<TargetState>,
    heads: Heads,
}

impl Deployment {
    /// Joins a target with what is kept of it.
    ///
    /// # Errors
    /// When a configured header, key or path cannot stand in a request.
    pub fn new(target: Arc<Target>, endpoint: Arc<Endpoint>, state: Arc<TargetState>) -> pingora::Result<Self> {
        let heads = Heads::new(&target)?;
        Ok(Self { target, endpoint, state, heads })
    }

    /// The upstream request's head for this API, without a length.
    #[must_use]
    pub fn head(&self, kind: EndpointKind) -> Option<&RequestHeader> {
        self.heads.of(kind)
    }

    /// Takes one of the deployment's parallel slots, or says that all are taken.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Option<InFlight> {
        let before = self.state.in_flight.fetch_add(1, Ordering::Relaxed);
        let slot = InFlight(Arc::clone(&self.state));
        let full = self.target.params.max_parallel_requests.is_some_and(|most| before >= u64::from(most));
        (!full).then_some(slot)
    }

    /// Calls under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.state.in_flight.load(Ordering::Relaxed)
    }
}

/// A slot of a deployment; it comes back when this is dropped, however the call ends.
pub struct InFlight(Arc<TargetState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
