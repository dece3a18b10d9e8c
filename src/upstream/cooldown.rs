//! Which deployments and keys are out of rotation, and until when.
//!
//! Read on every request, so reading is two atomic loads; the breaker behind it is locked only for the
//! moment of counting. A refused key (401) benches all deployments that use it at that origin.

use crate::domain::{FaultClass, UpstreamClass};
use crate::routing::{Breaker, BreakerRules, Pace, Verdict};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A moment until which something is out; zero is "in".
#[derive(Debug, Default)]
pub struct Cooldown {
    until_ms: AtomicU64,
}

impl Cooldown {
    fn set(&self, now_ms: u64, length: Duration) {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1);
        self.until_ms.fetch_max(now_ms.saturating_add(length), Ordering::Relaxed);
    }

    /// How much longer; `None` when in rotation.
    #[must_use]
    pub fn remaining(&self, now_ms: u64) -> Option<Duration> {
        let left = self.until_ms.load(Ordering::Relaxed).saturating_sub(now_ms);
        (left > 0).then(|| Duration::from_millis(left))
    }
}

/// One upstream key at one origin, shared by the deployments that use it.
#[derive(Debug, Default)]
pub struct KeyLane {
    cooldown: Cooldown,
}

/// A failure as cooldown sees it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The class.
    pub class: UpstreamClass,
    /// The upstream's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether another deployment of the group is in rotation. The last one is not benched for faults
    /// that another call may not meet; only a 429 that names its end benches it.
    pub others: bool,
}

/// The state of one deployment.
#[derive(Debug)]
pub struct TargetState {
    since: Instant,
    lane: Arc<KeyLane>,
    cooldown: Cooldown,
    breaker: Mutex<Breaker>,
    /// How it has been doing lately, as far as its groups' strategies want to know.
    pub pace: Pace,
    pub(super) in_flight: AtomicU64,
    pub(super) slots: Option<Arc<Semaphore>>,
    most_parallel: Option<u32>,
}

impl TargetState {
    /// A deployment in rotation; `since` is where its clock starts, `most_parallel` the calls it takes
    /// at a time.
    #[must_use]
    pub fn new(since: Instant, lane: Arc<KeyLane>, most_parallel: Option<u32>) -> Self {
        Self {
            since,
            lane,
            cooldown: Cooldown::default(),
            breaker: Mutex::default(),
            pace: Pace::default(),
            in_flight: AtomicU64::new(0),
            slots: most_parallel.map(|most| Arc::new(Semaphore::new(most.max(1) as usize))),
            most_parallel,
        }
    }

    /// Whether it is of a deployment with this key that takes so many calls at a time.
    pub(super) fn is_of(&self, lane: &Arc<KeyLane>, most_parallel: Option<u32>) -> bool {
        Arc::ptr_eq(&self.lane, lane) && self.most_parallel == most_parallel
    }

    /// The clock of all deployments, in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How much longer it, or its key, is out of rotation.
    #[must_use]
    pub fn cooled(&self) -> Option<Duration> {
        let now = self.now_ms();
        self.cooldown.remaining(now).max(self.lane.cooldown.remaining(now))
    }

    /// Counts an answered call.
    pub fn succeeded(&self) {
        let now = self.now_ms();
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).succeeded(now);
    }

    /// Counts a failed call; says how long the deployment is out, if this call is what took it out.
    /// Calls that were under way at that moment may fail too: they can lengthen the time only.
    pub fn failed(&self, fault: Fault, rules: BreakerRules) -> Option<Duration> {
        let now = self.now_ms();
        let class = fault.class.fault();
        let timed = class == FaultClass::Quota && fault.retry_after.is_some_and(|after| !after.is_zero());
        if !fault.others && !timed {
            return None;
        }
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let Verdict::Cools(length) = breaker.failed(now, class, fault.retry_after, rules) else {
            return None;
        };
        let was_in = self.cooled().is_none();
        if fault.class == UpstreamClass::Authentication {
            self.lane.cooldown.set(now, length);
        } else {
            self.cooldown.set(now, length);
        }
        was_in.then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: BreakerRules = BreakerRules { allowed_fails: 1, cooldown: Duration::from_secs(30) };

    fn pair() -> (TargetState, TargetState) {
        let lane = Arc::new(KeyLane::default());
        let now = Instant::now();
        (TargetState::new(now, Arc::clone(&lane), None), TargetState::new(now, lane, None))
    }

    fn fault(class: UpstreamClass, others: bool) -> Fault {
        Fault { class, retry_after: None, others }
    }

    #[test]
    fn a_refused_key_is_out_for_every_model_that_uses_it() {
        let (first, second) = pair();
        assert!(first.failed(fault(UpstreamClass::Authentication, true), RULES).is_some());
        assert!(first.cooled().is_some() && second.cooled().is_some());
    }

    #[test]
    fn calls_that_fail_together_take_it_out_once() {
        let (target, _) = pair();
        let mut quota = fault(UpstreamClass::RateLimit, true);
        quota.retry_after = Some(Duration::from_secs(5));
        assert_eq!(target.failed(quota, RULES), quota.retry_after);
        quota.retry_after = Some(Duration::from_secs(9));
        assert_eq!(target.failed(quota, RULES), None);
        assert!(target.cooled().is_some_and(|left| left > Duration::from_secs(5)));
    }

    #[test]
    fn a_failing_model_does_not_bench_its_key() {
        let (first, second) = pair();
        assert!(first.failed(fault(UpstreamClass::Internal, true), RULES).is_some());
        assert!(first.cooled().is_some() && second.cooled().is_none());
    }

    #[test]
    fn the_last_one_is_benched_only_by_a_429_that_names_its_end() {
        let (only, _) = pair();
        for class in [UpstreamClass::Internal, UpstreamClass::Authentication, UpstreamClass::RateLimit] {
            assert_eq!(only.failed(fault(class, false), RULES), None);
        }
        let mut timed = fault(UpstreamClass::RateLimit, false);
        timed.retry_after = Some(Duration::from_secs(9));
        assert_eq!(only.failed(timed, RULES), Some(Duration::from_secs(9)));
        assert!(only.cooled().is_some_and(|left| left <= Duration::from_secs(9)));
    }
}
