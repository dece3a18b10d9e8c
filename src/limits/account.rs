//! One counter of spent money: what the database knows of, what it does not know of yet, and what is promised to
//! calls under way.
//!
//! A call reserves what it will about cost and settles what it did cost. So a burst cannot pass a budget by more
//! than one call, and a guess that is too high cannot close a budget on which nothing is under way.

use crate::domain::{BudgetTerms, CounterId, Money};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How late the clock of one request can be against another's, in milliseconds.
const LATE: i64 = 1000;

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

/// Amounts are in pico-dollars, times in unix milliseconds.
#[derive(Debug, Default)]
struct State {
    base: i64,
    pending: i64,
    reserved: i64,
    /// 0 without a period.
    period_end: i64,
    /// Grows whenever the counter begins anew, so that late settlements find out that their period is over.
    epoch: u64,
    /// What the database had at first: a soft budget below it was reported then.
    at_first: i64,
    loaded: bool,
    warned: bool,
    used_at: i64,
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
        let mut amount = 0;
        if let Expected::About(cost) = expected {
            amount = cost.pico().clamp(0, i64::MAX - state.reserved);
            if let Some(max) = terms.max {
                let increase = terms.increase.filter(|(_, until)| now < *until);
                let max = max.saturating_add(increase.map_or(Money::ZERO, |(more, _)| more));
                if !state.affords(max.pico(), refuses, amount) {
                    let balance = state.balance();
                    return Err(Overspent { spent: balance.spent(), reserved: balance.reserved, max });
                }
            }
        }
        state.reserved += amount;
        state.used_at = now;
        Ok(MoneyHold { epoch: state.epoch, period_end: state.period_end, amount })
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

impl State {
    const fn balance(&self) -> Balance {
        Balance {
            base: Money::from_pico(self.base),
            pending: Money::from_pico(self.pending),
            reserved: Money::from_pico(self.reserved),
        }
    }

    fn affords(&self, max: i64, refuses: Refuses, amount: i64) -> bool {
        let spent = self.base.saturating_add(self.pending);
        let open = match refuses {
            Refuses::AtMax => spent < max,
            Refuses::AboveMax => max > 0 && spent <= max,
        };
        let promised = spent.saturating_add(self.reserved).saturating_add(amount);
        open && max > 0 && (self.reserved == 0 || promised <= max)
    }

    const fn begin(&mut self, period_end: i64) {
        self.epoch = self.epoch.wrapping_add(1);
        self.period_end = period_end;
        self.base = 0;
        self.pending = 0;
        self.reserved = 0;
        self.at_first = 0;
        self.warned = false;
    }

    /// Comes into the period that ends at `period_end`. If the last one is over, the counter begins anew; if not, the
    /// terms were changed, and what was spent stays spent.
    const fn enter(&mut self, now: i64, period_end: i64) {
        let late = period_end != 0 && period_end < self.period_end && period_end <= now.saturating_add(LATE);
        if period_end == self.period_end || late {
            return;
        }
        if self.period_end != 0 && now >= self.period_end {
            self.begin(period_end);
            return;
        }
        self.base = self.base.saturating_add(self.pending);
        self.pending = 0;
        self.period_end = period_end;
    }

    /// Takes over the database's total, if it is of this period or a later one; whether it was.
    const fn learn(&mut self, total: i64, period_end: i64) -> bool {
        self.loaded = true;
        if period_end != 0 && self.period_end != 0 {
            if period_end < self.period_end {
                return false;
            }
            if period_end > self.period_end {
                self.begin(period_end);
            }
        } else if period_end != 0 {
            self.period_end = period_end;
        }
        self.base = total;
        true
    }
}
