//! What one thread does with the money that it was lent.

use super::hold::MoneyHold;
use crate::domain::Money;
use crate::limits::lending::Part;
use crate::limits::pace::Pace;

/// In pico-dollars; what is less than before is below zero.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) epoch: u64,
    pub(super) period_end: i64,
    /// For which budget it was lent.
    pub(super) max: Option<Money>,
    pub(super) lent: i64,
    pub(super) pending: i64,
    pub(super) reserved: i64,
    /// What was spent by all when it was lent.
    pub(super) base: i64,
    pub(super) pace: Pace,
}

impl Part<Own> {
    pub(super) fn reserve(&self, period_end: i64, max: Option<Money>, amount: i64) -> Option<MoneyHold> {
        let mut own = self.own();
        let is_lent = own.lent > 0 && own.period_end == period_end && own.max == max;
        if !is_lent || amount > own.room() {
            return None;
        }
        own.reserved += amount;
        own.pace.calls += 1;
        Some(MoneyHold { epoch: own.epoch, period_end, amount })
    }

    /// Whether it could be done here.
    pub(super) fn top_up(&self, hold: &mut MoneyHold, so_far: Money) -> bool {
        let mut own = self.own();
        let more = so_far.pico().saturating_sub(hold.amount).max(0);
        if hold.epoch != own.epoch || more > own.room() {
            return false;
        }
        own.reserved += more;
        hold.amount += more;
        true
    }

    /// Whether it could be done here: it took no more than there is.
    pub(super) fn settle(&self, hold: &MoneyHold, cost: Money) -> bool {
        let mut own = self.own();
        let more = cost.pico().saturating_sub(hold.amount);
        let is_present = hold.epoch == own.epoch && hold.period_end == own.period_end;
        if !is_present || (more > 0 && more > own.room()) {
            return false;
        }
        own.reserved -= hold.amount;
        own.pending = own.pending.saturating_add(cost.pico());
        true
    }
}

impl Own {
    const fn room(&self) -> i64 {
        self.lent.saturating_sub(self.pending).saturating_sub(self.reserved)
    }
}
