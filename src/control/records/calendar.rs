//! Periods that run from their first day.

use crate::control::calendar::after;
use crate::domain::Period;
use jiff::{Span, Timestamp};

/// The first end after `now` of periods the first of which ends at `first`.
pub(super) fn rolled(first: Timestamp, period: Period, now: Timestamp) -> Option<Timestamp> {
    if first > now {
        return Some(first);
    }
    let length = after(period, first)?.as_second().checked_sub(first.as_second()).filter(|n| *n > 0)?;
    let missed = (now.as_second() - first.as_second()) / length + 1;
    first.checked_add(Span::new().try_seconds(missed.checked_mul(length)?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_that_is_over_is_followed_by_the_next() {
        let now: Timestamp = "2026-11-21T07:31:09.5Z".parse().unwrap();
        let first: Timestamp = "2026-11-20T07:00:00Z".parse().unwrap();
        assert_eq!(rolled(first, "1d".parse().unwrap(), now).unwrap().to_string(), "2026-11-22T07:00:00Z");
        assert_eq!(rolled(now, "1000000mo".parse().unwrap(), now), None);
    }
}
