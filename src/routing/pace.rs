//! How a deployment has been doing lately: calls and tokens of the last minute, and how fast it answers.
//!
//! Numbers that strategies compare, kept without a lock. The time is handed in, in milliseconds of any steady
//! clock that all deployments share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MINUTE_MS: u64 = 60_000;

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

/// An amount over the last sixty seconds: this minute's, and of the minute before the part that is still within
/// them. It has no edge at which everything is forgotten.
#[derive(Debug, Default)]
pub struct Flow {
    /// By the minute's parity: its number in the upper half, the amount in the lower.
    minutes: [AtomicU64; 2],
}

impl Flow {
    /// Adds an amount.
    pub fn add(&self, now_ms: u64, amount: u64) {
        let _ = self.take(now_ms, amount, |_| true);
    }

    /// Adds an amount unless that would exceed `limit`; whether it was added.
    pub fn try_add(&self, now_ms: u64, amount: u64, limit: u64) -> bool {
        let before = self.before(now_ms);
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
        self.take(now_ms, amount, |this| before + (this + amount) as f64 <= limit as f64)
    }

    /// The amount of the last sixty seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a u32 fits")]
    pub fn last_minute(&self, now_ms: u64) -> f64 {
        self.of(now_ms / MINUTE_MS) as f64 + self.before(now_ms)
    }

    /// How long until `amount` more fits under `limit`; `None` if it fits now, a minute at most if it never does.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
    pub fn wait(&self, now_ms: u64, amount: u64, limit: u64) -> Option<Duration> {
        let room = limit as f64 - amount as f64;
        if self.last_minute(now_ms) <= room {
            return None;
        }
        let minute = now_ms / MINUTE_MS;
        let (this, last) = (self.of(minute) as f64, self.of(minute.wrapping_sub(1)) as f64);
        let gone = now_ms % MINUTE_MS;
        // While this minute lasts only the one before fades; after it, this one does.
        let within = if this <= room && last > 0.0 {
            MINUTE_MS as f64 * (1.0 - (room - this) / last) - gone as f64
        } else {
            let share = if this > 0.0 { (1.0 - room / this).clamp(0.0, 1.0) } else { 1.0 };
            (MINUTE_MS - gone) as f64 + MINUTE_MS as f64 * share
        };
        Some(Duration::from_secs_f64(within.max(1.0) / 1000.0))
    }

    #[expect(clippy::cast_precision_loss, reason = "a u32 and a part of a minute fit")]
    fn before(&self, now_ms: u64) -> f64 {
        let part = (MINUTE_MS - now_ms % MINUTE_MS) as f64 / MINUTE_MS as f64;
        self.of((now_ms / MINUTE_MS).wrapping_sub(1)) as f64 * part
    }

    fn slot(&self, minute: u64) -> &AtomicU64 {
        &self.minutes[usize::from(minute & 1 == 1)]
    }

    fn of(&self, minute: u64) -> u64 {
        amount_in(self.slot(minute).load(Ordering::Relaxed), minute)
    }

    fn take(&self, now_ms: u64, amount: u64, fits: impl Fn(u64) -> bool) -> bool {
        let minute = now_ms / MINUTE_MS;
        let more = |packed: u64| {
            let this = amount_in(packed, minute);
            fits(this).then(|| (minute << 32) | this.saturating_add(amount).min(u64::from(u32::MAX)))
        };
        self.slot(minute).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

fn amount_in(packed: u64, minute: u64) -> u64 {
    if packed >> 32 == minute & u64::from(u32::MAX) { packed & u64::from(u32::MAX) } else { 0 }
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

    #[test]
    fn a_flow_fades_over_a_minute() {
        let flow = Flow::default();
        flow.add(30_000, 60);
        assert!((flow.last_minute(59_999) - 60.0).abs() < 1e-9);
        assert!((flow.last_minute(90_000) - 30.0).abs() < 1e-9, "half of its minute is out of sight");
        assert!(flow.last_minute(120_000).abs() < 1e-9);
        flow.add(240_000, 1);
        assert!(
            (flow.last_minute(240_000) - 1.0).abs() < 1e-9,
            "an old minute of the same parity is not counted"
        );
    }

    #[test]
    fn no_more_than_the_limit_gets_in_and_the_wait_is_true() {
        let flow = Flow::default();
        assert!((0..3).all(|_| flow.try_add(50_000, 1, 3)));
        assert!(!flow.try_add(50_001, 1, 3) && !flow.try_add(60_001, 1, 3));
        for now in [50_001, 60_001, 70_000] {
            let wait = flow.wait(now, 1, 3).unwrap();
            let then = now + u64::try_from(wait.as_millis()).unwrap();
            assert!(flow.wait(then - 20, 1, 3).is_some(), "too long a wait at {now}: {wait:?}");
            assert_eq!(flow.wait(then + 20, 1, 3), None, "too short a wait at {now}: {wait:?}");
        }
        assert!(flow.wait(50_001, 5, 3).unwrap() <= Duration::from_secs(120), "never fits");
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
