//! When budgets begin anew. The end of a period is a function of the time alone, so nothing has to be swept.
//!
//! Periods without an anchor follow the calendar of a zone:
//! - `7d` and weeks end at a Monday's midnight, `30d` and months at the first of a month;
//! - other days end at a midnight. N days, weeks or months are counted in whole blocks since 1970;
//! - hours, minutes and seconds that make whole days are days; up to a day they are counted since the last midnight,
//!   and the last one of a day ends with it; longer ones since the local midnight that began 1970.
//!
//! Periods with an anchor end there first and then every so often: months by the calendar, all others in plain time.

use crate::domain::{Period, PeriodUnit};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Error, Span, Timestamp, Unit};

const DAY: i64 = 86_400_000;
const EPOCH: Date = date(1970, 1, 1);
/// The Monday of the week that 1970 began in.
const MONDAY: Date = date(1969, 12, 29);

/// The time zone that midnights are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that no time zone has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a time zone; names are as in `Europe/Paris`")]
pub struct UnknownZone(String);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of an IANA name, as in `UTC` or `Asia/Shanghai`.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone(name.to_owned()))
    }
}

/// The end of the period that `now` is in, always after `now`; all times in unix milliseconds. The largest number if
/// it lies beyond the calendar, which ends with the year 9999.
#[must_use]
pub fn period_end(period: Period, anchor: Option<i64>, now: i64, zone: &Zone) -> i64 {
    let period = Period { count: period.count.max(1), ..period };
    let count = i64::from(period.count);
    let end = match (anchor, length(period)) {
        (Some(anchor), _) if now < anchor => Ok(anchor),
        (Some(anchor), Some(length)) => Ok(next_multiple(anchor, length, now)),
        (Some(anchor), None) => months_after(anchor, count, now, zone),
        (None, length) => aligned(period, length, now, zone),
    };
    end.ok().filter(|end| *end > now).unwrap_or(i64::MAX)
}

/// Milliseconds of a period; `None` for months.
fn length(period: Period) -> Option<i64> {
    let unit = match period.unit {
        PeriodUnit::Second => 1000,
        PeriodUnit::Minute => 60_000,
        PeriodUnit::Hour => 3_600_000,
        PeriodUnit::Day => DAY,
        PeriodUnit::Week => 7 * DAY,
        PeriodUnit::Month => return None,
    };
    Some(unit * i64::from(period.count))
}

/// The first of `origin`, `origin + length`, … that is after `now`, to both sides.
fn next_multiple(origin: i64, length: i64, now: i64) -> i64 {
    let (origin, length, now) = (i128::from(origin), i128::from(length.max(1)), i128::from(now));
    let end = origin + ((now - origin).div_euclid(length) + 1) * length;
    i64::try_from(end).unwrap_or(i64::MAX)
}

fn months_after(anchor: i64, count: i64, now: i64, zone: &Zone) -> Result<i64, Error> {
    let start = Timestamp::from_millisecond(anchor)?.to_zoned(zone.0.clone());
    let today = Timestamp::from_millisecond(now)?.to_zoned(zone.0.clone()).date();
    let passed = month_number(today) - month_number(start.date());
    let mut blocks = passed / count;
    loop {
        let end = start.checked_add(Span::new().try_months(blocks * count)?)?.timestamp().as_millisecond();
        if end > now {
            return Ok(end);
        }
        blocks += 1;
    }
}

fn aligned(period: Period, length: Option<i64>, now: i64, zone: &Zone) -> Result<i64, Error> {
    let count = i64::from(period.count);
    let here = Timestamp::from_millisecond(now)?.to_zoned(zone.0.clone());
    let grid = match (period.unit, length) {
        (PeriodUnit::Month, _) | (_, None) => Grid::Months(count),
        (PeriodUnit::Day, _) if count == 30 => Grid::Months(1),
        (PeriodUnit::Day, _) if count == 7 => Grid::Days(7, MONDAY),
        (PeriodUnit::Week, _) => Grid::Days(7 * count, MONDAY),
        (_, Some(length)) if length % DAY == 0 => Grid::Days(length / DAY, EPOCH),
        (_, Some(length)) if length > DAY => return Ok(next_multiple(midnight(EPOCH, zone)?, length, now)),
        (_, Some(length)) => {
            let day_ends = Grid::Days(1, EPOCH).next(here.date(), now, zone)?;
            let day_began = here.start_of_day()?.timestamp().as_millisecond();
            return Ok(next_multiple(day_began, length, now).min(day_ends));
        }
    };
    grid.next(here.date(), now, zone)
}

/// Midnights at which periods end.
#[derive(Clone, Copy)]
enum Grid {
    /// Every so many days since a date.
    Days(i64, Date),
    /// Every so many months since January 1970, on the first.
    Months(i64),
}

impl Grid {
    /// The first end after `now`, which is on the day `today`.
    fn next(self, today: Date, now: i64, zone: &Zone) -> Result<i64, Error> {
        let mut day = today;
        loop {
            day = self.after(day)?;
            let end = midnight(day, zone)?;
            // Where clocks were set back over midnight, the midnight after an instant can lie before it.
            if end > now {
                return Ok(end);
            }
        }
    }

    fn after(self, day: Date) -> Result<Date, Error> {
        match self {
            Self::Days(count, origin) => {
                let passed = i64::from(origin.until((Unit::Day, day))?.get_days());
                origin.checked_add(Span::new().try_days((passed.div_euclid(count) + 1) * count)?)
            }
            Self::Months(count) => {
                let blocks = month_number(day).div_euclid(count) + 1;
                EPOCH.checked_add(Span::new().try_months(blocks * count)?)
            }
        }
    }
}

/// Months since January 1970.
fn month_number(day: Date) -> i64 {
    (i64::from(day.year()) - 1970) * 12 + i64::from(day.month()) - 1
}

fn midnight(day: Date, zone: &Zone) -> Result<i64, Error> {
    Ok(day.to_zoned(zone.0.clone())?.timestamp().as_millisecond())
}
