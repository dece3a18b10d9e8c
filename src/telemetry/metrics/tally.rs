//! What one thread has counted of calls that are alike, and not told their series yet.
//!
//! A call counts into some twenty series. They are far apart in memory, and threads that count into the same one wait for
//! each other; here they are side by side, and one thread alone writes. Who exposes series first lets all tallies tell.

use super::handles::CallHandles;
use super::latency::{Observed, SPANS};
use super::series::{self, BUCKETS};
use super::tokens;
use crate::domain::UsageRecord;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A tally tells after so many calls itself: its buckets are narrow, and one call adds no more than one to each.
const MOST_CALLS: u64 = 1 << 15;

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
    counts: [[AtomicU16; SPANS]; BUCKETS],
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

/// A tally, and the series it is for.
#[repr(C)]
pub(super) struct Pending {
    /// Whether calls have tokens of kinds that few have.
    has_details: bool,
    tally: Tally,
    series: Arc<CallHandles>,
    told: Mutex<Counted>,
}

impl Tally {
    /// Counts a call; the thread that calls this must be the only one that ever does.
    fn count(&self, record: &UsageRecord, observed: &Observed) -> u64 {
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

    fn counted(&self) -> Counted {
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
    fn since(&self, before: &Self) -> Self {
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

impl Pending {
    /// Nothing yet, for calls like this one.
    pub(super) fn new(series: Arc<CallHandles>, record: &UsageRecord) -> Self {
        let has_details = tokens::details(&record.usage) > 0;
        Self { has_details, tally: Tally::default(), series, told: Mutex::default() }
    }

    /// Counts a call; the thread that calls this must be the only one that ever does.
    pub(super) fn count(&self, record: &UsageRecord, observed: &Observed) {
        let calls = self.tally.count(record, observed);
        if self.has_details {
            self.series.count_details(record);
        }
        if calls.is_multiple_of(MOST_CALLS) {
            self.tell();
        }
    }

    /// Hands on what was not told yet.
    fn tell(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.tally.counted();
        let more = now.since(&told);
        *told = now;
        // Within the lock, so that who finds nothing to tell finds it in the series.
        if more.calls > 0 || more.counts.iter().flatten().any(|count| *count > 0) {
            self.series.add(&more);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.tell();
    }
}

/// All tallies of all threads.
#[derive(Default)]
pub(super) struct Tallies(Mutex<Vec<Weak<Pending>>>);

impl Tallies {
    /// From now on this one is asked too.
    pub(super) fn join(&self, pending: &Arc<Pending>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|pending| pending.strong_count() > 0);
        }
        all.push(Arc::downgrade(pending));
    }

    /// Brings all series up to date.
    pub(super) fn tell(&self) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().filter_map(Weak::upgrade).for_each(|pending| pending.tell());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_short_call_counts_is_on_few_lines() {
        let header = size_of::<[usize; 2]>() + std::mem::offset_of!(Pending, tally);
        let first_buckets = std::mem::offset_of!(Tally, counts) + size_of::<[u16; SPANS]>();
        assert!(header + first_buckets <= 3 * 64);
        assert!(size_of::<Tally>() <= 8 * 64, "{} bytes", size_of::<Tally>());
    }

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
