//! The numbers that one thread counts of calls that are alike, side by side.

use super::series::{self, BUCKETS};
use crate::domain::UsageRecord;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

/// The durations that are observed of a call.
pub(super) const SPANS: usize = 9;

/// What is observed of a call, in the order of its series; with the bounds of each.
pub(super) type Observed = [(Option<f64>, &'static [f64]); SPANS];

/// The numbers of calls that were answered at once and in full.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Tally {
    calls: AtomicU64,
    prompt: AtomicU64,
    completion: AtomicU64,
    /// The bits of a number, as are the sums.
    spend: AtomicU64,
    sums: [AtomicU64; SPANS],
    /// By bucket first: the spans of a call often lie in one.
    pub(super) counts: [[AtomicU16; SPANS]; BUCKETS],
}

/// The same numbers at one moment.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) calls: u64,
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) spend: f64,
    pub(super) sums: [f64; SPANS],
    pub(super) counts: [[u16; SPANS]; BUCKETS],
}

impl Tally {
    /// Counts a call; the thread that calls this must be the only one that ever does.
    pub(super) fn count(&self, record: &UsageRecord, observed: &Observed) -> u64 {
        let calls = add(&self.calls, 1);
        add(&self.prompt, record.usage.prompt);
        add(&self.completion, record.usage.completion);
        // A counter must not go down, whatever a price table says.
        add_float(&self.spend, record.cost.dollars().max(0.0));
        for (at, (span, bounds)) in observed.iter().enumerate() {
            let Some(span) = span else { continue };
            let row = self.counts.get(series::bucket(bounds, *span));
            if let (Some(sum), Some(count)) = (self.sums.get(at), row.and_then(|row| row.get(at))) {
                add_float(sum, *span);
                count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
            }
        }
        calls
    }

    pub(super) fn counted(&self) -> Counted {
        let float = |bits: &AtomicU64| f64::from_bits(bits.load(Relaxed));
        Counted {
            calls: self.calls.load(Relaxed),
            prompt: self.prompt.load(Relaxed),
            completion: self.completion.load(Relaxed),
            spend: float(&self.spend),
            sums: self.sums.each_ref().map(float),
            counts: self.counts.each_ref().map(|row| row.each_ref().map(|count| count.load(Relaxed))),
        }
    }
}

fn add(to: &AtomicU64, count: u64) -> u64 {
    let sum = to.load(Relaxed).wrapping_add(count);
    to.store(sum, Relaxed);
    sum
}

fn add_float(to: &AtomicU64, value: f64) {
    to.store((f64::from_bits(to.load(Relaxed)) + value).to_bits(), Relaxed);
}

impl Counted {
    /// What came since `before`; buckets may have run over once.
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut since = *self;
        since.calls = self.calls.wrapping_sub(before.calls);
        since.prompt = self.prompt.wrapping_sub(before.prompt);
        since.completion = self.completion.wrapping_sub(before.completion);
        since.spend -= before.spend;
        since.sums.iter_mut().zip(before.sums).for_each(|(sum, before)| *sum -= before);
        let counts = since.counts.iter_mut().flatten().zip(before.counts.iter().flatten());
        counts.for_each(|(count, before)| *count = count.wrapping_sub(*before));
        since
    }

    /// Of one span, the buckets and their sum.
    pub(super) fn of(&self, span: usize) -> (impl Iterator<Item = u64>, f64) {
        let count = move |row: &[u16; SPANS]| row.get(span).copied().map_or(0, u64::from);
        (self.counts.iter().map(count), self.sums.get(span).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_that_ran_over_are_told_right() {
        let (mut before, mut now) = (Counted::default(), Counted::default());
        before.counts[3][1] = u16::MAX - 1;
        now.counts[3][1] = 5;
        now.sums[1] = 2.5;
        let more = now.since(&before);
        let (counts, sum) = more.of(1);
        assert_eq!((counts.sum::<u64>(), sum), (7, 2.5));
    }
}
