//! The quota of one upstream key for one model, shared by all deployments that use it and kept over reloads.
//!
//! It is locked for the moment of counting only.

use crate::routing::queue::{Demand, Hold, Limits, Quota, Told};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A provider's usual window, in milliseconds.
const MINUTE: u64 = 60_000;

/// The quota of an origin, a key there and an upstream model.
#[derive(Debug)]
pub struct QuotaLane {
    since: Instant,
    number: u64,
    quota: Mutex<Quota>,
}

impl QuotaLane {
    /// A quota without limits; `since` is where its clock starts, `number` tells it from all others.
    #[must_use]
    pub fn new(since: Instant, number: u64) -> Self {
        Self { since, number, quota: Mutex::new(Quota::new(MINUTE)) }
    }

    /// Tells it from all others of the process.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Milliseconds on its clock.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The first whole millisecond that is not before the present moment. What counts from now on counts from then:
    /// rounded down it would end too early.
    fn at_latest(&self) -> u64 {
        self.now().saturating_add(1)
    }

    /// Takes over limits for each `window`; what is taken stays taken.
    pub fn configure(&self, limits: Limits, window: Duration) {
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        self.quota().configure(limits, window);
    }

    /// The limits that hold: those configured, or lower ones that the upstream told.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.quota().limits()
    }

    /// Whether a limit is configured.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.quota().is_configured()
    }

    /// The share of the scarcer limit that is left now, from 0 to 1; 1 without limits.
    #[must_use]
    pub fn headroom(&self) -> f64 {
        self.quota().headroom(self.now())
    }

    /// When a call of so many tokens can be made, on its clock.
    #[must_use]
    pub fn ready_at(&self, now: u64, tokens: u64) -> u64 {
        self.quota().ready_at(now, tokens)
    }

    /// How much can be begun between two moments of its clock.
    #[must_use]
    pub fn room(&self, now: u64, then: u64) -> Demand {
        self.quota().room(now, then)
    }

    pub(super) fn take(&self, now: u64, tokens: u64) -> Result<Hold, u64> {
        self.quota().take(now, tokens)
    }

    pub(super) fn sent(&self, hold: &mut Hold) {
        let now = self.at_latest();
        self.quota().sent(now, hold);
    }

    pub(super) fn answered(&self, hold: &mut Hold) {
        let now = self.at_latest();
        self.quota().answered(now, hold);
    }

    pub(super) fn end(&self, hold: Hold, tokens: u64) {
        let now = self.at_latest();
        self.quota().end(now, hold, tokens);
    }

    pub(super) fn served(&self) {
        self.quota().served();
    }

    pub(super) fn refused(&self, rest: Option<Duration>) {
        let now = self.at_latest();
        let rest = rest.map(|rest| u64::try_from(rest.as_millis()).unwrap_or(u64::MAX));
        self.quota().refused(now, rest);
    }

    pub(super) fn heard(&self, told: &Told) {
        let now = self.at_latest();
        self.quota().heard(now, told);
    }

    fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
