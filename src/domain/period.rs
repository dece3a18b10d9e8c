//! Lengths of time as LiteLLM writes them: a number and a unit (`30d`, `1mo`).

use std::fmt;
use std::str::FromStr;

/// A budget's or a key's duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// How many units; at least 1.
    pub count: u32,
    /// The unit.
    pub unit: PeriodUnit,
}

/// The units of a [`Period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
    /// `w`
    Week,
    /// `mo`
    Month,
}

/// A text that is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid duration format")]
pub struct BadPeriod;

/// The longest period, in units: no calendar arithmetic can leave the range of dates below it.
const LARGEST: u32 = 1_000_000;

const UNITS: [(&str, PeriodUnit); 6] = [
    ("mo", PeriodUnit::Month),
    ("s", PeriodUnit::Second),
    ("m", PeriodUnit::Minute),
    ("h", PeriodUnit::Hour),
    ("d", PeriodUnit::Day),
    ("w", PeriodUnit::Week),
];

impl FromStr for Period {
    type Err = BadPeriod;

    fn from_str(text: &str) -> Result<Self, BadPeriod> {
        let text = text.trim();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
            .ok_or(BadPeriod)?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadPeriod);
        }
        let count: u32 = number.parse().map_err(|_| BadPeriod)?;
        if !(1..=LARGEST).contains(&count) {
            return Err(BadPeriod);
        }
        Ok(Self { count, unit })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, unit)| *unit == self.unit).map_or("", |(suffix, _)| suffix);
        write!(f, "{}{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_printed_alike() {
        for text in ["30s", "15m", "2h", "30d", "1w", "1mo"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "d", "abc", "-1", "-1d", "0d", "1.5h", "+1d", "1y", "99999999999d", "10 d x"] {
            assert_eq!(text.parse::<Period>(), Err(BadPeriod), "{text:?}");
        }
    }
}
