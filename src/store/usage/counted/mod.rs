//! What a counter makes of calls of another period than its own.
//!
//! Either its period is over, and it begins anew; or that of the calls is, and they came late; or both run, because the
//! budget's duration was changed, and what was spent stays spent.

use crate::domain::{UsageRecord, unix_ms};
use crate::limits::LATE;
use crate::store::changes::now_ms;

/// A sum, and the period it is of, by its end in unix milliseconds; 0 without a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) period: i64,
    pub(super) sum: i64,
}

/// What a batch charges to a counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charged {
    /// What budgets are compared with.
    pub(super) spent: Counted,
    /// What rows say: of the latest period alone.
    pub(super) booked: Counted,
}

/// The moment by which periods are over for those who book these records, in unix milliseconds: no earlier than any of
/// them, and by as much later as clocks may differ.
pub(super) fn moment(records: &[(&UsageRecord, &str)]) -> i64 {
    let ended = records.iter().map(|(record, _)| unix_ms(record.arrived + record.timings.end));
    ended.max().unwrap_or_default().max(now_ms()).saturating_add(LATE)
}

impl Counted {
    /// Adds what calls of a period cost, at the moment `now` in unix milliseconds.
    pub(super) fn add(&mut self, period: i64, cost: i64, now: i64) {
        if self.goes_on(period, now) {
            *self = Self { period, sum: self.sum.saturating_add(cost) };
        } else if self.begins_anew(period, now) {
            *self = Self { period, sum: cost };
        }
    }

    /// Whether calls of that period are added to what there is.
    const fn goes_on(self, period: i64, now: i64) -> bool {
        period == self.period || self.period == 0 || (self.period > now && (period == 0 || period > now))
    }

    /// Whether what there is is of a period that is over.
    const fn begins_anew(self, period: i64, now: i64) -> bool {
        self.period <= now && (period == 0 || period > self.period)
    }
}

impl Charged {
    /// Nothing yet, in that period.
    pub(super) const fn new(period: i64) -> Self {
        Self { spent: Counted { period, sum: 0 }, booked: Counted { period, sum: 0 } }
    }

    /// Adds what calls of a period cost, at the moment `now` in unix milliseconds.
    pub(super) fn add(&mut self, period: i64, cost: i64, now: i64) {
        self.spent.add(period, cost, now);
        if period > self.booked.period {
            self.booked = Counted { period, sum: 0 };
        }
        if period == self.booked.period {
            self.booked.sum = self.booked.sum.saturating_add(cost);
        }
    }
}

#[cfg(test)]
mod tests;
