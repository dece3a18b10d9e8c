//! When a deployment is taken out of rotation, and for how long.
//!
//! A refused key cools at once; a 429 cools for its `Retry-After`; faults of the server cool after
//! `allowed_fails` of them within a window, if they are more than noise. The request's own faults
//! never count. Times are milliseconds of any steady clock.

use crate::domain::FaultClass;
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
        fault: FaultClass,
        retry_after: Option<Duration>,
        rules: BreakerRules,
    ) -> Verdict {
        self.turn(now_ms);
        self.calls = self.calls.saturating_add(1);
        let cooldown = match fault {
            FaultClass::Request => return Verdict::Stays,
            FaultClass::Key => rules.cooldown,
            FaultClass::Quota => retry_after.filter(|after| !after.is_zero()).unwrap_or(rules.cooldown),
            FaultClass::Host => {
                self.failures = self.failures.saturating_add(1);
                let noise = self.failures.saturating_mul(NOISE) < self.calls;
                if self.failures < rules.allowed_fails.max(1) || noise {
                    return Verdict::Stays;
                }
                rules.cooldown
            }
        };
        if cooldown.is_zero() {
            return Verdict::Stays;
        }
        *self = Self { window_start_ms: now_ms, ..Self::default() };
        Verdict::Cools(cooldown)
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

    const RULES: BreakerRules = BreakerRules { allowed_fails: 3, cooldown: Duration::from_secs(30) };
    const COOLS: Verdict = Verdict::Cools(Duration::from_secs(30));

    #[test]
    fn the_third_failure_in_the_window_cools() {
        let mut breaker = Breaker::default();
        let verdicts: Vec<Verdict> =
            (0..3).map(|i| breaker.failed(i * 1000, FaultClass::Host, None, RULES)).collect();
        assert_eq!(verdicts, [Verdict::Stays, Verdict::Stays, COOLS]);
    }

    #[test]
    fn failures_are_forgotten_with_the_window() {
        let mut breaker = Breaker::default();
        for i in 0..9 {
            assert_eq!(breaker.failed(i * WINDOW_MS, FaultClass::Host, None, RULES), Verdict::Stays);
        }
    }

    #[test]
    fn a_refused_key_cools_at_once_and_a_429_for_its_retry_after() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(0, FaultClass::Key, None, RULES), COOLS);
        let after = Some(Duration::from_secs(7));
        assert_eq!(
            breaker.failed(1, FaultClass::Quota, after, RULES),
            Verdict::Cools(Duration::from_secs(7))
        );
        assert_eq!(breaker.failed(1, FaultClass::Quota, None, RULES), COOLS);
    }

    #[test]
    fn the_requests_own_faults_never_count_and_noise_does_not_cool() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert_eq!(breaker.failed(0, FaultClass::Request, None, RULES), Verdict::Stays);
        }
        for _ in 0..1000 {
            breaker.succeeded(0);
        }
        for _ in 0..20 {
            assert_eq!(breaker.failed(0, FaultClass::Host, None, RULES), Verdict::Stays);
        }
    }

    #[test]
    fn a_zero_cooldown_never_cools() {
        let rules = BreakerRules { allowed_fails: 0, cooldown: Duration::ZERO };
        assert_eq!(Breaker::default().failed(0, FaultClass::Host, None, rules), Verdict::Stays);
    }
}
