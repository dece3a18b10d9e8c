//! One counter of spent money: what the database knows of, what it does not know of yet, and what is promised to
//! calls under way.
//!
//! A call reserves what it will about cost and settles what it did cost. So a burst cannot pass a budget by more
//! than one call, and a guess that is too high cannot close a budget on which nothing is under way.

mod state;

pub use state::{Balance, Overspent};

use crate::domain::{BudgetTerms, CounterId, Money};
use state::State;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// When a budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuses {
    /// When all of it is spent: keys, users, organizations and windows of `budget_limits`.
    AtMax,
    /// When more than all of it is spent: teams, their members, end users and the whole gateway.
    AboveMax,
}

/// What a call will cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Surely nothing: the model's price is zero. No budget is asked.
    Free,
    /// About this much; zero if the price is unknown.
    About(Money),
}

/// What one call holds of an account, until it is given to [`Account::settle`] or [`Account::release`].
#[derive(Debug)]
#[must_use = "money is reserved until this is given back"]
pub struct MoneyHold {
    epoch: u64,
    period_end: i64,
    amount: i64,
}

impl MoneyHold {
    /// When the period ends that the call is charged to, in unix milliseconds; 0 without a period.
    #[must_use]
    pub const fn period_end(&self) -> i64 {
        self.period_end
    }
}

/// One counter of spent money.
#[derive(Debug)]
pub struct Account {
    counter: CounterId,
    state: Mutex<State>,
}

impl Account {
    /// An account on which nothing is known to be spent, made at `now` (unix milliseconds).
    #[must_use]
    pub fn new(counter: CounterId, now: i64) -> Self {
        Self { counter, state: Mutex::new(State { used_at: now, ..State::default() }) }
    }

    /// Its name.
    #[must_use]
    pub const fn counter(&self) -> &CounterId {
        &self.counter
    }

    /// Whether the database was asked what was spent.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.state().loaded
    }

    /// Takes over what the database has: `total` in the period that ends at `period_end` (unix milliseconds, 0
    /// without a period; both 0 if it has nothing). Only the first time counts.
    pub fn load(&self, total: Money, period_end: i64) {
        let mut state = self.state();
        if !state.loaded {
            state.learn(total.pico(), period_end);
            state.at_first = state.base;
        }
    }

    /// Takes over what the database has after `amount` of what was settled here was written to it. With an amount
    /// of zero it is news of others' spending, or of money that was settled before a restart.
    pub fn written(&self, db_total: Money, period_end: i64, amount: Money) {
        let mut state = self.state();
        if state.learn(db_total.pico(), period_end) {
            state.pending = state.pending.saturating_sub(amount.pico()).max(0);
        }
    }

    /// Promises `expected` to a call at `now`, in the period that ends at `period_end` (unix milliseconds, 0
    /// without a period).
    ///
    /// # Errors
    /// The budget is spent, or promised to calls under way; nothing is taken then.
    pub fn reserve(
        &self,
        now: i64,
        period_end: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        expected: Expected,
    ) -> Result<MoneyHold, Overspent> {
        let mut state = self.state();
        state.enter(now, period_end);
        let amount = room(&state, now, terms, refuses, expected)?;
        state.reserved += amount;
        state.used_at = now;
        Ok(MoneyHold { epoch: state.epoch, period_end: state.period_end, amount })
    }

    /// Whether a call would be promised `expected`; nothing is taken.
    ///
    /// # Errors
    /// As [`Account::reserve`].
    pub fn check(
        &self,
        now: i64,
        period_end: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        expected: Expected,
    ) -> Result<(), Overspent> {
        let mut state = self.state();
        state.enter(now, period_end);
        room(&state, now, terms, refuses, expected).map(drop)
    }

    /// Raises what a call holds to what it cost so far. Never refuses: the money is spent already.
    pub fn top_up(&self, hold: &mut MoneyHold, so_far: Money) {
        let mut state = self.state();
        if hold.epoch == state.epoch {
            let more = so_far.pico().saturating_sub(hold.amount).clamp(0, i64::MAX - state.reserved);
            hold.amount += more;
            state.reserved += more;
        }
    }

    /// The call cost `cost`, in the period in which it was reserved. What is spent by now, if this is the first time
    /// in the period that it reaches `soft`.
    pub fn settle(&self, hold: MoneyHold, cost: Money, soft: Option<Money>) -> Option<Money> {
        let mut state = self.state();
        if hold.epoch != state.epoch {
            return None;
        }
        state.reserved -= hold.amount;
        if hold.period_end == state.period_end {
            state.pending = state.pending.saturating_add(cost.pico());
        } else {
            state.base = state.base.saturating_add(cost.pico());
        }
        let spent = state.balance().spent();
        let reaches = |soft: Money| spent >= soft && !state.warned && state.at_first < soft.pico();
        let crossed = soft.is_some_and(reaches);
        state.warned |= crossed;
        crossed.then_some(spent)
    }

    /// The call cost nothing.
    pub fn release(&self, hold: MoneyHold) {
        let mut state = self.state();
        if hold.epoch == state.epoch {
            state.reserved -= hold.amount;
        }
    }

    /// What is counted at `now` in the period that ends at `period_end` (unix milliseconds, 0 without a period).
    #[must_use]
    pub fn balance(&self, now: i64, period_end: i64) -> Balance {
        let mut state = self.state();
        state.enter(now, period_end);
        state.balance()
    }

    /// When it was last used, in unix milliseconds; `None` while it knows what the database does not.
    pub(super) fn rest(&self) -> Option<i64> {
        let state = self.state();
        (state.pending == 0 && state.reserved == 0).then_some(state.used_at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What would be promised to a call, in pico-dollars.
fn room(
    state: &State,
    now: i64,
    terms: &BudgetTerms,
    refuses: Refuses,
    expected: Expected,
) -> Result<i64, Overspent> {
    let Expected::About(cost) = expected else { return Ok(0) };
    let amount = cost.pico().clamp(0, i64::MAX - state.reserved);
    if let Some(max) = terms.max {
        let increase = terms.increase.filter(|(_, until)| now < *until);
        let max = max.saturating_add(increase.map_or(Money::ZERO, |(more, _)| more));
        if !state.affords(max.pico(), refuses, amount) {
            let balance = state.balance();
            return Err(Overspent { spent: balance.spent(), reserved: balance.reserved, max });
        }
    }
    Ok(amount)
}
