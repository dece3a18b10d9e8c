//! What an account counts, and how it comes from one period into the next.

use super::part::Parts;
use super::{MoneyHold, Refuses};
use crate::domain::Money;
use crate::limits::lease::MoneyLease;

/// How late the clock of one request can be against another's, in milliseconds.
pub const LATE: i64 = 1000;

/// Why a budget let nobody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overspent {
    /// What was spent in the period.
    pub spent: Money,
    /// What is promised to calls under way.
    pub reserved: Money,
    /// The budget, with its increase.
    pub max: Money,
}

/// What an account counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Spent in the period, as the database has it.
    pub base: Money,
    /// Spent in the period, not in the database yet.
    pub pending: Money,
    /// Promised to calls under way.
    pub reserved: Money,
}

impl Balance {
    /// What was spent in the period.
    #[must_use]
    pub const fn spent(self) -> Money {
        self.base.saturating_add(self.pending)
    }
}

/// Amounts are in pico-dollars, times in unix milliseconds. What every call changes stands first.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct State {
    pub(super) pending: i64,
    pub(super) reserved: i64,
    pub(super) used_at: i64,
    pub(super) base: i64,
    /// 0 without a period.
    pub(super) period_end: i64,
    /// Grows whenever the counter begins anew, so that late settlements find out that their period is over.
    pub(super) epoch: u64,
    /// What the database had at first: a soft budget below it was reported then.
    pub(super) at_first: i64,
    /// Only where it is shared.
    pub(super) lease: Option<Box<MoneyLease>>,
    /// Only where threads have parts of it.
    pub(super) parts: Option<Box<Parts>>,
    pub(super) loaded: bool,
    pub(super) warned: bool,
}

impl State {
    pub(super) const fn balance(&self) -> Balance {
        Balance {
            base: Money::from_pico(self.base),
            pending: Money::from_pico(self.pending),
            reserved: Money::from_pico(self.reserved),
        }
    }

    /// What all processes have spent, and promised to calls under way or lent to threads.
    pub(super) fn all(&self) -> (i64, i64) {
        let spent = self.base.saturating_add(self.pending);
        let Some(lease) = &self.lease else { return (spent, self.reserved.saturating_add(self.lent())) };
        let unknown = lease.base.saturating_sub(self.base).max(0);
        let spent = spent.saturating_add(unknown).saturating_add(lease.pending);
        (spent, self.reserved.saturating_add(lease.promised))
    }

    pub(super) fn is_open(&self, max: i64, refuses: Refuses) -> bool {
        let (spent, _) = self.all();
        max > 0
            && match refuses {
                Refuses::AtMax => spent < max,
                Refuses::AboveMax => spent <= max,
            }
    }

    pub(super) fn affords(&self, max: i64, refuses: Refuses, amount: i64) -> bool {
        let (spent, reserved) = self.all();
        let promised = spent.saturating_add(reserved).saturating_add(amount);
        self.is_open(max, refuses) && (reserved == 0 || promised <= max)
    }

    /// Whether so much more is within the leave.
    pub(super) fn covers(&self, amount: i64) -> bool {
        let used = self.pending.saturating_add(self.reserved).saturating_add(amount);
        amount > 0 && self.lease.as_ref().is_some_and(|lease| used <= lease.granted)
    }

    fn begin(&mut self, period_end: i64) {
        self.epoch = self.epoch.wrapping_add(1);
        self.lease = None;
        self.period_end = period_end;
        self.base = 0;
        self.pending = 0;
        self.reserved = 0;
        self.at_first = 0;
        self.warned = false;
        self.forget_lent();
    }

    /// What a call cost, if what it was promised of counts still; whether it does.
    pub(super) fn settle(&mut self, hold: &MoneyHold, cost: Money) -> bool {
        if hold.epoch != self.epoch {
            return false;
        }
        self.reserved -= hold.amount;
        self.pending = self.pending.saturating_add(cost.pico());
        true
    }

    /// Raises what is promised to a call to what it cost so far.
    pub(super) fn top_up(&mut self, hold: &mut MoneyHold, so_far: Money) {
        if hold.epoch == self.epoch {
            let more = so_far.pico().saturating_sub(hold.amount).clamp(0, i64::MAX - self.reserved);
            hold.amount += more;
            self.reserved += more;
        }
    }

    /// Comes into the period that ends at `period_end`. If the last one is over, the counter begins anew; if not, the
    /// terms were changed, and what was spent stays spent.
    pub(super) fn enter(&mut self, now: i64, period_end: i64) {
        let late = period_end != 0 && period_end < self.period_end && period_end <= now.saturating_add(LATE);
        if period_end == self.period_end || late {
            return;
        }
        if self.period_end != 0 && now >= self.period_end {
            self.begin(period_end);
            return;
        }
        self.period_end = period_end;
        self.lease = None;
    }

    /// Takes over the database's total at `now`; whether it counts here. It does not if its period is over and this one is
    /// not; that of another period that runs is what changed terms found there.
    pub(super) fn learn(&mut self, now: i64, total: i64, period_end: i64) -> bool {
        let is_first = !std::mem::replace(&mut self.loaded, true);
        if period_end != self.period_end {
            let runs = |end: i64| end == 0 || end > now.saturating_add(LATE);
            match (runs(period_end), runs(self.period_end)) {
                _ if is_first && self.period_end == 0 => {
                    self.period_end = period_end;
                    self.lease = None;
                }
                (true, true) => {}
                (false, true) => return false,
                (false, false) if period_end < self.period_end => return false,
                (_, false) => self.begin(period_end),
            }
        }
        if let Some(lease) = &mut self.lease {
            lease.set_back |= total < self.base;
        }
        self.base = total;
        true
    }
}
