//! How a deployment has been doing lately: calls and tokens of the last minute, and how fast it answers.
//!
//! Numbers that strategies compare, kept without a lock. The time is handed in, in milliseconds of any steady
//! clock that all deployments share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is counted of one deployment.
#[derive(Debug, Default)]
pub struct Pace {
    /// Calls that were sent.
    pub requests: Flow,
    /// Tokens of prompts and answers.
    pub tokens: Flow,
    /// Seconds for each produced token.
    pub per_token: Average,
    /// Seconds to the first token of streams.
    pub first_token: Average,
    /// The share of its quota that the upstream says is left.
    pub left: Told,
}

/// A minute is counted in parts of so many milliseconds.
const PART_MS: u64 = 5_000;
/// The parts that a minute can touch.
const SLOTS: usize = 13;
const PARTS: u64 = SLOTS as u64;

/// An amount over the last sixty seconds, in parts of five: each leaves the sum when all of it is older than that, so
/// that a limit on the sum holds in every minute, wherever one begins to count.
#[derive(Debug, Default)]
pub struct Flow {
    /// Each part's number in the upper half, its amount in the lower.
    parts: [AtomicU64; SLOTS],
}

impl Flow {
    /// Adds an amount.
    pub fn add(&self, now_ms: u64, amount: u64) {
        let _ = self.try_add(now_ms, amount, u64::MAX);
    }

    /// Adds an amount unless that would exceed `limit`; whether it was added.
    pub fn try_add(&self, now_ms: u64, amount: u64, limit: u64) -> bool {
        let part = now_ms / PART_MS;
        let before: u64 = self.seen(now_ms).filter(|(seen, _)| *seen != part).map(|(_, amount)| amount).sum();
        let more = |packed: u64| {
            let this = amount_in(packed, part).saturating_add(amount).min(u64::from(u32::MAX));
            (before.saturating_add(this) <= limit).then_some((part << 32) | this)
        };
        self.slot(part).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// The amount of the last sixty seconds.
    #[must_use]
    pub fn last_minute(&self, now_ms: u64) -> u64 {
        self.seen(now_ms).map(|(_, amount)| amount).sum()
    }

    /// How long until `amount` more fits under `limit`; `None` if it fits now. What never fits waits until all has
    /// passed.
    #[must_use]
    pub fn wait(&self, now_ms: u64, amount: u64, limit: u64) -> Option<Duration> {
        let mut sum = self.last_minute(now_ms);
        if sum.saturating_add(amount) <= limit {
            return None;
        }
        let mut until = now_ms;
        for (part, gone) in self.seen(now_ms).filter(|(_, amount)| *amount > 0) {
            until = (part + PARTS) * PART_MS;
            sum = sum.saturating_sub(gone);
            if sum.saturating_add(amount) <= limit {
                break;
            }
        }
        Some(Duration::from_millis(until.saturating_sub(now_ms).max(1)))
    }

    /// The parts in sight with their amounts, the oldest first.
    fn seen(&self, now_ms: u64) -> impl Iterator<Item = (u64, u64)> {
        let now = now_ms / PART_MS;
        let parts = now.saturating_sub(PARTS - 1)..=now;
        parts.map(|part| (part, amount_in(self.slot(part).load(Ordering::Relaxed), part)))
    }

    fn slot(&self, part: u64) -> &AtomicU64 {
        &self.parts[(part % PARTS) as usize]
    }
}

fn amount_in(packed: u64, part: u64) -> u64 {
    if packed >> 32 == part & u64::from(u32::MAX) { packed & u64::from(u32::MAX) } else { 0 }
}

/// A moving average: each sample weighs as in an average over the last so many.
#[derive(Debug, Default)]
pub struct Average {
    /// Seconds of the clock in the upper half (from 1; 0 is no sample yet), the average as `f32` in the lower.
    packed: AtomicU64,
}

impl Average {
    /// Takes note of a sample, one of about `over` that count.
    #[expect(clippy::cast_possible_truncation, reason = "an average in seconds needs no more")]
    pub fn note(&self, now_ms: u64, sample: f64, over: u32) {
        let weight = 2.0 / (f64::from(over.max(1)) + 1.0);
        let next = |packed| {
            let old = unpacked(packed).map_or(sample, |(_, old)| old);
            Some(packed_of(now_ms, (old + (sample - old) * weight) as f32))
        };
        let _ = self.packed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// The average, unless its last sample is older than `ttl`.
    #[must_use]
    pub fn get(&self, now_ms: u64, ttl: Duration) -> Option<f64> {
        let (at, average) = unpacked(self.packed.load(Ordering::Relaxed))?;
        ((now_ms / 1000).saturating_sub(at) <= ttl.as_secs()).then_some(average)
    }
}

/// A share that somebody else says, true until a moment.
#[derive(Debug, Default)]
pub struct Told {
    /// Until when, in seconds of the clock, in the upper half; the share as `f32` in the lower.
    packed: AtomicU64,
}

impl Told {
    /// Takes note of what is said.
    #[expect(clippy::cast_possible_truncation, reason = "a share needs no more")]
    pub fn note(&self, now_ms: u64, share: f64, lasts: Duration) {
        let until = now_ms.saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
        self.packed.store(packed_of(until, share.clamp(0.0, 1.0) as f32), Ordering::Relaxed);
    }

    /// What was said, if it is still true.
    #[must_use]
    pub fn get(&self, now_ms: u64) -> Option<f64> {
        let (until, share) = unpacked(self.packed.load(Ordering::Relaxed))?;
        (now_ms / 1000 < until).then_some(share)
    }
}

fn packed_of(at_ms: u64, value: f32) -> u64 {
    let seconds = (at_ms / 1000 + 1).min(u64::from(u32::MAX));
    (seconds << 32) | u64::from(value.to_bits())
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
fn unpacked(packed: u64) -> Option<(u64, f64)> {
    let seconds = (packed >> 32).checked_sub(1)?;
    Some((seconds, f64::from(f32::from_bits(packed as u32))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn a_flow_passes_out_of_sight_after_a_minute() {
        let flow = Flow::default();
        flow.add(34_999, 60);
        assert_eq!(
            (flow.last_minute(34_999), flow.last_minute(94_999), flow.last_minute(95_000)),
            (60, 60, 0)
        );
        flow.add(30_000 + 13 * 5_000, 1);
        assert_eq!(flow.last_minute(30_000 + 13 * 5_000), 1, "the slot's old part is not counted");
        flow.add(1, u64::MAX);
        assert_eq!(flow.last_minute(1), u64::from(u32::MAX));
    }

    #[test]
    fn no_more_than_the_limit_gets_in_and_the_wait_is_true() {
        let flow = Flow::default();
        assert!(flow.try_add(50_000, 1, 3) && flow.try_add(53_000, 1, 3) && flow.try_add(71_000, 1, 3));
        for now in [71_001, 90_000, 109_999, 114_999] {
            assert!(!flow.try_add(now, 1, 3));
            assert_eq!(flow.wait(now, 1, 3), Some(Duration::from_millis(115_000 - now)));
            assert_eq!(flow.wait(now, 3, 3), Some(Duration::from_millis(135_000 - now)));
            assert_eq!(flow.wait(now, 5, 3), flow.wait(now, 3, 3), "never fits");
        }
        assert_eq!(flow.wait(115_000, 1, 3), None);
        assert_eq!(Flow::default().wait(0, 2, 1), Some(Duration::from_millis(1)), "nothing has to pass");
    }

    proptest! {
        /// Whatever comes when: no minute has more than the limit, and nothing is refused that is within it for
        /// five seconds more.
        #[test]
        fn a_limit_holds_in_every_minute(gaps in prop::collection::vec(0u64..20_000, 1..200), limit in 1u64..9) {
            let flow = Flow::default();
            let (mut now, mut taken): (u64, Vec<u64>) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                let within = |ms| taken.iter().filter(|at| now - **at < ms).count() as u64;
                let (minute, more) = (within(60_000), within(65_000));
                let fits = flow.wait(now, 1, limit).is_none();
                prop_assert_eq!(flow.try_add(now, 1, limit), fits);
                prop_assert!(if fits { minute < limit } else { more >= limit }, "{} {} of {}", minute, more, limit);
                if fits {
                    taken.push(now);
                }
            }
        }
    }

    #[test]
    fn an_average_follows_its_samples_and_is_forgotten() {
        let average = Average::default();
        let ttl = Duration::from_secs(10);
        assert_eq!(average.get(0, ttl), None);
        average.note(0, 1.0, 10);
        assert_eq!(average.get(0, ttl), Some(1.0));
        (0..60).for_each(|_| average.note(5_000, 3.0, 10));
        assert!((average.get(9_000, ttl).unwrap() - 3.0).abs() < 0.01);
        assert_eq!(average.get(16_000, ttl), None);
    }

    #[test]
    fn what_is_told_holds_until_its_time() {
        let told = Told::default();
        assert_eq!(told.get(0), None);
        told.note(1_000, 0.25, Duration::from_secs(2));
        assert_eq!((told.get(1_000), told.get(9_000)), (Some(0.25), None));
        told.note(1_000, f64::INFINITY, Duration::MAX);
        assert_eq!(told.get(1_000_000), Some(1.0));
    }
}
