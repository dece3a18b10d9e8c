//! The part of an account that one thread keeps by itself.

use super::own::Own;
use super::state::State;
use super::{Account, Expected, Manner, MoneyHold, Overspent, Refuses, TooMuch};
use crate::domain::{BudgetTerms, Money};
use crate::limits::lending::Part;
use std::sync::Arc;

/// Money for so many calls is lent at most; for fewer than the least it is not worth it.
const MOST_CALLS: i64 = 128;
const LEAST_CALLS: i64 = 64;
/// The part of what is left that one thread gets.
const SHARE: i64 = 16;
/// Stands for no budget, in pico-dollars.
const FAR: i64 = 1 << 60;

/// An account as one thread has it.
#[derive(Debug)]
pub struct AccountPart {
    account: Arc<Account>,
    part: Arc<Part<Own>>,
}

impl AccountPart {
    /// The part of the thread of this number; `None` if the account is shared with other processes.
    #[must_use]
    pub fn of(account: &Arc<Account>, thread: usize) -> Option<Self> {
        if account.sharing.is_some() {
            return None;
        }
        let part = account.alone().parts.get_or_insert_default().of(thread)?;
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

impl State {
    /// Takes back what all threads were lent, and counts what they spent.
    pub(super) fn gather(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        for part in parts.all() {
            let _ = self.count(part);
        }
        parts.lent = 0;
        self.parts = Some(parts);
    }

    /// Takes back what one thread was lent, and counts what it spent.
    fn take_back(&mut self, part: &Part<Own>) {
        let lent = self.count(part);
        if let Some(parts) = &mut self.parts {
            parts.lent -= lent;
        }
    }

    /// Counts what a thread spent; what it was lent since the counter began.
    fn count(&mut self, part: &Part<Own>) -> i64 {
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
    fn lend(&mut self, part: &Part<Own>, now: i64, terms: &BudgetTerms, amount: i64) {
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
