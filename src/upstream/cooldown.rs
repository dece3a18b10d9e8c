//! Which deployments and keys are out of rotation, and until when.
//!
//! Read on every request, so reading is a few atomic loads; the breaker behind it is locked only for the
//! moment of counting. A refused key (401) benches all deployments that use it at that origin; a 429, or a key that may
//! not have this model (403), those that use it for the same upstream model: quotas are by key and model.

use super::Cooldown;
use crate::domain::{FaultClass, UpstreamClass};
use crate::routing::{Breaker, BreakerRules, Pace, Verdict};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// One upstream key at one origin, or what it has of one model there; shared by the deployments that use it.
#[derive(Debug, Default)]
pub struct KeyLane {
    cooldown: Cooldown,
}

/// What a deployment shares with others.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    /// Its key at its origin.
    pub key: Arc<KeyLane>,
    /// Its key for its upstream model.
    pub model: Arc<KeyLane>,
}

/// A failure as cooldown sees it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The class.
    pub class: UpstreamClass,
    /// The upstream's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether the call could go elsewhere: to another deployment of the group, or to another group. The last one is not benched for faults
    /// that another call may not meet; only a 429 that names its end benches it.
    pub others: bool,
}

/// The state of one deployment. What every call touches comes first: of many deployments it is in no cache.
#[derive(Debug)]
#[repr(C)]
pub struct TargetState {
    pub(super) in_flight: AtomicU64,
    pub(super) slots: Option<Arc<Semaphore>>,
    since: Instant,
    breaker: Mutex<Breaker>,
    /// After faults of the server, which may be over at any moment.
    trouble: Cooldown,
    /// After refusals that say what will be: a refused key; one without this model, or without quota for it.
    lanes: Lanes,
    most_parallel: Option<u32>,
    /// How it has been doing lately, as far as its groups' strategies want to know.
    pub pace: Pace,
}

impl TargetState {
    /// A deployment in rotation; `since` is where its clock starts, `most_parallel` the calls it takes
    /// at a time.
    #[must_use]
    pub fn new(since: Instant, lanes: Lanes, most_parallel: Option<u32>) -> Self {
        Self {
            since,
            lanes,
            trouble: Cooldown::default(),
            breaker: Mutex::default(),
            pace: Pace::default(),
            in_flight: AtomicU64::new(0),
            slots: most_parallel.map(|most| Arc::new(Semaphore::new(most.max(1) as usize))),
            most_parallel,
        }
    }

    /// Whether it is of a deployment with this key and model that takes so many calls at a time.
    pub(super) fn is_of(&self, lanes: &Lanes, most_parallel: Option<u32>) -> bool {
        Arc::ptr_eq(&self.lanes.key, &lanes.key)
            && Arc::ptr_eq(&self.lanes.model, &lanes.model)
            && self.most_parallel == most_parallel
    }

    /// Whether a failure of this class keeps the other out too.
    #[must_use]
    pub fn shares(&self, other: &Self, class: UpstreamClass) -> bool {
        let one = |state: &Self| state.shared(class).map(Arc::as_ptr);
        one(self).is_some() && one(self) == one(other)
    }

    /// What a failure of this class benches, if that is more than the deployment.
    fn shared(&self, class: UpstreamClass) -> Option<&Arc<KeyLane>> {
        match class.fault() {
            FaultClass::Key if class == UpstreamClass::Authentication => Some(&self.lanes.key),
            FaultClass::Key | FaultClass::Quota => Some(&self.lanes.model),
            FaultClass::Request | FaultClass::Host => None,
        }
    }

    /// The clock of all deployments, in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.ms_at(Instant::now())
    }

    fn ms_at(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }

    /// How much longer it, or its key, is out of rotation.
    #[must_use]
    pub fn cooled(&self) -> Option<Duration> {
        if self.is_in() {
            return None;
        }
        let now = self.now_ms();
        self.cooldowns().into_iter().filter_map(|cooldown| cooldown.remaining(now)).max()
    }

    /// Whether nothing speaks against it but faults of the server: who has no other choice may try.
    #[must_use]
    pub fn may_be_over(&self) -> bool {
        let now = self.now_ms();
        [&self.lanes.key, &self.lanes.model].iter().all(|lane| lane.cooldown.remaining(now).is_none())
    }

    /// Whether nothing speaks against it and nobody needs to find out anything.
    fn is_in(&self) -> bool {
        Cooldown::all_are_in() || self.cooldowns().iter().all(|cooldown| cooldown.is_in())
    }

    fn cooldowns(&self) -> [&Cooldown; 3] {
        [&self.trouble, &self.lanes.model.cooldown, &self.lanes.key.cooldown]
    }

    /// Lets a call in, which is the one that finds out how things are if that is not known; `None` if another
    /// call is finding out.
    #[must_use]
    pub fn probe(self: &Arc<Self>) -> Option<Leave> {
        if self.is_in() {
            return Some(Leave::default());
        }
        let now = self.now_ms();
        let mut probe = Probe { state: Arc::clone(self), is: [false; 3] };
        for (cooldown, is) in self.cooldowns().into_iter().zip(&mut probe.is) {
            if cooldown.is_doubtful(now) {
                *is = cooldown.try_probe(now);
                if !*is {
                    return None;
                }
            }
        }
        Some(Leave { _probe: Some(probe) })
    }

    /// Counts a call that was answered at this moment.
    pub fn succeeded(&self, at: Instant) {
        let now = self.ms_at(at);
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).succeeded(now);
        self.recover(now);
    }

    /// An answer has begun, or a request was refused for its own faults: whatever kept it out is over.
    pub fn answered(&self) {
        if !self.is_in() {
            self.recover(self.now_ms());
        }
    }

    fn recover(&self, now: u64) {
        if !self.is_in() {
            self.cooldowns().into_iter().for_each(|cooldown| cooldown.recover(now));
        }
    }

    /// Counts a failed call; says how long the deployment is out, if this call is what took it out.
    /// Calls that were under way at that moment may fail too: they can lengthen the time only.
    pub fn failed(&self, fault: Fault, rules: BreakerRules) -> Option<Duration> {
        let now = self.now_ms();
        let class = fault.class.fault();
        if class == FaultClass::Request {
            self.answered();
        }
        let timed = class == FaultClass::Quota && fault.retry_after.is_some_and(|after| !after.is_zero());
        if !fault.others && !timed {
            return None;
        }
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = breaker.failed(now, fault.class, fault.retry_after, rules);
        if class == FaultClass::Request {
            return None;
        }
        let cooldown = self.shared(fault.class).map_or(&self.trouble, |lane| &lane.cooldown);
        let length = match verdict {
            Verdict::Cools(length) => length,
            // It was tried whether it is well again, and is not.
            Verdict::Stays if cooldown.is_doubtful(now) && !rules.cooldown.is_zero() => rules.cooldown,
            Verdict::Stays => return None,
        };
        let was_in = self.cooldowns().iter().all(|cooldown| now >= cooldown.until());
        cooldown.set(now, length);
        was_in.then_some(length)
    }
}

impl TargetState {
    /// Another process says that it is out of rotation for so long after a failure of this class.
    pub fn heard(&self, class: UpstreamClass, length: Duration) {
        let cooldown = self.shared(class).map_or(&self.trouble, |lane| &lane.cooldown);
        cooldown.set(self.now_ms(), length);
    }
}

/// The leave to make a call, which may be the one that finds out whether its deployment is well again.
#[derive(Debug, Default)]
pub struct Leave {
    _probe: Option<Probe>,
}

/// The cooldowns of a deployment that a call finds out about.
#[derive(Debug)]
struct Probe {
    state: Arc<TargetState>,
    is: [bool; 3],
}

impl Drop for Probe {
    fn drop(&mut self) {
        for (cooldown, _) in self.state.cooldowns().into_iter().zip(self.is).filter(|(_, is)| *is) {
            cooldown.end_probe();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ByClass;

    const RULES: BreakerRules = BreakerRules {
        allowed_fails: 1,
        policy: ByClass {
            bad_request: None,
            authentication: None,
            timeout: None,
            rate_limit: None,
            content_policy: None,
            internal: None,
        },
        cooldown: Duration::from_secs(30),
    };

    /// Two models of one key.
    fn pair() -> (TargetState, TargetState) {
        let first = Lanes::default();
        let second = Lanes { model: Arc::default(), ..first.clone() };
        let now = Instant::now();
        (TargetState::new(now, first, None), TargetState::new(now, second, None))
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
    fn a_quota_is_of_a_key_for_a_model() {
        let (first, other_model) = pair();
        let same = TargetState::new(Instant::now(), first.lanes.clone(), None);
        let limited = UpstreamClass::RateLimit;
        assert!(first.shares(&same, limited) && !first.shares(&other_model, limited));
        assert!(first.shares(&other_model, UpstreamClass::Authentication));
        assert!(!first.shares(&same, UpstreamClass::Internal));
        assert!(first.failed(fault(limited, true), RULES).is_some());
        assert!(first.cooled().is_some() && same.cooled().is_some() && other_model.cooled().is_none());
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

    #[test]
    fn after_its_time_one_call_at_a_time_finds_out() {
        let short = BreakerRules { cooldown: Duration::from_millis(1), ..RULES };
        let (target, same_key) = pair();
        let (target, same_key) = (Arc::new(target), Arc::new(same_key));
        assert!(target.probe().is_some() && target.probe().is_some(), "nobody needs to find out anything");
        assert!(target.failed(fault(UpstreamClass::Authentication, true), short).is_some());
        while target.cooled().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let first = target.probe().expect("it is time");
        assert!(same_key.cooled().is_some() && same_key.probe().is_none() && target.probe().is_none());
        drop(first);
        let second = same_key.probe().expect("the first did not find out");
        same_key.succeeded(Instant::now());
        drop(second);
        assert!(target.probe().is_some() && target.probe().is_some());
    }

    #[test]
    fn one_failure_is_enough_for_who_was_let_in_to_find_out() {
        let rules = BreakerRules { allowed_fails: 3, cooldown: Duration::from_millis(1), ..RULES };
        let (target, _) = pair();
        let internal = fault(UpstreamClass::Internal, true);
        let benched: Vec<bool> = (0..3).map(|_| target.failed(internal, rules).is_some()).collect();
        assert_eq!(benched, [false, false, true]);
        while target.cooled().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(target.failed(internal, RULES).is_some(), "without two more");
        assert!(target.cooled().is_some() && target.may_be_over());
        let (limited, _) = pair();
        assert!(limited.failed(fault(UpstreamClass::RateLimit, true), RULES).is_some());
        assert!(!limited.may_be_over(), "a quota is not over before its time");
    }
}
