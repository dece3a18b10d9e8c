//! One counter of spent money: what the database knows of, what it does not know of yet, and what is promised to
//! calls under way.
//!
//! A call reserves what it will about cost and settles what it did cost. So a burst cannot pass a budget by more
//! than one call, and a guess that is too high cannot close a budget on which nothing is under way.

mod part;
mod state;

pub use part::AccountPart;
pub use state::{Balance, LATE, Overspent};

use super::sharing::{FRESH, Noted};
use super::{AccountNews, AccountReport, Manner, Sharing, Together, TooMuch};
use crate::domain::{BudgetTerms, CounterId, Money};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// One counter of spent money. What changes with each call is one line of a processor's cache and no more: threads that
/// count here at the same time wait for each other once.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Account {
    state: Mutex<State>,
    counter: CounterId,
    sharing: Option<Arc<Sharing>>,
}

impl Account {
    /// An account on which nothing is known to be spent, made at `now` (unix milliseconds).
    #[must_use]
    pub fn new(counter: CounterId, now: i64) -> Self {
        Self { counter, sharing: None, state: Mutex::new(State { used_at: now, ..State::default() }) }
    }

    /// Shares it with the accounts of the same name in other processes.
    #[must_use]
    pub fn shared(mut self, sharing: Arc<Sharing>) -> Self {
        self.sharing = Some(sharing);
        self
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
    /// without a period; both 0 if it has nothing), at `now`. Only the first time counts.
    pub fn load(&self, now: i64, total: Money, period_end: i64) {
        let mut state = self.state();
        if !state.loaded {
            state.learn(now, total.pico(), period_end);
            state.at_first = state.base;
        }
    }

    /// Takes over what the database has at `now` after `amount` of what was settled here was written to it. With an
    /// amount of zero it is news of others' spending, or of money that was settled before a restart.
    pub fn written(&self, now: i64, db_total: Money, period_end: i64, amount: Money) {
        let mut state = self.state();
        if state.learn(now, db_total.pico(), period_end) {
            state.pending = state.pending.saturating_sub(amount.pico()).max(0);
            if let Some(lease) = &mut state.lease {
                // What it was for is spent.
                lease.granted = lease.granted.saturating_sub(amount.pico()).max(0);
            }
        }
    }

    /// Promises `expected` to a call at `now`, in the period that ends at `period_end` (unix milliseconds, 0
    /// without a period).
    ///
    /// # Errors
    /// The budget is spent, or promised to calls under way, or leave is to be asked for first; nothing is taken then.
    pub fn reserve(
        &self,
        now: i64,
        period_end: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        (expected, manner): (Expected, Manner),
    ) -> Result<MoneyHold, TooMuch<Overspent>> {
        let mut state = self.alone();
        state.enter(now, period_end);
        self.take(&mut state, now, terms, refuses, (expected, manner))
    }

    /// [`Account::reserve`] in a period that runs.
    fn take(
        &self,
        state: &mut State,
        now: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        (expected, manner): (Expected, Manner),
    ) -> Result<MoneyHold, TooMuch<Overspent>> {
        // Threads may have spent less than they were lent.
        if state.parts.is_some() && !state.has_plenty(terms, expected) {
            state.gather();
        }
        let amount = self.room(state, now, terms, refuses, (expected, manner))?;
        self.note(state, terms, amount);
        state.reserved += amount;
        state.used_at = now;
        Ok(MoneyHold { epoch: state.epoch, period_end: state.period_end, amount })
    }

    /// Raises what a call holds to `expected`, because it goes to a dearer model now; what is held already is never
    /// lowered.
    ///
    /// # Errors
    /// As [`Account::reserve`]; the call then holds what it held.
    pub fn raise(
        &self,
        now: i64,
        hold: &mut MoneyHold,
        terms: &BudgetTerms,
        refuses: Refuses,
        expected: Expected,
    ) -> Result<(), TooMuch<Overspent>> {
        let mut state = self.state();
        if hold.epoch != state.epoch {
            return Ok(());
        }
        let held = state.reserved;
        state.reserved = held - hold.amount;
        let asked = self.room(&state, now, terms, refuses, (expected, Manner::Decides));
        state.reserved = held;
        let more = asked?.saturating_sub(hold.amount).max(0);
        state.reserved += more;
        hold.amount += more;
        Ok(())
    }

    /// Whether a call would be promised `expected`, as far as is known; nothing is taken.
    ///
    /// # Errors
    /// The budget is spent, or promised to calls under way.
    pub fn check(
        &self,
        now: i64,
        period_end: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        expected: Expected,
    ) -> Result<(), TooMuch<Overspent>> {
        let mut state = self.state();
        state.enter(now, period_end);
        self.room(&state, now, terms, refuses, (expected, Manner::Decides)).map(drop)
    }

    /// The budget and the amount that leave is to be asked for before a call can be let through or refused.
    pub(super) fn lacks(
        &self,
        now: i64,
        period_end: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        expected: Expected,
    ) -> Option<(Money, Money)> {
        let (Some(_), Expected::About(amount)) = (&self.sharing, expected) else { return None };
        let max = most(now, terms)?;
        let mut state = self.state();
        state.enter(now, period_end);
        let room = self.room(&state, now, terms, refuses, (expected, Manner::Waits));
        matches!(room, Err(TooMuch::Unknown)).then_some((max, amount))
    }

    /// Raises what a call holds to what it cost so far. Never refuses: the money is spent already.
    pub fn top_up(&self, hold: &mut MoneyHold, so_far: Money) {
        self.alone().top_up(hold, so_far);
    }

    /// The call cost `cost`, in the period in which it was reserved. What is spent by now, if this is the first time
    /// in the period that it reaches `soft`.
    pub fn settle(&self, hold: MoneyHold, cost: Money, soft: Option<Money>) -> Option<Money> {
        let mut state = self.alone();
        if !state.settle(&hold, cost) {
            return None;
        }
        let soft = soft?;
        state.gather();
        let spent = state.balance().spent();
        let crossed = spent >= soft && !state.warned && state.at_first < soft.pico();
        state.warned |= crossed;
        crossed.then_some(spent)
    }

    /// The call cost nothing.
    pub fn release(&self, hold: MoneyHold) {
        let mut state = self.alone();
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

    /// What others are to be told. Leave that is not used is given up, unless it is to be kept.
    #[must_use]
    pub fn report(&self, keeps: bool) -> AccountReport {
        let mut state = self.state();
        let used = state.pending.saturating_add(state.reserved);
        let (period_end, base, pending) = (state.period_end, state.base, state.pending);
        let lease = state.lease.get_or_insert_default();
        lease.is_told = true;
        if !keeps {
            lease.granted = lease.granted.min(used);
        }
        let set_back = std::mem::take(&mut lease.set_back);
        AccountReport { period_end, base, set_back, pending, held: lease.granted.max(used), used }
    }

    /// Nobody tells others of it any more, until it is noted again.
    pub fn untold(&self) {
        if let Some(lease) = &mut self.state().lease {
            lease.is_told = false;
        }
    }

    /// Takes over what was heard of others at `now` (unix milliseconds), if it is of the present period.
    pub fn hear(&self, now: i64, news: &AccountNews) {
        let mut state = self.state();
        if news.period_end != state.period_end {
            return;
        }
        let lease = state.lease.get_or_insert_default();
        lease.is_told = true;
        lease.granted = news.granted;
        lease.base = news.base;
        lease.pending = news.pending;
        lease.promised = news.held.saturating_sub(news.pending);
        lease.heard_at = now;
    }

    /// What would be promised to a call, in pico-dollars.
    fn room(
        &self,
        state: &State,
        now: i64,
        terms: &BudgetTerms,
        refuses: Refuses,
        (expected, manner): (Expected, Manner),
    ) -> Result<i64, TooMuch<Overspent>> {
        let Expected::About(cost) = expected else { return Ok(0) };
        let amount = cost.pico().clamp(0, i64::MAX - state.reserved);
        let Some(max) = most(now, terms) else { return Ok(amount) };
        let affords = if state.affords(max.pico(), refuses, amount) {
            Ok(amount)
        } else {
            let (spent, reserved) = state.all();
            let money = Money::from_pico;
            Err(TooMuch::Reached(Overspent { spent: money(spent), reserved: money(reserved), max }))
        };
        let Some(sharing) = &self.sharing else { return affords };
        match (sharing.together(), manner) {
            (Together::Closed, _) => Err(TooMuch::Closed),
            (Together::Alone, _) | (Together::Yes, Manner::Decides) => affords,
            (Together::Yes, Manner::Waits) => {
                if state.covers(amount) && affords.is_ok() {
                    return Ok(amount);
                }
                let heard_at = state.lease.as_ref().map_or(i64::MIN, |lease| lease.heard_at);
                let fresh = now.saturating_sub(heard_at) < FRESH;
                // Where the price is unknown there is nothing to have leave for.
                let decides = fresh && (affords.is_err() || amount == 0);
                if decides { affords } else { Err(TooMuch::Unknown) }
            }
        }
    }

    /// Sees to it that what is taken without leave is told.
    fn note(&self, state: &mut State, terms: &BudgetTerms, amount: i64) {
        let (Some(sharing), Some(_)) = (&self.sharing, terms.max) else { return };
        let covers = state.covers(amount);
        let lease = state.lease.get_or_insert_default();
        if !lease.is_told && !covers {
            lease.is_told = sharing.note(Noted::Account(self.counter.clone()));
        }
    }

    /// When it was last used, in unix milliseconds; `None` while it knows what the database does not.
    pub(super) fn rest(&self) -> Option<i64> {
        let state = self.state();
        (state.pending == 0 && state.reserved == 0).then_some(state.used_at)
    }

    /// With all that threads have spent by themselves.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.alone();
        state.gather();
        state
    }

    /// Without what threads have spent by themselves.
    fn alone(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The budget with its increase.
fn most(now: i64, terms: &BudgetTerms) -> Option<Money> {
    let increase = terms.increase.filter(|(_, until)| now < *until);
    terms.max.map(|max| max.saturating_add(increase.map_or(Money::ZERO, |(more, _)| more)))
}
