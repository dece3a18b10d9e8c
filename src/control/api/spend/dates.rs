//! Days and moments as clients write them, all in UTC.

use crate::control::input::Refusal;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Days of `/global/*` when none are named.
const MONTH: i32 = 30;

pub(super) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// From the day a month ago to this one.
pub(super) fn last_month() -> (Date, Date) {
    let today = today();
    (today.checked_sub(MONTH.days()).unwrap_or(today), today)
}

/// `2026-11-21`, also with a time behind it.
pub(super) fn day(text: &str) -> Result<Date, Refusal> {
    let date = text.get(..10).unwrap_or(text);
    date.parse()
        .map_err(|_| Refusal::bad(format!("Invalid date format: {}. Expected: YYYY-MM-DD", shown(text))))
}

/// Both days, or the last month if neither is named.
pub(super) fn days(from: Option<&str>, to: Option<&str>) -> Result<(Date, Date), Refusal> {
    let (month_ago, today) = last_month();
    Ok((from.map_or(Ok(month_ago), day)?, to.map_or(Ok(today), day)?))
}

/// Both days, which must be named.
pub(super) fn named_days(from: Option<&str>, to: Option<&str>) -> Result<(Date, Date), Refusal> {
    match (from, to) {
        (Some(from), Some(to)) => Ok((day(from)?, day(to)?)),
        _ => Err(Refusal::bad("Please provide start_date and end_date")),
    }
}

/// `2026-11-21 07:30:00` in unix milliseconds.
pub(super) fn moment(text: &str) -> Result<u64, Refusal> {
    let fault =
        || Refusal::bad(format!("Invalid date format: {}. Expected: YYYY-MM-DD HH:MM:SS", shown(text)));
    let at: DateTime = text.trim_end_matches('Z').parse().map_err(|_| fault())?;
    milliseconds(at).ok_or_else(fault)
}

/// The moments at which a day begins and the next one does, in unix milliseconds.
pub(super) fn bounds(from: Date, to: Date) -> (Option<u64>, Option<u64>) {
    let begins = |day: Date| milliseconds(day.to_datetime(jiff::civil::Time::midnight()));
    (begins(from), to.tomorrow().ok().and_then(begins))
}

fn milliseconds(at: DateTime) -> Option<u64> {
    let stamp = at.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(u64::try_from(stamp.as_millisecond()).unwrap_or_default())
}

/// A moment as LiteLLM prints it.
pub(super) fn iso(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// What a client wrote, short enough to repeat.
fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(40)).unwrap_or_default()
}
