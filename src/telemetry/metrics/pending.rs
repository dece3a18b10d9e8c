//! What one thread has counted of calls that are alike, and not told their series yet.
//!
//! A call counts into some twenty series. They are far apart in memory, and threads that count into the same one wait for
//! each other; in a tally they are side by side, and one thread alone writes. Who exposes series first lets all tallies
//! tell.

use super::handles::CallHandles;
use super::tally::{Counted, Observed, Tally};
use super::tokens;
use crate::domain::UsageRecord;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A tally tells after so many calls itself: its buckets are narrow, and one call adds no more than one to each.
const MOST_CALLS: u64 = 1 << 15;

/// A tally, and the series it is for.
#[repr(C)]
pub(super) struct Pending {
    /// Whether calls have tokens of kinds that few have.
    has_details: bool,
    tally: Tally,
    series: Arc<CallHandles>,
    told: Mutex<Counted>,
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
    use crate::telemetry::metrics::tally::SPANS;

    #[test]
    fn what_a_short_call_counts_is_on_few_lines() {
        let header = size_of::<[usize; 2]>() + std::mem::offset_of!(Pending, tally);
        let first_buckets = std::mem::offset_of!(Tally, counts) + size_of::<[u16; SPANS]>();
        assert!(header + first_buckets <= 3 * 64);
        assert!(size_of::<Tally>() <= 8 * 64, "{} bytes", size_of::<Tally>());
    }
}
