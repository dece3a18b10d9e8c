//! What a call has met so far.

use crate::domain::{AttemptRecord, Failure};
use crate::proxy::detour::Detour;
use crate::proxy::route_report::RouteReport;
use smallvec::SmallVec;
use std::time::Duration;

/// However many groups there are, a call makes no more attempts; Pingora allows a few more.
pub(in crate::proxy) const MOST_ATTEMPTS: usize = 48;

/// What was tried so far.
#[derive(Default)]
pub(in crate::proxy) struct Progress {
    pub(in crate::proxy) tried: SmallVec<[usize; 8]>,
    pub(in crate::proxy) attempts: Vec<AttemptRecord>,
    /// Attempts after the first at the present group, and how many there may be.
    pub(in crate::proxy) retries: u32,
    pub(in crate::proxy) max_retries: u32,
    /// Pooled connections that turned out to be dead; they cost no retry.
    pub(in crate::proxy) stale: u32,
    pub(in crate::proxy) wait: Duration,
    /// The client has the head of a stream already: it was kept alive while it waited.
    pub(in crate::proxy) begun: bool,
    pub(in crate::proxy) last: Option<Failure>,
    /// The deployment of the present group that is asked next although it is out of rotation.
    pub(in crate::proxy) last_resort: Option<usize>,
    /// The way from the group that was asked for to the present one.
    pub(in crate::proxy) detour: Option<Box<Detour>>,
    /// Why it went where it went, if the client asks.
    pub(in crate::proxy) report: Option<Box<RouteReport>>,
}

impl Progress {
    /// How many groups were asked instead of the one that was asked for.
    pub(in crate::proxy) fn fallbacks(&self) -> u32 {
        self.detour.as_ref().map_or(0, |detour| detour.count())
    }

    /// Begins at another group.
    pub(in crate::proxy) fn begin_again(&mut self, detour: Box<Detour>) {
        let (attempts, report) = (std::mem::take(&mut self.attempts), self.report.take());
        let Self { stale, begun, .. } = *self;
        *self = Self { attempts, report, stale, begun, detour: Some(detour), ..Self::default() };
    }
}
