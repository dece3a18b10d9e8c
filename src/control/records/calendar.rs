//! When a budget's period ends, for showing it.

use crate::domain::{Period, PeriodUnit};
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Unit};

/// The end of the period that runs at `now`, by the calendar in UTC: `1d` is the next midnight, `7d` the next
/// Monday, `30d` the first of the next month.
pub(super) fn aligned_end(period: Period, now: Timestamp) -> Option<Timestamp> {
    let at = now.to_zoned(TimeZone::UTC).datetime();
    let midnight = at.date().to_datetime(jiff::civil::Time::midnight());
    let count = i64::from(period.count);
    let end = match (period.unit, count) {
        (PeriodUnit::Second, _) => after(midnight, at, 1, count),
        (PeriodUnit::Minute, _) => after(midnight, at, 60, count),
        (PeriodUnit::Hour, _) => after(midnight, at, 3600, count),
        (PeriodUnit::Day, 7) | (PeriodUnit::Week, 1) => at
            .date()
            .nth_weekday(1, Weekday::Monday)
            .ok()
            .map(|day| day.to_datetime(jiff::civil::Time::midnight())),
        (PeriodUnit::Day, 30) => first_of_month(at, 1),
        (PeriodUnit::Day, _) => midnight.checked_add(Span::new().try_days(count).ok()?).ok(),
        (PeriodUnit::Week, _) => midnight.checked_add(Span::new().try_weeks(count).ok()?).ok(),
        (PeriodUnit::Month, _) => first_of_month(at, count),
    };
    end?.to_zoned(TimeZone::UTC).ok().map(|end| end.timestamp())
}

fn after(midnight: DateTime, at: DateTime, unit: i64, count: i64) -> Option<DateTime> {
    let step = unit.checked_mul(count)?;
    let since = at.since((Unit::Second, midnight)).ok()?.get_seconds();
    midnight.checked_add(Span::new().try_seconds((since / step + 1) * step).ok()?).ok()
}

fn first_of_month(at: DateTime, months: i64) -> Option<DateTime> {
    let first = at.date().first_of_month().to_datetime(jiff::civil::Time::midnight());
    first.checked_add(Span::new().try_months(months).ok()?).ok()
}

/// `from` and one period.
pub(in crate::control) fn plain_end(period: Period, from: Timestamp) -> Option<Timestamp> {
    let from = from.to_zoned(TimeZone::UTC);
    from.checked_add(span(period)?).ok().map(|end| end.timestamp())
}

fn span(period: Period) -> Option<Span> {
    let (count, span) = (i64::from(period.count), Span::new());
    let span = match period.unit {
        PeriodUnit::Second => span.try_seconds(count),
        PeriodUnit::Minute => span.try_minutes(count),
        PeriodUnit::Hour => span.try_hours(count),
        PeriodUnit::Day => span.try_days(count),
        PeriodUnit::Week => span.try_weeks(count),
        PeriodUnit::Month => span.try_months(count),
    };
    span.ok()
}

/// The first end after `now` of periods the first of which ends at `first`.
pub(super) fn rolled(first: Timestamp, period: Period, now: Timestamp) -> Option<Timestamp> {
    if first > now {
        return Some(first);
    }
    let length = plain_end(period, first)?.as_second().checked_sub(first.as_second()).filter(|n| *n > 0)?;
    let missed = (now.as_second() - first.as_second()) / length + 1;
    first.checked_add(Span::new().try_seconds(missed.checked_mul(length)?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_as_litellm_says() {
        // A Saturday.
        let now: Timestamp = "2026-11-21T07:31:09.5Z".parse().unwrap();
        for (period, end) in [
            ("1d", "2026-11-22T00:00:00Z"),
            ("7d", "2026-11-23T00:00:00Z"),
            ("30d", "2026-12-01T00:00:00Z"),
            ("1mo", "2026-12-01T00:00:00Z"),
            ("3d", "2026-11-24T00:00:00Z"),
            ("1h", "2026-11-21T08:00:00Z"),
            ("5m", "2026-11-21T07:35:00Z"),
            ("30s", "2026-11-21T07:31:30Z"),
        ] {
            assert_eq!(aligned_end(period.parse().unwrap(), now).unwrap().to_string(), end, "{period}");
        }
        let first: Timestamp = "2026-11-20T07:00:00Z".parse().unwrap();
        assert_eq!(rolled(first, "1d".parse().unwrap(), now).unwrap().to_string(), "2026-11-22T07:00:00Z");
        let huge: Period = "1000000mo".parse().unwrap();
        assert_eq!((aligned_end(huge, now), plain_end(huge, now)), (None, None));
    }
}
