//! The part of an account that one thread keeps by itself.
//!
//! As with windows: an account that is far from its budget lends each thread some money, and takes for spent what it has
//! lent. Nobody is refused before all of it was taken back, and near the budget nothing is lent.

use super::state::State;
use super::{Account, Expected, Manner, MoneyHold, Overspent, Refuses, TooMuch};
use crate::domain::{BudgetTerms, Money};
use crate::limits::pace::Pace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Money for so many calls is lent at most; for fewer than the least it is not worth it.
const MOST_CALLS: i64 = 128;
const LEAST_CALLS: i64 = 64;
/// The part of what is left that one thread gets.
const SHARE: i64 = 16;
/// Stands for no budget, in pico-dollars.
const FAR: i64 = 1 << 60;
/// Threads beyond these share with all others.
const MOST_PARTS: usize = 64;

/// An account as one thread has it.
#[derive(Debug)]
pub struct AccountPart {
    account: Arc<Account>,
    part: Arc<Part>,
}

/// What a thread was lent, and what became of it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Part(Mutex<Own>);

/// In pico-dollars; what is less than before is below zero.
#[derive(Debug, Default)]
struct Own {
    epoch: u64,
    period_end: i64,
    /// For which budget it was lent.
    max: Option<Money>,
    lent: i64,
    pending: i64,
    reserved: i64,
    /// What was spent by all when it was lent.
    base: i64,
    pace: Pace,
}

/// Who has parts of an account, by the threads' numbers.
#[derive(Debug, Default)]
pub(super) struct Parts {
    list: Vec<(usize, Arc<Part>)>,
    lent: i64,
}

impl AccountPart {
    /// The part of the thread of this number; `None` if the account is shared with other processes.
    #[must_use]
    pub fn of(account: &Arc<Account>, thread: usize) -> Option<Self> {
        if account.sharing.is_some() {
            return None;
        }
        let mut state = account.alone();
        let parts = state.parts.get_or_insert_default();
        let known = parts.list.iter().find(|(number, _)| *number == thread);
        let part = match known {
            Some((_, part)) => Arc::clone(part),
            None if parts.list.len() >= MOST_PARTS => return None,
            None => {
                let part = Arc::<Part>::default();
                parts.list.push((thread, Arc::clone(&part)));
                part
            }
        };
        drop(state);
        Some(Self { account: Arc::clone(account), part })
    }

    /// As [`Account::reserve`].
    ///
    /// # Errors
    /// As there.
    pub fn reserve(
        &self,
        now: i64,
        period_end: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        (expected, manner): (Expected, Manner),
    ) -> Result<MoneyHold, TooMuch<Overspent>> {
        let amount = match expected {
            Expected::Free => 0,
            Expected::About(amount) => amount.pico().max(0),
        };
        if let Some(hold) = self.part.reserve(period_end, terms.max, amount) {
            return Ok(hold);
        }
        let mut state = self.account.alone();
        state.take_back(&self.part);
        state.enter(now, period_end);
        let hold = self.account.take(&mut state, now, terms, refuses, (expected, manner))?;
        state.lend(&self.part, now, terms, amount);
        Ok(hold)
    }

    /// What is spent in the period that ends at `period_end`, as far as this thread knows; `None` if all are to be asked.
    #[must_use]
    pub fn spent(&self, period_end: i64) -> Option<Money> {
        let own = self.part.own();
        let knows = own.lent > 0 && own.period_end == period_end;
        knows.then(|| Money::from_pico(own.base.saturating_add(own.pending)))
    }

    /// As [`Account::top_up`].
    pub fn top_up(&self, hold: &mut MoneyHold, so_far: Money) {
        if !self.part.top_up(hold, so_far) {
            let mut state = self.account.alone();
            state.take_back(&self.part);
            state.top_up(hold, so_far);
        }
    }

    /// As [`Account::settle`], where no soft budget is to be told of.
    pub fn settle(&self, hold: MoneyHold, cost: Money) {
        if !self.part.settle(&hold, cost) {
            let mut state = self.account.alone();
            state.take_back(&self.part);
            state.settle(&hold, cost);
        }
    }

    /// As [`Account::release`].
    pub fn release(&self, hold: MoneyHold) {
        let mut own = self.part.own();
        if hold.epoch == own.epoch {
            own.reserved -= hold.amount;
        }
    }
}

impl Part {
    fn reserve(&self, period_end: i64, max: Option<Money>, amount: i64) -> Option<MoneyHold> {
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
    fn top_up(&self, hold: &mut MoneyHold, so_far: Money) -> bool {
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
    fn settle(&self, hold: &MoneyHold, cost: Money) -> bool {
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

    fn own(&self) -> MutexGuard<'_, Own> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Own {
    const fn room(&self) -> i64 {
        self.lent.saturating_sub(self.pending).saturating_sub(self.reserved)
    }
}

impl State {
    /// Takes back what all threads were lent, and counts what they spent.
    pub(super) fn gather(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        for (_, part) in &parts.list {
            let _ = self.count(part);
        }
        parts.lent = 0;
        self.parts = Some(parts);
    }

    /// Takes back what one thread was lent, and counts what it spent.
    fn take_back(&mut self, part: &Part) {
        let lent = self.count(part);
        if let Some(parts) = &mut self.parts {
            parts.lent -= lent;
        }
    }

    /// Counts what a thread spent; what it was lent since the counter began.
    fn count(&mut self, part: &Part) -> i64 {
        let mut own = part.own();
        let (pending, reserved) = (std::mem::take(&mut own.pending), std::mem::take(&mut own.reserved));
        let lent = std::mem::take(&mut own.lent);
        if own.epoch != self.epoch {
            return 0;
        }
        self.reserved = self.reserved.saturating_add(reserved);
        self.pending = self.pending.saturating_add(pending);
        lent
    }

    /// Lends a thread that calls often money for calls of about so much, if there is plenty.
    fn lend(&mut self, part: &Part, now: i64, terms: &BudgetTerms, amount: i64) {
        let left = terms.max.map_or(FAR, |max| max.pico().saturating_sub(self.promised()));
        let calls = (left / SHARE / amount.max(1)).min(MOST_CALLS);
        let mut own = part.own();
        (own.epoch, own.period_end) = (self.epoch, self.period_end);
        let Some(parts) = &mut self.parts else { return };
        // A budget that is increased for a time would have to be watched.
        if !own.pace.is_often(now) || calls < LEAST_CALLS || terms.increase.is_some() {
            return;
        }
        own.lent = calls * amount.max(1);
        own.max = terms.max;
        own.base = self.base.saturating_add(self.pending);
        parts.lent = parts.lent.saturating_add(own.lent);
    }

    /// Whether so much more is within the budget even if all that is lent gets spent.
    pub(super) fn has_plenty(&self, terms: &BudgetTerms, expected: Expected) -> bool {
        let Expected::About(amount) = expected else { return true };
        terms.max.is_none_or(|max| self.promised().saturating_add(amount.pico()) < max.pico())
    }

    /// What is spent, promised and lent.
    fn promised(&self) -> i64 {
        let (spent, reserved) = self.all();
        spent.saturating_add(reserved)
    }

    /// What is lent, as if it were promised.
    pub(super) fn lent(&self) -> i64 {
        self.parts.as_ref().map_or(0, |parts| parts.lent)
    }

    /// The counter begins anew, and what was lent of it is forgotten.
    pub(super) fn forget_lent(&mut self) {
        if let Some(parts) = &mut self.parts {
            parts.lent = 0;
        }
    }
}
