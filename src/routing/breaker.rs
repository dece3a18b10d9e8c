//! When a deployment is taken out of rotation, and for how long.
//!
//! A refused key cools at once; a 429 cools for its `Retry-After`; faults of the server cool after
//! `allowed_fails` of them within a window, if they are more than noise. Where a policy has a number for the class,
//! so many of that class cool. The request's own faults never count. Times are milliseconds of any steady clock.

use super::ByClass;
use crate::domain::{FaultClass, UpstreamClass};
use std::time::Duration;

/// Failures are counted over this long.
const WINDOW_MS: u64 = 60_000;
/// Below one failure in this many calls a busy deployment is healthy, however many failures that is.
const NOISE: u32 = 10;

/// The settings of one deployment.
#[derive(Clone, Copy, Debug)]
pub struct BreakerRules {
    /// So many failures within the window cool it; 0 counts as 1.
    pub allowed_fails: u32,
    /// The same for refused keys, 429, timeouts and the server's own faults, each by itself.
    pub policy: ByClass,
    /// How long it cools when the upstream does not say.
    pub cooldown: Duration,
}

/// What a failure led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays in rotation.
    Stays,
    /// It is out for so long.
    Cools(Duration),
}

/// The memory of one deployment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    window_start_ms: u64,
    calls: u32,
    failures: u32,
    /// Of each class that may have a number of its own.
    by_class: [u32; 4],
}

impl Breaker {
    /// Counts an answered call.
    pub fn succeeded(&mut self, now_ms: u64) {
        self.turn(now_ms);
        self.calls = self.calls.saturating_add(1);
    }

    /// Counts a failed call and says what follows.
    pub fn failed(
        &mut self,
        now_ms: u64,
        class: UpstreamClass,
        retry_after: Option<Duration>,
        rules: BreakerRules,
    ) -> Verdict {
        self.turn(now_ms);
        self.calls = self.calls.saturating_add(1);
        let fault = class.fault();
        self.failures = self.failures.saturating_add(u32::from(fault == FaultClass::Host));
        let is_enough = match (self.of_class(class, rules), fault) {
            (_, FaultClass::Request) => false,
            (Some(is_enough), _) => is_enough,
            (None, FaultClass::Key | FaultClass::Quota) => true,
            (None, FaultClass::Host) => {
                let noise = self.failures.saturating_mul(NOISE) < self.calls;
                self.failures >= rules.allowed_fails.max(1) && !noise
            }
        };
        let told = retry_after.filter(|after| fault == FaultClass::Quota && !after.is_zero());
        let cooldown = told.unwrap_or(rules.cooldown);
        if !is_enough || cooldown.is_zero() {
            return Verdict::Stays;
        }
        *self = Self { window_start_ms: now_ms, ..Self::default() };
        Verdict::Cools(cooldown)
    }

    /// Counts a failure within its class; whether the policy's number is reached, if it has one.
    fn of_class(&mut self, class: UpstreamClass, rules: BreakerRules) -> Option<bool> {
        use UpstreamClass as C;
        let at = match class {
            C::Authentication => 0,
            C::RateLimit => 1,
            C::Timeout => 2,
            C::Internal | C::BadGateway | C::Unavailable | C::Connection => 3,
            _ => return None,
        };
        let allowed = rules.policy.of(class)?;
        let count = self.by_class.get_mut(at)?;
        *count = count.saturating_add(1);
        Some(*count >= allowed.max(1))
    }

    fn turn(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.window_start_ms) >= WINDOW_MS {
            *self = Self { window_start_ms: now_ms, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UpstreamClass as C;

    const RULES: BreakerRules =
        BreakerRules { allowed_fails: 3, policy: NONE, cooldown: Duration::from_secs(30) };
    const NONE: ByClass = ByClass {
        bad_request: None,
        authentication: None,
        timeout: None,
        rate_limit: None,
        content_policy: None,
        internal: None,
    };
    const COOLS: Verdict = Verdict::Cools(Duration::from_secs(30));

    #[test]
    fn the_third_failure_in_the_window_cools() {
        let mut breaker = Breaker::default();
        let verdicts: Vec<Verdict> =
            (0..3).map(|i| breaker.failed(i * 1000, C::Internal, None, RULES)).collect();
        assert_eq!(verdicts, [Verdict::Stays, Verdict::Stays, COOLS]);
    }

    #[test]
    fn failures_are_forgotten_with_the_window() {
        let mut breaker = Breaker::default();
        for i in 0..9 {
            assert_eq!(breaker.failed(i * WINDOW_MS, C::Internal, None, RULES), Verdict::Stays);
        }
    }

    #[test]
    fn a_refused_key_cools_at_once_and_a_429_for_its_retry_after() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(0, C::Authentication, None, RULES), COOLS);
        let after = Some(Duration::from_secs(7));
        assert_eq!(breaker.failed(1, C::RateLimit, after, RULES), Verdict::Cools(Duration::from_secs(7)));
        assert_eq!(breaker.failed(1, C::RateLimit, None, RULES), COOLS);
    }

    #[test]
    fn the_requests_own_faults_never_count_and_noise_does_not_cool() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert_eq!(breaker.failed(0, C::BadRequest, None, RULES), Verdict::Stays);
        }
        for _ in 0..1000 {
            breaker.succeeded(0);
        }
        for _ in 0..20 {
            assert_eq!(breaker.failed(0, C::Internal, None, RULES), Verdict::Stays);
        }
    }

    #[test]
    fn a_zero_cooldown_never_cools() {
        let rules = BreakerRules { allowed_fails: 0, cooldown: Duration::ZERO, ..RULES };
        assert_eq!(Breaker::default().failed(0, C::Internal, None, rules), Verdict::Stays);
    }

    #[test]
    fn a_policy_counts_each_class_by_itself() {
        let policy = ByClass { authentication: Some(2), timeout: Some(1), rate_limit: Some(3), ..NONE };
        let rules = BreakerRules { policy, ..RULES };
        let mut breaker = Breaker::default();
        let mut failed = |class| breaker.failed(0, class, None, rules) == COOLS;
        assert!(!failed(C::Authentication) && !failed(C::RateLimit) && !failed(C::RateLimit));
        assert!(failed(C::Authentication), "the second");
        assert!(failed(C::Timeout), "the first");
        assert!(!failed(C::RateLimit), "what was counted went with the cooldown");
        assert!(!failed(C::Internal) && !failed(C::Internal) && failed(C::Internal), "as everybody else");
    }
}
