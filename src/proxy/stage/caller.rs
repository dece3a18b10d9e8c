//! A call that came in: what its record needs from the start.

use crate::dialects::{self, Inbound};
use crate::domain::{CallId, EndpointKind, Timings};
use crate::telemetry::{InFlightGuard, TraceContext};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A call that came in: what its record needs from the start.
pub(in crate::proxy) struct Caller {
    pub(in crate::proxy) arrived: Instant,
    pub(in crate::proxy) arrived_at: SystemTime,
    pub(in crate::proxy) call_id: CallId,
    pub(in crate::proxy) route: &'static str,
    pub(in crate::proxy) kind: EndpointKind,
    /// Whether what is streamed is to be one JSON array.
    pub(in crate::proxy) lists: bool,
    /// Where it stands in a trace, if anybody is to hear of one.
    pub(in crate::proxy) trace: Option<Arc<TraceContext>>,
    /// Counts the call as under way; a second attempt of it counts nothing.
    pub(in crate::proxy) _in_flight: Option<InFlightGuard>,
}

impl Caller {
    /// What the client speaks.
    pub(in crate::proxy) fn inbound(&self) -> &'static dyn Inbound {
        dialects::inbound(self.kind)
    }

    /// How long after its arrival this was.
    pub(in crate::proxy) fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.arrived)
    }

    /// When things happened, as distances from its arrival.
    pub(in crate::proxy) fn timings(
        &self,
        started: Instant,
        upstream_end: Option<Instant>,
        end: Instant,
    ) -> Timings {
        Timings {
            upstream_start: Some(self.since(started)),
            first_token: None,
            upstream_end: upstream_end.map(|at| self.since(at)),
            end: self.since(end),
        }
    }
}
