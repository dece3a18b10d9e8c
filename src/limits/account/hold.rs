//! What a call asks of an account, and what it holds of it.

use crate::domain::Money;

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

/// What one call holds of an account, until it is given to [`Account::settle`](super::Account::settle) or
/// [`Account::release`](super::Account::release).
#[derive(Debug)]
#[must_use = "money is reserved until this is given back"]
pub struct MoneyHold {
    pub(super) epoch: u64,
    pub(super) period_end: i64,
    pub(super) amount: i64,
}

impl MoneyHold {
    /// When the period ends that the call is charged to, in unix milliseconds; 0 without a period.
    #[must_use]
    pub const fn period_end(&self) -> i64 {
        self.period_end
    }
}
