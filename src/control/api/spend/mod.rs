//! `/spend/*`, `/global/*` and the daily activities: what was spent, by whom and on what.
//!
//! Sums come from the roll-ups and rows from the books, each by an index and with a bound. What was called within the
//! last second may still be on its way there.

mod access;
pub(in crate::control) mod activity;
pub(in crate::control) mod calculate;
pub(in crate::control) mod daily;
mod dates;
pub(in crate::control) mod exceptions;
pub(in crate::control) mod global;
pub(in crate::control) mod logs;
pub(in crate::control) mod report;
mod row;
pub(in crate::control) mod search;
#[cfg(test)]
mod tests;
pub(in crate::control) mod top;

use crate::domain::Money;

/// Groups that a question about sums may have.
const MOST_GROUPS: u32 = 50_000;

/// Dollars of pico-dollars.
fn dollars(pico: i64) -> f64 {
    Money::from_pico(pico).dollars()
}
