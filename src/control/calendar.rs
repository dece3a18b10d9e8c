//! Times as LiteLLM writes them, and when budgets begin anew.

use super::Control;
use crate::domain::{Period, PeriodUnit, unix_ms};
use crate::limits::{Zone, period_end};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::time::SystemTime;

/// A time in LiteLLM's form within rows: microseconds and `+00:00`.
pub(super) fn iso(time: Timestamp) -> String {
    format!("{}+00:00", time.strftime("%Y-%m-%dT%H:%M:%S%.6f"))
}

/// The same in the form of answers that make something: it ends in `Z`.
pub(super) fn with_z(iso: &str) -> String {
    iso.strip_suffix("+00:00").map_or_else(|| iso.to_owned(), |time| format!("{time}Z"))
}

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

/// Now, to the millisecond, as rows note their changes.
pub(super) fn now() -> Timestamp {
    Timestamp::from_millisecond(now_ms()).unwrap_or_default()
}

/// When something that lasts so long from now is over; `None` if that is beyond all calendars.
pub(super) fn after(period: Period, now: Timestamp) -> Option<Timestamp> {
    now.to_zoned(TimeZone::UTC).checked_add(span(period)).ok().map(|time| time.timestamp())
}

/// When a budget of that period next begins anew, by the calendar of the configured zone.
pub(super) fn next_reset(control: &Control, period: Period, now: Timestamp) -> Option<Timestamp> {
    let snapshot = control.runtime.load();
    let zone = snapshot.config.spending.time_zone.as_deref().and_then(|name| Zone::named(name).ok());
    let end = period_end(period, None, now.as_millisecond(), &zone.unwrap_or(Zone::UTC));
    Timestamp::from_millisecond(end).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_both_forms() {
        let time: Timestamp = "2026-12-21T01:48:16.628254Z".parse().unwrap();
        assert_eq!(iso(time), "2026-12-21T01:48:16.628254+00:00");
        assert_eq!(with_z(&iso(time)), "2026-12-21T01:48:16.628254Z");
        for (period, end) in [
            ("90s", "2026-12-21T01:49:46.628254+00:00"),
            ("1d", "2026-12-22T01:48:16.628254+00:00"),
            ("2w", "2027-01-04T01:48:16.628254+00:00"),
            ("2mo", "2027-02-21T01:48:16.628254+00:00"),
        ] {
            assert_eq!(iso(after(period.parse().unwrap(), time).unwrap()), end, "{period}");
        }
        assert_eq!(after("1000000mo".parse().unwrap(), time), None);
    }
}
