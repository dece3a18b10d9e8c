//! Out of rotation for a time, and back in by one call at a time.
//!
//! In, until failures [`Cooldown::set`] it: out, until its time is over; then one call at a time finds out how things
//! are ([`Cooldown::try_probe`]), until one is answered ([`Cooldown::recover`]) and it is in again.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What callers are told to wait while somebody finds out.
const FINDING_OUT: Duration = Duration::from_secs(1);

/// How many are not in, of all there are, or a moment more: while none is out, which is most of the time, nobody needs to
/// look at the cooldowns of a deployment, which lie apart.
static OUT: AtomicUsize = AtomicUsize::new(0);

/// Whether something is in rotation; it begins as in. Times are milliseconds of any steady clock.
#[derive(Debug, Default)]
pub struct Cooldown {
    /// Zero is "in".
    until_ms: AtomicU64,
    probing: AtomicBool,
}

impl Cooldown {
    pub(super) fn set(&self, now_ms: u64, length: Duration) {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1);
        OUT.fetch_add(1, Ordering::AcqRel);
        if self.until_ms.fetch_max(now_ms.saturating_add(length), Ordering::AcqRel) > 0 {
            OUT.fetch_sub(1, Ordering::Release);
        }
    }

    /// Whether every one of the process is in.
    pub(super) fn all_are_in() -> bool {
        OUT.load(Ordering::Acquire) == 0
    }

    /// When it may come back, or might have; zero if it is in.
    pub(super) fn until(&self) -> u64 {
        self.until_ms.load(Ordering::Relaxed)
    }

    /// Whether it is in, without a look at the clock.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.until_ms.load(Ordering::Relaxed) == 0
    }

    /// How much longer it is out; `None` for a call that may go there.
    #[must_use]
    pub fn remaining(&self, now_ms: u64) -> Option<Duration> {
        let until = self.until_ms.load(Ordering::Relaxed);
        if until > now_ms {
            return Some(Duration::from_millis(until - now_ms));
        }
        (until > 0 && self.probing.load(Ordering::Relaxed)).then_some(FINDING_OUT)
    }

    /// Whether its time is over and nobody was answered since.
    #[must_use]
    pub fn is_doubtful(&self, now_ms: u64) -> bool {
        (1..=now_ms).contains(&self.until_ms.load(Ordering::Relaxed))
    }

    /// Lets a call find out, if nobody else does and it is time; whether this call is the one.
    pub(super) fn try_probe(&self, now_ms: u64) -> bool {
        self.is_doubtful(now_ms)
            && self.probing.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The call that found out is over, however it ended.
    pub(super) fn end_probe(&self) {
        self.probing.store(false, Ordering::Release);
    }

    /// A call was answered.
    pub(super) fn recover(&self, now_ms: u64) {
        let until = self.until_ms.load(Ordering::Relaxed);
        if until > 0 && until <= now_ms {
            // Whoever has set it anew meanwhile knows better.
            if self.until_ms.compare_exchange(until, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                OUT.fetch_sub(1, Ordering::Release);
            }
        }
    }
}

impl Drop for Cooldown {
    fn drop(&mut self) {
        if !self.is_in() {
            OUT.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_call_at_a_time_finds_out_and_an_answer_ends_it() {
        let bench = Cooldown::default();
        assert!(bench.is_in() && bench.remaining(0).is_none() && !bench.try_probe(0));
        bench.set(0, SECOND);
        assert_eq!(bench.remaining(400), Some(Duration::from_millis(600)));
        assert!(!bench.try_probe(400), "it is not time yet");
        assert_eq!(bench.remaining(1000), None);
        assert!(bench.try_probe(1000) && !bench.try_probe(1000));
        assert_eq!(bench.remaining(1000), Some(FINDING_OUT), "for everybody else");
        bench.end_probe();
        assert!(bench.try_probe(1001), "the first one left without an answer");
        bench.end_probe();
        bench.recover(1002);
        assert!(bench.is_in() && !bench.try_probe(1003));
    }

    #[test]
    fn an_answer_from_before_does_not_end_it_early_nor_a_failure_shorten_it() {
        let bench = Cooldown::default();
        bench.set(0, SECOND);
        bench.recover(999);
        bench.set(0, SECOND / 2);
        assert_eq!(bench.remaining(900), Some(Duration::from_millis(100)));
    }

    proptest! {
        /// Whatever happens in whatever order, no more than one call finds out, and only when it is time.
        #[test]
        fn never_two_at_once(steps in prop::collection::vec((0u8..5, 1u64..400), 1..200)) {
            let bench = Cooldown::default();
            let (mut now, mut probing, mut until) = (1, false, 0);
            for (what, number) in steps {
                match what {
                    0 => {
                        bench.set(now, Duration::from_millis(number));
                        until = until.max(now + number);
                    }
                    1 => {
                        let began = bench.try_probe(now);
                        prop_assert_eq!(began, !probing && until > 0 && until <= now);
                        probing |= began;
                    }
                    2 if probing => {
                        bench.end_probe();
                        probing = false;
                    }
                    3 => {
                        bench.recover(now);
                        if until <= now {
                            until = 0;
                        }
                    }
                    _ => now += number,
                }
                prop_assert_eq!(bench.is_in(), until == 0);
                prop_assert!(bench.remaining(now).is_some() == (until > now || (until > 0 && probing)));
            }
        }
    }
}
