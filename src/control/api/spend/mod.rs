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

use crate::control::respond::Failed;
use crate::domain::{ApiError, ErrorKind, Money};
use crate::store::StoreError;
use axum::Json;
use serde_json::Value;

/// What a handler answers.
type Answer = Result<Json<Value>, Failed>;

/// Groups that a question about sums may have.
const MOST_GROUPS: u32 = 50_000;

fn bad(words: impl Into<String>) -> Failed {
    Failed(ApiError::new(ErrorKind::InvalidRequest, words))
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        log::error!("spend cannot be read: {error}");
        Self(ApiError::new(ErrorKind::DatabaseAway, "The database cannot be asked now."))
    }
}

/// Dollars of pico-dollars.
fn dollars(pico: i64) -> f64 {
    Money::from_pico(pico).dollars()
}
