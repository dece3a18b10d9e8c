//! One deployment is asked, and its answer is collected.

use super::{Admitted, Weight};
use crate::domain::{AttemptRecord, Timings, UpstreamClass};
use crate::proxy::head::Lines;
use crate::proxy::upload::Pour;
use crate::upstream::{Deployment, InFlight, Leave, Ticket};
use bytes::{Bytes, BytesMut};
use pingora::http::RequestHeader;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One upstream call.
pub(in crate::proxy) struct Attempt {
    pub(in crate::proxy) admitted: Box<Admitted>,
    pub(in crate::proxy) index: usize,
    pub(in crate::proxy) deployment: Arc<Deployment>,
    pub(in crate::proxy) slot: InFlight,
    pub(in crate::proxy) leave: Leave,
    /// What is taken of the key's quota, where that is counted; it comes back however the attempt ends.
    pub(in crate::proxy) quota: Option<Ticket>,
    pub(in crate::proxy) body: Bytes,
    pub(in crate::proxy) form: Form,
    /// What the call is answered with, if nobody is asked.
    pub(in crate::proxy) mock: Option<Arc<str>>,
    pub(in crate::proxy) started: Instant,
    pub(in crate::proxy) patience: Duration,
}

/// An attempt that another one of the same call has outrun.
pub(in crate::proxy) struct Superseded {
    pub(in crate::proxy) attempt: Box<Attempt>,
    pub(in crate::proxy) weight: Weight,
}

/// In whose words the upstream is asked.
pub(in crate::proxy) enum Form {
    /// In the client's: its answer is the client's as it is.
    Client,
    /// In the client's, changed on its way.
    Poured(Box<Pour>),
    /// In the client's, with this head, because the path names the model.
    Placed(Box<RequestHeader>),
    /// In its own, with this head: its answer is translated back.
    Own(Box<RequestHeader>),
}

/// An upstream error body, cut at a bound.
pub(in crate::proxy) struct Capture {
    pub(in crate::proxy) attempt: Box<Attempt>,
    pub(in crate::proxy) status: u16,
    pub(in crate::proxy) retry_after: Option<Duration>,
    pub(in crate::proxy) body: BytesMut,
}

/// A whole answer.
pub(in crate::proxy) struct Hold {
    pub(in crate::proxy) attempt: Box<Attempt>,
    /// What is passed on of the upstream's head.
    pub(in crate::proxy) passed: Lines,
    pub(in crate::proxy) content_type: Option<http::HeaderValue>,
    pub(in crate::proxy) pieces: SmallVec<[Bytes; 2]>,
    pub(in crate::proxy) size: usize,
    pub(in crate::proxy) answer: Option<HeldAnswer>,
}

/// A complete held answer with what it took to produce.
pub(in crate::proxy) struct HeldAnswer {
    pub(in crate::proxy) body: Bytes,
    pub(in crate::proxy) id: Option<Arc<str>>,
    pub(in crate::proxy) weight: Weight,
    pub(in crate::proxy) upstream_end: Instant,
}

impl Attempt {
    /// Whether its end says how the deployment does: not where nobody was asked.
    pub(in crate::proxy) const fn is_telling(&self) -> bool {
        self.mock.is_none()
    }

    /// Whether it has taken longer than its upstream may be silent.
    pub(in crate::proxy) fn is_overdue(&self) -> bool {
        self.started.elapsed() > self.patience
    }

    /// The answer has begun: what was to be found out of the deployment is found out, for the rest may take long.
    pub(in crate::proxy) fn begun(&mut self) {
        if self.is_telling() {
            self.deployment.state.answered();
        }
        self.leave = Leave::default();
    }

    /// The whole answer is there, since `at`.
    pub(in crate::proxy) fn succeeded(&self, at: Instant) {
        if self.is_telling() {
            self.deployment.state.succeeded(at);
        }
    }

    /// Notes how the attempt ended and gives its slot back.
    pub(in crate::proxy) fn close(self, failure: Option<UpstreamClass>, status: u16) -> Box<Admitted> {
        let note = self.note(failure, status);
        let mut admitted = self.admitted;
        admitted.progress.attempts.push(note);
        drop((self.slot, self.leave));
        admitted
    }

    /// When things happened, as distances from the arrival of the call.
    pub(in crate::proxy) fn timings(&self, upstream_end: Option<Instant>, end: Instant) -> Timings {
        self.admitted.caller.timings(self.started, upstream_end, end)
    }

    /// How the attempt ended, or is about to.
    pub(in crate::proxy) fn note(&self, failure: Option<UpstreamClass>, status: u16) -> AttemptRecord {
        let started = self.admitted.caller.since(self.started);
        let duration = self.started.elapsed();
        AttemptRecord { target: self.deployment.own_id(), failure, status, started, duration }
    }
}
