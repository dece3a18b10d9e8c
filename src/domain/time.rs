//! Moments as numbers.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in unix milliseconds; 0 for one before 1970.
#[must_use]
pub fn unix_ms(at: SystemTime) -> i64 {
    i64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
