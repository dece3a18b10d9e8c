//! What a permit tells of its callers: before the call how they stand, after it what they owe.

use super::Descriptor;
use crate::domain::{Charge, CounterId, Money};
use smallvec::SmallVec;

/// A limit and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The limit.
    pub limit: u64,
    /// What is left.
    pub remaining: u64,
}

/// How a caller stands after its request was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose limits these are.
    pub descriptor: Descriptor,
    /// Requests in the window, if they are limited.
    pub requests: Option<Share>,
    /// Tokens in the window, if they are limited.
    pub tokens: Option<Share>,
}

/// A soft budget that a call reached, first in its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftCrossing {
    /// The counter.
    pub counter: CounterId,
    /// The soft budget.
    pub soft: Money,
    /// What is spent.
    pub spent: Money,
}

/// What became of a call's money.
#[derive(Debug, Default)]
#[must_use = "the charges are to be written"]
pub struct Settled {
    /// The counters it is charged to, and room for one more.
    pub charges: Vec<Charge>,
    /// The soft budgets it reached.
    pub crossed: SmallVec<[SoftCrossing; 1]>,
}
