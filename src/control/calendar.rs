//! Times as LiteLLM writes them, and when budgets begin anew.

use crate::domain::{Period, PeriodUnit};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Unit, Zoned};

/// A time in LiteLLM's form within rows: microseconds and `+00:00`.
pub(super) fn iso(time: Timestamp) -> String {
    format!("{}+00:00", time.strftime("%Y-%m-%dT%H:%M:%S%.6f"))
}

/// The same in the form of answers that make something: it ends in `Z`.
pub(super) fn with_z(iso: &str) -> String {
    iso.strip_suffix("+00:00").map_or_else(|| iso.to_owned(), |time| format!("{time}Z"))
}

/// Now, to the millisecond, as rows note their changes.
pub(super) fn now_ms() -> Timestamp {
    Timestamp::from_millisecond(super::gate::now_ms()).unwrap_or_default()
}

/// When something that lasts so long from now is over; `None` if that is beyond all calendars.
pub(super) fn after(period: Period, now: Timestamp) -> Option<Timestamp> {
    now.to_zoned(TimeZone::UTC).checked_add(span(period)).ok().map(|time| time.timestamp())
}

/// When a budget of that period next begins anew: at midnight, on Monday, on the first of the month, or on the
/// next round hour, minute or second.
pub(super) fn next_reset(period: Period, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let now = now.to_zoned(zone.clone());
    let count = i64::from(period.count);
    let next = match period.unit {
        PeriodUnit::Second => round(&now, i64::from(now.second()), count, Unit::Second),
        PeriodUnit::Minute => round(&now, i64::from(now.minute()), count, Unit::Minute),
        PeriodUnit::Hour => round(&now, i64::from(now.hour()), count, Unit::Hour),
        PeriodUnit::Day => days(&now, count),
        PeriodUnit::Week => days(&now, count.checked_mul(7)?),
        PeriodUnit::Month => first_of_month(&now)?.checked_add(Span::new().try_months(count).ok()?).ok(),
    }?;
    next.to_zoned(zone.clone()).ok().map(|time| time.timestamp())
}

fn span(period: Period) -> Span {
    let count = i64::from(period.count);
    let span = Span::new();
    // The largest count is far below what a span holds, save for months, which end with the calendar.
    let made = match period.unit {
        PeriodUnit::Second => span.try_seconds(count),
        PeriodUnit::Minute => span.try_minutes(count),
        PeriodUnit::Hour => span.try_hours(count),
        PeriodUnit::Day => span.try_hours(count * 24),
        PeriodUnit::Week => span.try_hours(count * 168),
        PeriodUnit::Month => span.try_months(count),
    };
    made.unwrap_or(Span::new().years(9_000))
}

/// The next multiple of `count` units, counted from the start of the larger unit.
fn round(now: &Zoned, at: i64, count: i64, unit: Unit) -> Option<DateTime> {
    let start = now.datetime();
    let start = match unit {
        Unit::Second => start.with().second(0).subsec_nanosecond(0),
        Unit::Minute => start.with().minute(0).second(0).subsec_nanosecond(0),
        _ => start.with().hour(0).minute(0).second(0).subsec_nanosecond(0),
    };
    let next = (at / count + 1) * count;
    let span = match unit {
        Unit::Second => Span::new().try_seconds(next),
        Unit::Minute => Span::new().try_minutes(next),
        _ => Span::new().try_hours(next),
    };
    start.build().ok()?.checked_add(span.ok()?).ok()
}

fn days(now: &Zoned, count: i64) -> Option<DateTime> {
    let midnight = now.date().to_datetime(jiff::civil::Time::midnight());
    let days = match count {
        7 => 7 - i64::from(now.weekday().to_monday_zero_offset()),
        30 => return first_of_month(now)?.checked_add(Span::new().months(1)).ok(),
        count => count,
    };
    midnight.checked_add(Span::new().try_days(days).ok()?).ok()
}

fn first_of_month(now: &Zoned) -> Option<DateTime> {
    now.date().first_of_month().to_datetime(jiff::civil::Time::midnight()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_begin_anew_when_litellms_do() {
        // A Saturday.
        let now: Timestamp = "2026-11-21T01:48:16.628254Z".parse().unwrap();
        for (period, expected) in [
            ("1d", "2026-11-22T00:00:00.000000+00:00"),
            ("7d", "2026-11-23T00:00:00.000000+00:00"),
            ("1w", "2026-11-23T00:00:00.000000+00:00"),
            ("30d", "2026-12-01T00:00:00.000000+00:00"),
            ("1mo", "2026-12-01T00:00:00.000000+00:00"),
            ("2mo", "2027-01-01T00:00:00.000000+00:00"),
            ("10d", "2026-12-01T00:00:00.000000+00:00"),
            ("1h", "2026-11-21T02:00:00.000000+00:00"),
            ("6h", "2026-11-21T06:00:00.000000+00:00"),
            ("15m", "2026-11-21T02:00:00.000000+00:00"),
            ("30s", "2026-11-21T01:48:30.000000+00:00"),
        ] {
            let next = next_reset(period.parse().unwrap(), now, &TimeZone::UTC).unwrap();
            assert_eq!(iso(next), expected, "{period}");
        }
        for period in ["1000000mo", "1000000w", "1000000d"] {
            let period = period.parse().unwrap();
            assert!(next_reset(period, now, &TimeZone::UTC).is_none_or(|next| next > now));
            assert!(after(period, now).is_none_or(|end| end > now));
        }
    }

    #[test]
    fn a_time_is_written_in_both_forms() {
        let time: Timestamp = "2026-12-21T01:48:16.628254Z".parse().unwrap();
        assert_eq!(iso(time), "2026-12-21T01:48:16.628254+00:00");
        assert_eq!(with_z(&iso(time)), "2026-12-21T01:48:16.628254Z");
        assert_eq!(iso(after("1d".parse().unwrap(), time).unwrap()), "2026-12-22T01:48:16.628254+00:00");
    }
}
